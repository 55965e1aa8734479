"""What a server has to do: the other half of the rules, which forbid only.

PROTOCOL.md says of each message what its receiver does (§12), and of some clauses what they demand beside their rules
(**Also**, §7). A duty is one such sentence, as a function from what a server knows and is told to what it then has to
do or say. When the cases are made the reference server is led through each, and what is its duty there becomes a check
of the case: `{"must": …, "clause": …}`. Where the text says *may* there is no duty, but for the promise: a server that
never gave one, though nothing is against it, would leave its peer to the witness alone (LEASE-1). A check names only
such fields as the text fixes. That every legal variant passes the checks, and a server that others wrote, is a test.

A duty reads what follows from the text for any server in this situation: not whether it has reported already, or how
it spells a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from takeover_models.decisions import Decision
from takeover_spec import wire
from takeover_spec.codec import plain
from takeover_spec.knowledge import Knowledge, grant_until, lapsed, settled
from takeover_spec.words import PPM, Constants, Status

Must = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """A server at the instant before something happens to it."""

    know: Knowledge
    now: int
    run: int
    constants: Constants
    connected: bool
    told: bool
    """The peer said in this epoch, on this connection, where it stands, and lacks no copy."""
    copying: bool
    """A copy is being taken of its data."""
    asked: tuple[wire.Message, ...]
    """The requests for grants that it made in this run."""
    declared: bool
    """It declared its peer eligible, last."""
    first: bool
    """It may begin the first epoch."""
    ordered: bool
    """An order is being carried out."""

    @property
    def follows(self) -> bool:
        """It follows the epoch of its data, and its safe queue is open."""
        know = self.know
        open_queue = not (know.active or know.returned or know.drained)
        return open_queue and know.epoch == know.seen >= 1

    @property
    def committed(self) -> bool:
        """It holds the lease of the next epoch."""
        return self.know.lease_epoch == self.know.epoch + 1 and self.now < self.know.lease_until

    @property
    def over(self) -> bool:
        """It is active and must not be any more."""
        know = self.know
        return know.active and (lapsed(know, self.now) or know.seen > know.epoch)

    @property
    def leads(self) -> bool:
        """It is active, and may be."""
        return self.know.active and not self.over

    @property
    def unrecorded(self) -> bool:
        """It had to declare its peer eligible, or not any more, and no record of that is known."""
        know = self.know
        known = know.alone or know.successor
        return know.version >= 1 and know.safe_upto in (know.applied, know.logged) and not known

    @property
    def behind(self) -> bool:
        """It needs a copy before it can follow anybody."""
        know = self.know
        return know.returned or know.drained or know.seen > know.epoch or know.epoch == 0

    @property
    def hindered(self) -> bool:
        """Something other than a grant keeps it from taking over by itself."""
        know = self.know
        left = know.peer_left and know.peer_released != know.epoch
        return know.seen > know.epoch or (not know.promoted and (know.returned or left))

    def counted(self, length_ns: int) -> int:
        """How much of a grant may be counted on (LEASE-4)."""
        drift = self.constants.drift_ppm
        return length_ns * (PPM - drift) // (PPM + drift)


def duties(at: Standing, step: Decision | wire.Message | None, sender: str) -> Iterator[Must]:
    """What has to be done about this step; the message is None if the frame was malformed."""
    if isinstance(step, Decision) and step.verb in ("pass", "busy", "crash", "start", "sync", "work", "calm"):
        return
    if at.over:
        yield from _step_down(at, "ROLE-6" if at.know.seen <= at.know.epoch else "REJOIN-1")
    match step:
        case None:
            yield _must("§12.1", close=sender)
        case Decision():
            yield from _by_itself(at, step)
        case _ if sender == "witness":
            yield from _said_by_the_witness(at, step)
        case wire.AskPromise() | wire.Newer() | wire.Released() | wire.Goodbye():
            yield from _said_by_any_peer(at, step)
        case wire.Update() | wire.UpdateStatus():
            yield from _sent(at, step)
        case _ if at.leads:
            yield from _said_by_a_follower(at, step)
        case _:
            return


def _must(clause: str, **pattern: Any) -> Must:
    return {"must": pattern, "clause": clause}


def starts() -> Iterator[Must]:
    """What has to be done when the process starts: whatever it was before, it says that it is passive and hidden."""
    yield _must("ROLE-1", do="start", active=False, enabled=False)


def _step_down(at: Standing, clause: str) -> Iterator[Must]:
    if at.know.serving:
        yield _must(clause, do="stop-applications")
    if (
        at.know.enabled and at.now < at.know.until
    ):  # §8.4, §8.7; what has ended by itself need not be disabled
        yield _must(clause, do="disable")
    yield _must(clause, do="step-down", epoch=at.know.epoch)


def _heard_of(at: Standing, epoch: int) -> Iterator[Must]:
    if epoch > at.know.seen:  # §12.4, REJOIN-1
        yield _must("REJOIN-1", do="hear-epoch", epoch=epoch)
        if at.leads:
            yield from _step_down(at, "REJOIN-1")


def _said_by_any_peer(
    at: Standing, said: wire.AskPromise | wire.Newer | wire.Released | wire.Goodbye
) -> Iterator[Must]:
    know = at.know
    match said:
        case wire.AskPromise(epoch, run, sent):
            if epoch < know.seen:
                yield _must("ROLE-5", say="newer", epoch=know.seen)
                return
            yield from _heard_of(at, epoch)
            if know.peer_left and not know.active:  # §8.7
                yield _must("ROLE-4", do="hear-return")
            bound = know.promoted or at.committed or know.peer_released == epoch
            if epoch == know.epoch == know.seen and at.follows and not bound:
                yield _must("LEASE-2", do="promise", epoch=epoch)
                yield _must("LEASE-2", say="promised", epoch=epoch, run=run, sent=sent)
        case wire.Newer(epoch):
            yield from _heard_of(at, epoch)
        case wire.Released(epoch) if (
            epoch == know.epoch == know.seen > know.peer_released and not know.active
        ):
            yield _must("LEASE-5", do="hear-release", epoch=epoch)
        case wire.Goodbye() if not (know.active or know.peer_left):
            yield _must("ROLE-4", do="hear-goodbye")


def _sent(at: Standing, said: wire.Update | wire.UpdateStatus) -> Iterator[Must]:
    know = at.know
    if not at.follows or said.epoch != know.epoch or at.ordered:
        return
    if isinstance(said, wire.Update):
        if said.seq == know.newest + 1:
            yield _must("QUEUE-4", do="store", epoch=said.epoch, seq=said.seq)
    elif know.stored[said.seq] and settled(know, said.seq - 1) and know.status[said.seq] == Status.NONE:
        yield _must(
            "QUEUE-4", do="store-status", epoch=said.epoch, seq=said.seq, status=plain(said)["status"]
        )
        if not at.committed:
            yield _must("QUEUE-4", say="safe", epoch=said.epoch, upto=said.seq)


def received(at: Standing, begun: int, epoch: int, upto: int) -> Iterator[Must]:
    """What has to be done when the last piece of a copy of another epoch has come."""
    know = at.know
    if know.active or epoch < know.seen or epoch <= know.epoch:
        return
    if know.unsafe:
        kept = min(begun, know.logged)
        yield _must("LOSS-1", do="set-aside", epoch=know.epoch, kept=kept, last=know.logged)
    yield _must("REJOIN-2", do="resynchronise", epoch=epoch, upto=upto)
    yield _must("REJOIN-2", say="position", epoch=epoch, stored=upto, statuses=upto, resynchronise=False)
    yield _must("REJOIN-2", say="safe", epoch=epoch, upto=upto)  # §8.5


def _said_by_a_follower(at: Standing, said: wire.Message) -> Iterator[Must]:
    know = at.know
    match said:
        case wire.Promised(epoch, run, sent) if (epoch, run) == (know.epoch, at.run):
            yield from _counts(at, "count-promise", epoch, sent, at.constants.promise_ns)
        case wire.Safe(epoch, upto, latest) if epoch == know.epoch and latest <= know.logged:
            yield _must("QUEUE-3", do="hear-safe", epoch=epoch, upto=upto, latest=latest)
            acknowledged = max(know.acknowledged, know.applied)
            if not at.ordered:
                for seq in range(acknowledged + 1, upto + 1):
                    if know.carried[seq]:
                        yield _must("SYNC-1", do="acknowledge", epoch=epoch, seq=seq)
            if upto == know.logged and not at.declared and not at.ordered:
                yield _must("REJOIN-2", say="declare-eligible", epoch=epoch, eligible=True)
        case wire.Position(epoch, stored, statuses, resynchronise):
            lacks = epoch < know.epoch or resynchronise
            if lacks and epoch <= know.epoch and not at.copying and at.connected and not at.ordered:
                yield _must("REJOIN-2", do="copy", epoch=know.epoch, begun=know.begun)
                for kind in ("copy-begin", "copy-end"):
                    yield _must("REJOIN-2", say=kind, epoch=know.epoch)
            elif epoch == know.epoch and not resynchronise and stored >= know.trimmed and at.connected:
                for seq in range(stored + 1, know.logged + 1):
                    yield _must("QUEUE-1", say="update", epoch=epoch, seq=seq)
                for seq in range(max(statuses, know.applied) + 1, know.logged + 1):
                    yield _must("QUEUE-1", say="update-status", epoch=epoch, seq=seq)


def _counts(at: Standing, action: str, epoch: int, sent: int, length_ns: int) -> Iterator[Must]:
    """A grant counts if it was asked for in this run, and lasts longer than those that are counted (LEASE-4)."""
    know, until = at.know, sent + at.counted(length_ns)
    if know.started <= sent <= at.now < until and (until > grant_until(know) or not know.active):
        yield _must("LEASE-4", do=action, epoch=epoch, sent=sent)
        if know.enabled and until > know.until + at.constants.expiry_slack_ns:
            yield _must("ADDR-2", do="enable")  # §8.1


def _said_by_the_witness(at: Standing, said: wire.Message) -> Iterator[Must]:
    know = at.know
    match said:
        case wire.Leased(epoch, run, sent) if run == at.run:
            if at.leads and epoch == know.epoch:
                yield from _counts(at, "count-lease", epoch, sent, at.constants.lease_ns)
            if not know.active and epoch == know.epoch + 1:
                counted = list(_counts(at, "count-lease", epoch, sent, at.constants.lease_ns))
                yield from counted
                if counted and know.given_until <= at.now and not at.hindered and (epoch > 1 or at.first):
                    yield from _takes_over(know, epoch)
        case wire.NotLeased(_, run) if run == at.run and at.asked and not know.active and not at.hindered:
            yield _must("ROLE-3", do="refrain")
        case wire.Recorded(epoch, version, eligible) if (
            at.leads and (epoch, version, eligible) == (know.epoch, know.version, at.declared)
        ) and (
            version >= 1 and know.safe_upto == know.logged
        ):  # or it may have had no reason to declare anything
            yield _must("REJOIN-2", do="hear-recorded", epoch=epoch, version=version, eligible=eligible)
        case _:
            return


def _takes_over(know: Knowledge, epoch: int) -> Iterator[Must]:
    """§8.2: drain, role, public identity, interception, applications."""
    if not know.drained:
        yield _must("APPLY-4", do="discard", epoch=know.epoch)
    yield _must("ROLE-2", do="take-role", epoch=epoch)
    for action in ("enable", "start-interception", "start-applications"):
        yield _must("ROLE-2", do=action)


def _by_itself(at: Standing, decision: Decision) -> Iterator[Must]:
    know = at.know
    match decision.verb:
        case "wake" if at.leads:
            yield from _asks_on(at)
        case "wake" if not know.active:
            yield from _looks_around(at)
        case "offer" if at.leads and know.intercepting and not at.copying and not at.ordered:
            yield _must("QUEUE-1", do="log", epoch=know.epoch, seq=know.logged + 1)
            yield _must("QUEUE-1", do="carry-out", epoch=know.epoch, seq=know.logged + 1)
            if at.told and at.connected:
                yield _must("QUEUE-1", say="update", epoch=know.epoch, seq=know.logged + 1)
                yield _must("QUEUE-1", say="update-status", epoch=know.epoch, seq=know.logged + 1)
            if not at.constants.synchronous:
                yield _must("SYNC-1", do="acknowledge", epoch=know.epoch, seq=know.logged + 1)
        case "bye" if at.leads:
            yield from _step_down(at, "ROLE-4")
            yield _must("ROLE-4", say="goodbye")
        case "switch" if not at.leads or not (know.peer_follows and know.successor) or at.ordered:
            yield from _refused("SWITCH-1")
        case "promote" if at.leads or know.seen > know.epoch:
            yield from _refused("REJOIN-4")
        case "promote" if not know.active and know.given_until <= at.now:
            yield _must("REJOIN-4", do="promote", epoch=know.epoch, ordered=True)
            yield _must("REJOIN-4", accept=True)
        case "resync" if at.leads:
            yield from _refused("REJOIN-2")
        case "resync" if not (know.active or know.drained):
            yield _must("REJOIN-2", accept=True)
            yield _must("REJOIN-2", say="position", epoch=know.epoch, resynchronise=True)
        case _:
            return


def _refused(clause: str) -> Iterator[Must]:
    yield _must(clause, do="refrain")
    yield _must(clause, accept=False)


def _asks_on(at: Standing) -> Iterator[Must]:
    """Several times within a grant's length it asks for both grants again (§8.1)."""
    sent = [asked.sent for asked in at.asked if isinstance(asked, wire.AskLease)]
    if at.now - max(sent, default=0) >= at.constants.promise_ns // 2:
        yield _must("LEASE-1", say="ask-lease", epoch=at.know.epoch, promoted=False)
        yield _must("LEASE-1", say="ask-promise", epoch=at.know.epoch)
        if at.unrecorded:  # §8.5: until that is recorded
            yield _must("REJOIN-2", say="declare-eligible", epoch=at.know.epoch)


def _looks_around(at: Standing) -> Iterator[Must]:
    know = at.know
    if at.now < know.given_until or at.committed:
        return
    if know.returned and know.released == know.epoch == know.seen:
        yield _must("SWITCH-2", say="released", epoch=know.epoch)
    silent = max((asked.sent for asked in at.asked if isinstance(asked, wire.AskLease)), default=0)
    if not at.hindered and at.now - silent >= at.constants.promise_ns // 2 and (know.epoch >= 1 or at.first):
        yield _must("LEASE-1", say="ask-lease", epoch=know.epoch + 1)


def connects(at: Standing) -> Iterator[Must]:
    """What has to be said on a new connection."""
    know = at.know
    if at.over:
        yield from _step_down(at, "ROLE-6" if know.seen <= know.epoch else "REJOIN-1")
    elif not know.active:
        behind = {"resynchronise": True} if at.behind else {}
        yield _must("REJOIN-2", say="position", epoch=know.epoch, **behind)
        if know.returned and know.released == know.epoch == know.seen:
            yield _must("SWITCH-2", say="released", epoch=know.epoch)
