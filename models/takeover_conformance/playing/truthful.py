"""Whether a server means what it says, and heard what it says it heard: the assumption `truthful`, as a check.

The rules judge a server by its own actions, and the proofs assume that nobody lies. A server on the bench is not
assumed to: each frame that it sends has to be true of what its actions say it knows, and durable where it speaks of
something durable; a copy has to be the one that was taken; and each action that tells of something heard has to have a
frame behind it that arrived in this run.
What is found is named by the clause that the message, or the action, serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from takeover_models.images import Disk
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.codec import shown
from takeover_spec.knowledge import Knowledge
from takeover_spec.rules import RULES
from takeover_spec.words import Constants, Status

NAMES = "§12.7"
"""Where the protocol says what a clause may be."""

CLAUSES = frozenset(rule.clause for rule in RULES) | {"ADDR-3"}
"""Those of the protocol's §7; one of them is a theorem, and no rule."""

REFUSALS = "§8.10"
"""Where the protocol says by which clauses orders are refused."""

Untrue = tuple[str, str]
"""The clause, and what is not so."""


REFUSED_BY = {
    "switchover": ("SWITCH-1", "SWITCH-2", "ROLE-6"),
    "promote": ("REJOIN-4", "LEASE-1", "ROLE-4"),
    "resync": ("REJOIN-2", "ROLE-4"),
}
"""By which clauses an order may be refused (§8.10)."""


@dataclass(slots=True)
class Heard:
    """What arrived in this run, so that it may be told of; repeated as often as one likes."""

    messages: set[wire.Message] = field(default_factory=set)
    operations: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """The operation of each update, by the update's name."""
    epoch: int = 0
    """The highest epoch that the peer spoke of: it has, or had, an active server. The witness's words are no proof."""
    orders: dict[int, str] = field(default_factory=dict)
    """What an operator ordered, by the order's number."""
    returns: set[int] = field(default_factory=set)
    """The epochs in which the peer asked for a promise, or said where it stands, since its last goodbye."""

    def add(self, message: wire.Message) -> None:
        """A message arrived."""
        self.messages.add(message)
        if not isinstance(message, wire.NotLeased | wire.Leased | wire.Recorded | wire.Hello):
            self.epoch = max(self.epoch, message.epoch)
        match message:
            case wire.Update(epoch, seq, operation):
                self.operations[epoch, seq] = operation
            case wire.AskPromise(epoch) | wire.Position(epoch):
                self.returns.add(epoch)
            case wire.Goodbye():
                self.returns.clear()
            case _:
                pass

    def untrue(self, action: act.Action, run: int) -> Untrue | None:
        """What is not so of an action that tells of something heard."""
        match action:
            case act.CountPromise(epoch, sent):
                return self._without("LEASE-4", wire.Promised(epoch, run, sent))
            case act.CountLease(epoch, sent):
                return self._without("LEASE-4", wire.Leased(epoch, run, sent))
            case act.HearSafe(epoch, upto, latest):
                return self._without("QUEUE-3", wire.Safe(epoch, upto, latest))
            case act.HearRecorded(epoch, version, eligible):
                return self._without("REJOIN-2", wire.Recorded(epoch, version, eligible))
            case act.HearRelease(epoch):
                return self._without("LEASE-5", wire.Released(epoch))
            case act.StoreStatus(epoch, seq, status):
                return self._no_status(epoch, seq, status)
            case act.Store(epoch, seq) if (epoch, seq) not in self.operations:
                return "ROLE-5", f"nobody sent update {seq} of epoch {epoch}"
            case act.Refrain(clause) if clause not in CLAUSES:
                return NAMES, f"there is no clause {clause!r}"
            case act.HearEpoch(epoch) if epoch > self.epoch:
                return "REJOIN-1", f"nobody spoke of epoch {epoch}"
            case act.HearGoodbye(epoch):
                return self._without("ROLE-4", wire.Goodbye(epoch))
            case act.HearReturn(epoch) if epoch not in self.returns:
                return "ROLE-4", f"nobody came back, in epoch {epoch}, since the last goodbye"
            case act.Promote(ordered=True) if "promote" not in self.orders.values():
                return "REJOIN-4", "nobody ordered a promotion"
            case act.Promise(epoch):
                asked = (m for m in self.messages if isinstance(m, wire.AskPromise) and m.epoch == epoch)
                return self._none_of("LEASE-2", f"a request for a promise in epoch {epoch}", asked)
            case _:
                return None

    def wrong_answer(self, number: int, *, accepted: bool, clause: str) -> Untrue | None:
        """What is not so of what an operator is told."""
        if number not in self.orders:
            return REFUSALS, f"nobody gave an order {number}"
        known = REFUSED_BY[self.orders[number]]
        return (
            None
            if accepted or clause in known
            else (REFUSALS, f"no {self.orders[number]} is refused by {clause!r}")
        )

    def _without(self, clause: str, message: wire.Message) -> Untrue | None:
        return None if message in self.messages else (clause, f"nobody said {message}")

    def _none_of(self, clause: str, what: str, said: Iterable[wire.Message]) -> Untrue | None:
        return None if any(True for _ in said) else (clause, f"nobody sent {what}")

    def _no_status(self, epoch: int, seq: int, status: Status) -> Untrue | None:
        said = (
            m
            for m in self.messages
            if isinstance(m, wire.UpdateStatus) and (m.epoch, m.seq, m.status) == (epoch, seq, status)
        )
        return self._none_of("QUEUE-4", f"the status {status.name.lower()} of update {seq}", said)


