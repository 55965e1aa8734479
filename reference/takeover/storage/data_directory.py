"""A server's data directory: one process at a time, and where everything in it is.

Two servers on one directory would each cut off the other's queue as a torn tail. So the directory is held by an
exclusive lock on the file `lock`, which the kernel gives back when the process ends, however it ends. The lock file
stays: removing it would let a third process lock a file that nobody else sees. It holds the pid, for the error message
of the second one; the pid decides nothing, so a recycled one does no harm.

Not modelled: directories on network file systems, whose locks may be per machine, or nothing at all.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from takeover.errors import CallerError, DirectoryHeld
from takeover.storage.disk import Disk, OsDisk, disk_fault
from takeover.storage.durable_state import DurableState, Owner


class DataDirectory:
    """A data directory that this process holds. Close it, or use it in a `with`."""

    def __init__(self, path: Path, disk: Disk, lock: int, owner: Owner | None) -> None:
        """Use `open`."""
        self._lock: int | None = lock
        self.path = path
        """The directory itself."""
        self.disk = disk
        """What its files are written with."""
        self.state = DurableState(path / "state.json", disk, owner)
        """The server's durable state, in `state.json`."""
        self.unsafe = path / "unsafe"
        """The directory of the active's unsafe queue."""
        self.safe = path / "safe"
        """The directory of the passive's safe queue."""
        self.aside = path / "aside"
        """Where an unsafe queue goes that is set aside."""
        self.data = path / "data"
        """The protected data."""
        self.trace = path / "trace.ndjson"
        """The server's trace."""

    @classmethod
    def open(cls, path: Path, *, owner: Owner | None = None, disk: Disk | None = None) -> "DataDirectory":
        """Take the directory, and make what is missing of it and its parts; the directory above must exist.

        `DirectoryHeld` names the process that has it, `DirectoryOfAnother` the party whose data is in it, when that is
        not `owner`; then nothing was changed. The names of the parts are durable on return.
        """
        disk = OsDisk() if disk is None else disk
        if not path.parent.is_dir():
            raise CallerError(f"{path}: cannot be made, for there is no directory {path.parent}")
        if not path.exists():
            disk.make_directory(path, label="directory.make")
        elif not path.is_dir():
            raise CallerError(f"{path}: is not a directory")
        disk.sync_directory(path.parent, label="directory.sync_above")
        directory = cls(path, disk, _hold(path), owner)
        try:
            if owner:
                directory.state.load()
            directory._make_parts()
        except BaseException:
            directory.close()
            raise
        return directory

    def close(self) -> None:
        """Let the directory go. Closing twice is allowed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "DataDirectory":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_parts(self) -> None:
        present = self.disk.list_directory(self.path, label="directory.list")
        for part in (self.unsafe, self.safe, self.aside, self.data):
            if part.name not in present:
                self.disk.make_directory(part, label="directory.make")
        self.disk.sync_directory(self.path, label="directory.sync")


def _hold(path: Path) -> int:
    """The lock file, open and locked; not inherited by the programs we start, or they would hold it after our end."""
    name = path / "lock"
    try:
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_fault("directory.lock", name, error.errno or 0) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
        os.close(lock)
        raise DirectoryHeld(path, f"process {holder}" if holder else "another process") from error
    except OSError as error:
        os.close(lock)
        raise disk_fault("directory.lock", name, error.errno or 0) from error
    return lock
