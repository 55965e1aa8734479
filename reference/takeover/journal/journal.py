"""A durable, append-only journal: the unsafe queue of the active, the safe queue of the passive.

Entries are opaque bytes with consecutive indexes, in segment files. Appending writes, syncing makes durable, and one
sync covers every append before it, so the wait for the disk is shared. The promise: whatever is cut, at any byte of any
call, an entry that was synced is there again after opening, and none is there that was not appended.

What complicates it is the tail. What was written but not synced may be there, or torn, or missing; it counts as never
written from its first broken byte on. What *was* synced and is broken is damage, and is refused. `journal.frames` says
how the two are told apart, `journal.bounds` how the extent changes in one step, `journal.recovery` how a journal opens.

One thread owns a journal and its cursors; `sync` alone may run in another one, so that appends go on during the wait.
The refused alternative, SQLite, is a good store, but its own recovery decides silently what counts, and a torn tail and
a damaged middle are not told apart.
"""

from bisect import bisect_right
from dataclasses import replace
from pathlib import Path
from threading import Lock

from takeover.errors import CallerError, DiskFault, DiskFull, EnvironmentFault
from takeover.journal.bounds import Bounds
from takeover.journal.cursor import Cursor
from takeover.journal.frames import (
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    RECORD_BYTES,
    encode_mark,
    encode_record,
)
from takeover.journal.recovery import NO_PROOF, Proof, Recovered, recover
from takeover.journal.segment import Segment, create_segment, remove_segment, scan_segment
from takeover.storage.disk import Disk
from takeover.storage.trust import StorageTrust

SEGMENT_BYTES = 16 << 20
"""When a segment is this long, the next one begins: the grain in which dropping the head gives room back."""


