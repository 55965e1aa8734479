"""A real pair and a real witness, each a process, and what they do when something breaks.

Every test ends with the traces of all parties held against the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from takeover.commands.key_making import make_keys
from takeover.control.client import NotRunning, ask
from takeover.demo.client import End, Load, WriteRecord, read_all
from takeover.demo.evidence import data_root
from takeover.demo.parties import Party
from takeover.demo.scene import Scene
from takeover.endpoint import Endpoint
from takeover.linux import boottime_ns
from takeover.observer import Observer
from takeover.protected_files import Interrupted, NotActive, ProtectedFiles
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.trace import check, follows

PATIENCE_S = 30.0
SERVERS = ("primary", "secondary")


def status(scene: Scene, name: str) -> dict[str, Any]:
    """What a server says of itself; empty while it does not run, or is stopped."""
    try:
        return dict(ask(scene.parties[name].data_directory, "status", timeout_s=0.5))
    except NotRunning:
        return {}


async def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = boottime_ns() + int(PATIENCE_S * 1e9)
    while not await asyncio.to_thread(holds):
        assert boottime_ns() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        await asyncio.sleep(0.02)


def leads(scene: Scene, name: str) -> bool:
    """Whether this server is active, and its peer may take over."""
    said = status(scene, name)
    return bool(said) and said["role"] == "active" and said["serving"] and said["eligible_declared"]


@asynccontextmanager
async def pair(
    directory: Path, *, synchronous: bool = True, prepare: Callable[[Scene], None] = lambda scene: None
) -> AsyncIterator[Scene]:
    """A pair in sync, led by the primary, and in the end the verdict on its traces and its holders."""
    scene = Scene(directory, synchronous)
    prepare(scene)
    observer = Observer(scene.addresses.public.host, scene.addresses.public.port)
    try:
        await scene.link.mend()
        for party in scene.parties.values():
            await party.start()
        observer.start()
        await until("the pair to be in sync", lambda: leads(scene, "primary"))
        yield scene
        for party in scene.parties.values():
            assert await party.stop() == ""
        observation = observer.stop()
        assert observation.holders_max == 1
        assert observation.samples > 100
        judge_traces(scene)
        judge_logs(scene)
    finally:
        await scene.clean_up()


def judge_traces(scene: Scene) -> None:
    """Every run of every party obeys the rules, and a server's runs fit together."""
    for party in scene.parties.values():
        earlier: Any = None
        files = sorted(party.traces.glob("*.ndjson"))
        assert files
        for file in files:
            with file.open("rb") as lines:
                verdict = check(lines)
            assert verdict.verdict == "obeys", f"{file}: {verdict.violation or verdict.problem}"
            assert verdict.header is not None
            if isinstance(earlier, Knowledge) and isinstance(verdict.header.found, Knowledge):
                assert "" == follows(earlier, verdict.header.found)
            earlier = verdict.knows


def judge_logs(scene: Scene) -> None:
    """No party printed a traceback, or anything else that is no record, to the end of its life and while it ended."""
    for party in scene.parties.values():
        assert [] == [line for line in log_of(party).splitlines() if not line.startswith("{")]


def in_scene(
    directory: Path,
    play: Callable[[Scene], Coroutine[Any, Any, None]],
    prepare: Callable[[Scene], None] = lambda scene: None,
) -> None:
    """Play something with a pair; first, `prepare` may change what it is told."""

    async def whole() -> None:
        async with pair(directory, prepare=prepare) as scene:
            await play(scene)

    asyncio.run(whole())


def log_of(party: Party) -> str:
    """What a party logged."""
    return party.log.read_text()


