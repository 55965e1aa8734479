"""The lines of the demo application's files: a key, a value and a checksum.

The application writes and recovers them; the judge reads them out of lost updates. A record is a whole line or it is
none: what a crash cut short, and what a hole left empty, does not carry its checksum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from zlib import crc32

WORD = re.compile(r"[!-~]{1,200}")
"""What a key or a value may be: visible ASCII, up to 200 characters, no blanks."""


@dataclass(frozen=True, slots=True)
class Record:
    """A key and the value that it was given."""

    key: str
    value: str


def encode(record: Record) -> bytes:
    """The record as a line."""
    body = f"{record.key} {record.value}"
    return f"{body} {crc32(body.encode()):08x}\n".encode()


def decode(content: bytes) -> tuple[list[Record], int]:
    """The records that `content` begins with, and how many bytes they take."""
    records: list[Record] = []
    end = 0
    for line in content.splitlines(keepends=True):
        record = _decode_line(line)
        if record is None:
            break
        records.append(record)
        end += len(line)
    return records, end


def _decode_line(line: bytes) -> Record | None:
    match line.decode(errors="replace").split(" "):
        case [key, value, _] if WORD.fullmatch(key) and WORD.fullmatch(value):
            record = Record(key, value)
            return record if encode(record) == line else None
    return None
