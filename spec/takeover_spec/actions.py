"""Everything a server or a witness can do or learn that a rule speaks of, one frozen class each.

Rules of this file: an action is a fact of the party that writes it, in its own words and its own numbers; it names
no other party's state. *Doing* something that must be durable (`Log`, `Store`, `TakeRole`…) means that it is durable
when the action is written. Epochs and sequence numbers start at 1; 0 means none. Times are nanoseconds on the
party's own clock, which also dates the action itself (`knowledge.py` mirrors each action with what is known after
it, `rules.py` with what must hold before).

A sequence number is a position in the history of the data: a new active server goes on where its data ends. So
(epoch, sequence) names an update for ever, and the sequence alone says how long a prefix is.
"""

from __future__ import annotations

from dataclasses import dataclass

from takeover_spec.words import Cause, Identity, Queue, Status


@dataclass(frozen=True, slots=True)
class Start:
    """The server's process starts."""

    active: bool
    """The role it starts in (ROLE-1 leaves it no choice)."""
    enabled: bool
    """Whether it starts with the public identity enabled, until `until` (ROLE-1 again)."""
    until: int
    wait_until: int
    """Until when it keeps whatever it may have promised before (LEASE-2)."""


# --- the passive server's data path ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Store:
    """An update from the active server of `epoch` is durable in the safe queue."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The completion status of an update is durable in the safe queue."""

    epoch: int
    seq: int
    status: Status


@dataclass(frozen=True, slots=True)
class ReportSafe:
    """The active server is told what is durable here."""

    epoch: int
    upto: int
    """Every update of this number or a lower one is here with its completion status, or applied."""
    latest: int
    """The highest update that is here with its completion status, whatever is missing below it."""


@dataclass(frozen=True, slots=True)
class Apply:
    """An update is carried out on this server's copy of the protected data."""

    epoch: int
    seq: int
    changed: bool
    """Whether the data was changed."""
    queue: Queue
    """Where the update was taken from."""


@dataclass(frozen=True, slots=True)
class Resynchronise:
    """This server's copy is replaced by the active server's at a point of its history."""

    epoch: int
    upto: int


# --- promises and grants --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promise:
    """The active server of `epoch` is promised that this server will not take over before `until`."""

    epoch: int
    until: int


@dataclass(frozen=True, slots=True)
class CountPromise:
    """The peer's promise is counted on until `until`; its request was sent at `sent`."""

    epoch: int
    sent: int
    until: int


@dataclass(frozen=True, slots=True)
class CountLease:
    """The witness's lease for `epoch` is counted on until `until`; its request was sent at `sent`."""

    epoch: int
    sent: int
    until: int


@dataclass(frozen=True, slots=True)
class Release:
    """The server gives the role of `epoch` up for good, durably, and then tells both the peer and the witness."""

    epoch: int


@dataclass(frozen=True, slots=True)
class HearRelease:
    """The peer gave up the role of `epoch`."""

    epoch: int


# --- taking over ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promote:
    """This server is to begin the next epoch with its own data: an operator orders it and accepts what that loses, or
    its own takeover was cut. That lasts until it takes the role, follows again, or ends."""

    epoch: int
    kept: int
    """What it has, as far as is known now: the last update that is complete here."""
    last: int
    """The highest update in its queue; kept + 1 to here are lost, and whatever never reached it."""
    ordered: bool
    """Whether an operator ordered it."""


@dataclass(frozen=True, slots=True)
class Discard:
    """The drain has ended: what could be applied is, and the rest of the safe queue is discarded."""

    epoch: int
    kept: int
    """The last update applied."""
    last: int
    """The highest update that was in the safe queue or applied; kept + 1 to here are lost, as far as is known here."""


@dataclass(frozen=True, slots=True)
class TakeRole:
    """The server switches its role from passive to active; the new epoch is durable."""

    epoch: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Enable:
    """The public identity is enabled, or kept enabled, until the kernel ends it at `until`."""

    until: int


@dataclass(frozen=True, slots=True)
class Disable:
    """The public identity is disabled at once."""


