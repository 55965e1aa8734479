"""One health check: well, not well, or no answer."""

import asyncio
import os
from pathlib import Path

import pytest

from takeover.applications.health import Health, ailment
from takeover.endpoint import Endpoint
from takeover.linux import processes

NO_LISTENER = Endpoint("127.0.0.1", 1)


def check(
    health: Health, log: Path, timeout_ms: int = 10_000, environment: dict[str, str] | None = None
) -> str:
    return asyncio.run(ailment(health, environment or {}, log, timeout_ms))


def test_a_command_is_well_when_it_exits_with_0(tmp_path: Path) -> None:
    """It sees the application's environment, and what it prints is kept."""
    command = ("sh", "-c", "echo checked $WHAT")
    assert "" == check(command, tmp_path / "log", environment={"WHAT": "it"})
    assert "checked it\n" == (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("sh", "-c", "exit 3"), "sh: exited 3"),
        (("sh", "-c", "kill -9 $$"), "sh: killed by SIGKILL"),
        (("/no/such/check",), "not started: /no/such/check: No such file or directory"),
    ],
)
def test_a_command_that_fails_gives_its_end_as_the_reason(
    tmp_path: Path, command: tuple[str, ...], reason: str
) -> None:
    """As does one that cannot be started."""
    assert reason == check(command, tmp_path / "log")


def test_a_command_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    """That is the reason then, and nothing of it lives on."""
    assert "sh: no answer within 100 ms" == check(
        ("sh", "-c", "sleep 1000 & wait"), tmp_path / "log", timeout_ms=100
    )
    assert os.getpid() not in {process.parent for process in processes()}


def test_an_endpoint_is_well_when_it_accepts(tmp_path: Path) -> None:
    """And otherwise the reason names it."""

    async def scenario() -> str:
        async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
            endpoint = Endpoint(*server.sockets[0].getsockname())
            return await ailment(endpoint, {}, tmp_path / "log", 10_000)

    assert "" == asyncio.run(scenario())
    assert check(NO_LISTENER, tmp_path / "log").startswith("127.0.0.1:1: ")
