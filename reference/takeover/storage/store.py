"""What a server keeps on its disk, and how each action that must be durable becomes so.

Everything that belongs to one epoch is in a directory named after it, and `state.json` says which epoch it is. So the
great changes (a takeover, a resynchronisation) are prepared beside what is there, and happen when the state is saved,
in one step; what is left of the old is removed afterwards, and once more at the next start.

How far updates are applied changes with every update. It is kept in a small file that is written and not synced, and
in the state at each checkpoint, when the data is synced too. A killed process finds the first; after a power cut only
the second counts, and the updates since, still in the safe queue, are applied once more. The safe queue lets go of an
update only at a checkpoint that covers it (QUEUE-4).
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from takeover.copies.snapshot import Snapshot
from takeover.core.state import remembered
from takeover.errors import StateDamaged
from takeover.operations import Operation, Outcome
from takeover.storage.carrying_out import apply, carry_out, sync_tree
from takeover.storage.data_directory import DataDirectory
from takeover.storage.loss_statements import Head, prepare, publish
from takeover.storage.queues import Entry, Queue, QueueReader, StatusesOnDisk
from takeover.storage.replay_window import ReplayWindow
from takeover_spec.knowledge import Knowledge

CHECKPOINT_UPDATES = 5_000
"""After so many updates applied the data is synced, and the safe queue lets go of them."""

TRIM_UPDATES = 1_000
"""The unsafe queue lets go of so many updates at a time."""

_APPLIED = struct.Struct(">QQ")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class State:
    """The durable state of a server (`Knowledge` says what the names mean)."""

    active: bool = False
    epoch: int = 0
    seen: int = 0
    returned: bool = False
    drained: bool = False
    unsafe: bool = False
    released: int = 0
    peer_left: bool = False
    peer_released: int = 0
    begun: int = 0
    base: int = 0
    """What this epoch's queue begins after: the last update before it, or of the copy."""
    checkpoint: int = 0
    """The last update applied whose effect on the data is synced."""
    copy: int = 0
    """Which directory of `data/` holds the data: a resynchronisation makes a new one."""
    boot_id: str = ""
    """The boot of the machine in which the process last ran."""


