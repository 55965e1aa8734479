"""Reading a snapshot: its directories and files, from what is kept and what is still in its place.

What is read is looked at first, and then it is asked what was kept: a change keeps before it happens, so whatever a
look may have seen of it, the answer is the old state. Only to find and open a name the two must be one step.

Memory does not grow with the data: of a directory the names are spooled to the disk beyond a mebibyte, and one file is
open at a time.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from takeover.copies.blocks import BLOCK_BYTES, Block, block_count, block_length, is_zeros, next_data
from takeover.copies.snapshot import OldEntry, Snapshot
from takeover.errors import EnvironmentFault

SPOOLED_BYTES_MAX = 1 << 20
"""How much of a directory's names is in memory."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Spool:
    """Names, of which there may be any number: first they are added, then each is taken once."""

    def __init__(self, folder: Path, names: Iterable[bytes]) -> None:
        self._file = tempfile.SpooledTemporaryFile(SPOOLED_BYTES_MAX, dir=str(folder))  # noqa: SIM115  # see `close`
        for name in names:
            self.add(name)
        self.names = self._taken()
        """What is left of them."""

    def add(self, name: bytes) -> None:
        """One more."""
        self._file.write(name + b"\0")

    def close(self) -> None:
        """Have none any more."""
        self._file.close()

    def _taken(self) -> Iterator[bytes]:
        self._file.seek(0)
        rest = b""
        while part := self._file.read(1 << 16):
            *names, rest = (rest + part).split(b"\0")
            yield from names


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory of the snapshot, found again."""

    inode: int
    opened: int | None
    """None if it is gone."""


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file of the snapshot, open until the next entry is asked for."""

    snapshot: Snapshot
    path: bytes
    inode: int
    size: int
    """In bytes."""
    opened: int

    def blocks(self) -> Iterator[Block]:
        """Its blocks as they were, but for those of zeros. Raises `SnapshotLost`, or `OSError`."""
        found = self._next(0)
        while found is not None and found < block_count(self.size):
            block = Block(found, self._read(found))
            if not is_zeros(block.content):
                yield block
            found = self._next(found + 1)

    def _next(self, number: int) -> int | None:
        """The next block that may be other than zeros."""
        live = next_data(self.opened, number)
        with self.snapshot.lock:
            self.snapshot.check()
            kept = self.snapshot.kept.get(self.inode)
        covered = kept.next_covered(number) if kept else None
        return min((n for n in (live, covered) if n is not None), default=None)

    def _read(self, number: int) -> bytes:
        length = block_length(number, self.size)
        content = os.pread(self.opened, length, number * BLOCK_BYTES)
        with self.snapshot.lock:
            self.snapshot.check()
            kept = self.snapshot.kept.get(self.inode)
            if kept and kept.covers(number):
                return kept.read(number)
        if len(content) != length:
            raise EnvironmentFault(f"{self.path!r} was cut off by somebody other than this server")
        return content


