"""A disk that forgets and fails: a `Disk` over a real directory, for tests.

It goes through the real port, so the code under test reads back what it wrote, and follows what is durable of it (see
`unsynced`). One planned `Fault` is one call that goes wrong, chosen by its number among the calls of a name or label.

At a crash every further call raises `PowerCut` again, for no clean-up code runs on a machine that is off, until the
test chooses what the crash was: `kill` ends the process only; `cut` and `cut_after` rewrite the directory to what
survived. Then the disk is on again, without open files and planned faults. After a kill it still knows what is not
durable, so that a later cut takes it: a restarted process which trusts what it can read is caught.
"""

import errno
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from takeover.errors import DiskFault
from takeover.storage.disk import Handle, OsDisk, disk_fault
from takeover_models.unsynced import File, Survivors, Unsynced


class PowerCut(BaseException):
    """The machine is off. Not an `Exception`: nothing may catch it and carry on."""


@dataclass(slots=True)
class Fault:
    """What goes wrong at one call, once."""

    at: int
    """The number of the matching call, from 1."""
    call: str = ""
    """Only calls of this name match: "write", "sync"...; all by default."""
    label: str = ""
    """Only calls whose label contains this match."""
    number: int | None = None
    """The errno, or None for a power cut: just before the call, or, for a write, with any part of it carried out."""
    partial: int = 0
    """How many bytes of a write are carried out before it fails; never all of them, for then it would not fail."""
    seen: int = field(default=0, init=False)

    def meets(self, label: str, call: str) -> bool:
        """Count a call; whether this is the one to fail."""
        matches = self.label in label and self.call in ("", call)
        self.seen += matches
        return matches and self.seen == self.at