def test_a_stopped_active_server_never_comes_back_as_one(tmp_path: Path) -> None:
    """SIGSTOP of the active: its identity ends on time, the passive takes over, and after SIGCONT it is passive."""

    async def play(scene: Scene) -> None:
        os.kill(scene.parties["primary"].pid, signal.SIGSTOP)
        await until("the secondary to take over", lambda: status(scene, "secondary").get("serving") is True)
        os.kill(scene.parties["primary"].pid, signal.SIGCONT)
        await until("the primary to follow", lambda: leads(scene, "secondary"))
        assert ("passive", 2) == tuple(status(scene, "primary")[k] for k in ("role", "epoch"))

    in_scene(tmp_path, play)


def test_a_cut_link_is_no_failover(tmp_path: Path) -> None:
    """The servers cannot hear each other: the active keeps its lease, goes on alone, and takes the passive back."""

    async def play(scene: Scene) -> None:
        await scene.link.cut()
        await until("the primary to be alone", lambda: status(scene, "primary").get("alone") is True)
        assert status(scene, "primary")["role"] == "active"
        reason = status(scene, "secondary")["last_refrain"]
        assert reason["clause"] == "LEASE-3"
        await scene.link.mend()
        await until("the pair to be in sync again", lambda: leads(scene, "primary"))
        assert status(scene, "primary")["epoch"] == 1

    in_scene(tmp_path, play)


def test_a_goodbye_waits_for_a_link_that_is_being_made_anew(tmp_path: Path) -> None:
    """ROLE-4: the active server is stopped while there is none, as when keys are exchanged: there is no failover."""

    async def play(scene: Scene) -> None:
        primary, secondary = scene.parties["primary"], scene.parties["secondary"]
        await scene.link.cut()
        stopping = asyncio.create_task(primary.stop())
        await until("the primary to step down", lambda: logs(primary, "is not active in epoch 1 any more"))
        await scene.link.mend()
        assert "" == await stopping
        why = "the peer announced that it shuts down"
        await until("the secondary to leave it at that", lambda: logs(secondary, why))
        assert ("passive", 1) == tuple(status(scene, "secondary")[k] for k in ("role", "epoch"))

    in_scene(tmp_path, play)


def test_without_the_witness_the_promise_is_enough(tmp_path: Path) -> None:
    """The witness dies: the active holds on under the passive's promise, also past the lease; then it restarts."""

    async def play(scene: Scene) -> None:
        await scene.parties["witness"].kill()
        await until("the lease to run out", lambda: status(scene, "primary")["grants"]["lease_ms"] == 0)
        said = status(scene, "primary")
        assert ("active", True) == (said["role"], said["public_identity"]["enabled"])
        await scene.parties["witness"].start()
        await until("a new lease", lambda: status(scene, "primary")["grants"]["lease_ms"] > 0)
        assert status(scene, "primary")["epoch"] == 1

    in_scene(tmp_path, play)


def test_strangers_change_nothing(tmp_path: Path) -> None:
    """Plain text, no certificate, that of another pair: refused with a logged reason, and the pair goes on."""
    make_keys(tmp_path / "others", "other")
    scene_directory = tmp_path / "scene"
    scene_directory.mkdir()

    async def play(scene: Scene) -> None:
        for address, party in ((scene.addresses.channel, "primary"), (scene.addresses.witness, "witness")):
            for context in (None, stranger(), stranger(tmp_path / "others" / "secondary" / "keys")):
                await shout(address, context)
            for reason in ("it does not speak TLS", "it shows no certificate", "its certificate is refused"):
                said = f"a connection is refused: {OWN_HOST}: {reason}"
                await until(said, partial(logs, scene.parties[party], said))
        await until("the pair to be in sync", lambda: leads(scene, "primary"))
        assert status(scene, "primary")["epoch"] == 1

    in_scene(scene_directory, play)


OWN_HOST = "127.0.0.1"


def logs(party: Party, said: str) -> bool:
    """Whether a party has logged something."""
    return said in log_of(party)


