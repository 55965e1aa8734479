"""What a server does about an event: the one place from which every decision is reached."""

from __future__ import annotations

from typing import assert_never

from takeover.core import challenging, following, leading, ordering
from takeover.core.effects import Effect
from takeover.core.events import (
    CarriedOut,
    Connected,
    CopyReceived,
    CopyTaken,
    Event,
    Intercepted,
    LossStated,
    NextInQueue,
    Paused,
    PeerSaid,
    PromoteAsked,
    ResyncAsked,
    Stopping,
    SwitchoverAsked,
    WitnessSaid,
    Woke,
    WoundDown,
)
from takeover.core.state import Core, Turn
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import lapsed


def step(core: Core, event: Event, now: int) -> tuple[Core, tuple[Effect, ...]]:
    """The state after `event` at `now`, and what has to be done, in this order.

    `now` is the server's clock in nanoseconds and never runs backwards. The caller then carries the effects out, and
    calls again with whatever they lead to; it sees to it that `Woke` comes at `wake_at` or soon after.
    """
    turn = Turn(core, now)
    know = core.know
    if know.active and (lapsed(know, now) or know.seen > know.epoch):  # ROLE-6, REJOIN-1
        leading.step_down(turn)
    match event:
        case Woke():
            if turn.know.active:
                leading.beat(turn)
                ordering.hand_over_if_ready(turn)
            else:
                challenging.beat(turn)
        case Connected():
            turn.note(copied=False)
            following.say_position(turn)
            challenging.say_released(turn)
        case PeerSaid(message):
            _peer_said(turn, message)
        case WitnessSaid(message):
            _witness_said(turn, message)
        case Intercepted():
            leading.intercepted(turn)
        case CarriedOut(seq, status):
            leading.carried_out(turn, seq, status)
            ordering.hand_over_if_ready(turn)
        case NextInQueue(seq, status):
            following.next_in_queue(turn, seq, status)
        case Paused():
            if turn.know.active:
                leading.paused(turn)
            else:
                following.paused(turn)
        case CopyTaken(upto):
            leading.copy_taken(turn, upto)
        case CopyReceived(epoch, begun, upto):
            following.copy_received(turn, epoch, begun, upto)
        case LossStated(epoch, kept, last):
            challenging.loss_stated(turn, epoch, kept, last)
        case WoundDown():
            ordering.wound_down(turn)
        case Stopping():
            _stopping(turn)
        case SwitchoverAsked(order, within_ns):
            ordering.switchover_asked(turn, order, within_ns)
        case PromoteAsked(order):
            ordering.promote_asked(turn, order)
        case ResyncAsked(order):
            ordering.resync_asked(turn, order)
        case _:
            assert_never(event)
    return turn.core, tuple(turn.effects)


def _peer_said(turn: Turn, message: wire.Message) -> None:
    match message:
        case wire.AskPromise(epoch, run, sent):
            following.promise_asked(turn, epoch, run, sent)
        case wire.Update(epoch, seq):
            following.update(turn, epoch, seq)
        case wire.UpdateStatus(epoch, seq, status):
            following.status(turn, epoch, seq, status)
        case wire.Promised(epoch, run, sent):
            leading.promised(turn, epoch, run, sent)
        case wire.Safe(epoch, upto, latest):
            leading.safe(turn, epoch, upto, latest)
            ordering.hand_over_if_ready(turn)
        case wire.Position(epoch, stored, statuses, resynchronise):
            leading.position(turn, epoch, stored, statuses, resynchronise)
        case wire.Newer(epoch):
            following.newer_epoch(turn, epoch)
        case wire.Released(epoch):
            challenging.released(turn, epoch)
        case wire.Goodbye(epoch):
            turn.do(act.HearGoodbye(epoch))
        case _:
            pass  # a copy's parts are the shell's; a witness's words from the peer mean nothing


def _witness_said(turn: Turn, message: wire.Message) -> None:
    match message:
        case wire.Leased(epoch, run, sent):
            challenging.leased(turn, epoch, run, sent)
        case wire.NotLeased(_, run, _, _, clause, reason):
            if run == turn.settings.run and not turn.know.active:
                challenging.refrain(turn, clause, reason)
        case wire.Recorded(epoch, version, eligible):
            leading.recorded(turn, epoch, version, eligible)
            ordering.hand_over_if_ready(turn)
        case _:
            pass


def _stopping(turn: Turn) -> None:
    turn.note(stopping=True)
    epoch = turn.know.epoch
    if turn.know.active:
        turn.say(wire.Goodbye(epoch))  # now, for the applications may take longer than a grant to stop
        leading.step_down(turn)
    turn.say(wire.Goodbye(epoch))  # ROLE-4
