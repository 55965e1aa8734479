"""Taking over: when a passive server asks for the role, and what it does once it may have it.

It asks the witness when its own promise has run out, and not before: then the active server has not been heard for a
whole promise. Once it holds the lease of the next epoch it is committed, and promises nothing any more. The drain goes
on while the lease is renewed; its end, the role, the address, interception and the applications are one turn.

Conditions are put together with the operators of `logic.py` where nothing depends on which of them fails: the proof
follows every path of this code, and each `and` is a place where paths part.
"""

from __future__ import annotations

from takeover.core.effects import Answer, StateLoss
from takeover.core.state import Turn
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge, settled
from takeover_spec.logic import choose, greatest, not_
from takeover_spec.words import Cause, Identity

Refusal = tuple[str, str]
"""A clause and a reason."""

ASKS_PER_BEAT = 4
"""How much more often than an active server a challenger asks: every wait is an outage."""

FIRST_ASKS_PER_BEAT = 32
"""The same right after its promise ran out: the lease of the holder, given at the same time, ends about then."""


def is_committed(know: Knowledge, now: int) -> bool:
    """Whether this server holds the lease of the epoch after its data's."""
    return (know.lease_epoch == know.epoch + 1) & (now < know.lease_until)


def is_handed(know: Knowledge) -> bool:
    """Whether the active server released its role: that it says goodbye then is no reason to wait."""
    return (know.epoch >= 1) & (know.peer_released == know.epoch)


def cause_of(know: Knowledge) -> Cause:
    """Why this server takes over, when it does (ROLE-4)."""
    if know.promoted:
        return Cause.RESUMED if know.returned and know.keeps == know.applied else Cause.OPERATOR
    if is_handed(know):
        return Cause.RELEASE
    return Cause.FIRST if know.epoch == 0 else Cause.SILENCE


def why_not(turn: Turn) -> Refusal | None:
    """What keeps this server from taking over: a clause and a reason, or None."""
    know = turn.know
    if turn.core.stopping:
        return "ROLE-4", "this server is shutting down"
    if know.seen > know.epoch:
        return "ROLE-3", "this server's data belongs to an epoch that is over"
    if know.promoted:
        return None
    if know.returned:
        return "REJOIN-3", "this server was active, and has not been resynchronised since"
    if know.peer_left & not_(is_handed(know)):
        return "ROLE-4", "the peer announced that it shuts down"
    if (know.epoch == 0) & (turn.settings.me == Identity.SECONDARY):
        return "ROLE-3", "this server never had the data, and the primary begins"
    return None


def refrain(turn: Turn, clause: str, reason: str) -> None:
    """Record once why this server does not take over (ROLE-3)."""
    if turn.core.refrained != reason:
        turn.do(act.Refrain(clause, reason))
        turn.note(refrained=reason)


def _was_cut(turn: Turn) -> bool:
    """Whether this server was active last and logged nothing, and whoever may succeed it had time to (SWITCH-2)."""
    know = turn.know
    last = know.returned & (know.seen == know.epoch) & (know.logged == know.applied)
    first_others = turn.now >= know.given_until + turn.settings.constants.lease_ns
    return last & first_others & (know.released < know.epoch) & not_(know.promoted)


def refuse(turn: Turn, order: int, refusal: Refusal) -> None:
    """Record and answer that an operator's order is not carried out."""
    turn.do(act.Refrain(*refusal))
    turn.ask(Answer(order, False, *refusal))


def say_released(turn: Turn) -> None:
    """Say that the role was released, for as long as nobody is known to have taken it (SWITCH-2)."""
    know = turn.know
    if know.returned & (know.released == know.epoch) & (know.seen == know.epoch):
        turn.say_witness(wire.Released(know.epoch))
        turn.say(wire.Released(know.epoch))


def released(turn: Turn, epoch: int) -> None:
    """The peer released its role: there is nothing to wait for any more."""
    if epoch < 1:
        return
    turn.do(act.HearRelease(epoch))
    if not turn.know.active and turn.know.epoch == epoch:
        turn.note(beat_at=turn.now)
        beat(turn)


