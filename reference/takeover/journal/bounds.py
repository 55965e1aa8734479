"""Where a journal begins and ends: the one small file that every change of extent is committed in.

Segments come and go as whole files, and several of them cannot be removed in one step. So what *counts* is written
here, first and durably, and removing what no longer counts is tidying that the next opening finishes. Dropping the head
raises `first_index`; discarding the tail sets `end_index` for as long as it takes; a reset counts up `generation`,
which disowns every older segment at once; and `tail_index` tells a last segment that is missing from one never begun.

The file has two slots of equal content. A save overwrites one, syncs, then overwrites the other: whatever is cut, one
slot is whole, and a byte that rots in one of them does no harm. Overwriting in place also needs no new block: a journal
on a full disk can still drop its head, which is what makes room. That is why this is not a new file renamed into place.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from takeover.errors import DiskFull, JournalDamaged
from takeover.storage.disk import Disk, replace_content

BOUNDS_NAME = "bounds"
"""The file's name in the journal's directory."""

_SLOT = struct.Struct(">8sIQQQQQ")  # magic, version, save number, generation, first, tail and end index
_CRC = struct.Struct(">I")
_MAGIC = b"tkbounds"
_VERSION = 1
_OPEN_END = 2**64 - 1
_SLOT_BYTES = _SLOT.size + _CRC.size
_STRIDE_BYTES = 4096  # the two slots never share a disk block, so a torn write harms one of them


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which entries a journal has, whatever else its files hold."""

    generation: int
    """0 before the first segment exists; counted up by every reset."""
    first_index: int
    """The low-water mark: entries before it are dropped."""
    tail_index: int
    """Where the last segment starts. It was begun, so it must be there; a later one may be."""
    end_index: int | None = None
    """Set while the tail is being discarded: entries from it on are gone."""


_UNBORN = Bounds(0, 0, 0)


def create_bounds(disk: Disk, directory: Path) -> None:
    """Write the file for a journal without segments, durably."""
    slot = _encode(0, _UNBORN)
    content = slot.ljust(_STRIDE_BYTES, b"\0") + slot
    replace_content(disk, directory / BOUNDS_NAME, content, label="journal.bounds")


class BoundsFile:
    """The open file. `bounds` is what is durable in it."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        """Read the file; `JournalDamaged` when neither slot is whole."""
        self._disk = disk
        self.path = directory / BOUNDS_NAME
        self._handle = disk.open(self.path, writable=True, label="journal.bounds.open")
        try:
            self._number, self.bounds, self._firm = self._newest()
        except JournalDamaged:
            self.close()
            raise

    def settle(self) -> None:
        """Make what was read durable, and both slots equal. To be called once, before the first `save`.

        What was read is written once more, for an earlier sync of it may have failed (see `journal.recovery`).
        """
        content = _encode(self._number, self.bounds)
        self._disk.write(self._handle, self._firm * _STRIDE_BYTES, content, label="journal.bounds.settle")
        self._disk.sync(self._handle, label="journal.bounds.sync")
        self._mirror()

    def save(self, bounds: Bounds) -> None:
        """Durably replace the bounds. `DiskFull`: nothing happened. Any other `DiskFault`: either may be in force."""
        spare = 1 - self._firm
        content = _encode(self._number + 1, bounds)
        self._disk.write(self._handle, spare * _STRIDE_BYTES, content, label="journal.bounds.write")
        self._disk.sync(self._handle, label="journal.bounds.sync")
        self._number += 1
        self.bounds = bounds
        self._firm = spare
        self._mirror()

    def close(self) -> None:
        """Give the file back."""
        self._disk.close(self._handle, label="journal.bounds.close")

    def _mirror(self) -> None:
        """Copy the firm slot over the other; durable with the next save, which starts by overwriting that one."""
        content = _encode(self._number, self.bounds)
        try:
            self._disk.write(
                self._handle, (1 - self._firm) * _STRIDE_BYTES, content, label="journal.bounds.mirror"
            )
        except DiskFull:
            return  # the save itself is durable: the copy only guards against rot

    def _newest(self) -> tuple[int, Bounds, int]:
        found = [(*slot, place) for place in (0, 1) if (slot := self._read(place)) is not None]
        if not found:
            raise JournalDamaged(self.path, 0, "neither of the two slots is whole")
        return max(found, key=lambda slot: slot[0])

    def _read(self, place: int) -> tuple[int, Bounds] | None:
        content = self._disk.read(
            self._handle, place * _STRIDE_BYTES, _SLOT_BYTES, label="journal.bounds.read"
        )
        if (
            len(content) != _SLOT_BYTES
            or crc32(content[: _SLOT.size]) != _CRC.unpack_from(content, _SLOT.size)[0]
        ):
            return None
        magic, version, number, generation, first_index, tail_index, end_index = _SLOT.unpack_from(content)
        if (magic, version) != (_MAGIC, _VERSION):
            reason = f"format {magic!r} version {version}; this program reads {_MAGIC!r} version {_VERSION}"
            raise JournalDamaged(self.path, place * _STRIDE_BYTES, reason)
        end = None if end_index == _OPEN_END else end_index
        return number, Bounds(generation, first_index, tail_index, end)


def _encode(number: int, bounds: Bounds) -> bytes:
    end_index = _OPEN_END if bounds.end_index is None else bounds.end_index
    indexes = (bounds.first_index, bounds.tail_index, end_index)
    content = _SLOT.pack(_MAGIC, _VERSION, number, bounds.generation, *indexes)
    return content + _CRC.pack(crc32(content))