class CutDisk:
    """A `Disk` over the directory `root`, whatever is in it now being durable."""

    def __init__(self, root: Path) -> None:
        self._disk = OsDisk()
        self._root = root
        self._unsynced = Unsynced(root)
        self._handles: dict[Handle, tuple[Path, File]] = {}
        self._faults: list[Fault] = []
        self._dead = False
        self.labels: list[str] = []
        """The label of every call so far."""

    def plan(self, fault: Fault) -> None:
        """Let something go wrong at a later call, counted from here."""
        self._faults.append(fault)

    def crash_at(self, number: int, *, label: str = "") -> None:
        """Cut the power at the n-th call from here. Then choose what survives: `kill`, `cut` or `cut_after`."""
        self.plan(Fault(number, label=label))

    def full_at(self, number: int, *, partial: int = 0, label: str = "") -> None:
        """Let the n-th write from here fail with ENOSPC, after `partial` of its bytes."""
        self.plan(Fault(number, "write", label, errno.ENOSPC, partial))

    def fail_at(self, number: int, call: str, *, label: str = "") -> None:
        """Let the n-th such call from here fail with EIO."""
        self.plan(Fault(number, call, label, errno.EIO))

    def forget_faults(self) -> None:
        """Plan nothing any more."""
        self._faults.clear()

    @property
    def unsynced_bytes(self) -> int:
        """How many bytes of content a cut may take, in the order they were written."""
        return self._unsynced.size

    def sync_all(self) -> None:
        """Make everything durable that is there now, as syncfs(2) does."""
        self._unsynced.sync_all(self._root)

    def kill(self) -> None:
        """End the process, not the machine: all that was written is there, and what was not durable is not yet."""
        for handle in self._handles:
            self._disk.close(handle, label="kill")
        self._handles.clear()
        self._faults.clear()
        self._dead = False

    def cut(self, seed: int) -> None:
        """Cut the power; `seed` chooses what survives, in any combination."""
        self._rewrite(self._unsynced.survivors(seed))

    def cut_after(self, kept_bytes: int) -> None:
        """Cut the power; the first `kept_bytes` of the unsynced content survive, and all names."""
        self._rewrite(self._unsynced.survivors_after(kept_bytes))

    # The port.

    def create(self, path: Path, *, label: str) -> Handle:
        self._call(label, path, "create")
        handle = self._disk.create(path, label=label)
        file = File()
        self._handles[handle] = (path, file)
        self._unsynced.create(path, file)
        return handle

    def open(self, path: Path, *, writable: bool, label: str) -> Handle:
        self._call(label, path, "open")
        handle = self._disk.open(path, writable=writable, label=label)
        self._handles[handle] = (path, self._unsynced.file(path))
        return handle

    def close(self, handle: Handle, *, label: str) -> None:
        self._call(label, self._handles[handle][0], "close")
        self._disk.close(handle, label=label)
        del self._handles[handle]

    def size(self, handle: Handle, *, label: str) -> int:
        self._call(label, self._handles[handle][0], "size")
        return self._disk.size(handle, label=label)

    def read(self, handle: Handle, offset: int, length: int, *, label: str) -> bytes:
        self._call(label, self._handles[handle][0], "read")
        return self._disk.read(handle, offset, length, label=label)

    def write(self, handle: Handle, offset: int, content: bytes, *, label: str) -> None:
        path, file = self._handles[handle]
        fault = self._next_fault(label, "write")
        if fault is not None:
            content = content if fault.number is None else content[:-1][: fault.partial]
        self._disk.write(handle, offset, content, label=label)
        self._unsynced.write(file, offset, content)
        if fault is not None:
            self._fail(fault, label, path)

    def truncate(self, handle: Handle, size: int, *, label: str) -> None:
        path, file = self._handles[handle]
        self._call(label, path, "truncate")
        self._disk.truncate(handle, size, label=label)
        self._unsynced.truncate(file, size)

    def sync(self, handle: Handle, *, label: str) -> None:
        path, file = self._handles[handle]
        try:
            self._call(label, path, "sync")
        except DiskFault:
            self._unsynced.lose(file)
            raise
        self._unsynced.sync(file)

    def sync_directory(self, path: Path, *, label: str) -> None:
        self._call(label, path, "sync")
        self._unsynced.sync_directory(path)

    def replace(self, source: Path, target: Path, *, label: str) -> None:
        self._call(label, target, "replace")
        self._disk.replace(source, target, label=label)
        self._unsynced.rename(source, target)

    def unlink(self, path: Path, *, label: str) -> None:
        self._call(label, path, "unlink")
        self._disk.unlink(path, label=label)
        self._unsynced.unlink(path)

    def list_directory(self, path: Path, *, label: str) -> list[str]:
        self._call(label, path, "list_directory")
        return self._disk.list_directory(path, label=label)

    def make_directory(self, path: Path, *, label: str) -> None:
        self._call(label, path, "make_directory")
        self._disk.make_directory(path, label=label)
        self._unsynced.create(path, None)

    # Inside.

    def _call(self, label: str, path: Path, call: str) -> None:
        fault = self._next_fault(label, call)
        if fault is not None:
            self._fail(fault, label, path, syncing=call == "sync")

    def _next_fault(self, label: str, call: str) -> Fault | None:
        if self._dead:
            raise PowerCut(label)
        self.labels.append(label)
        due = [fault for fault in self._faults if fault.meets(label, call)]
        for fault in due:
            self._faults.remove(fault)
        return due[0] if due else None

    def _fail(self, fault: Fault, label: str, path: Path, *, syncing: bool = False) -> None:
        if fault.number is None:
            self._dead = True
            raise PowerCut(label)
        raise disk_fault(label, path, fault.number, syncing=syncing)

    def _rewrite(self, survivors: Survivors) -> None:
        """Leave in the directory what survived; it is durable now."""
        self.kill()
        for entry in os.scandir(self._root):
            shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)
        for path, content in survivors:
            if not path.parent.is_dir():
                continue  # its directory's own name did not survive
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content)
        self._unsynced = Unsynced(self._root)
