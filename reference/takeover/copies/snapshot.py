"""A snapshot: the protected data as it was at one moment, to be read while it goes on changing.

Opening one costs an instant, whatever the data is: nothing is copied, listed or linked. Every change goes through the
server, so from then on `carry_out` keeps what a change would destroy, just before it happens:

- *a name*: what it stood for, the first time that it changes, by the directory's inode. A file gets a hard link, so
  that it outlives its removal; a directory that moves stays open, for its content can only be found through it;
- *bytes of a file*: the blocks that change, by the file's inode (`kept_blocks`);
- *nothing* of what was made since: it is not in the snapshot.

`snapshot_reader` puts together what is kept and what is still in its place. What it costs: a change of a block copies
64 KiB the first time, cutting a long file off copies what is cut; in memory some 200 bytes for each name changed and
each file written since. Where a file system can clone files or itself, that would be cheaper, and most cannot.

Never at the expense of the application: whatever goes wrong with the keeping, a disk that is full first of all, ends
the snapshot (`lost` says why), and the operation is carried out.

Inode numbers are what makes this short, and what complicates it: a number is used again once its owner is gone. A file
of the snapshot never is, having a link. A directory may be: then its number is in `gone`, and in `born` if it was given
to something new.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from takeover.copies.blocks import BLOCK_BYTES, block_count
from takeover.copies.kept_blocks import KeptBlocks
from takeover.errors import CallerError, EnvironmentFault
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Outcome,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
)
from takeover.storage.carrying_out import carry_out, opened_file, opened_parent

log = logging.getLogger("takeover.snapshot")

MOVED_MAX = 256
"""How many moved directories are kept open before the snapshot is given up."""

ROOM_BYTES_MIN = 64 * 1024 * 1024
"""With less room than this on the file system nothing more is kept: it is for the queues and the application."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_FULL = frozenset({"ENOSPC", "EDQUOT"})
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENAMETOOLONG, errno.ELOOP})
"""What opening a path fails with when the operation is going to fail as well."""


class SnapshotLost(EnvironmentFault):
    """The snapshot was given up, and cannot be read any more."""


@dataclass(frozen=True, slots=True)
class OldEntry:
    """What a name stood for."""

    inode: int
    directory: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open directory, and what it stands for now."""

    directory: int
    inode: int
    """The directory's."""
    name: bytes
    now: os.stat_result | None

    @property
    def entry(self) -> OldEntry | None:
        """What it stands for now, as a snapshot remembers it."""
        return OldEntry(self.now.st_ino, stat.S_ISDIR(self.now.st_mode)) if self.now else None