def _pause_ns(waited: int, beat_ns: int) -> int:
    """How long until it looks around again: the longer it has waited, the longer, up to what is usual."""
    usual = beat_ns // ASKS_PER_BEAT
    sooner = greatest(greatest(waited, beat_ns // FIRST_ASKS_PER_BEAT), 1)
    return choose((waited >= 0) & (sooner < usual), sooner, usual)


def beat(turn: Turn) -> None:
    """A passive server's time to look around."""
    if turn.now >= turn.core.beat_at:
        say_released(turn)
        waited = turn.now - turn.know.given_until
        turn.note(beat_at=turn.now + _pause_ns(waited, turn.settings.beat_ns))
        if waited >= 0:
            if _was_cut(turn) & turn.settings.resumes:
                turn.do(act.Promote(turn.know.epoch, turn.know.applied, turn.know.applied, False))
            reason = why_not(turn)
            if reason:
                refrain(turn, *reason)
            else:
                epoch, promoted = turn.know.epoch + 1, turn.know.promoted
                turn.say_witness(wire.AskLease(epoch, turn.settings.run, turn.now, promoted))
    take_over_if_ready(turn)


def leased(turn: Turn, epoch: int, run: int, sent: int) -> None:
    """The witness granted a lease."""
    know = turn.know
    wanted = know.epoch if know.active else know.epoch + 1
    until = sent + turn.settings.lease_counted_ns  # LEASE-4
    if (
        epoch != wanted
        or run != turn.settings.run
        or not know.started <= sent <= turn.now
        or until <= turn.now
    ):
        return
    turn.do(act.CountLease(epoch, sent, until))
    if know.active:
        extend(turn)
    else:
        take_over_if_ready(turn)


def extend(turn: Turn) -> None:
    """Keep the public identity enabled for as long as the grants allow (ADDR-2)."""
    know = turn.know
    grants = [know.promise_until]
    if know.lease_epoch == know.epoch:
        grants.append(know.lease_until)
    until = max(grants) - turn.settings.constants.expiry_slack_ns
    if until > turn.now and (not know.enabled or until > know.until):
        turn.do(act.Enable(until))


def loss_stated(turn: Turn, epoch: int, kept: int, last: int) -> None:
    """What a takeover would discard is written down: it may be just what would be discarded now."""
    turn.note(stating=False)
    know = turn.know
    take_over_if_ready(turn, stated=epoch == know.epoch and kept == know.applied and last == know.newest)


def take_over_if_ready(turn: Turn, *, stated: bool = False) -> None:
    """Take over, if the lease is there, the promise has run out and nothing is left to apply.

    What is discarded is `stated` first, beside the core: it can take longer than a lease lasts.
    """
    know = turn.know
    until = know.lease_until - turn.settings.constants.expiry_slack_ns
    if know.active or not is_committed(know, turn.now) or until <= turn.now:
        return
    if turn.now < know.given_until or why_not(turn) is not None:  # LEASE-1, ROLE-3, REJOIN-3
        return
    cause = cause_of(know)
    if not know.drained:
        if settled(know, know.applied + 1):
            return  # APPLY-4: the drain goes on
        if turn.core.stating:
            return
        if know.newest > know.applied and not stated:  # LOSS-1
            turn.note(stating=True)
            turn.ask(StateLoss(know.epoch, know.applied, know.newest))
            return
        turn.do(act.Discard(know.epoch, know.applied, know.newest))  # APPLY-5, LOSS-1
    turn.do(act.TakeRole(know.epoch + 1, cause))
    turn.note(
        heard_at=turn.now,
        beat_at=turn.now,
        offered=False,
        recorded=True,
        copying=False,
        copied=False,
        resynchronising=False,
        refrained="",
    )
    turn.do(act.Enable(until))  # ROLE-2: drain, role, public identity, interception, applications
    turn.do(act.StartInterception())
    turn.do(act.StartApplications())
