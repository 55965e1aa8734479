"""The bytes of a journal's segment: one header, then records and marks.

A *record* carries one entry and its index. A *mark* follows each sync and says "every entry before index n was durable
when I was written". Marks are what tells a torn tail from damage. After a power cut the tail that nobody synced may be
torn in any order: the kernel writes pages back as it likes, so a later record may be whole and an earlier one not.
Bytes that are no frame are therefore the end of the journal, *unless* something behind them proves that what they held
was durable: a mark, or a further segment. Then it is damage, and nobody may write over it.

The mark itself is not synced, which would cost a second wait for the disk; the next sync carries it. A mark lost in a
power cut proves nothing either way, so the one thing not noticed is damage to the very last group of entries, in
entries which a power cut hit before their mark reached the disk. The refused alternative, "a whole record after a
broken one is damage", needs no marks, and refuses to start after an ordinary power cut.

Every checksum starts from the segment's own random salt: an entry may contain a copy of some journal's bytes (protected
data is arbitrary), and those must not pass for frames.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from takeover.errors import JournalDamaged
from takeover.storage.disk import Disk, Handle

VERSION = 1
"""The format's version, in every segment's header."""

PAYLOAD_BYTES_MAX = 1 << 30
"""The longest entry. A length above this is never looked at further."""

READ_AHEAD_BYTES = 1 << 18
"""How much a reader fetches at once."""

_HEADER = struct.Struct(">8sIQQI")  # magic, version, generation, first index, salt
_RECORD = struct.Struct(">4sIQ")  # magic, payload length, index
_MARK = struct.Struct(">4sQ")  # magic, durable index
_CRC = struct.Struct(">I")  # follows each of the three; a record's payload comes after it

_HEADER_MAGIC = b"takeover"
_RECORD_MAGIC = b"\xf0REC"
_MARK_MAGIC = b"\xf0MRK"

HEADER_BYTES = _HEADER.size + _CRC.size
RECORD_BYTES = _RECORD.size + _CRC.size
"""A record's length without its payload."""
MARK_BYTES = _MARK.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says about itself."""

    generation: int
    """Counts the journal's resets; only segments of the current generation belong to it."""
    first_index: int
    """The index of the first record."""
    salt: int
    """Where this segment's checksums start; 32 random bits."""
    version: int = VERSION
    """The format's version."""


def encode_header(header: Header) -> bytes:
    """The bytes at the head of a segment."""
    content = _HEADER.pack(_HEADER_MAGIC, header.version, header.generation, header.first_index, header.salt)
    return content + _CRC.pack(crc32(content))


def decode_header(content: bytes) -> Header | None:
    """The header, or None when these bytes are not a whole one. The caller checks what it says."""
    if (
        len(content) != HEADER_BYTES
        or crc32(content[: _HEADER.size]) != _CRC.unpack_from(content, _HEADER.size)[0]
    ):
        return None
    magic, version, generation, first_index, salt = _HEADER.unpack_from(content)
    return Header(generation, first_index, salt, version) if magic == _HEADER_MAGIC else None


def encode_record(index: int, payload: bytes, salt: int) -> bytes:
    """The bytes of one entry."""
    content = _RECORD.pack(_RECORD_MAGIC, len(payload), index)
    return b"".join((content, _CRC.pack(crc32(payload, crc32(content, salt))), payload))


def encode_mark(durable_index: int, salt: int) -> bytes:
    """The bytes that say that every entry before `durable_index` was durable."""
    content = _MARK.pack(_MARK_MAGIC, durable_index)
    return content + _CRC.pack(crc32(content, salt))


