"""A pair that runs from what `takeover init` wrote, unedited: failover, an exchange of all keys, and the watchdog.

The servers run without `cryptography`: nothing that runs on a server may need it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from takeover.channel.channel import dial
from takeover.channel.keys import Keys
from takeover.cli import Exit, main
from takeover.config import ListenerConfig, load_node
from takeover.control.client import NotRunning, ask
from takeover.demo.client import End
from takeover.demo.client_process import Client
from takeover.demo.parties import LocalHost, Party
from takeover.endpoint import Endpoint
from takeover.errors import PeerError
from takeover.linux import boottime_ns
from takeover_spec import wire

PATIENCE_S = 40.0
WATCHDOG_S = 0.6
"""How long the service manager waits for a sign of life, in seconds."""

PARTIES = ("witness", "primary", "secondary")

WITHOUT_CRYPTOGRAPHY = """
import sys
if "node" in sys.orig_argv or "witness" in sys.orig_argv:
    sys.modules["cryptography"] = None
"""

HANGING = """
import os, sys
if "node" in sys.orig_argv:
    import asyncio
    import takeover.node
    faithful = takeover.node.Node._round
    async def hanging(node):
        if os.path.exists(os.environ["HANG"]):
            await asyncio.sleep(3600)
        await faithful(node)
    takeover.node.Node._round = hanging