def stranger(keys: Path | None = None) -> ssl.SSLContext:
    """What somebody dials with who looks at nobody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if keys:
        context.load_cert_chain(keys / "own.crt", keys / "own.key")
    return context


async def shout(address: Endpoint, context: ssl.SSLContext | None) -> None:
    """Dial, say hello as the secondary, and listen until the end."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(
            address.host,
            address.port,
            ssl=context,
            server_hostname="" if context else None,
            local_addr=(OWN_HOST, 0),
        )
        writer.write(
            wire.encode(wire.Hello(wire.PROTOCOL, "demo", "secondary", 1, 10**9, 10**9, 1000, 10**8, True))
        )
        async with asyncio.timeout(10):
            assert b"" == await reader.read(1000)  # not even a hello
        writer.transport.abort()


def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """It says who has the directory, with status 2, and the first one goes on."""

    async def play(scene: Scene) -> None:
        second = await asyncio.to_thread(node, scene.parties["secondary"].config)
        assert 2 == second.returncode
        assert f"held by process {scene.parties['secondary'].pid}" in second.stderr
        assert status(scene, "secondary")["role"] == "passive"

    in_scene(tmp_path, play)


def test_a_damaged_journal_stops_the_server(tmp_path: Path) -> None:
    """Damage before the tail: the server names file and offset, ends, and overwrites nothing."""

    async def play(scene: Scene) -> None:
        secondary = scene.parties["secondary"]
        await secondary.kill()
        journal = next((secondary.data_directory / "safe").glob("1.*/updates/*.segment"), None)
        assert journal is not None, list((secondary.data_directory / "safe").iterdir())
        whole = journal.read_bytes()
        spoilt = whole[:2] + bytes([whole[2] ^ 0xFF]) + whole[3:]
        journal.write_bytes(spoilt)
        ended = await asyncio.to_thread(node, secondary.config)
        assert 3 == ended.returncode
        assert str(journal.parent) in ended.stderr
        assert "damaged at byte" in ended.stderr
        assert spoilt == journal.read_bytes()
        journal.write_bytes(whole)
        await secondary.start()
        await until(
            "the secondary to run again", lambda: status(scene, "secondary").get("peer_connected") is True
        )

    in_scene(tmp_path, play)


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    """Status 2; the file, the key and what was expected are named; no data directory appears."""
    scene = Scene(tmp_path, True)
    config = scene.parties["primary"].config
    config.write_text(config.read_text().replace("lease_ms = 1000", 'lease_ms = "soon"'))
    ended = node(config)
    assert 2 == ended.returncode
    assert str(config) in ended.stderr
    assert "lease_ms" in ended.stderr
    assert not scene.parties["primary"].data_directory.exists()


def test_without_its_keys_nothing_starts(tmp_path: Path) -> None:
    """There is no plain text to fall back to: status 2, the file is named, and no data directory appears."""
    primary = Scene(tmp_path, True).parties["primary"]
    for file in ("own.key", "own.crt", "authority.crt", "revoked.txt"):
        aside = (primary.keys / file).rename(tmp_path / file)
        ended = node(primary.config)
        assert (2, True) == (ended.returncode, str(primary.keys / file) in ended.stderr), ended.stderr
        aside.rename(primary.keys / file)
    config = primary.config.read_text().splitlines()
    primary.config.write_text("\n".join(line for line in config if not line.startswith("keys = ")))
    ended = node(primary.config)
    assert (2, True) == (ended.returncode, "keys: found nothing; expected a path" in ended.stderr)
    assert not primary.data_directory.exists()


SLOTS = 64
SLOT_BYTES = 100_000


