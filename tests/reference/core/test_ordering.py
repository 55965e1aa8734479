"""A switchover, up to the moment when the applications are stopped; and a shutdown up to there."""

from __future__ import annotations

from dataclasses import replace

from takeover.core import events as ev
from takeover.core.effects import Answer, Effect, Say, SayWitness, WindDown
from takeover.core.state import Core, Settings, begin, counted_ns, remembered
from takeover.core.step import step
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Constants, Identity, Status

S = 1_000_000_000
CONSTANTS = Constants(3 * S, 3 * S, 1000, S // 5, True)
RUN, ORDER = 7, 5
NOW = 20 * S


def leader() -> Core:
    """The active server of epoch 2, whose peer follows and may succeed it."""
    counted = (counted_ns(CONSTANTS.lease_ns, 1000), counted_ns(CONSTANTS.promise_ns, 1000))
    settings = Settings(Identity.SECONDARY, RUN, CONSTANTS, S // 2, 6 * S, *counted)
    core = begin(settings, remembered(Knowledge(epoch=1, seen=1), 0, 0, 0), 10 * S)[0]
    for event in (
        ev.WitnessSaid(wire.Leased(2, RUN, NOW)),
        ev.PeerSaid(wire.Position(2, 0, 0, False)),
        ev.PeerSaid(wire.Safe(2, 0, 0)),
        ev.WitnessSaid(wire.Recorded(2, 1, True)),
    ):
        core, _ = step(core, event, NOW)
    assert core.know.successor
    assert core.know.serving
    return core


def asked() -> Core:
    """It was asked for a switchover."""
    core, effects = step(leader(), ev.SwitchoverAsked(ORDER, S), NOW)
    assert (WindDown(),) == effects
    return core


def kinds(effects: tuple[Effect, ...]) -> list[type]:
    """What the effects are, without what is said."""
    return [type(effect) for effect in effects if not isinstance(effect, Say | SayWitness)]


def test_applications_stop_before_a_switchover_begins() -> None:
    """SWITCH-1: however long that takes, grants are renewed and what they write is logged; then the role goes."""
    core, now = asked(), NOW
    for _ in range(20):  # much longer than a grant
        now += S // 2
        core, effects = step(core, ev.Woke(), now)
        assert wire.AskLease(2, RUN, now, False) in [e.message for e in effects if isinstance(e, SayWitness)]
        for said in (
            ev.WitnessSaid(wire.Leased(2, RUN, now)),
            ev.PeerSaid(wire.Safe(2, core.know.logged, 0)),
        ):
            core, effects = step(core, said, now)
            assert act.Release not in kinds(effects)
    assert core.know.enabled
    core, effects = step(core, ev.Intercepted(), now)
    assert (act.Log(2, 1),) == effects
    core, effects = step(core, ev.WoundDown(), now)
    assert [act.StopApplications] == kinds(effects)
    assert core.switching_until == now + S
    done = []
    for event in (ev.CarriedOut(1, Status.DONE), ev.PeerSaid(wire.Safe(2, 1, 1))):
        core, effects = step(core, event, now)
        done += kinds(effects)
    assert [act.Disable, act.Release, act.StepDown, Answer] == done[-4:]


def test_one_switchover_at_a_time() -> None:
    """SWITCH-1: also while the applications of the first one are stopping."""
    core, effects = step(asked(), ev.SwitchoverAsked(ORDER + 1, S), NOW)
    assert [Answer(ORDER + 1, False, "SWITCH-1", "a switchover is under way")] == list(effects[1:])
    assert core.winding_down


def test_what_got_into_the_way_meanwhile_starts_the_applications_again() -> None:
    """SWITCH-2: nothing was given up, and the operator hears why."""
    core = asked()
    core = replace(core, know=replace(core.know, successor=False))
    core, effects = step(core, ev.WoundDown(), NOW)
    done = kinds(effects)
    assert [act.StopApplications, act.Refrain, Answer, act.StartInterception, act.StartApplications] == done
    assert core.know.serving
    assert not core.winding_down


def test_a_role_that_is_lost_meanwhile_is_not_handed_over() -> None:
    """ROLE-6: the order is answered then, and the applications' end changes nothing any more."""
    core, effects = step(asked(), ev.Woke(), NOW + 10 * S)
    assert {act.StopApplications, act.Disable, act.StepDown, Answer} <= set(kinds(effects))
    assert not core.know.active
    assert ((), False) == (step(core, ev.WoundDown(), NOW + 10 * S)[1], core.winding_down)


def test_a_goodbye_comes_before_the_silence() -> None:
    """ROLE-4: applications may take longer than a grant to stop, and nothing is said meanwhile."""
    _, effects = step(leader(), ev.Stopping(), NOW)
    assert Say(wire.Goodbye(2)) == effects[0]
    assert effects.index(act.StopApplications()) > 0
    assert Say(wire.Goodbye(2)) == effects[-1]
