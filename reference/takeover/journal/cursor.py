"""Reading a journal from an index on, one entry after the other, while it grows.

The queue may be longer than memory, so a cursor holds one open file and one read-ahead buffer, whatever the length. It
asks the journal how far the entries reach and reads them from the files, whose bytes below that point never change;
only discarding a tail or a reset can change them, and then the journal's `revision` tells the cursor to look anew.
"""

from pathlib import Path
from typing import Protocol

from takeover.errors import CallerError, JournalDamaged
from takeover.journal.frames import FrameReader
from takeover.journal.segment import Segment
from takeover.storage.disk import Disk, Handle


class Entries(Protocol):
    """What a cursor needs of its journal."""

    @property
    def directory(self) -> Path: ...
    @property
    def first_index(self) -> int: ...
    @property
    def next_index(self) -> int: ...
    @property
    def revision(self) -> int:
        """Changes whenever entries that a cursor may have read ahead are discarded."""

    def segment_of(self, index: int) -> Segment:
        """The segment that holds an entry, or would hold it as the next one."""

    def check_usable(self) -> None:
        """Raise if the journal is closed or refuses further use."""


class Cursor:
    """A place in a journal. Close it, or use it in a `with`; a closed one opens again by itself at the next `next`."""

    def __init__(self, entries: Entries, disk: Disk, index: int) -> None:
        self._entries = entries
        self._disk = disk
        self._index = index
        self._revision = -1
        self._segment: Segment | None = None
        self._handle: Handle | None = None
        self._reader: FrameReader | None = None

    @property
    def index(self) -> int:
        """The index of the entry that `next` gives."""
        return self._index

    def next(self) -> tuple[int, bytes] | None:
        """The next entry, durable or not, or None when there is none yet: ask again after an append.

        `CallerError` when that entry was dropped or discarded; `JournalDamaged` when it is not as it was written.
        """
        entries = self._entries
        entries.check_usable()
        if not entries.first_index <= self._index <= entries.next_index:
            reach = f"it has {entries.first_index} to before {entries.next_index}"
            raise CallerError(
                f"{entries.directory}: entry {self._index} is no longer in the journal: {reach}"
            )
        if self._index == entries.next_index:
            return None
        if self._reader is None or self._revision != entries.revision:
            self._seek()
        entry = self._read()
        if entry is None:  # the end of this segment
            self._seek()
            entry = self._read_certainly()
        self._index += 1
        return entry

    def close(self) -> None:
        """Give the open file back."""
        if self._handle is not None:
            self._disk.close(self._handle, label="journal.cursor.close")
        self._handle = self._reader = self._segment = None

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seek(self) -> None:
        """Open the segment with the entry, and read up to it."""
        self.close()
        segment = self._entries.segment_of(self._index)
        self._revision = self._entries.revision
        self._handle = self._disk.open(segment.path, writable=False, label="journal.cursor.open")
        self._segment = segment
        self._reader = FrameReader(self._disk, self._handle, segment.path, segment.header)
        while self._reader.index < self._index:
            self._read_certainly()

    def _read(self) -> tuple[int, bytes] | None:
        """The next entry in this segment; None at its end."""
        assert self._reader is not None
        assert self._segment is not None
        entry = self._reader.next(self._segment.end)
        if entry is None and self._reader.offset < self._segment.end:
            raise JournalDamaged(
                self._segment.path, self._reader.offset, f"entry {self._reader.index} is not whole"
            )
        return entry

    def _read_certainly(self) -> tuple[int, bytes]:
        entry = self._read()
        if entry is None:
            assert self._segment is not None
            raise JournalDamaged(self._segment.path, self._segment.end, f"entry {self._index} is missing")
        return entry