class FrameReader:
    """Reads a segment's records one after the other, with read-ahead, and takes note of the marks between them.

    `next` answers None at the limit, and also at bytes that are no frame: then `offset` is short of the limit, and what
    that means is the caller's to say. A whole frame that does not belong where it stands is damage for certain.
    """

    def __init__(self, disk: Disk, handle: Handle, path: Path, header: Header) -> None:
        self._disk = disk
        self._handle = handle
        self._path = path
        self._salt = header.salt
        self._buffer = b""
        self._buffer_offset = 0
        self.offset = HEADER_BYTES
        """Where the next frame starts, in bytes."""
        self.index = header.first_index
        """The index of the next record."""
        self.marked_index = header.first_index
        """What the marks read so far prove: every entry before this index was once durable."""
        self.proven_offset = 0
        """What they prove of the file: every byte before this one was once durable. A mark does not prove itself."""
        self._record_end = HEADER_BYTES

    def next(self, limit: int) -> tuple[int, bytes] | None:
        """The next record that lies wholly before byte `limit` of the file."""
        while True:
            start = self._fetch(MARK_BYTES, limit)
            if start is None:
                return None
            if self._buffer.startswith(_RECORD_MAGIC, start):
                return self._record(limit)
            durable_index = _mark_at(self._buffer, start, self._salt)
            if durable_index is None:
                return None
            if durable_index > self.index:
                reason = f"entries before {durable_index} were durable, entry {self.index} is not here"
                raise JournalDamaged(self._path, self.offset, reason)
            if (
                durable_index == self.index
            ):  # not so when appends went on during the sync; then it proves less
                self.proven_offset = self._record_end
            self.marked_index = max(self.marked_index, durable_index)
            self.offset += MARK_BYTES

    def _record(self, limit: int) -> tuple[int, bytes] | None:
        start = self._fetch(RECORD_BYTES, limit)
        if start is None:
            return None
        _, length, index = _RECORD.unpack_from(self._buffer, start)
        if length > PAYLOAD_BYTES_MAX:
            return None
        start = self._fetch(RECORD_BYTES + length, limit)
        if start is None:
            return None
        body = start + RECORD_BYTES
        payload = self._buffer[body : body + length]
        crc = crc32(payload, crc32(self._buffer[start : start + _RECORD.size], self._salt))
        if crc != _CRC.unpack_from(self._buffer, body - _CRC.size)[0]:
            return None
        if index != self.index:
            raise JournalDamaged(
                self._path, self.offset, f"entry {index} stands where entry {self.index} belongs"
            )
        self.index += 1
        self.offset += RECORD_BYTES + length
        self._record_end = self.offset
        return index, payload

    def _fetch(self, length: int, limit: int) -> int | None:
        """Where in the buffer the next `length` bytes of the file are; None if they do not lie before the limit."""
        start = self.offset - self._buffer_offset
        if start + length <= len(self._buffer):
            return start
        if self.offset + length > limit:
            return None
        ahead = min(max(length, READ_AHEAD_BYTES), limit - self.offset)
        self._buffer = self._disk.read(self._handle, self.offset, ahead, label="journal.read")
        self._buffer_offset = self.offset
        return 0 if length <= len(self._buffer) else None

    def later_proof(self, size: int) -> int | None:
        """Where a mark behind `offset` proves that entry `index` was durable; None if none of them does.

        Reads the rest of the file, in pieces that overlap by one mark.
        """
        for start, piece in self._pieces(size):
            found = piece.find(_MARK_MAGIC)
            while found >= 0:
                durable_index = _mark_at(piece, found, self._salt)
                if durable_index is not None and durable_index > self.index:
                    return start + found
                found = piece.find(_MARK_MAGIC, found + 1)
        return None

    def _pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        for start in range(self.offset, size, READ_AHEAD_BYTES):
            yield (
                start,
                self._disk.read(self._handle, start, READ_AHEAD_BYTES + MARK_BYTES, label="journal.search"),
            )


def _mark_at(content: bytes, start: int, salt: int) -> int | None:
    """The durable index that a mark at `start` states; None if there is no whole mark."""
    end = start + _MARK.size
    if not content.startswith(_MARK_MAGIC, start) or end + _CRC.size > len(content):
        return None
    if crc32(content[start:end], salt) != _CRC.unpack_from(content, end)[0]:
        return None
    durable_index: int = _MARK.unpack_from(content, start)[1]
    return durable_index
