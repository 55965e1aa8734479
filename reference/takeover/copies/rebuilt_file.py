"""A file of a copy, put together from the old one as far as the two are alike.

As long as all that is listed is what the old file has, nothing is written; a file that is alike to its end gets a hard
link to the old one, where that is allowed. At the first difference a file of its own is made, with what was alike so
far. So the old file is never written to, and an unchanged one costs no room.

A link is allowed only when nothing will write to the old data any more: that is for whoever receives the copy to say.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from takeover.copies.blocks import BLOCK_BYTES, Block, block_count, block_length, blocks, digest
from takeover.errors import CallerError, PeerError
from takeover.storage.carrying_out import opened_file, opened_parent
from takeover_spec.wire import COPY_DIGEST_BYTES

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RebuiltFile:
    """A file on its way. `take` its blocks in order, and `close` it."""

    def __init__(self, new: Path, old: Path | None, path: str, size: int, *, linking: bool) -> None:
        """The file `path` of `size` bytes in the directory `new`; `old` is where an earlier one may be."""
        self.path = path
        self.size = size
        self._new = new
        self._old_root = old
        self._stack = ExitStack()
        self._made: int | None = None
        self._next = 0  # the number of the next block that may be listed
        self._alike: Iterator[Block] | None = None
        self._old = self._open_old()
        try:
            if linking and self._old is not None and os.fstat(self._old).st_size == size:
                self._alike = blocks(self._old, size)
            else:
                self._make()
        except BaseException:
            self._stack.close()
            raise

    def take(self, number: int, listed: bytes) -> bool:
        """The next block that is listed, by its digest: whether it was in the old file, and is in this one now."""
        if number < self._next:
            raise PeerError(f"copy: {self.path!r}: block {number} is listed where {self._next} was the next")
        if self._alike is not None:
            old = next(self._alike, None)
            if old and old.number == number and _agree(old.content, listed):
                self._next = number + 1
                return True
            self._part()
        self._next = number + 1
        if self._old is None:
            return False
        content = os.pread(self._old, block_length(number, self.size), number * BLOCK_BYTES)
        if not _agree(content, listed):
            return False
        self._write(Block(number, content))
        return True

    def close(self) -> None:
        """Everything is listed."""
        with self._stack:
            if self._alike is not None and (next(self._alike, None) is not None or not self._link()):
                self._part()

    def abandon(self) -> None:
        """Be done with it, as it is."""
        self._stack.close()

    def _open_old(self) -> int | None:
        if self._old_root is None:
            return None
        with suppress(OSError, CallerError):  # there is none to take anything from
            opened = self._stack.enter_context(opened_file(self._old_root, self.path, _READ))
            if stat.S_ISREG(os.fstat(opened).st_mode):
                return opened
        return None

    def _make(self) -> None:
        self._made = self._stack.enter_context(opened_file(self._new, self.path, _NEW))
        os.ftruncate(self._made, self.size)

    def _part(self) -> None:
        """From here on they differ: make a file, with everything that was alike."""
        assert self._old is not None
        self._alike = None
        self._make()
        for block in blocks(self._old, min(self.size, self._next * BLOCK_BYTES)):
            self._write(block)

    def _link(self) -> bool:
        """They are alike: one file with two names. False on a file system that has no such thing."""
        assert self._old_root is not None
        with (
            opened_parent(self._old_root, self.path) as (old, old_name),
            opened_parent(self._new, self.path) as (new, new_name),
        ):
            try:
                os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
            except FileExistsError:
                raise
            except OSError:
                self._next = block_count(self.size)
                return False
        return True

    def _write(self, block: Block) -> None:
        assert self._made is not None
        written = 0
        while written < len(block.content):
            written += os.pwrite(self._made, block.content[written:], block.offset + written)


def _agree(content: bytes, listed: bytes) -> bool:
    return digest(content)[:COPY_DIGEST_BYTES] == listed
