"""One file of a journal: its name, its birth, and what is found in it after a restart.

A journal is cut into segments so that its head can be dropped by removing whole files. The name carries the generation
and the first index, so a listing of the directory is the table of contents. A segment is born complete: header, content
and name are durable before a record goes into it, and its predecessor is synced before it exists. So only the *last*
segment can have a torn tail; and a last segment with less than a header never held anything.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from takeover.errors import DiskFull, JournalDamaged
from takeover.journal.frames import HEADER_BYTES, VERSION, FrameReader, Header, decode_header, encode_header
from takeover.storage.disk import Disk, Handle

_NAME = re.compile(r"(\d{10})-(\d{20})\.segment")


@dataclass(slots=True)
class Segment:
    """A segment file, open or not."""

    path: Path
    header: Header
    end: int
    """Where the next frame goes, in bytes; nothing behind it counts."""

    @property
    def first_index(self) -> int:
        """The index of its first record."""
        return self.header.first_index


@dataclass(frozen=True, slots=True)
class SegmentName:
    """What a file's name says, before the file is read."""

    path: Path
    generation: int
    first_index: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds."""

    end: int
    """Where its last whole frame ends, in bytes."""
    size: int
    """The file's length in bytes; more than `end` when the tail is torn."""
    next_index: int
    """The index after its last record."""
    marked_index: int
    """What its marks prove: entries before this index were once durable."""
    proven_offset: int
    """What they prove of the file: bytes before this one were once durable."""


def segment_names(directory: Path, names: list[str]) -> list[SegmentName]:
    """The segments among the names of a directory, by generation and first index."""
    matches = [match for name in names if (match := _NAME.fullmatch(name))]
    found = [SegmentName(directory / match[0], int(match[1]), int(match[2])) for match in matches]
    return sorted(found, key=lambda name: (name.generation, name.first_index))


def create_segment(disk: Disk, directory: Path, generation: int, first_index: int) -> tuple[Segment, Handle]:
    """A new, durable, empty segment, open to append. `DiskFull` leaves no file behind."""
    header = Header(generation, first_index, int.from_bytes(os.urandom(4)))
    path = directory / f"{generation:010d}-{first_index:020d}.segment"
    handle = disk.create(path, label="journal.segment.create")
    try:
        disk.write(handle, 0, encode_header(header), label="journal.segment.header")
    except DiskFull:
        remove_segment(disk, path, handle)
        raise
    disk.sync(handle, label="journal.segment.sync")
    disk.sync_directory(directory, label="journal.segment.sync_directory")
    return Segment(path, header, HEADER_BYTES), handle


def remove_segment(disk: Disk, path: Path, handle: Handle) -> None:
    """Undo a birth, durably: its predecessor goes on, and a power cut must not bring it back behind that."""
    disk.close(handle, label="journal.segment.undo.close")
    disk.unlink(path, label="journal.segment.undo.unlink")
    disk.sync_directory(path.parent, label="journal.segment.undo.sync_directory")


def read_segment(disk: Disk, name: SegmentName) -> Segment | None:
    """The segment of that name, its header checked; None if it was cut off before it was born."""
    handle = disk.open(name.path, writable=False, label="journal.segment.open")
    try:
        size = disk.size(handle, label="journal.segment.size")
        header = decode_header(disk.read(handle, 0, HEADER_BYTES, label="journal.segment.read"))
    finally:
        disk.close(handle, label="journal.segment.close")
    if header is None and size <= HEADER_BYTES:
        return None
    if header is None:
        raise JournalDamaged(name.path, 0, "this is not a segment's header")
    if header.version != VERSION:
        raise JournalDamaged(name.path, 0, f"format version {header.version}; this program reads {VERSION}")
    if (header.generation, header.first_index) != (name.generation, name.first_index):
        says = f"generation {header.generation} from entry {header.first_index}"
        raise JournalDamaged(name.path, 0, f"the header says {says}, and the file's name does not")
    return Segment(name.path, header, size)


def scan_segment(disk: Disk, segment: Segment, *, until: int | None = None) -> Scan:
    """Read all records, or those before index `until`. `JournalDamaged` when a record that was durable is not whole."""
    handle = disk.open(segment.path, writable=False, label="journal.scan.open")
    try:
        size = disk.size(handle, label="journal.scan.size")
        reader = FrameReader(disk, handle, segment.path, segment.header)
        while reader.index != until and reader.next(size) is not None:
            pass
        if reader.index != until and reader.offset < size:
            proof = reader.later_proof(size)
            if proof is not None:
                reason = f"entry {reader.index} is not whole, and the mark at byte {proof} proves that it was durable"
                raise JournalDamaged(segment.path, reader.offset, reason)
        return Scan(reader.offset, size, reader.index, reader.marked_index, reader.proven_offset)
    finally:
        disk.close(handle, label="journal.scan.close")
