"""The passive server: it stores what the active sends, says what is safe, applies, and promises.

Updates and statuses are taken in the order of their numbers, the next one or none, so the safe queue is two runs and
its state two numbers. What comes out of order is left for the active to send again after a reconnection.
"""

from __future__ import annotations

from takeover.core import challenging, leading
from takeover.core.state import Turn, status_upto
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge, settled
from takeover_spec.logic import greatest, not_
from takeover_spec.words import Queue, Status


def _follows(know: Knowledge, epoch: int) -> bool:
    """Whether this is a passive server whose data belongs to that epoch, and whose safe queue is open."""
    open_queue = not_(know.active | know.returned | know.drained)
    return open_queue & (know.epoch >= 1) & (know.epoch == epoch)


def newer_epoch(turn: Turn, epoch: int) -> None:
    """Someone is, or was, active in `epoch`."""
    if epoch > turn.know.seen:
        turn.do(act.HearEpoch(epoch))
        if turn.know.active:  # REJOIN-1
            leading.step_down(turn)
        say_position(turn)


def say_position(turn: Turn) -> None:
    """Tell the peer where this server stands, and once more what is safe: an earlier word may have been lost."""
    know = turn.know
    if know.active:
        return
    if turn.core.stopping:  # ROLE-4: to say where one stands is to be back
        turn.say(wire.Goodbye(know.epoch))
        return
    resynchronise = _needs_copy(turn)
    turn.say(wire.Position(know.epoch, know.newest, status_upto(know), resynchronise))
    if not resynchronise:
        _report(turn, greatest(know.reported, know.applied))


def _needs_copy(turn: Turn) -> bool:
    """Whether this passive server cannot follow before it has a copy of the data."""
    know = turn.know
    behind = know.returned | know.drained | (know.seen > know.epoch) | (know.epoch == 0)
    return behind | turn.core.resynchronising


def promise_asked(turn: Turn, epoch: int, run: int, sent: int) -> None:
    """The active server of `epoch` asks for a promise."""
    if (epoch < turn.know.seen) | (epoch < 1):
        turn.say(wire.Newer(turn.know.seen))  # ROLE-5
        return
    newer_epoch(turn, epoch)
    if turn.know.active:
        return  # its own epoch: an echo
    if turn.know.peer_left:
        turn.do(act.HearReturn(epoch))
    turn.note(heard_at=turn.now)
    if challenging.is_committed(turn.know, turn.now):
        return  # it holds the lease of the next epoch: whoever asks is on the way out
    until = greatest(turn.know.given_until, turn.now + turn.settings.constants.promise_ns)
    if turn.know.promoted:
        challenging.refrain(
            turn, "REJOIN-4", "the active server is heard: taking over with this data is void"
        )
    turn.do(act.Promise(epoch, until))
    # it looks around again when that has run out, and not before
    turn.note(beat_at=until, promised=True, refrained="", asked=True)
    turn.say(wire.Promised(epoch, run, sent))


def update(turn: Turn, epoch: int, seq: int) -> None:
    """An update arrives."""
    next_update = (seq == turn.know.newest + 1) & not_(turn.core.resynchronising)
    if _follows(turn.know, epoch) & next_update:
        turn.do(act.Store(epoch, seq))


def status(turn: Turn, epoch: int, seq: int, ended: Status) -> None:
    """A completion status arrives."""
    next_status = (seq == status_upto(turn.know) + 1) & (seq <= turn.know.newest)
    if _follows(turn.know, epoch) & next_status and ended is not Status.NONE:
        turn.do(act.StoreStatus(epoch, seq, ended))


def next_in_queue(turn: Turn, seq: int, ended: Status) -> None:
    """The next update can be applied, if its status is here."""
    know = turn.know
    if _follows(know, know.epoch) & (seq == know.applied + 1) & settled(know, seq):  # APPLY-1, APPLY-2
        turn.do(act.Apply(know.epoch, seq, ended is Status.DONE, Queue.SAFE))  # APPLY-3
    challenging.take_over_if_ready(turn)


def paused(turn: Turn) -> None:
    """Report what has become safe since the last report (QUEUE-4).

    Once in a beat it says so even if nothing has, or that it needs a copy: an earlier word may have been lost. That is
    not said with the promise, which waits for no disk.
    """
    know = turn.know
    more = status_upto(know) > know.reported
    if _follows(know, know.epoch) & more:
        turn.note(asked=turn.core.asked & _needs_copy(turn))
        _report(turn, status_upto(know))
    elif turn.core.asked:
        turn.note(asked=False)
        if _needs_copy(turn) | turn.core.stopping:
            say_position(turn)
        else:
            _report(turn, status_upto(know))


def _report(turn: Turn, upto: int) -> None:
    turn.do(act.ReportSafe(turn.know.epoch, upto, upto))
    turn.say(wire.Safe(turn.know.epoch, upto, upto))


def copy_received(turn: Turn, epoch: int, begun: int, upto: int) -> None:
    """The active server's copy is here: set the unsafe queue aside, and follow."""
    know = turn.know
    forwards = _follows(know, epoch) & (upto >= greatest(know.applied, know.reported))
    if know.active | (epoch < know.seen) | not_((epoch > know.epoch) | forwards):
        return  # REJOIN-2
    if know.unsafe:  # QUEUE-5, REJOIN-1, LOSS-1
        turn.do(act.SetAside(know.epoch, min(begun, know.logged), know.logged))
    turn.do(act.Resynchronise(epoch, upto))
    turn.note(resynchronising=False, refrained="")
    say_position(turn)
