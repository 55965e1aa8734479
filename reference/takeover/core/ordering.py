"""What an operator orders: a switchover, a promotion, a resynchronisation.

A switchover begins with the applications: they are stopped beside the core (`WindDown`), which keeps its grants
meanwhile, and answers what they still write. From then on it is a state of the active server: everything logged is
carried out and becomes safe, and the witness confirms who may succeed. Up to the release it can be called off, and is,
when the time is over or when what it needs cannot come about any more: the applications start again, and nothing was
given up. The release itself is one turn. After it the server has stepped down, and says so again until it hears of the
next epoch, in this run or a later one, for the word may have been lost.

Every refusal is recorded (`Refrain`) and answered with its clause.
"""

from __future__ import annotations

from takeover.core import following, leading
from takeover.core.challenging import Refusal, refuse, say_released
from takeover.core.effects import Answer, WindDown
from takeover.core.state import Turn, carried_upto, status_upto
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge

# --- switchover, at the active server -------------------------------------------------------------


def switchover_asked(turn: Turn, order: int, within_ns: int) -> None:
    """Have the applications stopped, or say why not (SWITCH-1, SWITCH-2)."""
    refusal = _why_no_switchover(turn)
    if refusal:
        refuse(turn, order, refusal)
        return
    turn.note(winding_down=True, switching_order=order, switching_within=within_ns)
    turn.ask(WindDown())


def wound_down(turn: Turn) -> None:
    """The applications are stopped: begin to empty the queues, or start them again where that has no use any more."""
    if not turn.core.winding_down:
        return  # the role was lost meanwhile
    turn.note(winding_down=False)
    refusal = _why_no_switchover(turn)
    turn.do(act.StopApplications())
    if refusal:
        _call_off(turn, refusal)
        return
    turn.note(switching=True, switching_until=turn.now + turn.core.switching_within)
    hand_over_if_ready(turn)


def _why_no_switchover(turn: Turn) -> Refusal | None:
    know = turn.know
    if not know.active:
        return "SWITCH-1", "this server is not active"
    if turn.core.switching or turn.core.winding_down:
        return "SWITCH-1", "a switchover is under way"
    if not know.peer_follows:
        return "SWITCH-1", "no passive server follows this epoch"
    if not know.successor:
        return "SWITCH-2", "it is not recorded, last, that the passive server is eligible"
    if not leading.is_well(turn):
        return "SWITCH-1", "the passive server is not heard"
    if turn.core.copying:
        return "SWITCH-1", "a copy of the data is being taken"
    return None


def hand_over_if_ready(turn: Turn) -> None:
    """Release the role if nothing is left to lose; call the switchover off if that will not come about."""
    know, core = turn.know, turn.core
    if not core.switching:
        return
    if not know.successor:
        _call_off(turn, ("SWITCH-2", "the passive server is not recorded as eligible any more"))
    elif turn.now >= core.switching_until:
        _call_off(turn, ("SWITCH-1", "the queues did not become empty in time"))
    elif carried_upto(know) == know.logged and know.safe_upto == know.logged:
        _release(turn)


def _release(turn: Turn) -> None:
    know = turn.know
    if know.enabled:
        turn.do(act.Disable())
    turn.do(act.Release(know.epoch))  # LEASE-5: from here on every grant of this epoch is void
    order = turn.core.switching_order
    turn.note(switching=False)
    leading.step_down(turn)
    say_released(turn)
    turn.ask(Answer(order, True, "", ""))


def _call_off(turn: Turn, refusal: Refusal) -> None:
    """Serve again: until the release nothing was given up."""
    turn.note(switching=False)
    refuse(turn, turn.core.switching_order, refusal)
    turn.do(act.StartInterception())
    turn.do(act.StartApplications())


# --- promotion and resynchronisation, at the passive server ---------------------------------------


def promote_asked(turn: Turn, order: int) -> None:
    """Say what would be lost, and take the order on, or say why not (REJOIN-4, LOSS-1)."""
    refusal = why_no_promotion(turn)
    if refusal:
        refuse(turn, order, refusal)
        return
    turn.do(act.Promote(turn.know.epoch, *promotion(turn.know), True))
    turn.note(beat_at=turn.now)
    turn.ask(Answer(order, True, "", ""))


def promotion(know: Knowledge) -> tuple[int, int]:
    """What a promotion of this server would keep, and the last update it knows of: kept + 1 to there are lost."""
    return (carried_upto(know), know.logged) if know.returned else (status_upto(know), know.newest)


def why_no_promotion(turn: Turn) -> Refusal | None:
    """What speaks against a promotion now: a clause and a reason, or None."""
    know = turn.know
    if know.active:
        return "REJOIN-4", "this server is active"
    if know.seen > know.epoch:
        return "REJOIN-4", "this server's data belongs to an epoch that is over: promote the other server"
    if turn.core.stopping:
        return "ROLE-4", "this server is shutting down"
    if turn.now < know.given_until and turn.core.promised:
        return "LEASE-1", "the active server was heard less than a promise ago: ask it for a switchover"
    return None


def resync_asked(turn: Turn, order: int) -> None:
    """Ask the active server for a copy, or say why not (REJOIN-2)."""
    know = turn.know
    if know.active:
        refuse(turn, order, ("REJOIN-2", "this server is active, and its data is what others copy"))
        return
    if turn.core.stopping:
        refuse(turn, order, ("ROLE-4", "this server is shutting down"))
        return
    turn.note(resynchronising=True)
    following.say_position(turn)
    turn.ask(Answer(order, True, "", ""))
