"""Drain time over the length of the queue, and the memory, each in a process of its own.

    python -m tests.bench.drain COUNT

fills a safe queue, starts a server's store and core on it, applies everything, and prints what that took.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.queues import BLOCK_BYTES
from tests.bench.report import Figure, Report, seconds_of

from takeover.core import Core, Settings, begin, counted_ns, step
from takeover.core.events import NextInQueue
from takeover.linux import boottime_ns
from takeover.operations import Create, Outcome, Write, encode
from takeover.storage.data_directory import DataDirectory
from takeover.storage.queues import status_of
from takeover.storage.store import Store
from takeover_spec import actions as act
from takeover_spec.words import Constants, Identity

COUNTS = (1_000, 10_000, 100_000, 1_000_000)


def drain(report: Report) -> None:
    """The time of an update is held against that in the shortest queue: 1 where the line is straight.

    And against bare writes of as many blocks in the same process, which wait for no disk and decide nothing.
    """
    first_us = 0.0
    for count in COUNTS:
        command = [sys.executable, "-m", "tests.bench.drain", str(count)]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        each_us, bare_us = (answer[name] / count * 1e6 for name in ("seconds", "bare"))
        first_us = first_us or each_us
        what = f"a safe queue of {count:,}"
        report.add(
            Figure("drain", f"{what}: an update", each_us, "us", first_us, "one in the shortest queue")
        )
        report.add(Figure("drain", f"{what}: an update", each_us, "us", bare_us, "a bare write"))
        report.add(
            Figure("drain", f"{what}: memory", answer["memory_mib"], "MiB", 1, "a MiB, whatever its length")
        )


def _drain_one(count: int) -> None:
    """Fill a queue, start a server's store and core on it, and apply everything."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        directory = Path(folder) / "server"
        with DataDirectory.open(directory) as held:
            held.state.save({"epoch": 1, "seen": 1})
            (held.data / "0").mkdir()
        store = Store(DataDirectory.open(directory))
        store.store(1, encode(Create("file")))
        store.store_status(1, Outcome(True))
        operation = encode(Write("file", 0, bytes(BLOCK_BYTES)))
        for seq in range(2, count + 1):
            store.store(seq, operation)
            store.store_status(seq, Outcome(True, BLOCK_BYTES))
        store.close()
        before = memory_mib()
        store = Store(DataDirectory.open(directory))
        core = _core(store)
        seconds = seconds_of(lambda: _apply_all(store, core))
        assert store.applied == count, f"{store.applied} of {count} applied"
        memory = memory_mib() - before
        store.close()
        bare = seconds_of(lambda: _write(Path(folder) / "bare", count))
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


def memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    _drain_one(int(sys.argv[1]))
