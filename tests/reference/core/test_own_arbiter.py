"""A server's own arbiter, where there is no witness (PROTOCOL.md §8.9): whom it lets begin an epoch, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from takeover.core.own_arbiter import (
    OwnArbiter,
    Tell,
    begin_own,
    deduced,
    has_forgotten,
    hear,
    look,
    own_said,
    peer_connected,
    peer_said,
    waits_for_a_person,
)
from takeover.core.witness import Answer
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Arbiter, Constants, Identity

S = 1_000_000_000
LEASE = 2 * S
CONSTANTS = Constants(LEASE, LEASE, 500, S // 100, True)
RUN = 7
NEW = Knowledge()
OWN = (Arbiter.CRASH_STOP, Arbiter.OPERATOR)


class Running:
    """An own arbiter that listens, as its shell has it: the time passes, and it is looked at often enough."""

    def __init__(self, kind: Arbiter, me: Identity, found: Knowledge = NEW) -> None:
        self.now = 10 * S
        self.arbiter, _ = begin_own(kind, me, CONSTANTS, found, self.now)

    def wait(self, ns: int) -> None:
        """Let time pass."""
        until = self.now + ns
        while self.now < until:
            self.now = min(until, self.now + LEASE // 8)
            self.arbiter = look(self.arbiter, self.now)

    def say(self, message: wire.Message) -> list[Any]:
        """Its own server says this: what it has to say to that, and to the peer."""
        self.arbiter, effects = own_said(look(self.arbiter, self.now), message, self.now)
        return [effect for effect in effects if isinstance(effect, Answer | Tell)]

    def hear(self, message: wire.Message) -> list[Any]:
        """The peer says this."""
        self.arbiter = hear(self.arbiter, message, self.now)
        self.arbiter, effects = peer_said(self.arbiter, message, self.now)
        return [effect for effect in effects if isinstance(effect, Answer | Tell)]

    def asks(self, epoch: int, promoted: bool = False) -> str:
        """Its server asks for this epoch: empty if it is granted, else why not."""
        [answer] = self.say(wire.AskLease(epoch, RUN, self.now, promoted))
        message = answer.message
        if isinstance(message, wire.NotLeased):
            return f"{message.clause}: {message.reason}"
        assert wire.Leased(epoch, RUN, self.now) == message
        return ""


def follower(kind: Arbiter, eligible: bool = True) -> Running:
    """The arbiter of the secondary, which follows the primary in epoch 1."""
    running = Running(kind, Identity.SECONDARY, Knowledge(epoch=1, seen=1))
    running.hear(wire.AskPromise(1, RUN, 0))
    if eligible:
        [told] = running.hear(wire.DeclareEligible(1, 1, True))
        assert Tell(wire.Recorded(1, 1, True)) == told
    return running


def leader(kind: Arbiter) -> Running:
    """The arbiter of the primary, which was ordered to begin epoch 1."""
    running = Running(kind, Identity.PRIMARY)
    running.wait(LEASE)
    assert "" == running.asks(1, promoted=True)
    return running


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("me", Identity)
def test_a_new_pair_waits_for_a_person(kind: Arbiter, me: Identity) -> None:
    """Nobody begins by itself; either may be ordered to."""
    running = Running(kind, me)
    running.wait(LEASE)
    assert "a new pair waits for a person" in running.asks(1)
    assert waits_for_a_person(running.arbiter)
    assert "" == running.asks(1, promoted=True)
    assert me == running.arbiter.witness.know.holder


def test_silence_for_a_lease_means_dead() -> None:
    """Crash-stop: an eligible server begins the next epoch when nothing was heard of the holder for a lease."""
    running = follower(Arbiter.CRASH_STOP)
    running.wait(LEASE)
    running.hear(wire.AskPromise(1, RUN, 0))  # it renewed its lease unseen
    running.wait(LEASE - 1)
    assert "the lease of the holder has not run out" in running.asks(2)
    running.wait(1)
    assert not waits_for_a_person(running.arbiter)
    assert "" == running.asks(2)


def test_what_is_not_listened_to_is_no_silence() -> None:
    """An arbiter whose process was stopped waits anew: what was said meanwhile is unread."""
    running = follower(Arbiter.CRASH_STOP)
    running.wait(LEASE)
    running.now += LEASE // 2
    assert "the lease of the holder has not run out" in running.asks(2)
    running.wait(LEASE)
    assert "" == running.asks(2)


def test_who_was_held_up_for_long_is_as_good_as_restarted() -> None:
    """The peer may have taken it for dead, and gone on alone. It is told anew over a new channel."""
    running = follower(Arbiter.CRASH_STOP)
    assert not has_forgotten(running.arbiter, running.now + LEASE // 2)
    running.now += LEASE // 2 + 1
    assert has_forgotten(running.arbiter, running.now)
    running.wait(2 * LEASE)
    assert "not told in this run" in running.asks(2)
    running.hear(wire.DeclareEligible(1, 1, True))
    assert "" == running.asks(2)


def test_an_operator_is_waited_for() -> None:
    """Operator: however long the silence, and whoever is eligible; a person's order does it."""
    running = follower(Arbiter.OPERATOR)
    running.wait(10 * LEASE)
    assert "a person who has seen that the other server is down" in running.asks(2)
    assert waits_for_a_person(running.arbiter)
    assert "" == running.asks(2, promoted=True)