class Store:
    """A server's disk. One thread owns it, but for `sync`, `checkpoint` and what says so."""

    def __init__(self, directory: DataDirectory) -> None:
        """Open what is there, and repair what a crash left half done. Raises `StorageDamaged`."""
        self.directory = directory
        self.state = self._load()
        if self.state.unsafe and (directory.aside / str(self.state.epoch)).exists():
            self._save(unsafe=False)  # a crash in the middle of `set_aside`
        for path in self._leftovers():
            shutil.rmtree(path)
        if self.state.epoch >= 1 and not self.data.is_dir():
            raise StateDamaged(
                directory.path / "state.json", 0, f"the data is in {self.data}, and that is missing"
            )
        self.data.mkdir(parents=True, exist_ok=True)
        self._counter = os.open(directory.path / "applied", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self.applied = self._found_applied()
        """The last update applied; at a server that is or was active, the last one of the epochs before."""
        self._trimmed = 0
        self._keeps = 0
        self._window = ReplayWindow()
        self._stating = threading.Lock()
        self._closed = False
        self.unsafe: Queue | None = None
        """The unsafe queue of this server's own epoch, if it is or was active in it."""
        self.safe: Queue | None = None
        """The safe queue, if this server follows an epoch."""
        self.reader: QueueReader | None = None
        """Where the next update to apply is read."""
        self.snapshot: Snapshot | None = None
        """The data as the peer is to get it, while that goes on."""
        if self.state.unsafe:
            self.unsafe = self._queue(directory.unsafe, self.state.epoch, self.state.base + 1)
        if self.follows:
            self._open_safe()
            if self.state.drained:
                self._end_drain()

    @property
    def follows(self) -> bool:
        """Whether the data belongs to an epoch that this server follows."""
        return self.state.epoch >= 1 and not self.state.active and not self.state.returned

    @property
    def data(self) -> Path:
        """The protected data."""
        return self.directory.data / str(self.state.copy)

    def found(self) -> Knowledge:
        """What the server finds: its durable state, and how far its queues reach."""
        s = self.state
        stored = self.safe.last_update if self.safe else 0
        settled = self.safe.last_status if self.safe else 0
        know = Knowledge(
            active=s.active,
            epoch=s.epoch,
            seen=s.seen,
            returned=s.returned,
            drained=s.drained,
            unsafe=s.unsafe,
            released=s.released,
            begun=s.begun,
            peer_left=s.peer_left,
            peer_released=s.peer_released,
            applied=self.applied,
            reported=max(self.applied, settled) if self.safe else 0,  # it may have said so
            logged=self.unsafe.last_update if self.unsafe else self.applied,
        )
        carried = self.unsafe.last_status if self.unsafe else 0
        return remembered(know, stored, settled, carried)

    def found_in_full(self) -> Knowledge:
        """What the server finds, with how each update in the safe queue ended: for the trace."""
        found = self.found()
        return replace(found, status=StatusesOnDisk(self.safe)) if self.safe else found

    # --- the actions ----------------------------------------------------------------------------

    def start(self) -> None:
        """`Start`: passive, whatever it was (ROLE-1). What a killed process had applied is made durable first."""
        if self.follows and self.applied > self.state.checkpoint:
            self.checkpoint()
        os.pwrite(self._counter, _APPLIED.pack(self.state.epoch, self.applied), 0)
        self._save(active=False, returned=self.state.returned or self.state.active, boot_id=_boot_id())

    def see(self, epoch: int) -> None:
        """An epoch was heard of."""
        if epoch > self.state.seen:
            self._save(seen=epoch)

    def peer_left(self, left: bool) -> None:
        """The peer said goodbye, or is back."""
        if left != self.state.peer_left:
            self._save(peer_left=left)

    def store(self, seq: int, operation: bytes) -> None:
        """`Store`, but for the sync."""
        assert self.safe is not None
        self.safe.store(seq, operation)

    def store_status(self, seq: int, outcome: Outcome) -> None:
        """`StoreStatus`, but for the sync."""
        assert self.safe is not None
        self.safe.store_status(seq, outcome)

    def next_to_apply(self) -> Entry | None:
        """The next update of the safe queue that has its status."""
        return self.reader.peek() if self.reader else None

    def apply(self, entry: Entry) -> None:
        """`Apply`; `wants_checkpoint` must have been asked."""
        assert self.reader is not None
        if entry.outcome.done:
            self._window.add(entry.operation)
        apply(self.data, entry.operation, entry.outcome)
        self.applied = entry.seq
        os.pwrite(self._counter, _APPLIED.pack(self.state.epoch, entry.seq), 0)
        self.reader.advance()

    def wants_checkpoint(self, entry: Entry) -> bool:
        """Whether the data has to be synced before this update is applied: so that a power cut can be repaired."""
        many = self.applied - self.state.checkpoint >= CHECKPOINT_UPDATES
        return many or (entry.outcome.done and not self._window.admits(entry.operation))

    def checkpoint(self) -> None:
        """Sync the data, and let the safe queue go of what it has."""
        applied = self.applied
        sync_tree(self.data)
        self._save(checkpoint=applied)
        self._window.clear()
        if self.safe:
            self.safe.drop_through(applied)

    def discard(self, kept: int, last: int) -> None:
        """`Discard`: the rest of the safe queue is gone, and the loss statement says which updates that was."""
        assert self.safe is not None or self.state.epoch == 0
        if self.safe:
            self.state_takeover_loss(kept, last)
            self._publish(self._takeover_loss())
        self._save(drained=True)
        if self.safe:
            self.safe.discard_after(kept)
            self._close_reader()

    def take_role(self, epoch: int) -> None:
        """`TakeRole`: an empty unsafe queue, and the epoch. A server that was active goes on after what it keeps."""
        begun = self.state.begun if self.state.returned else self.applied
        if self.unsafe:
            self.unsafe.close()
        if self.state.returned:
            self.applied = self._keeps
        self.unsafe = self._queue(self.directory.unsafe, epoch, self.applied + 1)
        self._trimmed = self.applied
        self._save(
            active=True,
            epoch=epoch,
            seen=max(epoch, self.state.seen),
            returned=False,
            unsafe=True,
            begun=begun,
            base=self.applied,
        )
        self._close_safe()

    def promote(self, kept: int, last: int) -> None:
        """`Promote`: what is lost of this server's own unsafe queue is stated, durably, before anything changes."""
        self._keeps = kept
        if self.unsafe:
            self.state_promote_loss(kept, last)
            self._publish(self._promote_loss())

    def release(self, epoch: int) -> None:
        """`Release`."""
        self._save(released=epoch)

    def hear_release(self, epoch: int) -> None:
        """`HearRelease`."""
        if epoch > self.state.peer_released:
            self._save(peer_released=epoch)

    def step_down(self) -> None:
        """`StepDown`."""
        self._save(active=False, returned=True)

    def log(self, seq: int, operation: bytes) -> None:
        """`Log`, but for the sync."""
        assert self.unsafe is not None
        self.unsafe.store(seq, operation)

    def keeping(self, operation: Operation) -> Iterator[None]:
        """What has to be kept for the snapshot before `carry_out`, with pauses in what may be long."""
        return self.snapshot.keeping(operation) if self.snapshot else iter(())

    def carry_out(self, operation: Operation) -> Outcome:
        """Change the data. `carried` says how it ended."""
        if self.snapshot:
            return self.snapshot.carry_out(self.data, operation)
        return carry_out(self.data, operation)

    def open_snapshot(self) -> Snapshot:
        """A snapshot of the data as it is now. Raises `OSError`; `close_snapshot` when it is of no use any more."""
        aside = Path(tempfile.mkdtemp(prefix="outgoing.", dir=self.directory.data))
        self.snapshot = Snapshot(self.data, aside)
        return self.snapshot

    def close_snapshot(self, snapshot: Snapshot) -> Path:
        """Be done with a snapshot; what was kept for it is for the caller to remove, which may take a while."""
        snapshot.close()
        if self.snapshot is snapshot:
            self.snapshot = None
        return snapshot.aside

    def make_room(self, cause: Exception) -> bool:
        """Give up the room that the snapshot takes; whether there was any."""
        if self.snapshot is None or self.snapshot.lost:
            return False
        self.snapshot.give_up(cause)
        return True

    def carried(self, seq: int, outcome: Outcome) -> None:
        """`CarryOut`, but for the sync."""
        assert self.unsafe is not None
        self.unsafe.store_status(seq, outcome)

    def trim(self, upto: int, *, needs_room: bool) -> None:
        """`Trim`, when it is worth it, or when room is needed."""
        assert self.unsafe is not None
        if needs_room or upto - self._trimmed >= TRIM_UPDATES:
            self.unsafe.drop_through(upto)
            self._trimmed = upto

    def set_aside(self, kept: int, last: int) -> None:
        """`SetAside`: the unsafe queue goes to `aside/`, with the statement of what is lost (QUEUE-5, LOSS-1)."""
        assert self.unsafe is not None
        epoch = self.state.epoch
        self.state_rejoin_loss(kept, last)
        self.unsafe.close()
        self._publish(self._rejoin_loss())
        os.replace(self.directory.unsafe / str(epoch), self.directory.aside / str(epoch))
        self._sync_names(self.directory.aside, self.directory.unsafe)
        self.unsafe = None
        self._save(unsafe=False)

    def incoming(self) -> Path:
        """An empty directory beside the data, for a copy."""
        return Path(tempfile.mkdtemp(prefix=f"{self.state.copy + 1}.incoming.", dir=self.directory.data))

    def resynchronise(self, epoch: int, upto: int, copy: Path) -> list[Path]:
        """`Resynchronise`: the copy, which is synced, becomes the data, with an empty safe queue.

        What is over, the old data first of all, is for the caller to remove, which may take a while.
        """
        self._close_safe()
        shutil.rmtree(self.directory.safe / _safe_name(epoch, self.state.copy + 1), ignore_errors=True)
        data = self.directory.data / str(self.state.copy + 1)
        self.directory.disk.replace(copy, data, label="store.switch")
        self._sync_names(self.directory.data)
        self.applied = upto
        self._save(
            epoch=epoch,
            seen=max(epoch, self.state.seen),
            returned=False,
            drained=False,
            base=upto,
            checkpoint=upto,
            copy=self.state.copy + 1,
        )
        os.pwrite(
            self._counter, _APPLIED.pack(epoch, upto), 0
        )  # not before: it may be the epoch of the old data
        self._open_safe()
        return self._leftovers()

    # --- loss statements, written beforehand in a thread beside the owner's -----------------------

    def state_takeover_loss(self, kept: int, last: int) -> None:
        """Write what `discard` will state, if it is not written yet. Raises `DiskFull`, and then may be tried again."""
        self._state_loss(self._takeover_loss(), self.safe, kept, last, settled=False)

    def state_promote_loss(self, kept: int, last: int) -> None:
        """Write what `promote` will state of an unsafe queue, if it is not written yet."""
        self._state_loss(self._promote_loss(), self.unsafe, kept, last, settled=True)

    def state_rejoin_loss(self, kept: int, last: int) -> None:
        """Write what `set_aside` will state, if it is not written yet."""
        self._state_loss(self._rejoin_loss(), self.unsafe, kept, last, settled=True)

    # --- making it durable ----------------------------------------------------------------------

    @property
    def dirty(self) -> list[Queue]:
        """The queues with something in them that is not durable."""
        return [queue for queue in (self.unsafe, self.safe) if queue is not None and queue.dirty]

    def close(self) -> None:
        """Sync and close everything."""
        self._closed = True
        if self.follows and self.applied > self.state.checkpoint:
            self.checkpoint()
        if self.unsafe:
            self.unsafe.close()
        self._close_safe()
        os.close(self._counter)
        self.directory.close()

    def _save(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.directory.state.save(asdict(self.state))

    def _load(self) -> State:
        saved = self.directory.state.load()
        if saved is None:
            return State()
        try:
            return State(**saved)  # type: ignore[arg-type]  # checked by the two lines below
        except TypeError as error:
            raise StateDamaged(self.directory.path / "state.json", 0, str(error)) from None

    def _found_applied(self) -> int:
        s = self.state
        if s.active or s.returned:
            return s.base
        counted = os.pread(self._counter, _APPLIED.size, 0)
        if len(counted) == _APPLIED.size and s.boot_id == _boot_id():
            epoch, applied = _APPLIED.unpack(counted)
            if epoch == s.epoch:
                return max(int(applied), s.checkpoint)
        return s.checkpoint

    def sync_data(self) -> None:
        """Make the data durable as it is."""
        sync_tree(self.data)

    def _queue(self, parent: Path, epoch: int, first: int, name: str = "") -> Queue:
        path = parent / (name or str(epoch))
        queue = Queue.open(path, epoch, first, disk=self.directory.disk)
        self._sync_names(path, parent)
        return queue

    def _sync_names(self, *directories: Path) -> None:
        """Make the names in these directories durable."""
        for path in directories:
            self.directory.disk.sync_directory(path, label="store.names")

    def _open_safe(self) -> None:
        self.safe = self._queue(
            self.directory.safe,
            self.state.epoch,
            self.state.base + 1,
            _safe_name(self.state.epoch, self.state.copy),
        )
        self.reader = self.safe.reader(self.applied + 1)

    def _end_drain(self) -> None:
        """A drain ended before a crash: what it had applied is applied again, and the rest of the queue is gone."""
        assert self.safe is not None
        while (entry := self.next_to_apply()) is not None:
            if self.wants_checkpoint(entry):
                self.checkpoint()
            self.apply(entry)
        self.safe.discard_after(self.applied)
        self._close_reader()

    def _close_reader(self) -> None:
        if self.reader:
            self.reader.close()
        self.reader = None

    def _close_safe(self) -> None:
        self._close_reader()
        if self.safe:
            self.safe.close()
        self.safe = None

    def _leftovers(self) -> list[Path]:
        """What the state does not speak of: what was prepared and did not happen, and what is over."""
        epoch = str(self.state.epoch)
        keep = {
            self.directory.data: {str(self.state.copy)},
            self.directory.safe: {_safe_name(self.state.epoch, self.state.copy)} if self.follows else set(),
            self.directory.unsafe: {epoch} if self.state.unsafe else set(),
        }
        return [path for parent, names in keep.items() for path in parent.iterdir() if path.name not in names]

    def _state_loss(self, path: Path, queue: Queue | None, kept: int, last: int, *, settled: bool) -> None:
        with self._stating:
            head = Head(self.state.epoch, kept, last)
            prepare(path, head, queue, settled=settled, stopping=lambda: self._closed)

    def _publish(self, path: Path) -> None:
        publish(path)
        self._sync_names(path.parent)

    def _takeover_loss(self) -> Path:
        return self.directory.path / "loss" / f"{self.state.epoch}-takeover.ndjson"

    def _promote_loss(self) -> Path:
        return self.directory.path / "loss" / f"{self.state.epoch}-promote.ndjson"

    def _rejoin_loss(self) -> Path:
        return self.directory.unsafe / str(self.state.epoch) / "loss.ndjson"


def remove(paths: list[Path]) -> None:
    """Remove directories, with what is in them. What stays is removed at the next start, or that says why not."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


def _safe_name(epoch: int, copy: int) -> str:
    """Of the safe queue's directory: a copy in the same epoch begins a queue anew, beside the one before."""
    return f"{epoch}.{copy}"


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
