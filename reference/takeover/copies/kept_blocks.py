"""The old blocks of one file of a snapshot, kept aside before the file changes.

A block is read and kept once, just before its first change. Kept blocks are in a file of their own, each where it was:
where the old file had a hole, this one has one too. In memory there are the numbers of the blocks kept one by one, and
the number from which all are: cutting a file off touches all the blocks behind, of which there may be millions.

One thread keeps, in steps, and others may read meanwhile: a block counts as kept when its bytes are there and not
before, and until then the file itself still has it.
"""

from __future__ import annotations

import os
from bisect import bisect_left, insort
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from takeover.copies.blocks import BLOCK_BYTES, Block, block_count, block_length, is_zeros, next_data

STEP_BLOCKS = 32
"""How many blocks are kept at a time before others have their turn."""


class KeptBlocks:
    """What is kept of one file."""

    def __init__(self, path: Path, size: int) -> None:
        """Nothing yet. `path` is where the blocks go; `size` is the file's, in bytes, as it is to be remembered."""
        self.size = size
        self._path = path
        self._numbers: list[int] = []  # ascending
        self._from = block_count(size)  # every block from here on is kept
        self._lock = Lock()  # of the two above

    def covers(self, number: int) -> bool:
        """Whether the block is kept, or is behind the end."""
        with self._lock:
            at = bisect_left(self._numbers, number)
            return number >= self._from or self._numbers[at : at + 1] == [number]

    def next_covered(self, number: int) -> int | None:
        """The first block from `number` on that is kept and may be other than zeros; None if there is none."""
        with self._lock:
            at = bisect_left(self._numbers, number)
            if at < len(self._numbers):
                return self._numbers[at]
        if self._from >= block_count(self.size) or not self._path.exists():
            return None
        with _opened(self._path, os.O_RDONLY) as file:
            return next_data(file.number, max(number, self._from))

    def read(self, number: int) -> bytes:
        """A block that is kept."""
        length = block_length(number, self.size)
        if not self._path.exists():
            return bytes(length)
        with _opened(self._path, os.O_RDONLY) as file:
            return os.pread(file.number, length, number * BLOCK_BYTES).ljust(length, b"\0")

    def keep(self, live: int, first: int, end: int) -> Iterator[None]:
        """Keep the blocks from `first` to before `end` of the open file `live`; pauses after each step.

        Raises `OSError` when that cannot be; then they are not kept.
        """
        for number in range(first, min(end, self._from)):
            if not self.covers(number):
                self._put(Block(number, self._live(live, number)))
                with self._lock:
                    insort(self._numbers, number)
            if number % STEP_BLOCKS == 0:
                yield

    def keep_from(self, live: int, first: int) -> Iterator[None]:
        """Keep the blocks from `first` on, all of them; pauses after each step. Raises `OSError` as `keep` does."""
        found = next_data(live, first)
        while found is not None and found < self._from:
            if not self.covers(found):
                self._put(Block(found, self._live(live, found)))
            if found % STEP_BLOCKS == 0:
                yield
            found = next_data(live, found + 1)
        with self._lock:
            self._from = min(self._from, first)
            del self._numbers[bisect_left(self._numbers, self._from) :]

    def _live(self, live: int, number: int) -> bytes:
        return os.pread(live, block_length(number, self.size), number * BLOCK_BYTES)

    def _put(self, block: Block) -> None:
        if is_zeros(block.content):
            return  # it reads as a hole
        with _opened(self._path, os.O_WRONLY | os.O_CREAT) as file:
            written = os.pwrite(file.number, block.content, block.offset)
            while written < len(block.content):
                written += os.pwrite(file.number, block.content[written:], block.offset + written)


class _opened:
    """A file, open in a `with`."""

    def __init__(self, path: Path, flags: int) -> None:
        self.number = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> _opened:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.number)