class FileLoad:
    """An application that writes all the time, to whichever server takes it, and remembers what was acknowledged."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.may_hold: dict[int, list[bytes]] = {slot: [bytes(8)] for slot in range(SLOTS)}
        """What each slot may hold: what was acknowledged last, and what has an unknown end since."""
        self.acknowledged = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Write no more."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._ending.is_set():
            for name in SERVERS:
                directory = self._scene.parties[name].data_directory
                files = ProtectedFiles(directory / "intercept.sock", directory)
                with contextlib.suppress(OSError, NotActive, Interrupted):
                    with contextlib.suppress(FileExistsError):
                        files.create("load")
                    while not self._ending.is_set():
                        number += 1
                        self._write(files, number)
                files.close()
            time.sleep(0.01)  # neither takes it just now

    def _write(self, files: ProtectedFiles, number: int) -> None:
        slot, value = number % SLOTS, number.to_bytes(8, "big")
        self.may_hold[slot].append(value)
        try:
            files.write("load", slot * SLOT_BYTES, value)
        except NotActive:
            self.may_hold[slot].pop()
            raise
        self.may_hold[slot] = [value]
        self.acknowledged += 1

    def lost(self, data: Path) -> list[int]:
        """The slots of the file that hold what they may not."""
        with (data / "load").open("rb") as file:
            return [
                slot
                for slot, values in self.may_hold.items()
                if os.pread(file.fileno(), 8, slot * SLOT_BYTES).ljust(8, b"\0") not in values
            ]


def bulk(scene: Scene, name: str, path: str, mebibytes: int) -> None:
    """Write a large file on the active server, which must take all of it."""
    directory = scene.parties[name].data_directory
    files = ProtectedFiles(directory / "intercept.sock", directory)
    files.create(path)
    for number in range(mebibytes):
        assert files.write(path, number << 20, os.urandom(1 << 20)) == 1 << 20
    files.close()


def actions_of(party: Party, kind: str) -> list[dict[str, Any]]:
    """The actions of one kind in the latest trace of a server."""
    lines = max(party.traces.glob("*.ndjson")).read_text().splitlines()
    return [action for action in map(json.loads, lines) if action.get("do") == kind]


def test_resynchronised_while_the_active_server_serves(tmp_path: Path) -> None:
    """A server returns, its data having diverged, is sent what differs under load, and takes over with everything."""

    async def play(scene: Scene) -> None:
        primary, secondary = scene.parties["primary"], scene.parties["secondary"]
        load = FileLoad(scene)
        await asyncio.to_thread(bulk, scene, "primary", "old", 12)
        load.start()
        await until("some writes", lambda: load.acknowledged > 20)
        await scene.link.cut()  # what the primary writes from here on, alone or not acknowledged, diverges
        await primary.kill()
        await until("the secondary to take over", lambda: status(scene, "secondary").get("serving") is True)
        await asyncio.to_thread(bulk, scene, "secondary", "new", 12)
        await scene.link.mend()
        await primary.start()
        await until("the primary to follow", lambda: leads(scene, "secondary"))
        (copied,), (switched,) = actions_of(secondary, "copy"), actions_of(primary, "resynchronise")
        served = [a for a in actions_of(secondary, "acknowledge") if copied["t"] < a["t"] < switched["t"]]
        assert len(served) > 5, "nothing was acknowledged while the copy was sent"
        received = re.search(r"a copy was received.*", log_of(primary))
        assert received, log_of(primary)
        listed, lacking = (int(n) for n in re.findall(r"(?:blocks|lacking)\W+(\d+)", received[0]))
        assert 12 * 16 <= lacking < listed - 12 * 16 + SLOTS, received[0]
        before = load.acknowledged
        await secondary.kill()
        await until("the primary to take over", lambda: status(scene, "primary").get("serving") is True)
        await until("writes to go on", lambda: load.acknowledged > before + 5)
        await asyncio.to_thread(load.end)
        assert [] == load.lost(data_root(primary))
        await secondary.start()
        await until("the pair to be in sync", lambda: leads(scene, "primary"))
        assert [] == load.lost(data_root(secondary))

    in_scene(tmp_path, play)


def node(config: Path) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    command = [sys.executable, "-P", "-m", "takeover", "node", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# --- an operator's orders ---------------------------------------------------------------------------


async def ordered(scene: Scene, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command says that an operator gives on a server's machine."""
    command = [sys.executable, "-P", "-m", "takeover", *words, "--config", str(scene.parties[name].config)]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
    )