"""
"""A server whose loop hangs once a file appears; the event loop and its timers go on."""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `takeover init` wrote for a pair on addresses of its own, with the witness told that it is new."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_CRYPTOGRAPHY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pid, directory = os.getpid(), tmp_path / "pair"
    primary, secondary, witness = (
        f"127.{base | pid >> 16 & 63}.{pid >> 8 & 255}.{pid & 255}" for base in (64, 128, 192)
    )
    hosts = ["--primary", primary, "--secondary", secondary, "--witness", witness]
    assert Exit.HOLDS == main(["init", str(directory), *hosts, "--public", f"{witness}:7479"])
    assert Exit.HOLDS == main(["witness", "--config", str(directory / "witness" / "witness.toml"), "--new"])
    return directory


def party(directory: Path, name: str) -> Party:
    """A party whose files are where `init` put them."""
    made = Party(name, directory / name)
    made.config = directory / name / ("witness.toml" if name == "witness" else "node.toml")
    made.data_directory = directory / name / "data"
    return made


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[dict[str, Party]]:
    """All three parties, in sync, led by the primary."""
    parties = {name: party(directory, name) for name in PARTIES}
    try:
        for each in parties.values():
            await each.start()
        await until("the pair to be in sync", lambda: leads(parties["primary"]))
        yield parties
    finally:
        for each in parties.values():
            await each.kill()


def status(server: Party) -> dict[str, Any]:
    """What a server says of itself; empty while it does not run."""
    try:
        return ask(server.data_directory, "status", timeout_s=1)
    except NotRunning:
        return {}


def leads(server: Party) -> bool:
    """Whether a server is active, and its peer may take over."""
    said = status(server)
    return bool(said) and said["role"] == "active" and said["serving"] and said["eligible_declared"]


async def until(what: str, holds: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = boottime_ns() + int(PATIENCE_S * 1e9)
    while not await asyncio.to_thread(holds):
        assert boottime_ns() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def written_to(directory: Path) -> AsyncIterator[Client]:
    """Clients that write through the public identity; in the end every acknowledged write is there."""
    config = load_node(directory / "primary" / "node.toml").public_identity
    assert isinstance(config, ListenerConfig)
    public = config.listen
    load = Client(LocalHost(), directory, public, writers=4, writes_per_second=100)
    await load.start()
    await until("the first write", lambda: load.first_acknowledged(0))
    yield load
    await load.stop()
    found = await load.read_all()
    acknowledged = [write for write in load.writes if write.end is End.ACKNOWLEDGED]
    assert [] == [write for write in acknowledged if found.get(write.key) != write.value]


def test_a_pair_runs_from_what_init_wrote_and_fails_over(pair: Path) -> None:
    """Nothing is edited; the active server is killed under load, and every acknowledged write is there after it.

    An operator on another machine sees it, and is refused a switchover to a server that is gone.
    """

    async def play() -> None:
        async with running(pair) as parties, written_to(pair) as load:
            await parties["primary"].kill()
            killed_ns = boottime_ns()
            await until("a write after the kill", lambda: load.first_acknowledged(killed_ns))
            said = status(parties["secondary"])
            assert ("active", 2) == (said["role"], said["epoch"])
            from_elsewhere = ["--config", str(pair / "operator" / "secondary.toml")]
            file = pair.parent / "status.json"
            asked = ["status", *from_elsewhere, "--json", str(file)]
            assert Exit.HOLDS == await asyncio.to_thread(main, asked)
            assert said["trace"] == json.loads(file.read_text())["trace"]
            assert Exit.VIOLATED == await asyncio.to_thread(main, ["switchover", *from_elsewhere])

    asyncio.run(play())


def read_anew(parties: dict[str, Party]) -> dict[str, int]:
    """How often each party has read its keys anew, and made its links since."""
    return {name: each.log.read_text().count("the keys were read anew") for name, each in parties.items()}


async def tell_to_read(parties: dict[str, Party]) -> None:
    """Have all three read their keys, one after the other, each when the pair is in sync again."""
    for name, each in parties.items():
        before = read_anew(parties)[name]
        os.kill(each.pid, signal.SIGHUP)
        await until(f"the {name} to read its keys", lambda name=name, n=before: read_anew(parties)[name] > n)  # type: ignore[misc]  # bound at once
        await until("the pair to be connected", lambda: connected(parties))
        await until("the pair to be in sync", lambda: leads(parties["primary"]))


def connected(parties: dict[str, Party]) -> bool:
    """Whether both servers have both their links."""
    said = [status(parties[name]) for name in ("primary", "secondary")]
    return all(each and each["peer_connected"] and each["witness_connected"] for each in said)


def test_all_keys_are_exchanged_while_the_pair_serves(pair: Path, tmp_path: Path) -> None:
    """A new authority, new certificates, the old authority forgotten: no failover, and no write that failed.

    After it the old keys are worth nothing, and a revoked certificate shuts its owner out.
    """
    old = tmp_path / "old"
    shutil.copytree(pair / "secondary" / "keys", old)
    primary = load_node(pair / "primary" / "node.toml")
    assert primary.channel.listen is not None

    async def play(listen: Endpoint) -> None:
        async with running(pair) as parties:
            async with written_to(pair) as load:
                for step in ("--renew-authority", "--renew", "--renew"):
                    assert Exit.HOLDS == main(["init", str(pair), step])
                    await tell_to_read(parties)
                after_ns = boottime_ns()
                await until("a write with the new keys", lambda: load.first_acknowledged(after_ns))
            assert {End.ACKNOWLEDGED} == {write.end for write in load.writes}
            assert {1} == {status(parties[name])["epoch"] for name in ("primary", "secondary")}
            assert dict.fromkeys(PARTIES, 3) == read_anew(parties)
            said = wire.hello("example", "secondary", 1, primary.constants)
            with pytest.raises(
                PeerError, match="its certificate is refused"
            ):  # by whoever holds the old keys
                await dial(listen, Keys(old, "example", "secondary"), said, ("primary",))
            (old / "authority.crt").write_bytes((pair / "primary" / "keys" / "authority.crt").read_bytes())
            revoke(pair, "primary", "secondary")
            os.kill(parties["primary"].pid, signal.SIGHUP)
            shut_out = partial(
                logs, parties["primary"], "the certificate of the secondary of pair 'example' is revoked"
            )
            await until("the revoked secondary to be refused", shut_out)
            assert not status(parties["primary"])["peer_connected"]
            assert "active" == status(parties["primary"])["role"]

    asyncio.run(play(primary.channel.listen))


def revoke(pair: Path, at: str, whose: str) -> None:
    """Put a party's certificate on another's revocation list."""
    text = (pair / whose / "keys" / "own.crt").read_text()
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    with (pair / at / "keys" / "revoked.txt").open("a") as file:
        file.write(f"{fingerprint}\n")


def logs(server: Party, said: str) -> bool:
    """Whether a party has logged something."""
    return said in server.log.read_text()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's socket, in the environment of what is started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
        monkeypatch.setenv("HANG", str(tmp_path / "hang"))
        yield listening


@pytest.mark.parametrize("name", ["witness", "secondary"])
def test_a_service_feeds_the_watchdog_for_as_long_as_its_loop_goes_round(
    pair: Path, tmp_path: Path, manager: socket.socket, name: str
) -> None:
    """It says that it is ready, then that it is alive, with nobody to talk to; and in the end that it stops."""

    async def play() -> None:
        service = party(pair, name)
        await service.start()
        try:
            heard = [await asyncio.to_thread(manager.recv, 100) for _ in range(4)]
            assert [b"READY=1", *[b"WATCHDOG=1"] * 3] == heard
            stopping = asyncio.create_task(service.stop())
            while heard[-1] == b"WATCHDOG=1":
                heard.append(await asyncio.to_thread(manager.recv, 100))
            assert b"STOPPING=1" == heard[-1]
            assert "" == await stopping
        finally:
            await service.kill()

    asyncio.run(play())


def test_a_loop_that_hangs_starves_the_watchdog(pair: Path, tmp_path: Path, manager: socket.socket) -> None:
    """Though the process lives, and its timers go on: nothing more is said, so systemd ends it."""
    (tmp_path / "sitecustomize.py").write_text(HANGING)

    async def play() -> None:
        service = party(pair, "secondary")
        await service.start()
        try:
            assert [b"READY=1", b"WATCHDOG=1"] == [
                await asyncio.to_thread(manager.recv, 100) for _ in range(2)
            ]
            (tmp_path / "hang").touch()
            manager.settimeout(3 * WATCHDOG_S)
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(hear_out, manager)
            assert "" == service.ended
        finally:
            await service.kill()

    asyncio.run(play())


def hear_out(manager: socket.socket) -> None:
    """Listen for as long as something is said. Raises TimeoutError then."""
    while manager.recv(100):
        pass