@pytest.mark.parametrize("kind", OWN)
def test_an_order_waits_for_silence_too(kind: Arbiter) -> None:
    """While the holder is heard, its lease is not over, whatever a person says."""
    running = follower(kind)
    running.wait(LEASE)
    running.hear(wire.AskPromise(1, RUN, 0))
    assert "the lease of the holder has not run out" in running.asks(2, promoted=True)


@pytest.mark.parametrize("kind", OWN)
def test_a_release_that_was_heard_needs_nobody(kind: Arbiter) -> None:
    """A switchover goes on at once, for either kind. After a restart it has to be heard again: the peer may have gone
    on."""
    running = follower(kind)
    running.wait(LEASE)
    running.hear(wire.AskPromise(1, RUN, 0))
    running.hear(wire.Released(1))
    assert "" == running.asks(2)
    again = Running(kind, Identity.SECONDARY, Knowledge(epoch=1, seen=1, peer_released=1))
    again.wait(LEASE)
    assert "for a person" in again.asks(2)
    again.hear(wire.DeclareEligible(1, 1, True))
    again.hear(wire.Released(1))
    assert "" == again.asks(2)


def test_nobody_is_eligible_in_a_new_run() -> None:
    """Crash-stop: the other may have gone on alone since. It is told again, or waits for a person."""
    running = follower(Arbiter.CRASH_STOP, eligible=False)
    running.wait(LEASE)
    assert "not told in this run that it is eligible" in running.asks(2)
    running.hear(wire.DeclareEligible(1, 1, True))
    assert "" == running.asks(2)


@pytest.mark.parametrize("kind", OWN)
def test_the_peer_records_first(kind: Arbiter) -> None:
    """A declaration is confirmed to the server only when the peer's arbiter has recorded it."""
    running = leader(kind)
    for version, eligible in ((1, True), (2, False)):
        running.hear(wire.Promised(1, RUN, 0))
        declared = wire.DeclareEligible(1, version, eligible)
        assert [Tell(declared)] == running.say(declared)
        assert (Tell(declared),) == peer_connected(running.arbiter)
        assert [] == running.hear(wire.Recorded(1, version, not eligible))
        recorded = wire.Recorded(1, version, eligible)
        assert [Answer(recorded)] == running.hear(recorded)
        assert [Answer(recorded)] == running.say(declared)


