"""What a shell keeps of the channel to the peer: how far the unsafe queue was sent, and the pieces of a copy."""

from __future__ import annotations

from dataclasses import dataclass, field

from takeover.core.events import CopyReceived
from takeover_models.data import Data, from_parts
from takeover_models.images import Image
from takeover_spec import wire
from takeover_spec.words import Status


@dataclass(slots=True)
class Shipping:
    """The unsafe queue is sent from here on, and goes on being sent as it grows (`Ship`)."""

    seq: int
    """The next update to send."""
    status: int
    """The next status to send."""

    def next_messages(self, image: Image, epoch: int) -> list[wire.Message]:
        """What can be sent now, in order: each update, and its status once that is known.

        What has left the queue is safe at the peer, whose word for it may have been older than the queue.
        """
        first = min(image.unsafe, default=image.logged + 1)
        self.seq, self.status = max(self.seq, first), max(self.status, first)
        messages: list[wire.Message] = []
        while self.seq in image.unsafe:
            operation = image.unsafe[self.seq].operation.encoded()
            messages.append(wire.Update(epoch, self.seq, operation))
            self.seq += 1
        while self.status < self.seq and image.unsafe[self.status].status is not Status.NONE:
            messages.append(wire.UpdateStatus(epoch, self.status, image.unsafe[self.status].status, 0))
            self.status += 1
        return messages


@dataclass(slots=True)
class _Pieces:
    begun: int | None = None
    parts: dict[int, bytes] = field(default_factory=dict)
    count: int | None = None


@dataclass(slots=True)
class Assembly:
    """The copies that are arriving, each by the point of the history it is of, whatever order its pieces come in.

    Two copies of one point are alike, so their pieces may be mixed.
    """

    copies: dict[tuple[int, int], _Pieces] = field(default_factory=dict)

    def add(self, message: wire.CopyBegin | wire.CopyPart | wire.CopyEnd) -> CopyReceived | None:
        """Take a piece; the event that tells of a copy, if this piece was its last."""
        pieces = self.copies.setdefault((message.epoch, message.upto), _Pieces())
        match message:
            case wire.CopyBegin(begun=begun):
                pieces.begun = begun
            case wire.CopyPart(index=index, operation=operation):
                pieces.parts[index] = operation
            case wire.CopyEnd(parts=count):
                pieces.count = count
        if pieces.begun is None or not self.has(message.epoch, message.upto):
            return None
        return CopyReceived(message.epoch, pieces.begun, message.upto)

    def has(self, epoch: int, upto: int) -> bool:
        """Whether the copy of this point is complete."""
        pieces = self.copies.get((epoch, upto))
        if pieces is None or pieces.begun is None or pieces.count is None:
            return False
        return pieces.parts.keys() == set(range(pieces.count))

    def taken(self, epoch: int, upto: int) -> Data:
        """The data that a complete copy is of; the other copies are of no use any more."""
        pieces = self.copies[epoch, upto]
        self.copies.clear()
        return from_parts(part for _, part in sorted(pieces.parts.items()))
