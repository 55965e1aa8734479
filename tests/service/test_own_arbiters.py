"""A real pair of two machines, without a witness: what `verify` says of it, seen (PROTOCOL.md §8.9).

Every test ends with the traces of both servers held against the rules, which they obey also where the assumption is
wrong: that is what an assumption is.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from takeover.control.client import NotRunning, ask
from takeover.demo.client import End, Load, WriteRecord, read_all
from takeover.demo.scene import Scene
from takeover.linux import boottime_ns
from takeover.observer import Observation, Observer
from takeover_spec.trace import check

PATIENCE_S = 30.0
SERVERS = ("primary", "secondary")


class Pair:
    """Two servers that run, and nobody else."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.primary, self.secondary = (scene.parties[name] for name in SERVERS)

    def status(self, name: str) -> dict[str, Any]:
        """What a server says of itself; empty while it does not run, or is stopped."""
        try:
            return dict(ask(self.scene.parties[name].data_directory, "status", timeout_s=0.5))
        except NotRunning:
            return {}

    def role(self, name: str) -> tuple[str, int]:
        """Its role and its epoch."""
        said = self.status(name)
        return (said["role"], said["epoch"]) if said else ("down", 0)

    def leads(self, name: str) -> bool:
        """Whether this server is active, and its peer is recorded as eligible."""
        said = self.status(name)
        return bool(said) and said["role"] == "active" and said["serving"] and said["eligible_declared"]

    def serves(self, name: str) -> bool:
        """Whether this server is active, and its application runs."""
        said = self.status(name)
        return bool(said) and said["role"] == "active" and bool(said["serving"])

    def waits(self, name: str) -> bool:
        """Whether this server says that it waits for a person."""
        return bool(self.status(name).get("waits_for_person"))

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        while not await asyncio.to_thread(holds):
            assert boottime_ns() < deadline, f"waited {PATIENCE_S:g} s for {what}"
            await asyncio.sleep(0.02)

    async def promote(self, name: str) -> subprocess.CompletedProcess[str]:
        """What the command says, by which a person orders a server to go on."""
        config = str(self.scene.parties[name].config)
        argv = [sys.executable, "-P", "-m", "takeover", "promote", "--accept-loss", "--config", config]
        return await asyncio.to_thread(
            subprocess.run, argv, capture_output=True, text=True, timeout=120, check=False
        )

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[list[WriteRecord]]:
        """Clients write all the time; in the end no acknowledged write is missing."""
        writes: list[WriteRecord] = []
        load = Load(self.scene.addresses.public, writers=4, writes_per_second=200, on_end=writes.append)
        task = asyncio.create_task(load.run())
        try:
            yield writes
        finally:
            load.stop()
            await task
        there = await read_all(self.scene.addresses.public)
        acknowledged = {w.key: w.value for w in writes if w.end is End.ACKNOWLEDGED}
        assert {} == {key: value for key, value in acknowledged.items() if there.get(key) != value}
        assert acknowledged


def grown(writes: list[WriteRecord]) -> Callable[[], bool]:
    """Whether there are acknowledged writes that were begun after this moment."""
    began = boottime_ns()
    return lambda: any(w.end is End.ACKNOWLEDGED and w.sent_ns > began for w in list(writes))


def _without_a_witness(file: Path, arbiter: str) -> None:
    text, count = re.subn(r"\[witness\]\naddress = .*\n", "", file.read_text())
    assert 1 == count
    file.write_text(f'arbiter = "{arbiter}"\n{text}')


@pytest.fixture
def with_own(tmp_path: Path) -> Callable[..., Observation]:
    """Play something with a pair without a witness that a person began at the primary; what was seen of its address."""

    async def whole(arbiter: str, play: Callable[[Pair], Coroutine[Any, Any, None]]) -> Observation:
        scene = Scene(tmp_path, True)
        observer = Observer(scene.addresses.public.host, scene.addresses.public.port)
        pair = Pair(scene)
        servers = (pair.primary, pair.secondary)
        try:
            await scene.link.mend()
            for server in servers:
                _without_a_witness(server.config, arbiter)
                await server.start()
            observer.start()
            await pair.until("both to wait for a person", lambda: all(map(pair.waits, SERVERS)))
            assert ["passive", "passive"] == [pair.role(name)[0] for name in SERVERS]
            begun = await pair.promote("primary")
            assert (0, "") == (begun.returncode, begun.stderr)
            assert "There is no witness" in begun.stdout
            await pair.until("the pair to be in sync", lambda: pair.leads("primary"))
            await play(pair)
            for server in servers:
                assert "" == await server.stop()
            observation = observer.stop()
            for server in servers:
                _judge_traces(server.traces)
            return observation
        finally:
            await scene.clean_up()

    return lambda arbiter, play: asyncio.run(whole(arbiter, play))


def _judge_traces(directory: Path) -> None:
    files = sorted(directory.glob("*.ndjson"))
    assert files
    for file in files:
        with file.open("rb") as lines:
            verdict = check(lines)
        assert "obeys" == verdict.verdict, f"{file}: {verdict.violation or verdict.problem}"


