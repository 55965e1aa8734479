"""Durable updates per second, against bare appends with as many syncs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.bench.report import Figure, Report, seconds_of

from takeover.operations import Write, encode
from takeover.storage.disk import OsDisk
from takeover.storage.queues import Queue

BLOCK_BYTES = 128
"""The size of the updates written."""

GROUP = 64
"""How many updates share one sync."""


def queues(report: Report) -> None:
    """Fill a queue, and a file."""
    count = 20_000
    operation = encode(Write("file", 0, bytes(BLOCK_BYTES)))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        queue = Queue.open(Path(folder), 1, 1, disk=OsDisk())
        ours = seconds_of(lambda: _fill(queue, count, operation))
        queue.close()
        bare = seconds_of(lambda: _append(Path(folder) / "bare", count, operation))
    what = f"durable updates, {GROUP} a sync"
    report.add(Figure("queues", what, count / ours, "/s", count / bare, "bare appends, as many syncs"))


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
