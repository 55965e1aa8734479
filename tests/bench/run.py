"""The benchmarks: each figure as a ratio to a limit that is measured in the same run.

    python tests/bench/run.py [queues] [drain] [copies] [failover] [address] [verify]

Nothing here is a test: machines differ and are busy. A figure says how far the code is from what the machine allows at
that moment.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from takeover.copies.incoming import IncomingCopy
from takeover.copies.outgoing import OutgoingCopy
from takeover.copies.snapshot import Snapshot
from takeover.core import Core, Settings, begin, counted_ns, step
from takeover.core.events import NextInQueue
from takeover.linux import boottime_ns
from takeover.operations import Create, Outcome, Write, encode
from takeover.storage.data_directory import DataDirectory
from takeover.storage.disk import OsDisk
from takeover.storage.queues import Queue, status_of
from takeover.storage.store import Store
from takeover_spec import actions as act
from takeover_spec.wire import (
    COPY_BLOCK_BYTES,
    LENGTH_BYTES,
    CopyBegin,
    CopyEnd,
    CopyListing,
    CopyPart,
    Message,
)
from takeover_spec.wire import decode as decode_message
from takeover_spec.wire import encode as encode_message
from takeover_spec.words import Constants, Identity

BLOCK_BYTES = 128
"""The size of the updates written."""

GROUP = 64
"""How many updates share one sync."""


def queues() -> None:
    """Durable updates per second, against bare appends with as many syncs."""
    count = 20_000
    operation = encode(Write("file", 0, bytes(BLOCK_BYTES)))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        queue = Queue.open(Path(folder), 1, 1, disk=OsDisk())
        ours = _seconds(lambda: _fill(queue, count, operation))
        queue.close()
        bare = _seconds(lambda: _append(Path(folder) / "bare", count, operation))
    print(f"durable updates, {GROUP} a sync     {count / ours:10,.0f}/s")
    print(f"bare appends, as many syncs      {count / bare:10,.0f}/s    ratio {bare / ours:.2f}")


def _fill(queue: Queue, count: int, operation: bytes) -> None:
    for seq in range(1, count + 1):
        queue.store(seq, operation)
        if seq % GROUP == 0 or seq == count:
            queue.updates.sync()


def _append(path: Path, count: int, operation: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for seq in range(1, count + 1):
        os.write(file, operation)
        if seq % GROUP == 0 or seq == count:
            os.fdatasync(file)
    os.close(file)


def drain() -> None:
    """Drain time over the length of the queue, and the memory, each in a process of its own.

    The time of an update is given as a ratio to that in the first row, which stays at 1 where the line is straight, and
    to bare writes of as many blocks in the same process, which wait for no disk and decide nothing.
    """
    print(
        "drain of a safe queue             updates     seconds   a second   per update   memory MiB  to first   to bare"
    )
    first = 0.0
    for count in (1_000, 10_000, 100_000, 1_000_000):
        command = [sys.executable, __file__, "--drain", str(count)]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        each_us = answer["seconds"] / count * 1e6
        first = first or each_us
        print(
            f"{'':30}{count:11,}{answer['seconds']:12.2f}{count / answer['seconds']:11,.0f}{each_us:10.1f} us"
            f"{answer['memory_mib']:10.1f}{each_us / first:10.2f}{answer['seconds'] / answer['bare']:10.1f}"
        )


def _drain_one(count: int) -> None:
    """Fill a safe queue, start a server's store and core on it, and apply everything."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        directory = Path(folder) / "server"
        with DataDirectory.open(directory) as held:
            held.state.save({"epoch": 1, "seen": 1})
            (held.data / "0").mkdir()
            queue = Queue.open(held.safe / "1", 1, 1, disk=OsDisk())
            queue.store(1, encode(Create("file")))
            queue.store_status(1, Outcome(True))
            operation = encode(Write("file", 0, bytes(BLOCK_BYTES)))
            for seq in range(2, count + 1):
                queue.store(seq, operation)
                queue.store_status(seq, Outcome(True, BLOCK_BYTES))
            queue.close()
        before = _memory_mib()
        store = Store(DataDirectory.open(directory))
        core = _core(store)
        seconds = _seconds(lambda: _apply_all(store, core))
        assert store.applied == count, f"{store.applied} of {count} applied"
        memory = _memory_mib() - before
        store.close()
        bare = _seconds(lambda: _write(Path(folder) / "bare", count))
    print(json.dumps({"seconds": seconds, "memory_mib": memory, "bare": bare}))


def _core(store: Store) -> Core:
    c = Constants(10**9, 10**9, 1000, 0, True)
    settings = Settings(
        Identity.SECONDARY, 1, c, 10**8, 10**9, counted_ns(10**9, 1000), counted_ns(10**9, 1000)
    )
    return begin(settings, store.found(), boottime_ns())[0]


def _apply_all(store: Store, core: Core) -> None:
    while (entry := store.next_to_apply()) is not None:
        if store.wants_checkpoint(entry):
            store.checkpoint()
        core, effects = step(core, NextInQueue(entry.seq, status_of(entry.outcome)), boottime_ns())
        assert isinstance(effects[0], act.Apply)
        store.apply(entry)


