"""What can happen to a server. `effects.py` is what can come of it.

An event carries what the core cannot know by itself, and nothing else; the time is an argument of `step`.
"""

from __future__ import annotations

from dataclasses import dataclass

from takeover_spec.wire import Message
from takeover_spec.words import Status


@dataclass(frozen=True, slots=True)
class Woke:
    """The time the core asked to be woken at has come (or any other time)."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The channel to the peer is there (again)."""


@dataclass(frozen=True, slots=True)
class PeerSaid:
    """A message from the peer."""

    message: Message


@dataclass(frozen=True, slots=True)
class WitnessSaid:
    """A message from the witness."""

    message: Message


@dataclass(frozen=True, slots=True)
class Intercepted:
    """An application wants to change the protected data. Counterpart: `Log`, or nothing, and it is refused."""


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """A logged update was carried out, and how it ended is durable. Counterpart: `CarryOut`."""

    seq: int
    status: Status


@dataclass(frozen=True, slots=True)
class NextInQueue:
    """The first update of the safe queue, with its status, is at hand, as read from the disk. Counterpart: `Apply`."""

    seq: int
    status: Status


@dataclass(frozen=True, slots=True)
class Paused:
    """There is nothing else to do just now: time for what can be done for several updates at once, or bit by bit."""


@dataclass(frozen=True, slots=True)
class CopyTaken:
    """A copy of the data as it is after update `upto` is ready to be sent. Counterpart: `Copy`."""

    upto: int


@dataclass(frozen=True, slots=True)
class CopyReceived:
    """The active server's copy is complete and durable beside the old data. Counterpart: `Resynchronise`."""

    epoch: int
    begun: int
    upto: int


@dataclass(frozen=True, slots=True)
class LossStated:
    """What a takeover would discard of this epoch is written down, durably. Counterpart: `StateLoss`."""

    epoch: int
    kept: int
    last: int


@dataclass(frozen=True, slots=True)
class WoundDown:
    """None of the applications runs any more. Counterpart: `WindDown`."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The operator wants this server to shut down."""


@dataclass(frozen=True, slots=True)
class SwitchoverAsked:
    """An operator wants this active server to hand its role over. Counterpart: `Answer`, when the role is released, or
    as soon as it is known that it will not be."""

    order: int
    """Names the order, and comes back in the answer."""
    within_ns: int
    """How long emptying the queues may take before the applications are started again."""


@dataclass(frozen=True, slots=True)
class PromoteAsked:
    """An operator wants this passive server to begin the next epoch with its own data, and accepts what that loses.
    Counterpart: `Promote` and `Answer` at once; the takeover follows when the witness grants it."""

    order: int


@dataclass(frozen=True, slots=True)
class ResyncAsked:
    """An operator wants this passive server's data to be replaced by a new copy. Counterpart: `Answer` at once."""

    order: int


Event = (
    Woke
    | Connected
    | PeerSaid
    | WitnessSaid
    | Intercepted
    | CarriedOut
    | NextInQueue
    | Paused
    | CopyTaken
    | CopyReceived
    | LossStated
    | WoundDown
    | Stopping
    | SwitchoverAsked
    | PromoteAsked
    | ResyncAsked
)