@dataclass(frozen=True, slots=True)
class StartInterception:
    """Updates to the protected data are intercepted from here on."""


@dataclass(frozen=True, slots=True)
class StartApplications:
    """The protected applications are started."""


@dataclass(frozen=True, slots=True)
class StopApplications:
    """The protected applications are stopped; interception ends."""


@dataclass(frozen=True, slots=True)
class Refrain:
    """The server does not do what is asked of it or what would be its turn, and says why (ROLE-3)."""

    clause: str
    reason: str


# --- the active server's data path ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Log:
    """An intercepted update is durable in the unsafe queue, not yet carried out."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class CarryOut:
    """A logged update was carried out, and how it ended is in the unsafe queue."""

    epoch: int
    seq: int
    status: Status
    depends: int
    """The last earlier update that touches the same thing, 0 if none."""


@dataclass(frozen=True, slots=True)
class HearSafe:
    """The passive server reported `upto` and `latest` (`ReportSafe`)."""

    epoch: int
    upto: int
    latest: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The application is told that its update is complete."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Trim:
    """Updates up to `upto` leave the unsafe queue."""

    epoch: int
    upto: int


@dataclass(frozen=True, slots=True)
class Drop:
    """The unsafe queue is full, and updates up to `upto` leave it without being safe (QUEUE-6)."""

    epoch: int
    upto: int


@dataclass(frozen=True, slots=True)
class Declare:
    """The witness is asked to record whether the passive server is eligible. Versions count up within an epoch."""

    epoch: int
    version: int
    eligible: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """The passive server is sent a copy of the protected data as it is after update `upto`."""

    epoch: int
    begun: int
    """Where this server's own epochs began: what it has of the peer's history, if the peer was active before it."""
    upto: int


@dataclass(frozen=True, slots=True)
class HearRecorded:
    """The witness has recorded a declaration."""

    epoch: int
    version: int
    eligible: bool


# --- leaving and coming back ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HearEpoch:
    """The server learns that `epoch` has an active server other than itself."""

    epoch: int


@dataclass(frozen=True, slots=True)
class StepDown:
    """The server switches its role from active to passive; the public identity is disabled."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """What is left of an old active server's unsafe queue is set aside and listed in a loss statement."""

    epoch: int
    kept: int
    """The last update of this server that the new active server has: the copy's `begun`."""
    last: int
    """The last update this server logged; kept + 1 to here are lost."""


@dataclass(frozen=True, slots=True)
class HearGoodbye:
    """The peer announced that it shuts down."""

    epoch: int


@dataclass(frozen=True, slots=True)
class HearReturn:
    """The peer is heard again after a goodbye."""

    epoch: int


# --- the witness ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WitnessStart:
    """The witness's process starts."""

    wait_until: int
    """Until when it keeps whatever it may have granted before (LEASE-3)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A lease for `epoch` is granted to `to` until `until`, and the epoch and its holder are durable."""

    to: Identity
    epoch: int
    until: int
    promoted: bool
    """It asked as one that is promoted (`Promote`)."""


@dataclass(frozen=True, slots=True)
class Record:
    """Whether the passive server of `epoch` is eligible is durable."""

    epoch: int
    version: int
    eligible: bool


@dataclass(frozen=True, slots=True)
class EndLease:
    """The holder of `epoch` gave it up: its lease is over."""

    epoch: int


ServerAction = (
    Start
    | Store
    | StoreStatus
    | ReportSafe
    | Apply
    | Resynchronise
    | Promise
    | CountPromise
    | CountLease
    | Release
    | HearRelease
    | Promote
    | Discard
    | TakeRole
    | Enable
    | Disable
    | StartInterception
    | StartApplications
    | StopApplications
    | Refrain
    | Log
    | CarryOut
    | HearSafe
    | Acknowledge
    | Trim
    | Drop
    | Declare
    | Copy
    | HearRecorded
    | HearEpoch
    | StepDown
    | SetAside
    | HearGoodbye
    | HearReturn
)
"""What a server writes in its trace."""

WitnessAction = WitnessStart | Grant | Record | EndLease
"""What a witness writes in its trace."""

Action = ServerAction | WitnessAction