@asynccontextmanager
async def writing(scene: Scene) -> AsyncIterator[list[WriteRecord]]:
    """Clients write all the time; how each write ended. In the end no acknowledged one is missing."""
    writes: list[WriteRecord] = []
    load = Load(scene.addresses.public, writers=4, writes_per_second=200, on_end=writes.append)
    task = asyncio.create_task(load.run())
    try:
        yield writes
    finally:
        load.stop()
        await task
    there = await read_all(scene.addresses.public)
    acknowledged = {w.key: w.value for w in writes if w.end is End.ACKNOWLEDGED}
    assert {} == {key: value for key, value in acknowledged.items() if there.get(key) != value}
    assert acknowledged


def grown(writes: list[WriteRecord]) -> Callable[[], bool]:
    """Whether there are acknowledged writes that were begun after this moment."""
    began = boottime_ns()
    return lambda: any(w.end is End.ACKNOWLEDGED and w.sent_ns > began for w in list(writes))


def test_a_switchover_and_back_loses_nothing(tmp_path: Path) -> None:
    """SWITCH-1: under load the role goes over, and the same command on the other server reinstates the first."""

    async def play(scene: Scene) -> None:
        async with writing(scene) as writes:
            await until("the load to run", grown(writes))
            for epoch, (old, new) in enumerate((("primary", "secondary"), ("secondary", "primary")), 2):
                done = await ordered(scene, old, "switchover", "--json", str(tmp_path / "outcome.json"))
                assert (0, "") == (done.returncode, done.stderr)
                assert "done" == json.loads((tmp_path / "outcome.json").read_text())["verdict"]
                await until(f"the {new} to serve, with a successor", partial(leads, scene, new))
                assert ("passive", epoch) == tuple(status(scene, old)[k] for k in ("role", "epoch"))
                await until("writes to go on", grown(writes))
            causes = [line for name in SERVERS for line in taken_roles(scene, name)]
            assert {"first": 1, "release": 2} == Counter(line["cause"] for line in causes)

    in_scene(tmp_path, play)


def taken_roles(scene: Scene, name: str) -> list[dict[str, Any]]:
    """The lines of a server's traces in which it takes the role."""
    lines = [line for file in scene.parties[name].traces.iterdir() for line in file.read_text().splitlines()]
    return [action for line in lines if (action := json.loads(line)).get("do") == "take-role"]


SLOW = """
import sys, time
from signal import SIGTERM, pthread_sigmask, sigwait, SIG_BLOCK
from takeover.protected_files import NotActive, ProtectedFiles
files, path = ProtectedFiles(), "last-words-of-" + sys.argv[1]
pthread_sigmask(SIG_BLOCK, [SIGTERM])
sigwait([SIGTERM])
time.sleep(2)  # two grants
try:
    files.create(path)
    files.write(path, 0, b"farewell")
    print("acknowledged", flush=True)
except NotActive as refusal:
    print("refused:", refusal, flush=True)
"""
"""An application that takes longer to stop than a grant lasts, and writes something then."""


def test_applications_may_take_their_time_to_stop(tmp_path: Path) -> None:
    """SWITCH-1: it is a switchover all the same, and what they write until then is there. When the role is given up
    otherwise, they are told at once that it is too late.
    """

    async def play(scene: Scene) -> None:
        done = await ordered(scene, "primary", "switchover")
        assert (0, "") == (done.returncode, done.stderr)
        await until("the secondary to serve, with a successor", lambda: leads(scene, "secondary"))
        assert ("release", "acknowledged\n") == (
            taken_roles(scene, "secondary")[-1]["cause"],
            said(scene, "primary"),
        )
        (words,) = scene.parties["secondary"].data_directory.rglob("last-words-of-primary")
        assert b"farewell" == words.read_bytes()
        assert "" == await scene.parties["secondary"].stop()
        assert "refused: this server is not active\n" == said(scene, "secondary")

    def said(scene: Scene, name: str) -> str:
        return (scene.parties[name].data_directory / "slow.log").read_text()

    def prepare(scene: Scene) -> None:
        for name in SERVERS:
            command = json.dumps([sys.executable, "-P", "-c", SLOW, name])
            with scene.parties[name].config.open("a") as file:
                file.write(f'\n[[application]]\nname = "slow"\ncommand = {command}\nstop_timeout_ms = 8000\n')

    in_scene(tmp_path, play, prepare)


