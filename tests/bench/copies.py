"""How long writes are held when a copy is taken, and what a copy sends where 1 % differs, against a whole one."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.report import Figure, Report, seconds_of

from takeover.copies.incoming import IncomingCopy
from takeover.copies.outgoing import OutgoingCopy
from takeover.copies.snapshot import Snapshot
from takeover_spec.wire import (
    COPY_BLOCK_BYTES,
    LENGTH_BYTES,
    CopyBegin,
    CopyEnd,
    CopyListing,
    CopyPart,
    Message,
    decode,
    encode,
)

FILES = 16
DATA_MIB = 128

MIB = 1 << 20


def copies(report: Report) -> None:
    """Open snapshots of several kinds of data, and copy some data twice."""
    for files, mebibytes in ((1, 1), (1, 256), (1_000, 1), (20_000, 1)):
        held_ms, plain_ms = _held_ms(files, mebibytes)
        what = f"{files:,} files, {mebibytes} MiB: writes held for a snapshot"
        report.add(Figure("copies", what, held_ms, "ms", plain_ms, "a plain copy of the directory"))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        data, old = Path(folder) / "data", Path(folder) / "old"
        data.mkdir()
        _data(data, FILES, DATA_MIB)
        shutil.copytree(data, old)
        for path in old.iterdir():  # 1 % of the blocks, in every file
            with path.open("r+b") as file:
                for block in range(0, (DATA_MIB << 20) // FILES // COPY_BLOCK_BYTES, 100):
                    file.seek(block * COPY_BLOCK_BYTES)
                    file.write(b"diverged")
        whole_bytes, whole = _copied(data, None, Path(folder))
        some_bytes, some = _copied(data, old, Path(folder))
    sent = whole_bytes / MIB
    report.add(Figure("copies", "a whole copy: sent", sent, "MiB", DATA_MIB, "the data's length"))
    what = "a copy where 1 to 2 % differs"
    report.add(Figure("copies", f"{what}: sent", some_bytes / MIB, "MiB", whole_bytes / MIB, "a whole copy"))
    report.add(Figure("copies", f"{what}: time", some * 1e3, "ms", whole * 1e3, "a whole copy"))


def _held_ms(files: int, mebibytes: int) -> tuple[float, float]:
    """How long it takes to open a snapshot of so much data, and to copy the data."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        data, aside = Path(folder) / "data", Path(folder) / "aside"
        data.mkdir()
        aside.mkdir()
        _data(data, files, mebibytes)
        held = seconds_of(lambda: Snapshot(data, aside).close())
        plain = seconds_of(lambda: shutil.copytree(data, Path(folder) / "plain"))
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
            frame = encode(message)
            sent += len(frame)
            piece = decode(frame[LENGTH_BYTES:])
            if isinstance(piece, CopyListing | CopyPart):
                lacking = incoming.add(piece)
                if lacking:
                    sent += len(encode(lacking))
                    outgoing.answer(lacking)
            elif isinstance(piece, CopyEnd):
                incoming.end(piece)

    connection: Any = Near()
    outgoing = OutgoingCopy(connection, snapshot, 1, 0, 1)
    seconds = seconds_of(lambda: asyncio.run(outgoing.send()))
    snapshot.close()
    return sent, seconds
