"""The active server: it numbers updates, acknowledges them, keeps its grants, and says who may succeed it."""

from __future__ import annotations

from takeover.core.challenging import extend, refuse
from takeover.core.effects import Ship, TakeCopy
from takeover.core.state import Turn, carried_upto
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.logic import choose, greatest, not_
from takeover_spec.words import Status

CATCH_UP_MAX = 1000
"""How many updates the passive server may lag behind and still be declared eligible."""


def step_down(turn: Turn) -> None:
    """Be passive: stop serving, and hide (ROLE-6, REJOIN-1)."""
    know, core = turn.know, turn.core
    if core.switching or core.winding_down:
        turn.note(switching=False, winding_down=False)
        refuse(turn, core.switching_order, ("ROLE-6", "this server lost its role before it could release it"))
    if know.serving or know.intercepting:
        turn.do(act.StopApplications())
    if know.enabled:
        turn.do(act.Disable())
    turn.do(act.StepDown(know.epoch))


def beat(turn: Turn) -> None:
    """An active server's time to ask for its grants, and to doubt the passive server."""
    know, core = turn.know, turn.core
    if turn.now < core.beat_at:
        return
    turn.note(beat_at=turn.now + turn.settings.beat_ns)
    # a failover waits longest for the promise, so it is asked for first
    turn.say(wire.AskPromise(know.epoch, turn.settings.run, turn.now))
    turn.say_witness(wire.AskLease(know.epoch, turn.settings.run, turn.now, promoted=False))
    if core.offered and not is_well(turn):
        declare(turn, eligible=False)
    elif not core.recorded:
        turn.say_witness(wire.DeclareEligible(know.epoch, know.version, core.offered))


def declare(turn: Turn, *, eligible: bool) -> None:
    """Say whether the passive server is eligible, and have the witness record it."""
    version = turn.know.version + 1
    turn.do(act.Declare(turn.know.epoch, version, eligible))
    turn.note(offered=eligible, recorded=False)
    turn.say_witness(wire.DeclareEligible(turn.know.epoch, version, eligible))


def recorded(turn: Turn, epoch: int, version: int, eligible: bool) -> None:
    """The witness confirms a declaration."""
    know = turn.know
    if know.active and epoch == know.epoch:
        turn.do(act.HearRecorded(epoch, version, eligible))
        if version == know.version:
            turn.note(recorded=True)


def promised(turn: Turn, epoch: int, run: int, sent: int) -> None:
    """The passive server gave a promise."""
    know = turn.know
    until = sent + turn.settings.promise_counted_ns  # LEASE-4
    mine = run == turn.settings.run and know.started <= sent <= turn.now
    if know.active and epoch == know.epoch and mine and until > turn.now:
        _heard(turn, know.logged <= know.safe_upto)
        turn.do(act.CountPromise(epoch, sent, until))
        extend(turn)


def safe(turn: Turn, epoch: int, upto: int, latest: int) -> None:
    """The passive server reports what is safe."""
    know = turn.know
    if know.active and epoch == know.epoch:
        more = upto > know.safe_upto
        turn.do(act.HearSafe(epoch, upto, latest))
        know = turn.know
        _heard(turn, more | (know.logged <= know.safe_upto))
        _ship_again_if_stuck(turn)
        _offer_if_complete(turn)


def _heard(turn: Turn, well: bool) -> None:
    """The passive server lives. That it is well, only a report shows while updates wait for it."""
    turn.note(heard_at=choose(well, turn.now, turn.core.heard_at))


def _ship_again_if_stuck(turn: Turn) -> None:
    """Send what waits once more if nothing more became safe for long: some of it may have been lost."""
    core, seq = turn.core, turn.know.safe_upto + 1
    since = turn.now - greatest(core.heard_at, core.shipped_at)
    stuck = (since > turn.settings.patience_ns // 2) & (seq <= turn.know.logged)
    if stuck & not_(core.copying | core.copied):
        turn.note(shipped_at=turn.now)
        turn.ask(Ship(seq, seq))


def position(turn: Turn, epoch: int, stored: int, statuses: int, resynchronise: bool) -> None:
    """The passive server says where it stands: send it what it lacks."""
    know = turn.know
    if not know.active:
        if know.peer_left:
            turn.do(act.HearReturn(epoch))  # ROLE-4: whoever left is back, and not active
        return
    wanted = epoch < know.epoch or (epoch == know.epoch and (resynchronise or stored < know.trimmed))
    _heard(turn, not wanted)
    if wanted and not turn.core.copying and not turn.core.copied:
        turn.note(copying=True)
        turn.ask(TakeCopy())
    elif epoch == know.epoch and not wanted:
        turn.note(copied=False)
        turn.ask(Ship(stored + 1, statuses + 1))
        _offer_if_complete(turn)


def _offer_if_complete(turn: Turn) -> None:
    """Declare the passive server eligible once nothing that matters is missing there (REJOIN-2)."""
    know = turn.know
    lacks_none = not_(turn.settings.constants.synchronous) | (know.acknowledged <= know.safe_upto)
    complete = (know.applied <= know.safe_upto) & lacks_none
    if complete & not_(turn.core.offered) & is_well(turn) & _is_close(turn):
        declare(turn, eligible=True)


def is_well(turn: Turn) -> bool:
    """Whether the passive server was heard, and got on, not long ago."""
    return turn.now - turn.core.heard_at <= turn.settings.patience_ns


def _is_close(turn: Turn) -> bool:
    """Whether the passive server follows, and lags behind by little."""
    know = turn.know
    return know.peer_follows & (know.logged - know.safe_upto <= CATCH_UP_MAX)


def intercepted(turn: Turn) -> None:
    """An application offers an update: log it, with the next number (QUEUE-1)."""
    know = turn.know
    if know.active and know.intercepting and not turn.core.copying:
        turn.do(act.Log(know.epoch, know.logged + 1))


def carried_out(turn: Turn, seq: int, status: Status) -> None:
    """An update was carried out, all before it having been (QUEUE-2)."""
    know = turn.know
    if know.active and seq == carried_upto(know) + 1 and seq <= know.logged and status is not Status.NONE:
        turn.do(act.CarryOut(know.epoch, seq, status, seq - 1))


def paused(turn: Turn) -> None:
    """Acknowledge one update, or let go of what is safe."""
    know = turn.know
    seq = greatest(know.acknowledged, know.applied) + 1
    alone = know.alone & not_(is_well(turn) & _is_close(turn))  # or else it would never have caught up
    may = not turn.settings.constants.synchronous or seq <= know.safe_upto or alone  # SYNC-1
    if seq <= carried_upto(know) and may:
        turn.do(act.Acknowledge(know.epoch, seq))
    elif know.safe_upto > know.trimmed:
        turn.do(act.Trim(know.epoch, know.safe_upto))  # QUEUE-3


def copy_taken(turn: Turn, upto: int) -> None:
    """The copy for the passive server is ready: every update logged is in it."""
    know = turn.know
    if know.active and turn.core.copying and upto == know.logged and upto == carried_upto(know):
        turn.do(act.Copy(know.epoch, know.begun, upto))
        turn.note(copied=True)
    turn.note(copying=False)
