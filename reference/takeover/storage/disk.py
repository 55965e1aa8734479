"""The disk port: the few calls that the journal and the state file make, each with a label.

Durability is a matter of single calls in the right order, so the calls are the seam. A test double may fail, tear or
cut exactly one of them, chosen by its number or by its label, and everything above must come through; see
`takeover_models.disk`. The label is also the place that an error names.

What complicates it: a write may do half its work before it fails, `close` says nothing about durability, and a new
file's *name* is durable only when its directory is synced. None of this is hidden here; the port is as treacherous as
the machine. The refused alternative, file objects with their own buffers, would put bytes where neither the kernel nor
a test can see them.
"""

import errno
import os
from pathlib import Path
from typing import NewType, Protocol

from takeover.errors import DiskFault, DiskFull

Handle = NewType("Handle", int)
"""An open file. Valid with the disk that gave it, until it is closed."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Disk(Protocol):
    """What storage code may ask of a disk. Every call may raise `DiskFault`, or `DiskFull` when there is no room."""

    def create(self, path: Path, *, label: str) -> Handle:
        """A new file, open to read and write. It is an error if the name is taken."""

    def open(self, path: Path, *, writable: bool, label: str) -> Handle:
        """An existing file."""

    def close(self, handle: Handle, *, label: str) -> None:
        """Give the handle back. Makes nothing durable."""

    def size(self, handle: Handle, *, label: str) -> int:
        """The file's length in bytes."""

    def read(self, handle: Handle, offset: int, length: int, *, label: str) -> bytes:
        """Up to `length` bytes from `offset`; fewer only where the file ends."""

    def write(self, handle: Handle, offset: int, content: bytes, *, label: str) -> None:
        """Put all of `content` at `offset`. If it raises, any first part of it may be there."""

    def truncate(self, handle: Handle, size: int, *, label: str) -> None:
        """Make the file `size` bytes long."""

    def sync(self, handle: Handle, *, label: str) -> None:
        """Make the file's content and length durable. Never `DiskFull`: after a failure nobody knows what is."""

    def sync_directory(self, path: Path, *, label: str) -> None:
        """Make the names in a directory durable: what was created, replaced or unlinked in it. Never `DiskFull`."""

    def replace(self, source: Path, target: Path, *, label: str) -> None:
        """Give `source` the name `target`, in one step; an earlier `target` is gone."""

    def unlink(self, path: Path, *, label: str) -> None:
        """Remove a file's name."""

    def list_directory(self, path: Path, *, label: str) -> list[str]:
        """The names in a directory, sorted."""

    def make_directory(self, path: Path, *, label: str) -> None:
        """A new directory. It is an error if the name is taken."""


class _Named:
    """Gives an `OSError` inside its block the label and the path, as a `DiskFault`."""

    __slots__ = ("label", "path", "syncing")

    def __init__(self, label: str, path: Path, *, syncing: bool = False) -> None:
        self.label = label
        self.path = path
        self.syncing = syncing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise disk_fault(self.label, self.path, error.errno or errno.EIO, syncing=self.syncing) from error


def disk_fault(label: str, path: Path, number: int, *, syncing: bool = False) -> DiskFault:
    """The error for an errno: `DiskFull` when there is no room, except from a sync: that may have done its work."""
    full = number in _FULL and not syncing
    return (DiskFull if full else DiskFault)(label, path, number)


class OsDisk:
    """The machine's own disk.

    `sync` is fdatasync: it covers the length as well as the content, and leaves out only times nobody here reads.
    """

    def __init__(self) -> None:
        self._paths: dict[Handle, Path] = {}

    def create(self, path: Path, *, label: str) -> Handle:
        return self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, label)

    def open(self, path: Path, *, writable: bool, label: str) -> Handle:
        return self._open(path, os.O_RDWR if writable else os.O_RDONLY, label)

    def _open(self, path: Path, flags: int, label: str) -> Handle:
        with _Named(label, path):
            handle = Handle(os.open(path, flags | os.O_CLOEXEC, 0o600))
        self._paths[handle] = path
        return handle

    def close(self, handle: Handle, *, label: str) -> None:
        with _Named(label, self._paths.pop(handle)):
            os.close(handle)

    def size(self, handle: Handle, *, label: str) -> int:
        with _Named(label, self._paths[handle]):
            return os.fstat(handle).st_size

    def read(self, handle: Handle, offset: int, length: int, *, label: str) -> bytes:
        with _Named(label, self._paths[handle]):
            content = os.pread(handle, length, offset)
            while content and len(content) < length:
                more = os.pread(handle, length - len(content), offset + len(content))
                if not more:
                    break
                content += more
        return content

    def write(self, handle: Handle, offset: int, content: bytes, *, label: str) -> None:
        with _Named(label, self._paths[handle]):
            written = os.pwrite(handle, content, offset)
            while written < len(content):
                written += os.pwrite(handle, memoryview(content)[written:], offset + written)

    def truncate(self, handle: Handle, size: int, *, label: str) -> None:
        with _Named(label, self._paths[handle]):
            os.ftruncate(handle, size)

    def sync(self, handle: Handle, *, label: str) -> None:
        with _Named(label, self._paths[handle], syncing=True):
            os.fdatasync(handle)

    def sync_directory(self, path: Path, *, label: str) -> None:
        with _Named(label, path, syncing=True):
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def replace(self, source: Path, target: Path, *, label: str) -> None:
        with _Named(label, target):
            os.replace(source, target)

    def unlink(self, path: Path, *, label: str) -> None:
        with _Named(label, path):
            os.unlink(path)

    def list_directory(self, path: Path, *, label: str) -> list[str]:
        with _Named(label, path):
            return sorted(os.listdir(path))

    def make_directory(self, path: Path, *, label: str) -> None:
        with _Named(label, path):
            os.mkdir(path, 0o700)


def replace_content(disk: Disk, path: Path, content: bytes, *, label: str) -> None:
    """Put `content` in place of whatever `path` held, durably and in one step.

    A crash at any point leaves the old content or the new. `DiskFull` leaves the old; after any other `DiskFault`
    either may be there.
    """
    temporary = path.with_name(path.name + ".new")
    if temporary.name in disk.list_directory(path.parent, label=f"{label}.list"):
        disk.unlink(temporary, label=f"{label}.unlink")
    handle = disk.create(temporary, label=f"{label}.create")
    try:
        disk.write(handle, 0, content, label=f"{label}.write")
        disk.sync(handle, label=f"{label}.sync")
    except DiskFault:
        disk.close(handle, label=f"{label}.close")
        disk.unlink(temporary, label=f"{label}.unlink")
        raise
    disk.close(handle, label=f"{label}.close")
    disk.replace(temporary, path, label=f"{label}.replace")
    disk.sync_directory(path.parent, label=f"{label}.sync_directory")