class Snapshot:
    """A snapshot. One thread carries operations out; another one may read."""

    def __init__(self, data: Path, aside: Path, *, room_bytes_min: int = ROOM_BYTES_MIN) -> None:
        """Open one of `data`. What is kept goes to `aside`, an empty directory on the same file system."""
        self.aside = aside
        self.lost = ""
        """Why it was given up; empty while it can be read."""
        self.lock = RLock()
        """Held while a name and what is kept of it must agree."""
        self.names: dict[int, dict[bytes, OldEntry | None]] = {}
        """What names stood for that were changed, by their directory; None for nothing."""
        self.gone: set[int] = set()
        """Directories of the snapshot that were removed."""
        self.moved: dict[int, int] = {}
        """Directories of the snapshot that have another name, open."""
        self.kept: dict[int, KeptBlocks] = {}
        """The files of the snapshot that were written to."""
        self._data = data
        self._born: set[int] = set()
        self._room_bytes_min = room_bytes_min
        self.root = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        """The directory of the data, open."""

    def link(self, inode: int) -> Path:
        """Where a file is that lost a name it had."""
        return self.aside / str(inode)

    def keeping(self, operation: Operation) -> Iterator[None]:
        """Keep the bytes that an operation is going to change, with a pause after each step.

        `carry_out` does that as well, without pauses; an operation may cut off a file of any length.
        """
        if self.lost or not isinstance(operation, Write | Truncate):
            return
        with ExitStack() as stack:
            try:
                file = stack.enter_context(opened_file(self._data, operation.path, _READ))
            except (CallerError, OSError) as error:
                self._unless_it_will_fail(error)
                return
            try:
                for _ in self._keep(file, operation):
                    yield
                    if self.lost:
                        return
                    self._check_room()
            except OSError as error:
                self.give_up(error)

    def carry_out(self, root: Path, operation: Operation) -> Outcome:
        """Keep what the operation is going to change, and then do it, as `carrying_out.carry_out` does."""
        for _ in self.keeping(operation):
            pass
        outcome = self._carry_out(root, operation)
        short = isinstance(operation, Write) and outcome.done and outcome.amount < len(operation.data)
        if self.lost or not (short or outcome.error in _FULL):
            return outcome
        self.give_up(OSError(errno.ENOSPC, "there was no room for the application"))
        return carry_out(root, operation)  # it changed nothing, or the first part of the same bytes

    def give_up(self, cause: Exception) -> None:
        """Be lost, and make room."""
        with self.lock:
            if not self.lost:
                log.warning("the snapshot for the peer's copy is given up: %s", cause)
                self.lost = str(cause)
                self._release()
        shutil.rmtree(self.aside, ignore_errors=True)

    def close(self) -> None:
        """Be done with it; `aside` is for the caller to remove."""
        with self.lock:
            if not self.lost:
                self.lost = "it is closed"
                self._release()

    def check(self) -> None:
        """Raise `SnapshotLost` if it cannot be read any more."""
        if self.lost:
            raise SnapshotLost(f"{self._data}: the snapshot cannot be read any more: {self.lost}")

    # --- keeping --------------------------------------------------------------------------------

    def _carry_out(self, root: Path, operation: Operation) -> Outcome:
        if self.lost or isinstance(operation, Write | Truncate):
            return carry_out(root, operation)
        with self.lock, ExitStack() as stack:
            try:
                places = [self._place(stack, path) for path in _names(operation)]
            except (CallerError, OSError) as error:
                self._unless_it_will_fail(error)
                return carry_out(root, operation)
            try:
                held = self._keep_entries(operation, places)
            except OSError as error:
                self.give_up(error)
                return carry_out(root, operation)
            outcome = carry_out(root, operation)
            if outcome.done:
                self._note(operation, places)
            elif held is not None:
                os.close(self.moved.pop(held))
            return outcome

    def _unless_it_will_fail(self, error: Exception) -> None:
        """A path cannot be opened: nothing has to be kept if the operation fails at that as well."""
        if isinstance(error, OSError) and error.errno not in _NOT_THERE:
            self.give_up(error)

    def _place(self, stack: ExitStack, path: str) -> Place:
        directory, name = stack.enter_context(opened_parent(self._data, path))
        try:
            now = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            now = None
        return Place(directory, os.fstat(directory).st_ino, name, now)

    def _keep_entries(self, operation: Operation, places: list[Place]) -> int | None:
        """See to it that what names stand for can be found afterwards; the directory that is held for that, if any."""
        if isinstance(operation, Create | MakeDirectory):
            return None  # if something has that name, it stays
        held = None
        for place in places:
            entry = place.entry
            if entry is None or entry.inode in self._born:
                continue
            if not entry.directory:
                self._link(place, entry.inode)
            elif isinstance(operation, Rename) and place is places[0] and entry.inode not in self.moved:
                held = entry.inode
                self._hold(place, held)
        return held

    def _hold(self, place: Place, inode: int) -> None:
        if len(self.moved) >= MOVED_MAX:
            raise OSError(errno.EMFILE, f"{MOVED_MAX} directories were moved")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.moved[inode] = os.open(place.name, flags, dir_fd=place.directory)

    def _link(self, place: Place, inode: int) -> None:
        self._check_room()
        with suppress(FileExistsError):  # it lost a name before
            os.link(place.name, self.link(inode), src_dir_fd=place.directory, follow_symlinks=False)

    def _note(self, operation: Operation, places: list[Place]) -> None:
        """The operation was done: remember what its names stood for, and what is new or gone."""
        if isinstance(operation, Rename) and places[0].entry == places[1].entry:
            return  # two names of one file, or the same name twice: nothing happened
        for place in places:
            if place.inode not in self._born:
                entry = place.entry
                old = None if entry is None or entry.inode in self._born else entry
                self.names.setdefault(place.inode, {}).setdefault(place.name, old)
        last = places[-1]
        if isinstance(operation, Create | MakeDirectory):
            self._born.add(os.stat(last.name, dir_fd=last.directory, follow_symlinks=False).st_ino)
        elif isinstance(operation, RemoveDirectory | Rename) and last.entry and last.entry.directory:
            self._note_gone(last.entry.inode)

    def _note_gone(self, inode: int) -> None:
        if inode not in self._born:
            self.gone.add(inode)
            if (opened := self.moved.pop(inode, None)) is not None:
                os.close(opened)

    def _keep(self, file: int, operation: Write | Truncate) -> Iterator[None]:
        """Keep the blocks that change."""
        now = os.fstat(file)
        if now.st_ino in self._born or not stat.S_ISREG(now.st_mode):
            return
        with self.lock:
            path = self.aside / f"{now.st_ino}.blocks"
            kept = self.kept.get(now.st_ino) or KeptBlocks(path, now.st_size)
            self.kept[now.st_ino] = kept
        self._check_room()
        if isinstance(operation, Truncate):
            if operation.size < kept.size:
                yield from kept.keep_from(file, operation.size // BLOCK_BYTES)
        else:
            end = min(operation.offset + len(operation.data), kept.size)
            yield from kept.keep(file, operation.offset // BLOCK_BYTES, block_count(end))

    def _check_room(self) -> None:
        found = os.statvfs(self.aside)
        if found.f_bavail * found.f_frsize < self._room_bytes_min:
            raise OSError(errno.ENOSPC, f"less than {self._room_bytes_min} bytes of room are left")

    def _release(self) -> None:
        for opened in (self.root, *self.moved.values()):
            os.close(opened)
        self.moved.clear()
        self.names.clear()
        self.kept.clear()
        self._born.clear()


def _names(operation: Operation) -> tuple[str, ...]:
    """The paths whose names an operation changes."""
    return (operation.path, operation.target) if isinstance(operation, Rename) else (operation.path,)
