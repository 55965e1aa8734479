"""The blocks of a file, their digests, and the digest of a whole directory.

Two copies of the protected data are compared block by block, at the same place of the same path. A block of nothing but
zeros counts as not there: a hole in a sparse file then costs nothing, neither to read nor to send, and a file is what
its size and its other blocks say.

A digest is SHA-256. Its first 16 bytes are compared for each block, one old block against one new one: that two
different ones agree by chance, once in 2**128, is not worth a thought. Who can write to the protected data could look
for two blocks that do, with 2**64 work. It would gain nothing: the digest of the whole directory is made of whole
digests of the blocks, and where that differs the copy is refused, and made again without the old data.

The directory's digest is a sum over its entries, so they may be taken in any order, and none has to be kept or sorted.
Refused: digests of files by time and size, which are quick, and wrong when it matters.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from takeover.errors import EnvironmentFault
from takeover.operations import path_text
from takeover.storage.carrying_out import opened_directory, opened_file
from takeover_spec.wire import COPY_BLOCK_BYTES

BLOCK_BYTES = COPY_BLOCK_BYTES
"""The length of a block but the last one of a file, in bytes."""

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file is opened to be compared: a FIFO must not stop the server."""

_SUM_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a file that is not all zeros."""

    number: int
    """0, 1, 2… in its file."""
    content: bytes
    """`BLOCK_BYTES` of them; fewer only where the file ends."""

    @property
    def offset(self) -> int:
        """Where it begins in its file, in bytes."""
        return self.number * BLOCK_BYTES


def block_count(size: int) -> int:
    """How many blocks a file of `size` bytes has, with those of zeros."""
    return -(-size // BLOCK_BYTES)


def block_length(number: int, size: int) -> int:
    """How long a block of a file of `size` bytes is, in bytes; 0 beyond its end."""
    return max(0, min(BLOCK_BYTES, size - number * BLOCK_BYTES))


def digest(content: bytes) -> bytes:
    """The whole digest of a block."""
    return sha256(content).digest()


def is_zeros(content: bytes) -> bool:
    """Whether there is nothing but zeros."""
    return not content.strip(b"\0")


def next_data(file: int, number: int) -> int | None:
    """The first block from `number` on in which the file has anything but a hole; None if there is none."""
    try:
        return os.lseek(file, number * BLOCK_BYTES, os.SEEK_DATA) // BLOCK_BYTES
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def blocks(file: int, size: int) -> Iterator[Block]:
    """The blocks of an open file that nobody writes to, but for those of zeros."""
    found = next_data(file, 0)
    while found is not None and found < block_count(size):
        content = os.pread(file, block_length(found, size), found * BLOCK_BYTES)
        if not is_zeros(content):
            yield Block(found, content)
        found = next_data(file, found + 1)


class FileDigest:
    """The digest of a file, as its blocks come by, in the order of their numbers."""

    def __init__(self, path: bytes, size: int) -> None:
        self._hash = sha256(b"file %d %d " % (len(path), size) + path)

    def add(self, number: int, whole: bytes) -> None:
        """The next block that is not all zeros, and its whole digest."""
        self._hash.update(number.to_bytes(8, "big") + whole)

    def digest(self) -> bytes:
        """The digest."""
        return self._hash.digest()


class TreeDigest:
    """The digest of a directory, as its entries come by, in any order."""

    def __init__(self) -> None:
        self._sum = 0

    def add_directory(self, path: bytes) -> None:
        """A directory below it."""
        self._add(sha256(b"directory " + path).digest())

    def add_file(self, file: FileDigest) -> None:
        """A file below it, all of whose blocks have come by."""
        self._add(file.digest())

    def _add(self, entry: bytes) -> None:
        self._sum = (self._sum + int.from_bytes(entry, "big")) % _SUM_MODULUS

    def digest(self) -> bytes:
        """The digest of what came by so far."""
        return self._sum.to_bytes(32, "big")


def directory_digest(root: Path) -> bytes:
    """The digest of everything below a directory that nobody writes to, as it is read from there."""
    tree = TreeDigest()
    left = [b""]
    while left:
        above = left.pop()
        with opened_directory(root, above) as directory, os.scandir(directory) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                path = above + b"/" + name if above else name
                if entry.is_dir(follow_symlinks=False):
                    tree.add_directory(path)
                    left.append(path)
                elif entry.is_file(follow_symlinks=False):
                    tree.add_file(_file_digest(root, path))
                else:
                    raise EnvironmentFault(f"{root}: {path!r} is neither a file nor a directory")
    return tree.digest()


def _file_digest(root: Path, path: bytes) -> FileDigest:
    with opened_file(root, path_text(path), READ) as file:
        size = os.fstat(file).st_size
        found = FileDigest(path, size)
        for block in blocks(file, size):
            found.add(block.number, digest(block.content))
    return found
