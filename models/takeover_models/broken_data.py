"""Cores that are wrong about the data: about the drain, the queues, what is acknowledged and what is stated as lost.

Each is the real core with one decision spoilt: before it, behind its back, or in what it answers. The real core's own
account goes along as far as it must, so that it plays on; what it did is judged by others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from takeover.core import challenging
from takeover.core import events as ev
from takeover.core import step as real_step
from takeover.core.effects import Effect
from takeover.core.state import Core, Turn, carried_upto
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import after, settled
from takeover_spec.words import Queue, Status

Stepped = tuple[Core, tuple[Effect, ...]]


def after_turn(turn: Turn, event: ev.Event) -> Stepped:
    """What the real core does about an event after what was done in this turn."""
    core, effects = real_step(turn.core, event, turn.now)
    return core, (*turn.effects, *effects)


def knowing(core: Core, **facts: Any) -> Core:
    """The core with something put into its head."""
    return replace(core, know=replace(core.know, **facts))


def may_take_over(core: Core, now: int) -> bool:
    """Whether it is a passive server that lacks nothing but the end of its drain."""
    turn, know = Turn(core, now), core.know
    leased = (
        challenging.is_committed(know, now)
        and know.lease_until - now > core.settings.constants.expiry_slack_ns
    )
    free = not know.active and not know.drained and now >= know.given_until
    return leased and free and challenging.why_not(turn) is None


def _follows_nobody_heard(core: Core, now: int) -> bool:
    """Whether it is a passive server that could be challenging."""
    know = core.know
    closed = know.active or know.returned or know.drained or know.epoch < 1 or know.seen > know.epoch
    return not closed and now >= know.given_until


def out_of_order(core: Core, event: ev.Event, now: int) -> Stepped:
    """Where two updates can be applied, the second is applied first."""
    core, effects = real_step(core, event, now)
    applied = [effect for effect in effects if isinstance(effect, act.Apply)]
    if not applied or core.know.active or not settled(core.know, core.know.applied + 1):
        return core, effects
    first = applied[0]
    second = replace(first, seq=first.seq + 1, changed=True)
    swapped = tuple(e for effect in effects for e in ((second, first) if effect is first else (effect,)))
    return replace(core, know=after(core.know, second, now)), swapped


def without_status(core: Core, event: ev.Event, now: int) -> Stepped:
    """Once its promise has run out, a server applies what has no completion status as if it were done."""
    turn = Turn(core, now)
    while _follows_nobody_heard(turn.core, now) and not settled(turn.know, turn.know.applied + 1):
        seq = turn.know.applied + 1
        if not turn.know.stored[seq]:
            break
        turn.core = knowing(turn.core, status=turn.know.status.put(seq, Status.DONE))
        turn.do(act.Apply(turn.know.epoch, seq, True, Queue.SAFE))
    return after_turn(turn, event)


def failed_is_applied(core: Core, event: ev.Event, now: int) -> Stepped:
    """An update that failed is applied like any other."""
    core, effects = real_step(core, event, now)
    return core, tuple(replace(e, changed=True) if isinstance(e, act.Apply) else e for e in effects)


def drain_cut_short(core: Core, event: ev.Event, now: int) -> Stepped:
    """A takeover does not wait for the end of the drain."""
    turn = Turn(core, now)
    if may_take_over(core, now) and settled(core.know, core.know.applied + 1):
        turn.do(act.Discard(core.know.epoch, core.know.applied, core.know.newest))
    return after_turn(turn, event)


def drain_goes_on(core: Core, event: ev.Event, now: int) -> Stepped:
    """An update of the epoch before that arrives after the takeover is still applied."""
    core, effects = real_step(core, event, now)
    match event:
        case ev.PeerSaid(wire.Update(epoch, seq)) if core.know.active and epoch == core.know.epoch - 1:
            if seq > core.know.applied:
                effects = (*effects, act.Store(epoch, seq), act.Apply(epoch, seq, True, Queue.SAFE))
        case _:
            pass
    return core, effects


def unsafe_queue_replayed(core: Core, event: ev.Event, now: int) -> Stepped:
    """A server that rejoins does not set its unsafe queue aside, but applies it on top of the copy."""
    before = core.know
    core, effects = real_step(core, event, now)
    done: list[Effect] = []
    for effect in effects:
        if not isinstance(effect, act.SetAside):
            done.append(effect)
        if isinstance(effect, act.Resynchronise) and before.unsafe:
            begun = event.begun if isinstance(event, ev.CopyReceived) else effect.upto
            again = range(min(begun, before.logged) + 1, before.logged + 1)
            done += [act.Apply(effect.epoch, seq, True, Queue.UNSAFE) for seq in again]
    return core, tuple(done)


def acknowledged_at_once(core: Core, event: ev.Event, now: int) -> Stepped:
    """In synchronous mode too, an update is acknowledged when it was carried out."""
    turn = Turn(core, now)
    know = core.know
    seq = max(know.acknowledged, know.applied) + 1
    if (
        isinstance(event, ev.Paused)
        and know.active
        and not about_to_step_down(core, now)
        and seq <= carried_upto(know)
    ):
        turn.do(act.Acknowledge(know.epoch, seq))
        return turn.core, tuple(turn.effects)
    return real_step(core, event, now)


def about_to_step_down(core: Core, now: int) -> bool:
    """Whether the active server is about to step down."""
    return max(core.know.lease_until, core.know.promise_until) <= now or core.know.seen > core.know.epoch


def reported_too_early(core: Core, event: ev.Event, now: int) -> Stepped:
    """The passive server reports an update as safe whose status it does not have."""
    know = core.know
    following = not know.active and not know.returned and not know.drained and know.epoch >= 1
    if isinstance(event, ev.Paused) and following and know.newest > know.reported:
        turn = Turn(core, now)
        turn.do(act.ReportSafe(know.epoch, know.newest, know.newest))
        turn.say(wire.Safe(know.epoch, know.newest, know.newest))
        return turn.core, tuple(turn.effects)
    return real_step(core, event, now)


def declared_too_early(core: Core, event: ev.Event, now: int) -> Stepped:
    """A passive server is declared eligible as soon as it says where it stands."""
    core, effects = real_step(core, event, now)
    match event:
        case ev.PeerSaid(wire.Position()) if core.know.active and not core.offered:
            turn = Turn(core, now)
            version = core.know.version + 1
            turn.do(act.Declare(core.know.epoch, version, True))
            turn.note(offered=True, recorded=False)
            turn.say_witness(wire.DeclareEligible(core.know.epoch, version, True))
            return turn.core, (*effects, *turn.effects)
        case _:
            return core, effects


def loss_not_stated(core: Core, event: ev.Event, now: int) -> Stepped:
    """A takeover's loss statement says that nothing was discarded."""
    core, effects = real_step(core, event, now)
    return core, tuple(replace(e, last=e.kept) if isinstance(e, act.Discard) else e for e in effects)


def seen_before_drained(core: Core, event: ev.Event, now: int) -> Stepped:
    """The public identity is enabled while the drain goes on."""
    turn = Turn(core, now)
    if may_take_over(core, now) and settled(core.know, core.know.applied + 1):
        turn.ask(act.Enable(core.know.lease_until - core.settings.constants.expiry_slack_ns))
    return after_turn(turn, event)