def test_a_switchover_is_refused_with_a_reason(tmp_path: Path) -> None:
    """By a passive server, and by an active one whose peer may not succeed it; both go on as before (SWITCH-1, 2)."""

    async def play(scene: Scene) -> None:
        passive = await ordered(scene, "secondary", "switchover")
        assert (1, "refused: SWITCH-1: this server is not active\n") == (passive.returncode, passive.stderr)
        await scene.link.cut()
        await until("the primary to be alone", lambda: status(scene, "primary").get("alone") is True)
        alone = await ordered(scene, "primary", "switchover")
        assert 1 == alone.returncode
        assert "refused: SWITCH-2: it is not recorded" in alone.stderr
        assert "SWITCH-2" == status(scene, "primary")["refusals"][-1]["clause"]
        assert status(scene, "primary")["serving"] is True
        await scene.link.mend()
        await until("the pair to be in sync again", lambda: leads(scene, "primary"))

    in_scene(tmp_path, play)


def test_a_server_that_was_alone_is_promoted(tmp_path: Path) -> None:
    """REJOIN-4: it restarts, stays passive until an operator accepts the loss, and has all it acknowledged."""

    async def play(scene: Scene) -> None:
        async with writing(scene) as writes:
            await scene.link.cut()
            await until("the primary to be alone", lambda: status(scene, "primary").get("alone") is True)
            await until("writes to go on", grown(writes))
            await scene.parties["primary"].kill()
            await scene.parties["primary"].start()
            await until("the primary to run", lambda: bool(status(scene, "primary")))
            asked = await ordered(scene, "primary", "promote")
            assert 1 == asked.returncode
            assert "kept: everything up to update" in asked.stdout
            assert "say --accept-loss" in asked.stderr
            assert "passive" == status(scene, "primary")["role"]
            done = await ordered(scene, "primary", "promote", "--accept-loss")
            assert (0, "") == (done.returncode, done.stderr)
            assert ("active", 2) == tuple(status(scene, "primary")[k] for k in ("role", "epoch"))
            await until("writes to go on", grown(writes))
            await scene.link.mend()
            await until("the secondary to follow", lambda: leads(scene, "primary"))

    in_scene(tmp_path, play)


def test_a_passive_server_is_resynchronised_on_demand(tmp_path: Path) -> None:
    """REJOIN-2: in the same epoch, under load; an active server refuses."""

    def copies(scene: Scene) -> int:
        files = scene.parties["secondary"].traces.iterdir()
        return sum(file.read_text().count('"do":"resynchronise"') for file in files)

    async def play(scene: Scene) -> None:
        async with writing(scene) as writes:
            await until("the load to run", grown(writes))
            promoted = await ordered(scene, "primary", "promote")
            assert (1, "") == (promoted.returncode, promoted.stdout)  # it is said to keep and lose nothing
            assert "refused: REJOIN-4: this server is active\n" == promoted.stderr
            active = await ordered(scene, "primary", "resync")
            assert 1 == active.returncode
            assert "refused: REJOIN-2" in active.stderr
            before = copies(scene)
            done = await ordered(scene, "secondary", "resync")
            assert (0, "") == (done.returncode, done.stderr)
            await until("a copy", lambda: copies(scene) > before)
            await until("the pair to be in sync again", lambda: leads(scene, "primary"))
            assert 1 == status(scene, "secondary")["epoch"]

    in_scene(tmp_path, play)
