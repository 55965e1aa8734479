"""Followers, about roles: each leaves out one clause, and follows the counterexample that shows what it is for.

Each does what the server of a run of `takeover verify --without` does, where it is led there, and is the reference
until then. Where another mistake does that already, there is none here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from takeover.core import events as ev
from takeover.core.effects import Answer as OrderAnswer
from takeover.core.effects import Effect
from takeover.core.ordering import promotion
from takeover.core.state import Core, Settings, Turn
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import Answer, Wrong, and_then, changed, moved_before
from takeover_models.broken_data import Stepped, after_turn, knowing
from takeover_models.broken_grants import no_wait_after_restart
from takeover_models.cores import REAL, Cores
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge


def _enables_under_any_lease(core: Core, event: ev.Event, now: int) -> Stepped:
    """A passive server shows itself under a lease of the epoch in which it was active."""
    turn, settings = Turn(core, now), core.settings
    match event:
        case ev.WitnessSaid(wire.Leased(epoch, run, sent)) if run == settings.run and not core.know.active:
            until = sent + settings.lease_counted_ns
            if epoch == core.know.epoch and until > now + settings.constants.expiry_slack_ns:
                turn.do(act.CountLease(epoch, sent, until))
                turn.ask(act.Enable(until - settings.constants.expiry_slack_ns))
        case _:
            pass
    return after_turn(turn, event)


def _forgets_its_promise(settings: Settings, found: Knowledge, now: int) -> Stepped:
    """Who follows and starts again has promised nothing, as far as it knows."""
    return (no_wait_after_restart if found.epoch else REAL.begin)(settings, found, now)


def _promises_less(core: Core, event: ev.Event, now: int) -> Stepped:
    """A promise binds for half of its length."""
    core, effects = REAL.step(core, event, now)
    until = now + core.settings.constants.promise_ns // 2
    return core, tuple(replace(e, until=until) if isinstance(e, act.Promise) else e for e in effects)


def _counts_in_full(settings: Settings, found: Knowledge, now: int) -> Stepped:
    """A grant is counted as if all clocks ran alike."""
    c = settings.constants
    return REAL.begin(
        replace(settings, lease_counted_ns=c.lease_ns, promise_counted_ns=c.promise_ns), found, now
    )


def _starts_as_it_was(answer: Answer) -> Answer:
    """Who was active when it stopped is active when it starts, and shows itself."""
    active = False

    def answered(request: Request) -> list[Reply]:
        nonlocal active
        active = request.active if isinstance(request, lines.Found) else active
        return [shown(reply) if active else reply for reply in answer(request)]

    def shown(reply: Reply) -> Reply:
        if not isinstance(reply, act.Start):
            return reply
        return replace(reply, active=True, enabled=True, until=reply.wait_until)

    return answered


def _serves_while_passive(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.ReportSafe):
        yield act.StartApplications()


def _serves_after_its_release(core: Core, effect: Effect) -> Iterable[Effect]:
    yield act.StartInterception()


def _declares_after_its_release(core: Core, effect: Effect) -> Iterable[Effect]:
    yield act.Declare(core.know.epoch, core.know.version + 1, False)


def _returns_by_itself(core: Core, event: ev.Event, now: int) -> Stepped:
    """A server that was active asks for the next epoch as one does that follows, and takes it."""
    know = core.know
    forgets = isinstance(event, ev.Woke | ev.WitnessSaid) and know.returned and not know.promoted
    core, effects = REAL.step(knowing(core, returned=False) if forgets else core, event, now)
    return knowing(core, returned=True) if forgets and not core.know.active else core, effects


def _promoted_while_active(core: Core, event: ev.Event, now: int) -> Stepped:
    """An active server promotes itself, if it is told to."""
    if not (isinstance(event, ev.PromoteAsked) and core.know.active):
        return REAL.step(core, event, now)
    turn = Turn(core, now)
    turn.do(act.Promote(core.know.epoch, *promotion(replace(core.know, returned=True)), True))
    turn.ask(OrderAnswer(event.order, True, "", ""))
    return turn.core, tuple(turn.effects)


def _takes_its_release_back(core: Core, event: ev.Event, now: int) -> Stepped:
    """A server that released its role goes on with it, as with a takeover that was cut."""
    if not (isinstance(event, ev.Woke) and core.know.returned):
        return REAL.step(core, event, now)
    after, effects = REAL.step(knowing(core, released=0), event, now)
    return knowing(after, released=core.know.released), effects


FOLLOWERS_ABOUT_ROLES: tuple[Wrong, ...] = (
    Wrong(
        "enables-under-any-lease",
        ("ADDR-1",),
        "Having stepped down, it shows itself under a lease that comes late.",
        cores=Cores(step=_enables_under_any_lease),
    ),
    Wrong(
        "forgets-its-promise",
        ("LEASE-2",),
        "A server that has data does not wait when it starts.",
        cores=Cores(begin=_forgets_its_promise),
    ),
    Wrong(
        "promises-less",
        ("LEASE-2",),
        "A promise binds for half its length.",
        cores=Cores(step=_promises_less),
    ),
    Wrong(
        "counts-in-full",
        ("LEASE-4",),
        "A grant is counted as if all clocks ran alike.",
        cores=Cores(begin=_counts_in_full),
    ),
    Wrong(
        "releases-while-shown",
        ("LEASE-5",),
        "The role is released before the public identity is disabled.",
        moved_before(act.Release, act.Disable),
    ),
    Wrong(
        "starts-as-it-was",
        ("ROLE-1",),
        "Who was active starts active, and shows itself.",
        _starts_as_it_was,
    ),
    Wrong(
        "serves-while-passive",
        ("ROLE-2",),
        "A passive server starts the applications.",
        changed(_serves_while_passive),
    ),
    Wrong(
        "serves-after-its-release",
        ("SWITCH-1",),
        "It intercepts updates again after it released its role.",
        cores=and_then(act.Release, _serves_after_its_release),
    ),
    Wrong(
        "declares-after-its-release",
        ("SWITCH-2",),
        "It declares its successor not eligible.",
        cores=and_then(act.Release, _declares_after_its_release),
    ),
    Wrong(
        "returns-by-itself",
        ("REJOIN-3",),
        "A server that was active takes over again, unordered.",
        cores=Cores(step=_returns_by_itself),
    ),
    Wrong(
        "promoted-while-active",
        ("REJOIN-4",),
        "An active server promotes itself, if it is told to.",
        cores=Cores(step=_promoted_while_active),
    ),
    Wrong(
        "takes-its-release-back",
        ("REJOIN-4",),
        "A server that released its role goes on by itself.",
        cores=Cores(step=_takes_its_release_back),
    ),
)
"""In the order of the clauses."""
