"""Cores that are wrong about grants: about promises, leases, restarts, and who may have the public identity."""

from __future__ import annotations

from dataclasses import replace

from takeover.core import challenging
from takeover.core import events as ev
from takeover.core import step as real_step
from takeover.core.effects import Effect
from takeover.core.state import Core, Settings, Turn
from takeover.core.witness import Witness, WitnessEffect
from takeover.core.witness import witness_step as real_witness_step
from takeover_models.broken_data import Stepped, knowing
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, witness_after
from takeover_spec.words import Constants, Identity

WitnessStepped = tuple[Witness, tuple[WitnessEffect, ...]]


def promise_forgotten(core: Core, event: ev.Event, now: int) -> Stepped:
    """A challenger with a lease does not wait until its own promise has run out."""
    if not core.know.active and not isinstance(event, ev.PeerSaid):
        core = knowing(core, given_until=min(core.know.given_until, now))
    return real_step(core, event, now)


def no_lease_needed(core: Core, event: ev.Event, now: int) -> Stepped:
    """A challenger whose promise has run out does without the witness."""
    know = core.know
    silent = isinstance(event, ev.Woke) and not know.active and now >= max(know.given_until, core.beat_at)
    if silent and know.epoch >= 1 and challenging.why_not(Turn(core, now)) is None:
        until = now + core.settings.lease_counted_ns
        core = knowing(core, lease_epoch=know.epoch + 1, lease_until=until)
    return real_step(core, event, now)


def no_wait_after_restart(settings: Settings, found: Knowledge, now: int) -> tuple[Core, tuple[Effect, ...]]:
    """A server that starts has promised nothing, as far as it knows."""
    turn = Turn(Core(settings, found, beat_at=now, heard_at=now), now)
    turn.do(act.Start(active=False, enabled=False, until=0, wait_until=now))
    return turn.core, tuple(turn.effects)


def counted_from_receipt(core: Core, event: ev.Event, now: int) -> Stepped:
    """A grant is counted from when it arrives."""
    match event:
        case ev.WitnessSaid(wire.Leased(_, run, sent) as leased) if run == core.settings.run:
            core, effects = real_step(core, ev.WitnessSaid(replace(leased, sent=now)), now)
        case ev.PeerSaid(wire.Promised(_, run, sent) as promised) if run == core.settings.run:
            core, effects = real_step(core, ev.PeerSaid(replace(promised, sent=now)), now)
        case _:
            return real_step(core, event, now)
    counting = (act.CountLease, act.CountPromise)
    return core, tuple(replace(e, sent=sent) if isinstance(e, counting) else e for e in effects)


def held_past_the_grant(core: Core, event: ev.Event, now: int) -> Stepped:
    """The kernel is told an end that is a promise's length too late."""
    core, effects = real_step(core, event, now)
    more = core.settings.constants.promise_ns
    return core, tuple(replace(e, until=e.until + more) if isinstance(e, act.Enable) else e for e in effects)


def witness_does_not_wait(
    constants: Constants, found: WitnessKnowledge, now: int
) -> tuple[Witness, tuple[WitnessEffect, ...]]:
    """A witness that starts has granted nothing, as far as it knows."""
    action = act.WitnessStart(now)
    return Witness(constants, witness_after(found, action, now)), (action,)


def _asks_for_the_next(witness: Witness, sender: Identity, message: wire.Message) -> bool:
    other = witness.know.epoch == 0 or sender != witness.know.holder
    return isinstance(message, wire.AskLease) and message.epoch == witness.know.epoch + 1 and other


def two_leases(witness: Witness, sender: Identity, message: wire.Message, now: int) -> WitnessStepped:
    """The witness grants the next epoch while the lease of this one is running."""
    if _asks_for_the_next(witness, sender, message):
        witness = replace(witness, know=replace(witness.know, lease_until=0, wait_until=0))
    return real_witness_step(witness, sender, message, now)


def anyone_succeeds(witness: Witness, sender: Identity, message: wire.Message, now: int) -> WitnessStepped:
    """The witness grants the next epoch to a server that nobody declared eligible."""
    if _asks_for_the_next(witness, sender, message):
        witness = replace(witness, know=replace(witness.know, eligible=True))
    return real_witness_step(witness, sender, message, now)
