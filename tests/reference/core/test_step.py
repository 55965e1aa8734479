"""In what order a server asks for its grants; what one that shuts down still says, and what it does not."""

from __future__ import annotations

import pytest

from takeover.core import events as ev
from takeover.core.effects import Say, SayWitness
from takeover.core.state import Core, Settings, begin, counted_ns, remembered
from takeover.core.step import step
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Constants, Identity

S = 1_000_000_000
CONSTANTS = Constants(3 * S, 3 * S, 1000, S // 5, True)
RUN = 7


def passive() -> Core:
    """A passive server of epoch 1."""
    counted = (counted_ns(CONSTANTS.lease_ns, 1000), counted_ns(CONSTANTS.promise_ns, 1000))
    settings = Settings(Identity.SECONDARY, RUN, CONSTANTS, S // 2, 6 * S, *counted)
    return begin(settings, remembered(Knowledge(epoch=1, seen=1), 0, 0, 0), 10 * S)[0]


def active() -> Core:
    """The active server of epoch 2."""
    core, effects = step(passive(), ev.WitnessSaid(wire.Leased(2, RUN, 14 * S)), 14 * S)
    assert act.TakeRole in map(type, effects)
    return core


@pytest.mark.parametrize("core", [passive(), active()], ids=["passive", "active"])
@pytest.mark.parametrize(
    "event",
    [ev.Connected(), ev.PeerSaid(wire.Newer(9)), ev.PeerSaid(wire.AskPromise(9, 1, 1))],
    ids=["a connection", "a newer epoch", "a beat"],
)
def test_whoever_says_goodbye_does_not_come_back_before_it_is_gone(core: Core, event: ev.Event) -> None:
    """ROLE-4: whatever is still heard, the peer is not told where this server stands, which would be a return."""
    core, effects = step(core, ev.Stopping(), 15 * S)
    said = [effect.message for effect in effects if isinstance(effect, Say)]
    core, effects = step(core, event, 15 * S + 1)
    said += [effect.message for effect in effects if isinstance(effect, Say)]
    _, effects = step(core, ev.Paused(), 15 * S + 2)
    said += [effect.message for effect in effects if isinstance(effect, Say)]
    assert wire.Goodbye in map(type, said)
    assert not {wire.Position, wire.Safe, wire.AskPromise} & set(map(type, said))


def test_a_goodbye_that_found_no_connection_is_said_when_there_is_one() -> None:
    """ROLE-4: a link that is made anew while a server shuts down is no reason for a failover."""
    core, _ = step(active(), ev.Stopping(), 15 * S)
    _, effects = step(core, ev.Connected(), 15 * S + 1)
    assert [Say(wire.Goodbye(2))] == list(effects)


def test_the_promise_is_asked_for_first() -> None:
    """Whoever is killed between the two leaves a promise to wait out: of the lease nothing is left by then."""
    _, effects = step(active(), ev.Woke(), 15 * S)
    said = [effect.message for effect in effects if isinstance(effect, Say | SayWitness)]
    assert [wire.AskPromise, wire.AskLease] == list(map(type, said))[:2]
