"""Doing operations to files: carrying them out on the active, applying them to the passive's copy.

`carry_out` asks the kernel once and reports what it said. `apply` is not the same call again: it brings the copy to
what the outcome says, so a failed operation changes nothing, a short write puts down only what was written, and an
operation that was already done, by a process that was killed before it could say so, is done again without harm.

Neither waits for the disk. On the active, the application decides when its data must be durable, as it does without us:
an fsync that it asks for is passed on. On the passive, the updates stay in the safe queue until `sync_tree` has made
everything applied so far durable; then they are dropped, many for one wait. A power cut before that leaves any of their
effects or none, and they are applied again; `replay_window` says which updates may be repeated together.

`sync_tree` is syncfs(2): one call for the whole file system, however many files were touched, and the kernel reports
every write that failed since somebody last asked. The refused alternative, to remember the touched files and sync each,
has to follow renames, and is slower for more than a few. It would wait for less on a file system that others share.

No path can lead out: each directory on the way is opened without following symbolic links, relative to the one before,
so nobody can put a link in between. Links that stay inside are refused as well; no operation makes one.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import assert_never

from takeover.errors import CallerError, CopyDiverged, PeerError
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Outcome,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
    path_bytes,
    path_text,
)
from takeover.storage.disk import disk_fault

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = (
    os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
)  # non-blocking: a FIFO must not stop the server

_DIVERGED = frozenset({errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY})
"""What an operation that was done on the active can only fail with when the copy is another."""


def carry_out(root: Path, operation: Operation) -> Outcome:
    """Do the operation to the protected data in `root`, and report how it ended. Makes nothing durable.

    Whatever the kernel refuses is an outcome; `CallerError` is raised for a path through a symbolic link.
    """
    try:
        return Outcome(True, _do(root, operation))
    except OSError as error:
        return Outcome(False, 0, errno.errorcode.get(error.errno or 0, str(error.errno)))


def apply(root: Path, operation: Operation, outcome: Outcome) -> None:
    """Bring the copy in `root` to what the operation's outcome says; a second time in a row changes nothing more.

    Makes nothing durable: see `sync_tree`. `CopyDiverged` when the copy is not what the active's data was; `DiskFull`
    or `DiskFault` when the disk fails, and then the same call may be repeated.
    """
    if isinstance(operation, Write) and not 0 <= outcome.amount <= len(operation.data):
        raise PeerError(f"completion status: amount: {outcome.amount} of {len(operation.data)} bytes written")
    if not outcome.done:
        return  # APPLY-3
    try:
        _redo(root, operation, outcome)
    except OSError as error:
        number = error.errno or errno.EIO
        if number in _DIVERGED:
            name = errno.errorcode[number]
            raise CopyDiverged(
                f"{root}: {_brief(operation)} was done on the active and fails here: {name}"
            ) from error
        raise disk_fault(
            f"apply.{type(operation).__name__.lower()}", root / operation.path, number
        ) from error


def sync_tree(root: Path) -> None:
    """Make durable everything that was done under `root`, which must be on one file system.

    After a `DiskFault` nobody knows what is durable: the copy must be resynchronised.
    """
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc().syncfs(directory) != 0:
            raise disk_fault("sync_tree", root, ctypes.get_errno(), syncing=True)
    finally:
        os.close(directory)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _do(root: Path, operation: Operation) -> int:
    """Ask the kernel once. The bytes written, or an `OSError`."""
    match operation:
        case Rename(path, target):
            with (
                opened_parent(root, path) as (above, name),
                opened_parent(root, target) as (target_above, target_name),
            ):
                os.rename(name, target_name, src_dir_fd=above, dst_dir_fd=target_above)
            return 0
        case Write(path, offset, data):
            with opened_file(root, path, _FILE) as file:
                return os.pwrite(file, data, offset)
        case Truncate(path, size):
            with opened_file(root, path, _FILE) as file:
                os.ftruncate(file, size)
            return 0
        case Create(path):
            with opened_file(root, path, _FILE | os.O_CREAT | os.O_EXCL):
                return 0
    with opened_parent(root, operation.path) as (above, name):
        match operation:
            case Remove():
                os.unlink(name, dir_fd=above)
            case MakeDirectory():
                os.mkdir(name, dir_fd=above)
            case RemoveDirectory():
                os.rmdir(name, dir_fd=above)
            case _:
                assert_never(operation)
    return 0


def _redo(root: Path, operation: Operation, outcome: Outcome) -> None:
    """Do what was done on the active, or find it done."""
    match operation:
        case Create(path):
            with opened_file(root, path, _FILE | os.O_CREAT | os.O_TRUNC):
                pass  # a file that is there was made by the earlier attempt, and must be empty again
        case Write(path, offset, data):
            with opened_file(root, path, _FILE) as file:
                written = 0
                while written < outcome.amount:
                    written += os.pwrite(file, data[written : outcome.amount], offset + written)
        case Truncate():
            _do(root, operation)
        case Rename(target=target):
            _do_unless_done(root, operation, errno.ENOENT, lambda: _mode(root, target) is not None)
        case Remove() | RemoveDirectory():
            _do_unless_done(root, operation, errno.ENOENT, lambda: True)
        case MakeDirectory(path):
            _do_unless_done(root, operation, errno.EEXIST, lambda: stat.S_ISDIR(_mode(root, path) or 0))
        case _:
            assert_never(operation)


def _do_unless_done(root: Path, operation: Operation, number: int, done: Callable[[], bool]) -> None:
    """Do it; the error that says it may have been done before is one only if it was not."""
    try:
        _do(root, operation)
    except OSError as error:
        if error.errno != number or not done():
            raise


def _mode(root: Path, path: str) -> int | None:
    """What is there, not followed; None if nothing is."""
    try:
        with opened_parent(root, path) as (above, name):
            return os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


@contextmanager
def opened_parent(root: Path, path: str) -> Iterator[tuple[int, bytes]]:
    """The directory that a path is in, open, and the last part of the path; nothing on the way is a symbolic link."""
    *above, name = path_bytes(path).split(b"/")
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in above:
            below = _open_below(directory, part, _DIRECTORY, path)
            os.close(directory)
            directory = below
        yield directory, name
    finally:
        os.close(directory)


@contextmanager
def opened_directory(root: Path, path: bytes) -> Iterator[int]:
    """A directory below `root`, or with an empty path `root` itself, open to be listed."""
    directory = os.open(root, _LISTED)
    try:
        for part in path.split(b"/") if path else ():
            below = _open_below(directory, part, _LISTED, path_text(path))
            os.close(directory)
            directory = below
        yield directory
    finally:
        os.close(directory)


@contextmanager
def opened_file(root: Path, path: str, flags: int) -> Iterator[int]:
    """The file at a path, open; `CallerError` if the path leads through a symbolic link."""
    with opened_parent(root, path) as (above, name):
        file = _open_below(above, name, flags, path)
    try:
        yield file
    finally:
        os.close(file)


def _open_below(directory: int, part: bytes, flags: int, path: str) -> int:
    """Open a name in a directory; `CallerError` if it is a symbolic link."""
    try:
        return os.open(part, flags, 0o666, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and stat.S_ISLNK(
            os.stat(part, dir_fd=directory, follow_symlinks=False).st_mode
        ):
            raise CallerError(f"{path!r}: the part {part!r} is a symbolic link") from error
        raise


def _brief(operation: Operation) -> str:
    """The operation without its data, for a message."""
    match operation:
        case Write(path, offset, data):
            return f"a write of {len(data)} bytes at {offset} of {path!r}"
        case Truncate(path, size):
            return f"truncating {path!r} to {size} bytes"
        case Rename(path, target):
            return f"renaming {path!r} to {target!r}"
    return f"{type(operation).__name__} of {operation.path!r}"
