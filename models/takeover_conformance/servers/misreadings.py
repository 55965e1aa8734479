"""Misreadings: mistakes of a server that is right otherwise, by one word of the protocol that was read as another.

Each was planted in a server that somebody wrote from the protocol alone, and looks right wherever nobody is led to what
the word is about: a report with a hole, an update that comes again, a declaration that is not answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from takeover.core import events as ev
from takeover.core.effects import Effect, SayWitness
from takeover.core.state import Core, carried_upto
from takeover_conformance.adapter.lines import Reply, Request, Say, Sync
from takeover_conformance.servers.wrappings import Answer, Wrong, and_then, changed, frames_changed, said
from takeover_models.broken_data import Stepped, knowing
from takeover_models.cores import REAL, Cores
from takeover_spec import actions as act
from takeover_spec import wire


def _acknowledges_at_latest(core: Core, effect: Effect) -> Iterable[Effect]:
    if isinstance(effect, act.HearSafe) and effect.upto < effect.latest and not core.know.alone:
        first = max(core.know.acknowledged, core.know.applied) + 1
        for seq in range(first, min(effect.latest, carried_upto(core.know)) + 1):
            yield act.Acknowledge(effect.epoch, seq)


def _trims_at_latest(core: Core, effect: Effect) -> Iterable[Effect]:
    if isinstance(effect, act.HearSafe) and effect.upto < effect.latest:
        yield act.Trim(effect.epoch, effect.latest)


def _releases_at_latest(core: Core, effect: Effect) -> Iterable[Effect]:
    ready = core.switching and carried_upto(core.know) == core.know.logged
    if ready and isinstance(effect, act.HearSafe) and effect.upto < effect.latest == core.know.logged:
        yield from (act.Disable(), act.Release(effect.epoch))


def _declares_at_latest(core: Core, effect: Effect) -> Iterable[Effect]:
    if isinstance(effect, act.HearSafe) and effect.upto < core.know.applied <= effect.latest:
        yield act.Declare(effect.epoch, core.know.version + 1, True)


def _declares_once(answer: Answer) -> Answer:
    """A declaration that was sent is not sent again."""
    told: set[wire.Message] = set()

    def once(reply: Reply) -> Iterable[Reply]:
        if isinstance(reply, act.Start):
            told.clear()
        message = said(reply.frame) if isinstance(reply, Say) else None
        if isinstance(message, wire.DeclareEligible):
            if message in told:
                return
            told.add(message)
        yield reply

    return changed(once)(answer)


def _resynchronised_below_its_report(core: Core, event: ev.Event, now: int) -> Stepped:
    """A copy is taken as if nothing had been reported."""
    forgets = isinstance(event, ev.CopyReceived) and not core.know.active
    return REAL.step(knowing(core, reported=0) if forgets else core, event, now)


def _stores_another_over_it(core: Core, event: ev.Event, now: int) -> Stepped:
    """An update that is stored, and comes again, is stored again."""
    after, effects = REAL.step(core, event, now)
    match event:
        case ev.PeerSaid(wire.Update(epoch, seq)) if core.know.epoch == epoch and not core.know.active:
            if core.know.applied < seq <= core.know.newest and not (core.know.returned or core.know.drained):
                effects = (*effects, act.Store(epoch, seq))
        case _:
            pass
    return after, effects


def _promise_outlives_a_release(core: Core, event: ev.Event, now: int) -> Stepped:
    """A release is heard, and the own promise waited out all the same."""
    after, effects = REAL.step(core, event, now)
    if not isinstance(event, ev.PeerSaid) or not isinstance(event.message, wire.Released) or core.know.active:
        return after, effects
    later = max(core.beat_at, core.know.given_until)
    waits = replace(knowing(after, given_until=core.know.given_until), beat_at=later)
    return waits, tuple(e for e in effects if not isinstance(e, SayWitness))


def _goodbye_not_durable(answer: Answer) -> Answer:
    """A goodbye is noted, and made durable with whatever comes next that is."""

    def answered(request: Request) -> list[Reply]:
        replies = answer(request)
        noted = any(isinstance(reply, act.HearGoodbye) for reply in replies)
        return [reply for reply in replies if not (noted and isinstance(reply, Sync))]

    return answered


def _needs_no_copy(message: wire.Message) -> wire.Message:
    return replace(message, resynchronise=False) if isinstance(message, wire.Position) else message


def _a_new_clause(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, clause="ROLE-" + "9") if isinstance(reply, act.Refrain) else reply


MISREADINGS: tuple[Wrong, ...] = (
    Wrong(
        "acknowledged-at-latest",
        ("SYNC-1",),
        "What is carried out is acknowledged up to the highest update that is safe, whatever is missing below it.",
        cores=and_then(act.HearSafe, _acknowledges_at_latest),
    ),
    Wrong(
        "trimmed-at-latest",
        ("QUEUE-3",),
        "Everything up to the highest update that is safe leaves the unsafe queue, whatever is missing below it.",
        cores=and_then(act.HearSafe, _trims_at_latest),
    ),
    Wrong(
        "released-at-latest",
        ("SWITCH-1",),
        "The role is released when the last update is safe, whatever is missing below it.",
        cores=and_then(act.HearSafe, _releases_at_latest),
    ),
    Wrong(
        "declared-at-latest",
        ("REJOIN-2",),
        "The peer is declared eligible when the highest update that it has is late enough.",
        cores=and_then(act.HearSafe, _declares_at_latest),
    ),
    Wrong("declares-once", ("REJOIN-2",), "A declaration is said once, and not again.", _declares_once),
    Wrong(
        "resynchronised-below-its-report",
        ("REJOIN-2",),
        "A copy of its own epoch is taken that lacks what it has reported.",
        cores=Cores(step=_resynchronised_below_its_report),
    ),
    Wrong(
        "needs-no-copy",
        ("§12.4", "REJOIN-2"),
        "It says that it follows, whether or not it needs a copy first.",
        frames_changed(_needs_no_copy),
    ),
    Wrong(
        "stores-another-over-it",
        ("APPLY-2",),
        "An update that comes again as another is stored over the first.",
        cores=Cores(step=_stores_another_over_it),
    ),
    Wrong(
        "promise-outlives-a-release",
        ("LEASE-1", "LEASE-5"),
        "A release does not end its own promise.",
        cores=Cores(step=_promise_outlives_a_release),
    ),
    Wrong("goodbye-not-durable", ("ROLE-4",), "A goodbye is noted, and not durably.", _goodbye_not_durable),
    Wrong(
        "refrains-by-a-new-clause",
        ("§12.7",),
        "What stops it is recorded by a clause that there is not.",
        changed(_a_new_clause),
    ),
)
"""In the order of an update's way, then of roles."""
