"""What a server has on its disk in the virtual world, and what every action makes of it.

An image is the whole of it, immutable. A disk is the image that is durable and those written since: a crash keeps any
number of them, in their order. So a write may be lost only with all that came after it, which is what a shell gets
that writes one journal. A shell that keeps its state in a file of its own may save that at once, while its queues and
the data wait to be synced; then a crash may keep the state and lose what was queued before it (`Disk.save_state`).
Images are cheap, for they share what did not change.

Not modelled: a disk that tears or reorders what is within one journal. The journal's own machine does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from takeover_models.data import Data, Operation
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge
from takeover_spec.records import replace
from takeover_spec.words import Queue, Status


@dataclass(frozen=True, slots=True)
class Queued:
    """An update in a queue, and how it ended as far as that is known here."""

    operation: Operation
    status: Status = Status.NONE
    doomed: bool = False
    """It will fail on the active server, whatever it is. Nobody knows that before."""


@dataclass(frozen=True, slots=True)
class Image:
    """Everything on a disk. Its mappings are never changed in place."""

    know: Knowledge = field(default_factory=Knowledge)
    """What the server's actions say it knows; a restart finds the durable part of it."""
    data: Data = field(default_factory=Data)
    lineage: int = 0
    """The epoch whose history the data belongs to, as the actions that replaced it or took the role said."""
    safe: Mapping[int, Queued] = field(default_factory=dict)
    unsafe: Mapping[int, Queued] = field(default_factory=dict)
    logged: int = 0
    """The last update that was ever put into this unsafe queue."""
    gone: tuple[tuple[int, int], ...] = ()
    """What takeovers of this server gave up: the operation's uid and its epoch."""

    def unbroken(self) -> tuple[int, int]:
        """The last of the unbroken runs of updates and of statuses in the safe queue."""
        stored = status = self.know.applied
        while stored + 1 in self.safe:
            stored += 1
            if status == stored - 1 and self.safe[stored].status is not Status.NONE:
                status = stored
        return stored, status

    def last_carried_out(self) -> int:
        """The last update of its own epoch that a server that is or was active has carried out."""
        led = self.know.active or self.know.returned
        return max(self.know.applied, len(self.data.history)) if led else self.know.applied

    def to_carry_out(self) -> int | None:
        """The first logged update that has not been carried out."""
        return min((seq for seq, queued in self.unsafe.items() if queued.status is Status.NONE), default=None)

    def carried_out(self, seq: int) -> tuple[Image, Status]:
        """The image after the active server has carried a logged update out, with how it ended."""
        queued = self.unsafe[seq]
        data, status = self.data.carried_out(queued.operation, doomed=queued.doomed)
        unsafe = {**self.unsafe, seq: replace(queued, status=status)}
        return replace(self, data=data, unsafe=unsafe), status


_QUEUED = ("applied", "newest", "stored", "status", "reported", "logged")
"""What of `Image.know` is read from the queues and the data; the rest is in the state."""


@dataclass(slots=True)
class Disk:
    """A disk that loses what was not durable."""

    durable: Image = field(default_factory=Image)
    written: list[Image] = field(default_factory=list)
    """Written and not yet durable, oldest first."""
    state: Image | None = None
    """The last image of which the state was saved, and not yet the rest."""

    @property
    def newest(self) -> Image:
        """What reading it gives."""
        return self.written[-1] if self.written else self.durable

    def write(self, image: Image) -> None:
        """Write; not durable before `sync`."""
        self.written.append(image)

    def save_state(self) -> None:
        """Make the state durable, and the queues and the data not yet."""
        self.state = self.newest

    def sync(self) -> None:
        """Make everything written durable."""
        self.durable = self.newest
        self.written.clear()
        self.state = None

    def crash(self, keep: int) -> int:
        """Lose all that is not durable but the first `keep` writes (counted around); how many were lost."""
        lost = len(self.written) - keep % (len(self.written) + 1)
        survived = self.written[: len(self.written) - lost]
        queues = survived[-1] if survived else self.durable
        state, self.state = self.state, None
        if state is not None and all(image is not state for image in survived):
            queued = {name: getattr(queues.know, name) for name in _QUEUED}
            queues = replace(queues, know=replace(state.know, **queued), gone=state.gone)
        self.durable = queues
        self.written.clear()
        return lost


def performed(image: Image, action: act.ServerAction, queued: Queued | None, copy: Data | None) -> Image:
    """The image after an action, `know` excepted; with the update or the copy that it is about, where there is one."""
    match action:
        case act.Store(seq=seq) if queued is not None:
            return replace(image, safe={**image.safe, seq: queued})
        case act.StoreStatus(seq=seq, status=status) if seq in image.safe:
            return replace(image, safe={**image.safe, seq: replace(image.safe[seq], status=status)})
        case act.Apply():
            return _applied(image, action)
        case act.Resynchronise(epoch=epoch) if copy is not None:
            return replace(image, data=copy, lineage=epoch, safe={}, logged=0)
        case act.Discard():
            return replace(image, safe={})
        case act.TakeRole(epoch=epoch):
            return replace(image, lineage=epoch, unsafe={}, logged=len(image.data.history))
        case act.Log(seq=seq) if queued is not None:
            return replace(image, unsafe={**image.unsafe, seq: queued}, logged=seq)
        case act.Trim(upto=upto) | act.Drop(upto=upto):
            return replace(image, unsafe={seq: q for seq, q in image.unsafe.items() if seq > upto})
        case act.SetAside():
            return replace(image, unsafe={})
        case _:
            return image


def _applied(image: Image, action: act.Apply) -> Image:
    source = image.safe if action.queue is Queue.SAFE else image.unsafe
    if action.seq not in source:
        return image
    operation = source[action.seq].operation
    data = image.data.carried_out(operation)[0] if action.changed else image.data.unchanged(operation)
    left = {seq: queued for seq, queued in source.items() if seq != action.seq}
    if action.queue is Queue.SAFE:
        return replace(image, data=data, safe=left)
    return replace(image, data=data, unsafe=left)