def test_a_dead_peer_is_not_waited_for() -> None:
    """*Not eligible* is recorded alone once nothing was heard for a lease; *eligible* never is."""
    running = leader(Arbiter.CRASH_STOP)
    running.hear(wire.Safe(1, 0, 0))
    declared = wire.DeclareEligible(1, 1, False)
    running.wait(LEASE - 1)
    assert [Tell(declared)] == running.say(declared)
    running.wait(1)
    assert [Answer(wire.Recorded(1, 1, False))] == running.say(declared)
    eligible = wire.DeclareEligible(1, 2, True)
    assert [Tell(eligible)] == running.say(eligible)


def test_an_older_declaration_is_not_believed() -> None:
    """Whatever came late over a connection that is no more."""
    running = follower(Arbiter.CRASH_STOP)
    running.hear(wire.DeclareEligible(1, 3, False))
    assert [] == running.hear(wire.DeclareEligible(1, 2, True))
    running.wait(LEASE)
    assert "not told" in running.asks(2)


@pytest.mark.parametrize(
    "said",
    [
        wire.AskPromise(5, RUN, 0),
        wire.Position(5, 0, 0, True),
        wire.Newer(5),
        wire.DeclareEligible(5, 1, False),
    ],
)
def test_an_epoch_that_is_heard_of_is_the_peers(said: wire.Message) -> None:
    """So a server whose data is older cannot be promoted in its place."""
    running = follower(Arbiter.OPERATOR)
    running.hear(said)
    running.wait(LEASE)
    assert (5, Identity.PRIMARY) == (running.arbiter.witness.know.epoch, running.arbiter.witness.know.holder)
    assert "ROLE-5: the epoch asked for is over" == running.asks(2, promoted=True)


def test_what_is_left_after_a_restart() -> None:
    """The latest epoch that was heard of, and whose it is; a server that led it, and has not returned, led it."""
    me = Identity.PRIMARY
    assert (0, False) == (deduced(me, Knowledge()).epoch, deduced(me, Knowledge()).ended)
    led = deduced(me, Knowledge(epoch=3, seen=3, returned=True))
    assert (3, me, False, False) == (led.epoch, led.holder, led.ended, led.eligible)
    followed = deduced(me, Knowledge(epoch=3, seen=3))
    assert (me.peer, False) == (followed.holder, followed.eligible)
    overtaken = deduced(me, Knowledge(epoch=3, seen=4, returned=True, released=3))
    assert (4, me.peer, False) == (overtaken.epoch, overtaken.holder, overtaken.ended)
    gave_up = deduced(me, Knowledge(epoch=3, seen=3, returned=True, released=3))
    assert (True, False) == (gave_up.ended, gave_up.eligible)
    handed = deduced(me, Knowledge(epoch=3, seen=3, peer_released=3))
    assert (False, False) == (handed.ended, handed.eligible)


def test_the_holder_renews_for_as_long_as_it_likes() -> None:
    """Its own arbiter lets the active server go on, whoever is heard or not."""
    running = leader(Arbiter.OPERATOR)
    for _ in range(5):
        running.wait(LEASE)
        assert "" == running.asks(1)
    heard = hear(running.arbiter, wire.AskPromise(2, RUN, 0), running.now)
    after, effects = own_said(heard, wire.AskLease(1, RUN, running.now, False), running.now)
    assert isinstance(after, OwnArbiter)
    assert not [effect for effect in effects if isinstance(effect, act.Grant)]


def test_the_state_is_left_as_it_was_where_nothing_is_for_an_arbiter() -> None:
    """Updates, safe reports and the like say only that the peer lives."""
    running = follower(Arbiter.CRASH_STOP)
    before = running.arbiter
    assert [] == running.hear(wire.Safe(1, 3, 3))
    assert replace(running.arbiter, heard_at=before.heard_at, called_at=before.called_at) == before


def test_a_server_that_was_ordered_tells_no_peer_any_more_that_it_may_succeed() -> None:
    """What it declared in the epoch before is not said again over a new channel."""
    running = leader(Arbiter.CRASH_STOP)
    running.say(wire.DeclareEligible(1, 1, True))
    assert peer_connected(running.arbiter)
    running.wait(LEASE)
    assert "" == running.asks(2, promoted=True)
    assert () == peer_connected(running.arbiter)
