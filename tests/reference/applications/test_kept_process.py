"""A program under its keeper: how it ends, and that nothing of it is left, whoever dies first."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from takeover.applications import kept_process
from takeover.applications.kept_process import Keeper, KeptProcess
from takeover.errors import EnvironmentFault
from takeover.linux import boottime_ns, processes

MS = 1_000_000
COUNTER = itertools.count()
TOKEN = "TAKEOVER_TEST_TOKEN"

# A process in the group, one that left it, and one that left the session and was orphaned on top.
FAMILY = """
sleep 1000 &
setsid sleep 1000 &
(setsid sh -c 'setsid sleep 1000 & wait' &)
echo up
"""
STUBBORN = f'trap "" TERM; {FAMILY} while :; do wait; done'
OBEDIENT = f"trap 'echo bye; exit 0' TERM; {FAMILY} wait"

NODE = """
import asyncio, sys
from pathlib import Path
from takeover.applications.kept_process import KeptProcess

async def main():
    await KeptProcess.start(("sh", "-c", sys.argv[1]), {}, Path(sys.argv[2]))
    await asyncio.sleep(1000)

asyncio.run(main())
"""


class Setting:
    """A log file, and a token by which every process of the test is found, whatever it does to hide."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        self.token = f"{TOKEN}={os.getpid()}.{next(COUNTER)}"
        self.environment = dict([self.token.split("=")])

    async def start(self, script: str) -> KeptProcess:
        return await KeptProcess.start(("sh", "-c", script), self.environment, self.log)

    async def start_family(self, script: str) -> KeptProcess:
        process = await self.start(script)
        self.wait_for_family()
        return process

    def living(self) -> list[int]:
        """Every living process that has the token in its environment; the keeper has it only from the node."""
        return [
            process.pid
            for process in processes()
            if self.token.split("=")[1].encode() in environment(process.pid)
        ]

    def wait_for_family(self) -> None:
        wait_for(lambda: "up\n" in self.text() and len(self.living()) >= 5)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it ended while we looked, or is somebody else's
        return b""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_ns = boottime_ns() + 10_000 * MS
    while not condition():
        assert boottime_ns() < deadline_ns
        time.sleep(0.002)


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario

    asyncio.run(bounded())


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    """Whatever the test does, nothing of it may live on."""
    one = Setting(tmp_path)
    yield one
    left = one.living()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert [] == left


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", "exited 0"),
        ("exit 3", "exited 3"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("kill -40 $$", "killed by signal 40"),
    ],
)
def test_its_own_end_is_told(setting: Setting, script: str, end: str) -> None:
    """The status that it exited with, or the signal."""

    async def scenario() -> None:
        process = await setting.start(script)
        assert end == await process.ended()
        assert end == await process.stop(0)

    run(scenario())


def test_its_output_is_appended_to_the_file(setting: Setting) -> None:
    """Output and error, in order, after what is there."""

    async def scenario() -> None:
        setting.log.write_text("before\n")
        await (await setting.start("echo out; echo err >&2")).ended()
        assert "before\nout\nerr\n" == setting.text()

    run(scenario())


def test_it_gets_the_environment_of_the_node_and_its_own_additions(setting: Setting) -> None:
    """And nothing that was meant for the keeper; additions do not act on the keeper."""
    setting.environment["PYTHONPATH"] = "/nowhere"
    setting.environment["PYTHONHOME"] = "/nowhere"

    async def scenario() -> None:
        await (await setting.start("env")).ended()
        lines = set(setting.text().splitlines())
        assert {setting.token, "PYTHONHOME=/nowhere", f"PATH={os.environ['PATH']}"} <= lines
        assert not [line for line in lines if line.startswith("TAKEOVER_SUPERVISE")]

    run(scenario())


OF_THE_C_LIBRARY = 0b11 << 31
"""Signals 32 and 33: no program can change them, so they are as whoever started the tests left them."""


