"""The applications of an active server: how they are is known, and one that does not start is tried ever less often."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from takeover.applications import serving
from takeover.applications.applications import ApplicationConfig, Applications
from takeover.applications.conditions import Conditions, State
from takeover.applications.serving import Serving
from takeover.config import NodeConfig, load_node
from takeover.linux import processes

TOML = """\
pair = "db"
identity = "primary"
data_directory = "data"
keys = "keys"
[channel]
listen = "127.0.0.1:1"
[witness]
address = "127.0.0.1:2"
[public_identity]
listen = "127.0.0.1:3"
forward = "127.0.0.1:4"
"""


def config(tmp_path: Path, *commands: str) -> NodeConfig:
    """A node with applications that do this in a shell."""
    (tmp_path / "data").mkdir()
    tables = [
        f"[[application]]\nname = \"app{number}\"\ncommand = ['sh', '-c', '''{command}''']\nlog = 'log'\n"
        for number, command in enumerate(commands, 1)
    ]
    (tmp_path / "node.toml").write_text(TOML + "".join(tables))
    return load_node(tmp_path / "node.toml")


def watched(node: NodeConfig, enough: Callable[[Serving], bool]) -> Serving:
    """Serve until it is enough, and stop."""

    async def play() -> Serving:
        tasks: set[asyncio.Task[None]] = set()

        def start_task(work: Coroutine[Any, Any, None]) -> None:
            tasks.add(asyncio.create_task(work))

        it = Serving(node, node.data_directory / "socket", start_task)
        it.start(node.data_directory)
        async with asyncio.timeout(30):
            while not enough(it):
                await asyncio.sleep(0.005)
        await it.close()
        await asyncio.gather(*tasks)
        return it

    it = asyncio.run(play())
    assert {"stopped"} == {value["state"] for value in it.conditions.as_values()}
    return it


def test_one_that_ends_at_once_is_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its reason; the pauses before it is started again get longer, and earlier output is not repeated."""
    monkeypatch.setattr(serving, "_RESTART_S", 0.01)
    monkeypatch.setattr(serving, "_RESTART_S_MAX", 0.04)
    node = config(tmp_path, "echo started; exit 2")

    def tried_four_times(it: Serving) -> bool:
        return len(messages()) >= 4

    def messages() -> list[str]:
        return [record.getMessage() for record in caplog.records if "started again" in record.getMessage()]

    with caplog.at_level(logging.INFO):
        it = watched(node, tried_four_times)
    assert ["0.01", "0.02", "0.04", "0.04"] == [
        match[1] for said in messages()[:4] if (match := re.search(r"started again in ([0-9.]+) s", said))
    ]
    assert {1} == {said.count("started\\n") for said in messages()}
    assert "exited 2" in it.conditions["app1"].reason


def test_all_are_well_when_each_is(tmp_path: Path) -> None:
    """And stopped when the role is lost."""
    node = config(tmp_path, "sleep 1000", "sleep 1000")
    it = watched(node, lambda it: it.conditions.all_are_well)
    assert ["", ""] == [value["reason"] for value in it.conditions.as_values()]


def keepers_of_this() -> set[int]:
    """The living keepers that this process started."""
    return {
        process.pid
        for process in processes()
        if process.parent == os.getpid()
        and b"takeover.applications.supervise" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    }


def test_keepers_are_ready_while_the_role_may_come(tmp_path: Path) -> None:
    """A start takes them and makes no other; when the role is lost there are new ones, and in the end none."""
    node = config(tmp_path, "sleep 1000", "sleep 1000")

    async def play() -> None:
        tasks: list[asyncio.Task[None]] = []
        it = Serving(
            node, node.data_directory / "socket", lambda work: tasks.append(asyncio.create_task(work))
        )
        it.get_ready()
        await asyncio.gather(*tasks)
        ready = keepers_of_this()
        assert 2 == len(ready)
        it.start(node.data_directory)
        await asyncio.gather(*tasks)
        assert ["", ""] == [value["reason"] for value in it.conditions.as_values()]
        assert ready == keepers_of_this()
        await it.stop()
        await asyncio.gather(*tasks)
        assert 2 == len(keepers_of_this())
        assert not ready & keepers_of_this()
        await it.close()
        await asyncio.gather(*tasks)
        assert set() == keepers_of_this()

    asyncio.run(play())


def test_a_failing_one_stays_so_while_it_is_tried_again() -> None:
    """Since its first failure; the others are stopped and started with it."""
    conditions = Conditions(["a", "b"])
    for name in "ab":
        conditions.starts(name)
        conditions.is_well(name)
    conditions.fails("a", "exited 1")
    since = conditions["a"].since
    for name in "ab":
        conditions.is_stopped(name)
        conditions.starts(name)
    conditions.fails("a", "exited 2")
    assert (State.FAILING, since, "exited 2") == (
        conditions["a"].state,
        conditions["a"].since,
        conditions["a"].reason,
    )
    assert State.STARTING is conditions["b"].state
    assert not conditions.all_are_well
    for name in "ab":
        conditions.is_well(name)
    assert conditions.all_are_well
    assert (State.WELL, "exited 2") == (conditions["a"].state, conditions["a"].reason)


def test_a_check_that_fails_is_seen_before_it_is_too_often(tmp_path: Path) -> None:
    """The application is failing from the first failed check on, and well again when one succeeds."""
    (tmp_path / "fine").touch()
    app = ApplicationConfig(
        "app",
        ("sleep", "1000"),
        tmp_path / "log",
        directory=tmp_path,
        health=("test", "-e", "fine"),
        health_interval_ms=500,
        health_failures_max=10_000,
    )
    conditions = Conditions(["app"])

    async def play() -> None:
        async def becomes(state: State) -> None:
            async with asyncio.timeout(30):
                while conditions["app"].state is not state:
                    await asyncio.sleep(0.005)

        applications = Applications([app], lambda failure: None, conditions)
        await applications.start_all()
        await becomes(State.WELL)
        (tmp_path / "fine").unlink()
        await becomes(State.FAILING)
        (tmp_path / "fine").touch()
        await becomes(State.WELL)
        await applications.stop_all()

    asyncio.run(play())
    assert State.STOPPED is conditions["app"].state
