"""The protected applications of a node: started in order, watched, stopped in the opposite order."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from takeover.applications import applications as applications_module
from takeover.applications.applications import (
    ApplicationConfig,
    ApplicationFailure,
    ApplicationNotStarted,
    Applications,
)
from takeover.applications.supervise import KILL_SIGNAL
from takeover.endpoint import Endpoint
from takeover.errors import CallerError
from takeover.linux import boottime_ns, processes

MS = 1_000_000
NO_LISTENER = Endpoint("127.0.0.1", 1)


class Setting:
    """Applications that all write to one file, and what was reported about them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.failures: asyncio.Queue[ApplicationFailure] = asyncio.Queue()

    def config(self, name: str, script: str = "", **settings: object) -> ApplicationConfig:
        """By default one that says when it is up and when it is asked to stop, and is ready once it is up."""
        script = (
            script
            or f"trap 'echo {name} down; exit 0' TERM; echo {name} up; touch {self.up(name)}; "
            + ("while :; do sleep 0.005; done")
        )
        defaults: dict[str, object] = {
            "health": ("test", "-e", str(self.up(name))),
            "health_interval_ms": 1_000,
        }
        return ApplicationConfig(name, ("sh", "-c", script), self.log, **(defaults | settings))  # type: ignore[arg-type]  # settings of many types

    def up(self, name: str) -> Path:
        return self.directory / f"{name}.up"

    def applications(self, *configs: ApplicationConfig) -> Applications:
        return Applications(configs, self.failures.put_nowait)

    def lines(self) -> list[str]:
        """What the applications themselves said; a shell may remark that its `sleep` was terminated."""
        return [line for line in self.log.read_text().splitlines() if line.endswith((" up", " down"))]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def children() -> list[int]:
    return [process.pid for process in processes() if process.parent == os.getpid()]


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a scenario; no process may be left of it."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario()

    try:
        asyncio.run(bounded())
        assert [] == children()
    finally:
        for pid in children():
            os.kill(pid, KILL_SIGNAL)


def test_an_application_works_in_its_directory(setting: Setting) -> None:
    """As does its health command: relative arguments mean the same for both."""
    script = 'trap "exit 0" TERM; echo "$PWD up"; touch here; while :; do sleep 0.005; done'
    config = setting.config("app", script, directory=setting.directory, health=("test", "-e", "here"))

    async def play() -> None:
        applications = setting.applications(config)
        await applications.start_all()
        await applications.stop_all()

    asyncio.run(play())
    assert [f"{setting.directory} up"] == setting.lines()
    assert (setting.directory / "here").exists()


def test_they_start_in_order_and_stop_in_the_opposite_order(setting: Setting) -> None:
    """ROLE-2, SWITCH-1: each starts when the one before it is ready; on return all are ready, or nothing lives."""

    async def scenario() -> None:
        applications = setting.applications(setting.config("base"), setting.config("top"))
        for _ in range(2):
            setting.log.write_text("")
            for name in ("base", "top"):
                setting.up(name).unlink(missing_ok=True)
            await applications.start_all()
            assert ["base up", "top up"] == setting.lines()
            await applications.stop_all()
            assert [] == children()
            assert ["base up", "top up", "top down", "base down"] == setting.lines()
            await applications.stop_all()
        assert setting.failures.empty()

    run(scenario)


def test_an_application_without_a_check_is_ready_when_it_runs(setting: Setting) -> None:
    """Running is being well."""

    async def scenario() -> None:
        applications = setting.applications(setting.config("plain", "sleep 1000", health=None))
        await applications.start_all()
        assert 1 == len(children())
        await applications.stop_all()

    run(scenario)


def test_a_stubborn_one_is_killed_after_its_time(setting: Setting) -> None:
    """With what it started, in whatever session that is."""
    stubborn = (
        f"trap '' TERM; setsid sleep 1000 & sleep 1000 & touch {setting.up('one')}; while :; do wait; done"
    )

    async def scenario() -> None:
        applications = setting.applications(setting.config("one", stubborn, stop_timeout_ms=100))
        await applications.start_all()
        begun_ns = boottime_ns()
        await applications.stop_all()
        assert boottime_ns() - begun_ns >= 100 * MS

    run(scenario)


def test_one_that_ends_is_reported_once_with_its_last_words(setting: Setting) -> None:
    """By name, with how it ended and what it printed; the others run on until they are stopped."""

    async def scenario() -> None:
        failing = setting.config("failing", "sleep 0.1; seq 9999; echo out of luck; exit 3", health=None)
        applications = setting.applications(setting.config("lasting"), failing)
        await applications.start_all()
        failure = await setting.failures.get()
        assert ("failing", "exited 3") == (failure.name, failure.reason)
        assert failure.log_tail.endswith("9999\nout of luck\n")
        assert 1_000 == len(failure.log_tail)
        assert 0 < failure.noticed_ns <= boottime_ns()
        assert 1 == len(children())
        await applications.stop_all()
        assert setting.failures.empty()

    run(scenario)


