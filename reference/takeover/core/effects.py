"""What comes of an event, in the order in which it has to be done.

An effect is either an action of the protocol (`takeover_spec.actions`), which the shell performs and then writes in
the trace, or one of those below. **Order is part of the contract:** an effect is complete, and durable where the
action says so, BEFORE the next one begins. The shell may put a write and the sync it needs apart, as long as the sync
comes before the next message that is sent and before the next acknowledgement.
"""

from __future__ import annotations

from dataclasses import dataclass

from takeover_spec.actions import ServerAction
from takeover_spec.wire import Message


@dataclass(frozen=True, slots=True)
class Say:
    """Send a message to the peer, or lose it."""

    message: Message


@dataclass(frozen=True, slots=True)
class SayWitness:
    """Send a message to the witness, or lose it."""

    message: Message


@dataclass(frozen=True, slots=True)
class TakeCopy:
    """Let what is logged be carried out, hold what is offered, and copy the data: `CopyTaken` is the answer."""


@dataclass(frozen=True, slots=True)
class Ship:
    """Send the peer the unsafe queue from update `seq` on, statuses from `status` on, and go on as it grows."""

    seq: int
    status: int


@dataclass(frozen=True, slots=True)
class StateLoss:
    """Write down, beside the core, what a takeover would discard: updates `kept` + 1 to `last`.

    `LossStated` is the answer.
    """

    epoch: int
    kept: int
    last: int


@dataclass(frozen=True, slots=True)
class WindDown:
    """Stop the applications beside the core, and let them finish what they write: `WoundDown` is the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the operator what came of an order."""

    order: int
    accepted: bool
    clause: str
    """Which clause forbids it; empty if none does."""
    reason: str


Effect = ServerAction | Say | SayWitness | TakeCopy | Ship | StateLoss | WindDown | Answer