def test_it_starts_with_the_signals_as_they_are_by_default(setting: Setting) -> None:
    """Neither what Python ignores, or whoever started the node does, nor what the keeper blocks is passed on."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)

    async def scenario() -> None:
        await (await setting.start("exec grep -E 'Sig(Blk|Ign)' /proc/self/status")).ended()
        blocked, ignored = (
            int(line.split()[1], 16) & ~OF_THE_C_LIBRARY for line in setting.text().splitlines()
        )
        assert (0, 0) == (blocked, ignored)

    try:
        run(scenario())
    finally:
        signal.signal(signal.SIGQUIT, before)


def test_a_program_that_is_not_there_is_told(setting: Setting) -> None:
    """With its name and the reason; as is a file that cannot be written."""

    async def scenario() -> None:
        with pytest.raises(EnvironmentFault, match=r"/no/such/program: .*No such file"):
            await KeptProcess.start(("/no/such/program",), setting.environment, setting.log)
        with pytest.raises(EnvironmentFault, match="/no/such/log"):
            await KeptProcess.start(("true",), setting.environment, Path("/no/such/log"))

    run(scenario())


def test_stopping_is_a_request_first(setting: Setting) -> None:
    """It may end in its own way; what left its group is killed then, without a wait."""

    async def scenario() -> None:
        process = await setting.start_family(OBEDIENT)
        begun_ns = boottime_ns()
        assert "exited 0" == await process.stop(10_000)
        assert [] == setting.living()
        assert "up\nbye\n" == setting.text()
        assert boottime_ns() - begun_ns < 5_000 * MS

    run(scenario())


def test_the_whole_group_has_the_time_to_end(setting: Setting) -> None:
    """A worker that still tidies up is not killed because its parent was quicker."""
    worker = "trap 'sleep 0.1; echo tidy; exit' TERM; echo up; while :; do sleep 0.01; done"

    async def scenario() -> None:
        process = await setting.start(f"""trap 'exit 0' TERM; sh -c "{worker}" & wait""")
        wait_for(lambda: "up\n" in setting.text())
        assert "exited 0" == await process.stop(10_000)
        assert "tidy" == setting.text().split()[-1]

    run(scenario())


def test_what_ignores_the_request_is_killed_after_its_time(setting: Setting) -> None:
    """Not before; and then with everything that it started."""

    async def scenario() -> None:
        process = await setting.start_family(STUBBORN)
        begun_ns = boottime_ns()
        assert "killed by SIGKILL" == await process.stop(150)
        assert [] == setting.living()
        assert boottime_ns() - begun_ns >= 150 * MS

    run(scenario())


def test_its_end_is_the_end_of_all_that_it_started(setting: Setting) -> None:
    """Nothing stays behind of a program that exits, or crashes, unasked."""

    async def scenario() -> None:
        process = await setting.start(f"{FAMILY} exit 4")
        assert "exited 4" == await process.ended()
        assert [] == setting.living()

    run(scenario())


def test_something_that_forks_all_the_time_is_killed(setting: Setting) -> None:
    """A process that has left its group and is replaced by the next one at once is never listed twice, and yet ends."""
    restless = 'echo fork; setsid sh -c "$1" again "$1" & exit'

    async def scenario() -> None:
        process = await setting.start(f"sh -c '{restless}' again '{restless}'; sleep 1000")
        wait_for(lambda: setting.text().count("fork") >= 10)
        await process.stop(0)
        assert [] == setting.living()

    run(scenario())


def test_it_does_not_outlive_a_node_that_is_killed(setting: Setting) -> None:
    """A SIGKILL of the node leaves nothing, not even what detached itself and ignores signals."""
    with subprocess.Popen(
        [sys.executable, "-c", NODE, STUBBORN, str(setting.log)], env={**os.environ, **setting.environment}
    ) as node:
        setting.wait_for_family()
        node.kill()
    wait_for(lambda: not setting.living())


def test_killing_the_first_process_alone_would_leave_the_rest(setting: Setting) -> None:
    """The tests above can fail: without a keeper the family survives the death of its group, and is found."""
    with (
        setting.log.open("wb") as log,
        subprocess.Popen(
            ["sh", "-c", STUBBORN],
            env={**os.environ, **setting.environment},
            stdout=log,
            start_new_session=True,
        ) as head,
    ):
        wait_for(lambda: "up\n" in setting.text() and len(setting.living()) >= 5)
        os.killpg(head.pid, signal.SIGKILL)
    wait_for(lambda: len(setting.living()) == 3)
    for pid in setting.living():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not setting.living())


def test_a_keeper_without_a_node_starts_nothing(setting: Setting) -> None:
    """The node may die between its fork and the keeper's request to be told."""
    keeper = subprocess.run(
        [
            sys.executable,
            "-m",
            "takeover.applications.supervise",
            str(os.getppid()),
            "--",
            "sh",
            "-c",
            "echo up; sleep 1000",
        ],
        input=order(setting),
        capture_output=True,
        timeout=10,
    )
    assert (0, b"", b"") == (keeper.returncode, keeper.stdout, keeper.stderr)


def keeper_of(setting: Setting) -> int:
    (keeper,) = {p.parent for p in processes() if p.pid in setting.living()} & children()
    return keeper