def test_one_that_is_not_well_any_more_is_reported(setting: Setting) -> None:
    """With the reason of the last check; it runs on until it is stopped."""

    async def scenario() -> None:
        async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
            endpoint = Endpoint(*server.sockets[0].getsockname())
            config = setting.config("ailing", "sleep 1000", health=endpoint, health_interval_ms=50)
            applications = setting.applications(config)
            await applications.start_all()
        failure = await setting.failures.get()
        assert ("ailing", str(endpoint)) == (failure.name, failure.reason[: len(str(endpoint))])
        assert 1 == len(children())
        await applications.stop_all()

    run(scenario)


def test_only_failed_checks_in_a_row_are_a_failure(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """One success in between, and the count begins anew; the reason told is the last one."""
    answers = ["", "1st", "2nd", "", "3rd", "", "4th", "5th", "6th", "7th"]

    async def answer(*_: object) -> str:
        return answers.pop(0)

    async def scenario() -> None:
        monkeypatch.setattr(applications_module, "ailment", answer)
        config = setting.config("moody", "sleep 1000", health_interval_ms=1, health_failures_max=3)
        applications = setting.applications(config)
        await applications.start_all()
        assert "6th" == (await setting.failures.get()).reason
        await applications.stop_all()
        assert ["7th"] == answers

    run(scenario)


@pytest.mark.parametrize(
    ("script", "settings", "reason"),
    [
        ("echo oh no; exit 3", {"health": NO_LISTENER}, "it ended before it was ready: exited 3"),
        (
            "sleep 1000",
            {"health": NO_LISTENER, "ready_timeout_ms": 100},
            "not ready after 100 ms: 127.0.0.1:1: ",
        ),
        (
            "sleep 1000",
            {"health": ("sleep", "1000"), "ready_timeout_ms": 100},
            "not ready after 100 ms: sleep: no answer",
        ),
    ],
)
def test_a_start_that_fails_leaves_nothing_running(
    setting: Setting, script: str, settings: dict[str, object], reason: str
) -> None:
    """It raises what happened, and those that were ready already are stopped."""

    async def scenario() -> None:
        applications = setting.applications(setting.config("good"), setting.config("bad", script, **settings))
        with pytest.raises(ApplicationNotStarted) as refusal:
            await applications.start_all()
        assert "bad" == refusal.value.failure.name
        assert refusal.value.failure.reason.startswith(reason)
        assert [] == children()
        assert ["good up", "good down"] == setting.lines()
        assert setting.failures.empty()

    run(scenario)


def test_a_program_that_is_not_there_is_a_failed_start(setting: Setting) -> None:
    """With its name."""

    async def scenario() -> None:
        config = ApplicationConfig("missing", ("/no/such/program",), setting.log)
        with pytest.raises(ApplicationNotStarted, match=r"application missing: .*/no/such/program"):
            await setting.applications(config).start_all()

    run(scenario)


def test_stopping_breaks_a_start_off(setting: Setting) -> None:
    """ROLE-6: a grant may lapse while they start; nobody waits for them to get ready."""

    async def scenario() -> None:
        waiting = setting.config("waiting", "sleep 1000", health=NO_LISTENER)
        applications = setting.applications(setting.config("good"), waiting)
        starting = asyncio.create_task(applications.start_all())
        while len(children()) < 2 or not setting.up("good").exists():
            await asyncio.sleep(0.005)
        await applications.stop_all()
        assert [] == children()
        with pytest.raises(CallerError):
            await starting

    run(scenario)


def test_cancelling_a_start_leaves_nothing_running(setting: Setting) -> None:
    """The node may be told to end at any moment."""

    async def scenario() -> None:
        applications = setting.applications(setting.config("waiting", "sleep 1000", health=NO_LISTENER))
        starting = asyncio.create_task(applications.start_all())
        while not children():
            await asyncio.sleep(0.001)
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
        assert [] == children()

    run(scenario)


def test_starting_twice_is_refused_and_changes_nothing(setting: Setting) -> None:
    """The first start stands."""

    async def scenario() -> None:
        applications = setting.applications(setting.config("one"))
        await applications.start_all()
        with pytest.raises(CallerError):
            await applications.start_all()
        assert 1 == len(children())
        await applications.stop_all()

    run(scenario)


def test_what_the_callback_raises_is_not_lost(setting: Setting) -> None:
    """It comes out of `stop_all`, when everything is stopped."""

    def complain(failure: ApplicationFailure) -> None:
        complained.set()
        raise RuntimeError(failure.name)

    complained = asyncio.Event()

    async def scenario() -> None:
        applications = Applications([setting.config("brief", "exit 0", health=None)], complain)
        await applications.start_all()
        await complained.wait()
        with pytest.raises(RuntimeError, match="brief"):
            await applications.stop_all()
        await applications.stop_all()

    run(scenario)