@dataclass(frozen=True, slots=True)
class Taken:
    """A copy that a server took, and says it sends (`Copy`)."""

    begun: int
    parts: tuple[bytes, ...]
    """The pieces that it was given."""


Copies = Mapping[tuple[int, int], Taken]
"""The copies that were taken in this run, by their epoch and the update they are of."""


def untrue_copy(message: wire.CopyBegin | wire.CopyPart | wire.CopyEnd, copies: Copies) -> Untrue | None:
    """What is not so of a piece of a copy."""
    taken = copies.get((message.epoch, message.upto))
    if taken is None:
        return "REJOIN-2", f"it took no copy of epoch {message.epoch} as it is after update {message.upto}"
    match message:
        case wire.CopyBegin(begun=begun):
            right, clause = begun == taken.begun, "LOSS-1"
        case wire.CopyPart(index=index, operation=operation):
            right, clause = taken.parts[index : index + 1] == (operation,), "REJOIN-2"
        case wire.CopyEnd(parts=count):
            right, clause = count == len(taken.parts), "REJOIN-2"
    return None if right else (clause, f"that is not in the copy that it took: {shown(message)}")


def untrue(
    message: wire.Message, know: Knowledge, disk: Disk, heard: Heard, now: int, run: int, c: Constants
) -> Untrue | None:
    """What is not so of a message that a server sends, at `now` on its clock."""
    match message:
        case wire.Promised(epoch, asked_by, sent):
            if wire.AskPromise(epoch, asked_by, sent) not in heard.messages:
                return "LEASE-4", f"nobody asked so: {message}"
            kept = know.seen == epoch and know.given_until >= now + c.promise_ns
            return None if kept else ("LEASE-2", "it says that it promised, and is not bound so long")
        case wire.Safe(epoch, upto, latest):
            return _untrue_report(epoch, upto, latest, know, disk)
        case wire.Released(epoch):
            durable = disk.durable.know.released >= epoch
            return None if durable else ("LEASE-5", f"it has not released epoch {epoch}, durably")
        case wire.AskLease(_, asked_by, sent, promoted):
            return _untrue_question(asked_by, sent, now, run) or (
                ("REJOIN-4", "it is not promoted") if promoted and not know.promoted else None
            )
        case wire.AskPromise(epoch, asked_by, sent):
            leads = know.active and know.epoch == epoch
            return _untrue_question(asked_by, sent, now, run) or (
                None if leads else ("ROLE-5", f"it is not active in epoch {epoch}")
            )
        case wire.DeclareEligible(epoch, version, _):
            declared = know.epoch == epoch and version <= know.version
            return None if declared else ("REJOIN-2", f"it has not declared version {version}")
        case wire.Update(epoch, seq, operation):
            queued = disk.newest.unsafe.get(seq)
            right = know.epoch == epoch and queued is not None and queued.operation.encoded() == operation
            return None if right else ("QUEUE-1", f"update {seq} is not this in its unsafe queue")
        case wire.UpdateStatus(epoch, seq, status, _):
            queued = disk.newest.unsafe.get(seq)
            right = know.epoch == epoch and queued is not None and queued.status is status
            return None if right else ("QUEUE-1", f"update {seq} has not ended so, as far as it can know")
        case wire.Newer(epoch):
            return None if know.seen >= epoch else ("ROLE-5", f"it never heard of epoch {epoch}")
        case wire.Position():
            return _untrue_position(message, know, disk)
        case _:
            return None


def _untrue_question(asked_by: int, sent: int, now: int, run: int) -> Untrue | None:
    if asked_by != run:
        return "LEASE-4", f"its run is {run}"
    return None if sent <= now else ("LEASE-4", f"it says that it was sent at {sent}, and it is {now}")


def _untrue_position(position: wire.Position, know: Knowledge, disk: Disk) -> Untrue | None:
    if position.epoch != know.epoch:
        return "ROLE-5", f"its data is of epoch {know.epoch}"
    if position.resynchronise:
        return None  # nothing else counts
    queue, applied = disk.durable.safe, disk.durable.know.applied
    for seq in range(applied + 1, max(position.stored, position.statuses) + 1):
        queued = queue.get(seq)
        if queued is None or (seq <= position.statuses and queued.status is Status.NONE):
            return "QUEUE-4", f"it has update {seq} not, or not its status, durably"
    return None


def _untrue_report(epoch: int, upto: int, latest: int, know: Knowledge, disk: Disk) -> Untrue | None:
    durable = disk.durable
    if know.epoch != epoch:
        return "ROLE-5", f"its data is of epoch {know.epoch}"
    for seq in {upto, latest} | set(range(durable.know.applied + 1, upto + 1)):
        queued = durable.safe.get(seq)
        if seq > durable.know.applied and (queued is None or queued.status is Status.NONE):
            return "QUEUE-4", f"update {seq} is not durable with its status"
    return None