class SnapshotReader:
    """Walks through a snapshot once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def entries(self) -> Iterator[bytes | SnapshotFile]:
        """Everything in it: the path of a directory, before what is in it, or a file.

        Raises `SnapshotLost` when it was given up, `OSError`, and `EnvironmentFault` for what is neither.
        """
        left = [self._spool([b""])]
        try:
            while left:
                path = next(left[-1].names, None)
                if path is None:
                    left.pop().close()
                else:
                    if path:
                        yield path
                    left.append(self._spool())
                    yield from self._files(path, left[-1])
        finally:
            for spool in left:
                spool.close()

    def _files(self, path: bytes, directories: _Spool) -> Iterator[SnapshotFile]:
        """The files of a directory; the paths of its directories go to the spool."""
        with self._found(path) as directory:
            for name in self._names(directory):
                here = path + b"/" + name if path else name
                with self._entry(directory, name, here) as entry:
                    if isinstance(entry, SnapshotFile):
                        yield entry
                    elif entry:
                        directories.add(here)

    def _spool(self, names: Iterable[bytes] = ()) -> _Spool:
        return _Spool(self._snapshot.aside, names)

    @contextmanager
    def _found(self, path: bytes) -> Iterator[_Directory]:
        """The directory that had this path, wherever it is now."""
        with self._snapshot.lock:
            self._snapshot.check()
            found = _reopened(self._snapshot.root)
        try:
            with self._snapshot.lock:
                self._snapshot.check()
                for name in path.split(b"/") if path else ():
                    above, found = found, self._below(found, name)
                    _close(above)
            yield found
        finally:
            _close(found)

    def _below(self, above: _Directory, name: bytes) -> _Directory:
        old = self._snapshot.names.get(above.inode, {}).get(name)
        if old is None:
            assert above.opened is not None, "what is left of a directory that is gone has other names"
            opened = os.open(name, _DIRECTORY, dir_fd=above.opened)
            return _Directory(os.fstat(opened).st_ino, opened)
        if old.inode in self._snapshot.gone:
            return _Directory(old.inode, None)
        return _reopened(self._snapshot.moved[old.inode])

    def _names(self, directory: _Directory) -> Iterator[bytes]:
        """Every name that the directory had, once; some that it had not."""
        changed = self._changed(directory.inode)
        yield from sorted(changed)
        if directory.opened is None:
            return
        names = self._spool()
        try:
            with os.scandir(directory.opened) as listed:
                for entry in listed:
                    names.add(os.fsencode(entry.name))
            meanwhile = self._changed(directory.inode) - changed
            for name in names.names:
                meanwhile.discard(name)
                if name not in changed:
                    yield name
        finally:
            names.close()
        yield from sorted(meanwhile)  # changed while it was listed, and not seen

    def _changed(self, inode: int) -> set[bytes]:
        with self._snapshot.lock:
            self._snapshot.check()
            return set(self._snapshot.names.get(inode, ()))

    @contextmanager
    def _entry(self, directory: _Directory, name: bytes, path: bytes) -> Iterator[SnapshotFile | bool]:
        """What had the name: an open file, True for a directory, False for nothing."""
        with self._snapshot.lock:
            self._snapshot.check()
            names = self._snapshot.names.get(directory.inode, {})
            found = self._old(names[name], path) if name in names else self._present(directory, name, path)
        try:
            yield found
        finally:
            if isinstance(found, SnapshotFile):
                os.close(found.opened)

    def _old(self, old: OldEntry | None, path: bytes) -> SnapshotFile | bool:
        if old is None:
            return False
        return old.directory or self._file(os.open(self._snapshot.link(old.inode), _FILE), path)

    def _present(self, directory: _Directory, name: bytes, path: bytes) -> SnapshotFile | bool:
        assert directory.opened is not None, "the names of a directory that is gone have all changed"
        try:
            now = os.stat(name, dir_fd=directory.opened, follow_symlinks=False)
        except FileNotFoundError as error:
            raise EnvironmentFault(f"{path!r} was removed by somebody other than this server") from error
        if stat.S_ISDIR(now.st_mode):
            return True
        if not stat.S_ISREG(now.st_mode):
            raise EnvironmentFault(f"{path!r} is neither a file nor a directory: it cannot be replicated")
        return self._file(os.open(name, _FILE, dir_fd=directory.opened), path)

    def _file(self, opened: int, path: bytes) -> SnapshotFile:
        now = os.fstat(opened)
        kept = self._snapshot.kept.get(now.st_ino)
        return SnapshotFile(self._snapshot, path, now.st_ino, kept.size if kept else now.st_size, opened)


def _reopened(opened: int) -> _Directory:
    """An open directory once more, to be listed from its beginning."""
    again = os.open(".", _DIRECTORY, dir_fd=opened)
    return _Directory(os.fstat(again).st_ino, again)


def _close(directory: _Directory) -> None:
    if directory.opened is not None:
        os.close(directory.opened)