def _write(path: Path, count: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    for _ in range(count):
        os.pwrite(file, bytes(BLOCK_BYTES), 0)
    os.close(file)


def failover() -> None:
    """Failover of the demonstration: how long after the end of the passive server's promise the identity is enabled."""
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            keep, report = Path(folder) / "kept", Path(folder) / "report.json"
            command = [sys.executable, "-m", "takeover", "demo", "--seconds", "3"]
            subprocess.run([*command, "--keep", keep, "--json", report], check=True, capture_output=True)
            seen = json.loads(report.read_text())
            beyond_ms = _beyond_the_grant_ms(keep / "secondary" / "trace" / "000001.ndjson")
        print(
            f"failover     identity {seen['enabled_ms']:6.0f} ms after the kill, "
            f"{beyond_ms:6.1f} ms after the end of the promise (ratio {_ratio(seen['enabled_ms'], beyond_ms):.3f}); "
            f"client's next write {seen['failover_ms']:6.0f} ms after the kill"
        )


def _ratio(whole: float, beyond: float) -> float:
    """The whole time to the part that the protocol asks for."""
    return whole / (whole - beyond)


def copies() -> None:
    """How long writes are held when a copy is taken, and what a copy sends where 1 % differs, against a whole one."""
    print("writes held for a snapshot            files    MiB       held    a plain copy of the directory")
    for files, mebibytes in ((1, 1), (1, 256), (1_000, 1), (20_000, 1)):
        held_ms, plain_ms = _held_ms(files, mebibytes)
        print(
            f"{files:43,}{mebibytes:7}{held_ms:8.2f} ms{plain_ms:10.1f} ms    ratio {plain_ms / held_ms:,.0f}"
        )
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        data, old = Path(folder) / "data", Path(folder) / "old"
        data.mkdir()
        _data(data, 16, 128)
        shutil.copytree(data, old)
        for path in old.iterdir():  # 1 % of the blocks, in every file
            with path.open("r+b") as file:
                for block in range(0, 128, 100):
                    file.seek(block * COPY_BLOCK_BYTES)
                    file.write(b"diverged")
        whole_bytes, whole = _copied(data, None, Path(folder))
        some_bytes, some = _copied(data, old, Path(folder))
    print(f"whole copy, 128 MiB          {whole_bytes / 2**20:10.2f} MiB sent {whole:8.2f} s")
    print(
        f"where 1 to 2 % differs       {some_bytes / 2**20:10.2f} MiB sent {some:8.2f} s"
        f"    ratio {some_bytes / whole_bytes:.4f} of the bytes, {some / whole:.2f} of the time"
    )


def _held_ms(files: int, mebibytes: int) -> tuple[float, float]:
    """How long it takes to open a snapshot of so much data, and to copy the data."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        data, aside = Path(folder) / "data", Path(folder) / "aside"
        data.mkdir()
        aside.mkdir()
        _data(data, files, mebibytes)
        held = _seconds(lambda: Snapshot(data, aside).close())
        plain = _seconds(lambda: shutil.copytree(data, Path(folder) / "plain"))
    return held * 1e3, plain * 1e3


def _data(folder: Path, files: int, mebibytes: int) -> None:
    """So many files, of equal length, that are so long together."""
    for number in range(files):
        (folder / f"file {number}").write_bytes(os.urandom((mebibytes << 20) // files))


def _copied(data: Path, old: Path | None, folder: Path) -> tuple[int, float]:
    """The bytes and the seconds that a copy takes, both ends in this process, and durable at its end."""
    new, aside = Path(tempfile.mkdtemp(dir=folder)), Path(tempfile.mkdtemp(dir=folder))
    snapshot = Snapshot(data, aside)
    incoming = IncomingCopy(CopyBegin(1, 0, 1), new, old, linking=True)
    sent = 0

    class Near:
        """A connection to the same process."""

        async def send(self, message: Message) -> None:
            """Hand a message over."""
            nonlocal sent
            frame = encode_message(message)
            sent += len(frame)
            piece = decode_message(frame[LENGTH_BYTES:])
            if isinstance(piece, CopyListing | CopyPart):
                lacking = incoming.add(piece)
                if lacking:
                    sent += len(encode_message(lacking))
                    outgoing.answer(lacking)
            elif isinstance(piece, CopyEnd):
                incoming.end(piece)

    connection: Any = Near()
    outgoing = OutgoingCopy(connection, snapshot, 1, 0, 1)
    seconds = _seconds(lambda: asyncio.run(outgoing.send()))
    snapshot.close()
    return sent, seconds


def _beyond_the_grant_ms(trace: Path) -> float:
    """From the end of the last promise to the first `enable` after it, as a server's own trace has it."""
    until = 0
    for line in trace.read_text().splitlines():
        action = json.loads(line)
        if action.get("do") == "promise":
            until = action["until"]
        elif action.get("do") == "enable":
            return float(action["t"] - until) / 1e6
    raise SystemExit(f"{trace}: the identity was never enabled")


def address() -> None:
    """The address on an interface: what a renewal costs, its first answer, and its last one against the grant's end."""
    root = Path(__file__).parents[2]
    program, scenarios = (
        root / "tests" / "reference" / "address" / "run.py",
        root / "tests" / "bench" / "address.py",
    )
    for scenario in ("renewing", "idle", "loaded"):
        subprocess.run([sys.executable, str(program), str(root), str(scenarios), scenario], check=True)


def verify() -> None:
    """The time of the proofs, against the minute they may take."""
    seconds = _seconds(
        lambda: subprocess.run([sys.executable, "-m", "takeover", "verify"], check=True, capture_output=True)
    )
    print(f"verify                           {seconds:10.1f} s     ratio to its limit {seconds / 60:.2f}")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


BENCHMARKS = {work.__name__: work for work in (queues, drain, copies, failover, address, verify)}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--drain"]:
        _drain_one(int(sys.argv[2]))
    else:
        for name in sys.argv[1:] or BENCHMARKS:
            BENCHMARKS[name]()