def test_crash_stop_takes_over_from_a_dead_server(with_own: Callable[..., Observation]) -> None:
    """Silence does mean dead: the other one takes over by itself, and every acknowledged write is there; the old one
    rejoins. Restarted alone it waits for a person, for the other went on without it."""

    async def play(pair: Pair) -> None:
        async with pair.writing() as writes:
            await pair.until("writes", grown(writes))
            await pair.primary.kill()
            await pair.until("the secondary to serve", lambda: pair.serves("secondary"))
            assert ("active", 2) == pair.role("secondary")
            await pair.until("writes to go on", grown(writes))
            await pair.primary.start()
            await pair.until("the primary to follow", lambda: pair.leads("secondary"))
            await pair.primary.kill()
            await pair.until("the secondary to be alone", lambda: pair.status("secondary")["alone"])
            await pair.until("writes to go on", grown(writes))
            await pair.secondary.kill()
            await pair.primary.start()
            await pair.until("the primary to wait for a person", lambda: pair.waits("primary"))
            assert ("passive", 2) == pair.role("primary")
            await pair.secondary.start()
            await pair.until("the secondary to run", lambda: bool(pair.status("secondary")))
            assert 0 == (await pair.promote("secondary")).returncode
            await pair.until("the primary to follow", lambda: pair.leads("secondary"))
            assert ("active", 3) == pair.role("secondary")

    assert 1 == with_own("crash-stop", play).holders_max


def test_crash_stop_and_a_server_that_was_only_stopped(with_own: Callable[..., Observation]) -> None:
    """SIGSTOP of the active server: its grant is over before the other takes over. SIGSTOP of the passive one: what
    it did not listen to is no silence."""

    async def play(pair: Pair) -> None:
        async with pair.writing() as writes:
            await pair.until("writes", grown(writes))
            os.kill(pair.primary.pid, signal.SIGSTOP)
            await pair.until("the secondary to serve", lambda: pair.serves("secondary"))
            os.kill(pair.primary.pid, signal.SIGCONT)
            await pair.until("the primary to follow", lambda: pair.leads("secondary"))
            os.kill(pair.primary.pid, signal.SIGSTOP)
            await pair.until("the secondary to be alone", lambda: pair.status("secondary")["alone"])
            await pair.until("writes to go on", grown(writes))
            os.kill(pair.primary.pid, signal.SIGCONT)
            await pair.until("the primary to follow", lambda: pair.leads("secondary"))
        assert (("passive", 2), ("active", 2)) == (pair.role("primary"), pair.role("secondary"))

    assert 1 == with_own("crash-stop", play).holders_max


def test_crash_stop_and_a_cut_link(with_own: Callable[..., Observation]) -> None:
    """Silence does not mean dead: both are active and both hold the address, as `verify --without silence` tells.
    When they hear each other, the older one steps down and rejoins."""

    async def play(pair: Pair) -> None:
        await pair.scene.link.cut()
        await pair.until("both to serve", lambda: all(map(pair.serves, SERVERS)))
        assert [("active", 1), ("active", 2)] == [pair.role(name) for name in SERVERS]
        await pair.scene.link.mend()
        await pair.until("the primary to follow", lambda: pair.leads("secondary"))
        assert ("passive", 2) == pair.role("primary")

    assert 2 == with_own("crash-stop", play).holders_max


def test_operator_waits_for_a_person(with_own: Callable[..., Observation]) -> None:
    """The active server is gone: nothing happens, the status says why, and a person's order does it. While the active
    server is heard an order is refused; and a switchover needs no second one."""

    async def play(pair: Pair) -> None:
        refused = await pair.promote("secondary")
        assert 1 == refused.returncode
        assert "LEASE-1: the active server was heard less than a promise ago" in refused.stderr
        await pair.primary.kill()
        await pair.until("the secondary to wait for a person", lambda: pair.waits("secondary"))
        said = pair.status("secondary")
        assert ("passive", "operator") == (said["role"], said["arbiter"])
        await pair.until("it to be recorded", lambda: bool(pair.status("secondary")["last_refrain"]))
        assert "a person who has seen" in pair.status("secondary")["last_refrain"]["reason"]
        assert 0 == (await pair.promote("secondary")).returncode
        assert ("active", 2) == pair.role("secondary")
        await pair.primary.start()
        await pair.until("the primary to follow", lambda: pair.leads("secondary"))
        argv = [sys.executable, "-P", "-m", "takeover", "switchover", "--config", str(pair.secondary.config)]
        done = await asyncio.to_thread(
            subprocess.run, argv, capture_output=True, text=True, timeout=120, check=False
        )
        assert (0, "") == (done.returncode, done.stderr)
        await pair.until("the secondary to follow", lambda: pair.leads("primary"))

    assert 1 == with_own("operator", play).holders_max


def test_a_server_that_was_told_another_arbiter_is_not_talked_to(
    with_own: Callable[..., Observation],
) -> None:
    """Or else one would wait for a person whom the other does not need."""

    async def play(pair: Pair) -> None:
        assert "" == await pair.secondary.stop()
        text = pair.secondary.config.read_text()
        pair.secondary.config.write_text(text.replace('arbiter = "operator"', 'arbiter = "crash-stop"'))
        await pair.secondary.start()
        said = "arbiter is 'operator' here and 'crash-stop' there"
        await pair.until("the refusal", lambda: said in pair.primary.log.read_text())

    assert 1 == with_own("operator", play).holders_max
