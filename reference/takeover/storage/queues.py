"""A queue of updates and their completion statuses on the disk: the unsafe queue, and the safe one.

It is two journals, one of updates and one of statuses, in which an entry's index is the update's number. So nothing
has to be searched: update n is entry n, and how far each journal reaches is all that is known in memory. Statuses
follow in the order of the numbers too, because updates are carried out in that order.

The updates are synced before the statuses, always. So a power cut may leave statuses without their updates only where
neither was synced; where the statuses' marks prove that they were, a journal of updates that ends before them has lost
what was durable, and that is damage.

Refused: one journal in which the two kinds alternate. It would save one of two syncs, and cost an index in memory or a
search from the beginning for every reader that starts in the middle.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from takeover.errors import JournalDamaged
from takeover.journal.journal import Journal
from takeover.journal.recovery import Proof, proven_index
from takeover.operations import Operation, Outcome, decode
from takeover.storage.disk import Disk
from takeover_spec.words import Status

_EPOCH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Entry:
    """An update and how it ended, as the next one to be applied."""

    seq: int
    operation: Operation
    outcome: Outcome


def status_of(outcome: Outcome) -> Status:
    """The completion status that an outcome is."""
    return Status.DONE if outcome.done else Status.FAILED


class Queue:
    """One epoch's queue. One thread owns it; `sync` may run in another."""

    def __init__(self, updates: Journal, statuses: Journal, epoch: int) -> None:
        self.updates = updates
        self.statuses = statuses
        self.epoch = epoch

    @classmethod
    def open(cls, directory: Path, epoch: int, first: int, *, disk: Disk) -> Queue:
        """Open an epoch's queue, or make an empty one whose first update will be `first`."""
        paths = directory / "updates", directory / "statuses"
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
        settled = Proof(proven_index(paths[1], disk), f"the statuses in {paths[1]} prove")
        updates = Journal.open(paths[0], disk=disk, proof=settled)
        statuses = Journal.open(paths[1], disk=disk, marked=False)
        for journal in (updates, statuses):
            if journal.next_index < first:  # new: a journal begins at 0
                journal.reset(first)
        if (
            statuses.next_index > updates.next_index
        ):  # a power cut kept a status and not its update; neither was synced
            statuses.truncate_from(max(updates.next_index, statuses.first_index))
        statuses.mark()
        return cls(updates, statuses, epoch)

    @property
    def last_update(self) -> int:
        """The number of the last update stored."""
        return self.updates.next_index - 1

    @property
    def last_status(self) -> int:
        """The number of the last update whose status is stored."""
        return self.statuses.next_index - 1

    @property
    def dirty(self) -> bool:
        """Whether something stored is not durable."""
        return any(j.durable_index < j.next_index for j in (self.updates, self.statuses))

    @property
    def size_bytes(self) -> int:
        """How much room the updates take on the disk, in bytes."""
        total = 0
        with os.scandir(self.updates.directory) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):  # a segment that is dropped at this moment
                    total += file.stat().st_size
        return total

    def store(self, seq: int, operation: bytes) -> None:
        """Store an update; its number must be the next one."""
        assert seq == self.updates.next_index, f"update {seq} where {self.updates.next_index} was due"
        self.updates.append(_EPOCH.pack(self.epoch) + operation)

    def store_status(self, seq: int, outcome: Outcome) -> None:
        """Store how an update ended; its number must be the next one."""
        assert seq == self.statuses.next_index, f"status {seq} where {self.statuses.next_index} was due"
        fields = (self.epoch, status_of(outcome), outcome.amount, outcome.error)
        self.statuses.append(json.dumps(fields, separators=(",", ":")).encode())

    def sync(self) -> None:
        """Make everything stored before this call durable; the updates first, for a marked status proves its update."""
        self.updates.sync()
        self.statuses.sync()

    def drop_through(self, seq: int) -> None:
        """Let go of every update up to `seq`, durably."""
        self.sync()
        for journal in (self.updates, self.statuses):
            journal.drop_before(min(seq + 1, journal.next_index))

    def discard_after(self, seq: int) -> None:
        """Durably discard every update after `seq`, and its status (APPLY-5)."""
        self.sync()
        for journal in (self.statuses, self.updates):
            if journal.next_index > seq + 1:
                journal.truncate_from(max(seq + 1, journal.first_index))

    def take_back(self) -> None:
        """Undo the last `store`, which nothing has followed."""
        self.updates.truncate_from(self.updates.next_index - 1)

    def reader(self, seq: int) -> QueueReader:
        """A reader that gives updates with their statuses from `seq` on."""
        return QueueReader(self, seq)

    def close(self) -> None:
        """Sync and close."""
        proves = self.updates.is_trusted
        self.updates.close()
        self.statuses.close(sync=proves)

    def decode_update(self, entry: bytes, seq: int) -> bytes:
        """The operation in an entry of the updates' journal."""
        epoch = _EPOCH.unpack_from(entry)[0] if len(entry) >= _EPOCH.size else -1
        if epoch != self.epoch:
            raise JournalDamaged(
                self.updates.directory, 0, f"update {seq} is of epoch {epoch}, not {self.epoch}"
            )
        return entry[_EPOCH.size :]

    def decode_status(self, entry: bytes, seq: int) -> Outcome:
        """The outcome in an entry of the statuses' journal."""
        epoch, status, amount, error = json.loads(entry)
        if epoch != self.epoch:
            raise JournalDamaged(
                self.statuses.directory, 0, f"status {seq} is of epoch {epoch}, not {self.epoch}"
            )
        return Outcome(status == Status.DONE, amount, error)


class StatusesOnDisk:
    """The statuses of a queue as a table that reads them from the disk; quick when asked in ascending order."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._cursor = queue.statuses.cursor(queue.statuses.first_index)

    def __getitem__(self, key: int) -> int:
        statuses = self._queue.statuses
        if not statuses.first_index <= key < statuses.next_index:
            return int(Status.NONE)
        if self._cursor.index != key:
            self._cursor.close()
            self._cursor = statuses.cursor(key)
        entry = self._cursor.next()
        assert entry is not None
        return int(status_of(self._queue.decode_status(entry[1], key)))

    def put(self, key: int, value: int) -> StatusesOnDisk:
        """Not this way: `Queue.store_status`."""
        raise TypeError("the statuses on the disk are only read here")

    def emptied(self) -> StatusesOnDisk:
        """Not this way: `Queue.discard_after`."""
        raise TypeError("the statuses on the disk are only read here")


class QueueReader:
    """Reads updates with their statuses, one after the other, while the queue grows."""

    def __init__(self, queue: Queue, seq: int) -> None:
        self._queue = queue
        self._updates = queue.updates.cursor(seq)
        self._statuses = queue.statuses.cursor(seq)
        self._next: Entry | None = None

    def peek(self) -> Entry | None:
        """The next update whose status is here, or None; asked again, the same until `advance`."""
        if self._next is None:
            status = self._statuses.next()
            if status is not None:
                update = self._updates.next()
                assert update is not None, f"a status and no update {status[0]}"
                seq = update[0]
                operation = decode(self._queue.decode_update(update[1], seq))
                self._next = Entry(seq, operation, self._queue.decode_status(status[1], seq))
        return self._next

    def advance(self) -> None:
        """Go on to the update after."""
        self._next = None

    def close(self) -> None:
        """Give the open files back."""
        self._updates.close()
        self._statuses.close()