class Journal:
    """An open journal. After `StorageRefused`, close it and open it again."""

    def __init__(self, directory: Path, disk: Disk, segment_bytes: int, recovered: Recovered) -> None:
        """Use `open`."""
        self._directory = directory
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._bounds = recovered.bounds
        self._segments = recovered.segments
        self._handle = recovered.tail
        self._next = self._durable = recovered.next_index
        self._revision = 0
        self._closed = False
        self._trust = StorageTrust(directory)
        self._syncing = Lock()  # held through every wait for the disk; taken before _state
        self._state = Lock()  # held while the tail and its indexes change

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        disk: Disk,
        segment_bytes: int = SEGMENT_BYTES,
        proof: Proof = NO_PROOF,
        marked: bool = True,
    ) -> "Journal":
        """Open the journal in an existing directory; an empty directory becomes an empty journal from entry 0.

        `JournalDamaged` when an entry that was durable is not whole; then nothing was changed. Nobody else may have the
        journal open: `DataDirectory` sees to that. `proof` is what is known of it from elsewhere. Call `mark` if it is
        not to be `marked` yet.
        """
        recovered = recover(directory, disk, proof)
        journal = cls(directory, disk, segment_bytes, recovered)
        if marked and recovered.marked_index < recovered.next_index:
            journal._put_mark()
        return journal

    @property
    def directory(self) -> Path:
        """Where the journal is."""
        return self._directory

    @property
    def first_index(self) -> int:
        """The index of the first entry; equal to `next_index` when the journal is empty."""
        return self._bounds.bounds.first_index

    @property
    def next_index(self) -> int:
        """The index that the next append gets."""
        return self._next

    @property
    def durable_index(self) -> int:
        """Every entry before this index is durable."""
        return self._durable

    @property
    def revision(self) -> int:
        """Changes when entries that were readable are discarded from the tail, or all of them by a reset."""
        return self._revision

    def append(self, payload: bytes) -> int:
        """Write one entry and return its index. It survives a kill of this process; `sync` makes it durable.

        `DiskFull`: the journal is exactly as before, and may be used on.
        """
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise CallerError(
                f"{self._directory}: an entry of {len(payload)} bytes; at most {PAYLOAD_BYTES_MAX}"
            )
        with self._state:
            self.check_usable()
            if self._fits(payload):
                return self._append(payload)
        with self._syncing, self._state:
            self.check_usable()
            if not self._fits(payload):
                self._roll()
            return self._append(payload)

    def mark(self) -> None:
        """Have the file prove what is durable, as each `sync` does."""
        with self._syncing, self._state:
            self.check_usable()
            self._put_mark()

    def sync(self) -> None:
        """Make every entry appended before this call durable. May run in another thread than the rest.

        `StorageRefused` when the disk fails: what it kept since the last sync is unknown, and a second try would lie.
        """
        with self._syncing:
            self._sync()

    def cursor(self, index: int) -> Cursor:
        """A cursor that stands before entry `index`, from `first_index` up to `next_index`."""
        self._check_within(index)
        return Cursor(self, self._disk, index)

    def drop_before(self, index: int) -> None:
        """Durably drop the entries before `index`, and remove the segments that lie wholly before it.

        Dropping what is dropped already does nothing. It waits for the disk twice at most, so call it for many entries
        at once, and needs no room on it. `DiskFull`: nothing happened.
        """
        with self._syncing:
            self.check_usable()
            if index <= self.first_index:
                return
            self._check_within(index)
            self._sync()
            self._save_bounds(replace(self._bounds.bounds, first_index=index))
            while len(self._segments) > 1 and self._segments[1].first_index <= index:
                self._disk.unlink(self._segments.pop(0).path, label="journal.drop.unlink")

    def truncate_from(self, index: int) -> None:
        """Durably discard the entries from `index` on, all or none of them; `index` is the next one then.

        `DiskFull`: nothing happened.
        """
        with self._syncing:
            self.check_usable()
            self._check_within(index)
            if index == self._next:
                return
            self._sync()
            bounds = replace(self._bounds.bounds, tail_index=self.segment_of(index).first_index)
            self._save_bounds(replace(bounds, end_index=index))
            with self._state, self._trust.at_stake("discarding the tail was cut short"):
                self._discard_from(index)
                self._bounds.save(bounds)

    def reset(self, next_index: int) -> None:
        """Durably discard every entry, all or none of them, and number on from `next_index`.

        `DiskFull`: nothing happened.
        """
        if not 0 <= next_index < 1 << 63:
            raise CallerError(f"{self._directory}: cannot number from {next_index}")
        with self._syncing, self._state:
            self.check_usable()
            generation = self._bounds.bounds.generation + 1
            old_segments, self._segments = self._segments, []
            try:
                self._begin_segment(Bounds(generation, next_index, next_index))
            except EnvironmentFault:
                self._segments = old_segments
                raise
            self._next = self._durable = next_index
            self._revision += 1
            for old in old_segments:
                self._disk.unlink(old.path, label="journal.reset.unlink")

    @property
    def is_trusted(self) -> bool:
        """Whether it is known what is on the disk."""
        return not self._trust.lost

    def close(self, *, sync: bool = True) -> None:
        """Sync, unless told not to or the journal refuses use, and give the files back. Closing twice is allowed."""
        with self._syncing:
            if self._closed:
                return
            try:
                if sync and self.is_trusted:
                    self._sync()
            finally:
                self._closed = True
                self._disk.close(self._handle, label="journal.close")
                self._bounds.close()

    def segment_of(self, index: int) -> Segment:
        """For cursors: the segment that holds entry `index`."""
        return self._segments[
            bisect_right(self._segments, index, key=lambda segment: segment.first_index) - 1
        ]

    def check_usable(self) -> None:
        """Raise `StorageRefused` after a failure, `CallerError` after `close`."""
        self._trust.check()
        if self._closed:
            raise CallerError(f"{self._directory}: the journal is closed")

    def _check_within(self, index: int) -> None:
        self.check_usable()
        if not self.first_index <= index <= self._next:
            reach = f"it has {self.first_index} to before {self._next}"
            raise CallerError(f"{self._directory}: there is no entry {index} in the journal: {reach}")

    def _fits(self, payload: bytes) -> bool:
        end = self._segments[-1].end
        return end == HEADER_BYTES or end + RECORD_BYTES + len(payload) <= self._segment_bytes

    def _append(self, payload: bytes) -> int:
        index = self._next
        self._put(encode_record(index, payload, self._segments[-1].header.salt), "journal.append")
        self._next = index + 1
        return index

    def _put(self, frame: bytes, label: str) -> None:
        """Write a frame at the end, or leave the end as it was."""
        tail = self._segments[-1]
        try:
            self._disk.write(self._handle, tail.end, frame, label=label)
        except DiskFault as fault:
            with self._trust.at_stake("a part of an entry could not be cut off again"):
                self._disk.truncate(self._handle, tail.end, label=f"{label}.undo")
            with self._trust.at_stake("an entry could not be written", full_is_harmless=True):
                raise fault
        tail.end += len(frame)

    def _put_mark(self) -> None:
        """Say in the tail what is durable; see `journal.frames`."""
        try:
            self._put(encode_mark(self._durable, self._segments[-1].header.salt), "journal.mark")
        except DiskFull:
            return  # the entries are durable, and this is only the proof of it: the next sync writes another

    def _sync(self) -> None:
        with self._state:
            self.check_usable()
            target, handle = self._next, self._handle
        if target == self._durable:
            return
        with self._trust.at_stake("what was written since the last sync may be lost"):
            self._disk.sync(handle, label="journal.sync")
        with self._state:
            self._durable = target
            self._put_mark()

    def _roll(self) -> None:
        """Seal the tail and begin the next segment. The seal is a sync without a mark: nothing unsynced may follow."""
        with self._trust.at_stake("what was written since the last sync may be lost"):
            self._disk.sync(self._handle, label="journal.roll.sync")
        self._durable = self._next
        self._begin_segment(replace(self._bounds.bounds, tail_index=self._next))

    def _begin_segment(self, bounds: Bounds) -> None:
        """Begin the segment that `bounds` names as the last, and put them into force; or, with `DiskFull`, nothing."""
        with self._trust.at_stake("a segment was begun and not finished", full_is_harmless=True):
            segment, handle = create_segment(
                self._disk, self._directory, bounds.generation, bounds.tail_index
            )
        try:
            self._save_bounds(bounds)
        except DiskFull:
            with self._trust.at_stake("a new segment could not be undone"):
                remove_segment(self._disk, segment.path, handle)
            raise
        former, self._handle = self._handle, handle
        self._segments.append(segment)
        self._disk.close(former, label="journal.segment.close")

    def _save_bounds(self, bounds: Bounds) -> None:
        with self._trust.at_stake("the bounds may be the old or the new ones", full_is_harmless=True):
            self._bounds.save(bounds)

    def _discard_from(self, index: int) -> None:
        while len(self._segments) > 1 and self._segments[-1].first_index > index:
            self._disk.unlink(self._segments.pop().path, label="journal.truncate.unlink")
        tail = self._segments[-1]
        discarded = self._handle
        self._handle = self._disk.open(tail.path, writable=True, label="journal.truncate.open")
        self._disk.close(discarded, label="journal.truncate.close")
        tail.end = scan_segment(self._disk, tail, until=index).end
        self._disk.truncate(self._handle, tail.end, label="journal.truncate")
        self._disk.sync(self._handle, label="journal.truncate.sync")
        self._disk.sync_directory(self._directory, label="journal.truncate.sync_directory")
        self._next = self._durable = index
        self._revision += 1
