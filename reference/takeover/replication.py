"""Sending the unsafe queue, and copies of the data; receiving copies.

Both are long, and neither decides anything: the core says from where to ship, and when a copy is due. They run beside
the core as tasks that live no longer than the connection they use.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from takeover.carrying_out import carry_out, sync_tree
from takeover.channel import Connection
from takeover.errors import PeerError
from takeover.operations import Create, MakeDirectory, Operation, Write, decode, encode
from takeover.queues import Queue, status_of
from takeover_spec import wire

CHUNK_BYTES = 256 * 1024
"""How much of a file one piece of a copy holds."""


async def ship(connection: Connection, queue: Queue, seq: int, status: int, grown: asyncio.Event) -> None:
    """Send the queue's updates from `seq` on and its statuses from `status` on, and go on as it grows.

    Only what is durable here is sent, and a status only after its update.
    """
    updates, statuses = queue.updates.cursor(seq), queue.statuses.cursor(status)
    try:
        while True:
            moved = False
            while statuses.index < min(updates.index, queue.statuses.durable_index):
                entry = statuses.next()
                assert entry is not None
                outcome = queue.decode_status(entry[1], entry[0])
                ended = wire.UpdateStatus(queue.epoch, entry[0], status_of(outcome), outcome.amount)
                await connection.send(ended)
                moved = True
            if updates.index < queue.updates.durable_index:
                entry = updates.next()
                assert entry is not None
                operation = queue.decode_update(entry[1], entry[0])
                await connection.send(wire.Update(queue.epoch, entry[0], operation))
                moved = True
            if not moved:
                grown.clear()
                await grown.wait()
    finally:
        updates.close()
        statuses.close()


def take_copy(data: Path, target: Path) -> None:
    """Copy the data as it is; nobody writes to it meanwhile."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(data, target)


def pieces(root: Path) -> Iterator[Operation]:
    """The operations that make an empty directory into a copy of `root`."""
    for directory, names, files in os.walk(root, onerror=_unreadable):
        here = Path(directory).relative_to(root)
        for name in sorted(names):
            yield MakeDirectory(str(here / name))
        for name in sorted(files):
            yield Create(str(here / name))
            with (root / here / name).open("rb") as file:
                offset = 0
                while chunk := file.read(CHUNK_BYTES):
                    yield Write(str(here / name), offset, chunk)
                    offset += len(chunk)


def _unreadable(error: OSError) -> None:
    raise error


async def send_copy(connection: Connection, copy: Path, epoch: int, begun: int, upto: int) -> None:
    """Send a copy that was taken, and remove it."""
    try:
        await connection.send(wire.CopyBegin(epoch, begun, upto))
        parts = 0
        for operation in pieces(copy):
            await connection.send(wire.CopyPart(epoch, upto, parts, encode(operation)))
            parts += 1
        await connection.send(wire.CopyEnd(epoch, upto, parts))
    finally:
        shutil.rmtree(copy, ignore_errors=True)


@dataclass(slots=True)
class IncomingCopy:
    """A copy as it arrives."""

    epoch: int
    begun: int
    upto: int
    directory: Path
    parts: int = 0

    def add(self, part: wire.CopyPart) -> None:
        """Add a piece. Raises `PeerError` if it is not the next one, or cannot be carried out."""
        if (part.epoch, part.upto, part.index) != (self.epoch, self.upto, self.parts):
            raise PeerError(
                f"copy: piece {part.index} of {part.epoch}/{part.upto} where {self.parts} was due"
            )
        operation = decode(part.operation)
        outcome = carry_out(self.directory, operation)
        if not outcome.done or (isinstance(operation, Write) and outcome.amount < len(operation.data)):
            raise PeerError(
                f"copy: piece {part.index} cannot be carried out: {outcome.error or 'short write'}"
            )
        self.parts += 1

    def end(self, end: wire.CopyEnd) -> None:
        """The copy is complete: make it durable. Raises `PeerError` if it is not complete."""
        if (end.epoch, end.upto, end.parts) != (self.epoch, self.upto, self.parts):
            raise PeerError(f"copy: ends after {end.parts} pieces, and {self.parts} are here")
        sync_tree(self.directory)