def children() -> set[int]:
    return {process.pid for process in processes() if process.parent == os.getpid()}


def order(setting: Setting) -> bytes:
    """What the node tells a keeper."""
    said = {"environment": setting.environment, "output": str(setting.log)}
    return json.dumps(said).encode() + b"\n"


def test_the_first_process_dies_with_its_keeper_even_if_nobody_looks_after_it(setting: Setting) -> None:
    """The kernel does that, with the node dead as well."""
    with subprocess.Popen(
        [sys.executable, "-m", "takeover.applications.supervise", str(os.getpid()), "--", "sleep", "1000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        keeper.stdin.write(order(setting))
        keeper.stdin.close()
        assert keeper.stdout.readline().startswith(b"started ")
        keeper.kill()
    wait_for(lambda: not setting.living())


def test_a_keeper_that_is_ready_starts_nothing_before_it_is_told(setting: Setting) -> None:
    """Then the program has it as its parent, and the environment and the file that it was told of."""

    async def scenario() -> None:
        keeper = await Keeper.start(("sh", "-c", "echo up; sleep 1000"))
        assert [] == [process for process in processes() if process.parent == keeper.process.pid]
        process = await KeptProcess.start(("sh",), setting.environment, setting.log, keeper=keeper)
        wait_for(lambda: "up\n" in setting.text())
        assert keeper.process.pid == keeper_of(setting)
        await process.kill()

    run(scenario())


def test_a_keeper_that_is_not_needed_leaves(setting: Setting) -> None:
    """When it is told so, also if it does not listen; and with its node, as its input ends then."""

    async def scenario() -> None:
        for stopped in (False, True):
            keeper = await Keeper.start(("touch", str(setting.log)))
            if stopped:
                os.kill(keeper.process.pid, signal.SIGSTOP)
            await keeper.leave()
            assert (-signal.SIGKILL if stopped else 0) == keeper.process.returncode
        keeper = await Keeper.start(("touch", str(setting.log)))
        assert keeper.process.stdin is not None
        keeper.process.stdin.close()
        assert 0 == await keeper.process.wait()
        assert not setting.log.exists()

    run(scenario())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_another_keeper_takes_the_place_of_one_that_does_not_answer(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Dead or stopped while it waited; nothing of it is left."""
    monkeypatch.setattr(kept_process, "PREPARED_MS_MAX", 100)

    async def scenario() -> None:
        script = ("sh", "-c", "echo up; sleep 1000")
        keeper = await Keeper.start(script)
        os.kill(keeper.process.pid, number)
        process = await KeptProcess.start(script, setting.environment, setting.log, keeper=keeper)
        wait_for(lambda: "up\n" in setting.text())
        assert keeper.process.pid != keeper_of(setting)
        assert keeper.process.pid not in children()
        assert "killed by SIGKILL" == await process.kill()
        assert "up\n" == setting.text()

    run(scenario())


def test_a_keeper_that_is_killed_takes_the_program_with_it(setting: Setting) -> None:
    """The first process by the kernel, the rest of the session by the node; how it ended says so."""

    async def scenario() -> None:
        process = await setting.start("trap '' TERM; sleep 1000 & echo up; wait; wait")
        wait_for(lambda: "up\n" in setting.text())
        os.kill(keeper_of(setting), signal.SIGKILL)
        assert f"its keeper ended with {-signal.SIGKILL}" == await process.ended()
        assert [] == setting.living()

    run(scenario())


def test_a_keeper_that_is_stopped_is_killed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping works although the keeper does nothing any more."""
    monkeypatch.setattr(kept_process, "KILL_MS_MAX", 200)

    async def scenario() -> None:
        process = await setting.start("sleep 1000 & echo up; wait")
        wait_for(lambda: "up\n" in setting.text())
        os.kill(keeper_of(setting), signal.SIGSTOP)
        assert f"its keeper ended with {-signal.SIGKILL}" == await process.stop(50)
        assert [] == setting.living()

    run(scenario())


@pytest.mark.parametrize("after_ms", [0, 1, 5, 20, 40, 60])
def test_a_start_that_is_broken_off_leaves_nothing(setting: Setting, after_ms: int) -> None:
    """Whatever it had got to; when it was there already, it can be stopped."""

    async def scenario() -> None:
        starting = asyncio.create_task(setting.start("sleep 1000"))
        await asyncio.wait({starting}, timeout=after_ms / 1000)
        if not starting.cancel():
            await starting.result().kill()
        await asyncio.wait({starting})
        assert [] == setting.living()

    run(scenario())
