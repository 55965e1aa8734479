"""A seed is a campaign: the faults and the switchovers that are drawn, and what is left out."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from takeover.lab.faults import (
    LASTS_MAX,
    LASTS_MIN,
    MIDDLE,
    WINDOW,
    Fault,
    Kill,
    PowerCut,
    Role,
    Stop,
    Target,
    Wipe,
    draw_rounds,
)

LEASE_MS = 1000


def drawn(seed: int, faults: int) -> list[str]:
    """A campaign, written out."""
    return [repr(drawn) for drawn in draw_rounds(seed, faults, LEASE_MS)]


def faults_of(seed: int, faults: int, lease_ms: int = LEASE_MS) -> list[Fault]:
    return [fault for drawn in draw_rounds(seed, faults, lease_ms) for fault in drawn.faults]


def test_a_seed_replays() -> None:
    """The same faults and orders at the same times; another seed is another campaign; a longer one begins alike."""
    assert drawn(7, 100) == drawn(7, 100)
    assert drawn(7, 100) != drawn(8, 100)
    assert drawn(7, 100)[:20] == drawn(7, 500)[:20]


@pytest.mark.parametrize("faults", [1, 2, 17, 500])
def test_there_are_as_many_as_were_asked_for(faults: int) -> None:
    """And no round is empty."""
    rounds = list(draw_rounds(1, faults, LEASE_MS))
    assert faults == sum(len(drawn.faults) for drawn in rounds)
    assert all(drawn.faults for drawn in rounds)


def test_everything_is_broken_sooner_or_later() -> None:
    """Every kind, at everybody it can be done to; alone and together."""
    rounds = list(draw_rounds(2, 2000, LEASE_MS))
    kinds = Counter((fault.target, fault.kind) for drawn in rounds for fault in drawn.faults)
    for target in Target:
        expected = {f"cut public {way}" for way in ("in", "out", "out+in")}
        if target is not Target.CLIENT:
            expected |= {"kill service", "stop service", "restart", "starve", "power cut"}
        if target is Target.WITNESS:
            expected.add("wiped disk")
        elif target is not Target.CLIENT:
            expected |= {f"cut channel {way}" for way in ("in", "out", "out+in")}
            expected |= {
                "double power cut",
                "kill guard",
                "stop guard",
                "kill keeper",
                "stop keeper",
                "stop all",
            }
        if target is Target.ACTIVE:
            expected |= {"kill application", "stop application"}
        assert expected == {kind for hit, kind in kinds if hit is target}
    assert {1, 2, 3} == {len(drawn.faults) for drawn in rounds}


def test_a_round_begins_before_anybody_can_have_taken_over() -> None:
    """So that nobody who is active alone is hit: from that, only an operator leads out."""
    for fault in faults_of(3, 2000):
        assert 0 <= fault.at_ms <= WINDOW * LEASE_MS
        assert LASTS_MIN * LEASE_MS <= fault.lasts_ms <= LASTS_MAX * LEASE_MS


def test_a_switchover_is_ordered_in_some_rounds() -> None:
    """Also back, and also so that a fault hits it before it is done."""
    rounds = list(draw_rounds(5, 2000, LEASE_MS))
    orders = [(drawn.switchover, drawn.faults) for drawn in rounds if drawn.switchover]
    assert 0.25 < len(orders) / len(rounds) < 0.45
    assert {True, False} == {order.back for order, _ in orders}
    assert all(0 <= order.at_ms <= WINDOW * LEASE_MS for order, _ in orders)
    hit = [
        any(0 < fault.at_ms - order.at_ms <= MIDDLE * LEASE_MS for fault in faults)
        for order, faults in orders
    ]
    assert 0.5 < sum(hit) / len(hit) < 0.95


def test_an_isolation_is_drawn_on_purpose() -> None:
    """The active server is cut off from its peer, later from everybody, and then the witness restarts."""
    kinds = {
        tuple(fault.kind.split()[0] for fault in drawn.faults)
        for drawn in draw_rounds(6, 2000, LEASE_MS)
        if [Target.ACTIVE, Target.ACTIVE, Target.WITNESS] == [fault.target for fault in drawn.faults]
        and ["cut channel", "cut public"] == [fault.kind.rsplit(" ", 1)[0] for fault in drawn.faults[:2]]
        and drawn.faults[1].at_ms - drawn.faults[0].at_ms >= 0.2 * LEASE_MS
    }
    assert {("cut", "cut", "kill"), ("cut", "cut", "restart"), ("cut", "cut", "power")} <= kinds


def test_times_go_with_the_lease() -> None:
    """A longer lease is a slower campaign, not another one."""
    one, three = (faults_of(4, 50, ms) for ms in (1000, 3000))
    assert [(fault.kind, fault.target) for fault in one] == [(fault.kind, fault.target) for fault in three]
    assert all(3 * a.lasts_ms <= b.lasts_ms <= 3 * a.lasts_ms + 3 for a, b in zip(one, three, strict=True))


def test_rounds_are_drawn_one_by_one() -> None:
    """Nobody waits for the last one of a long campaign."""
    assert 3 == len(list(islice(draw_rounds(1, 10**9, LEASE_MS), 3)))


def test_a_kind_says_what_is_hit() -> None:
    """It is what a report counts."""
    assert "kill guard" == Kill(Target.ACTIVE, 0, 1, Role.GUARD).kind
    assert "stop all" == Stop(Target.ACTIVE, 0, 1, Role.ALL).kind
    assert "double power cut" == PowerCut(Target.ACTIVE, 0, 1, also_peer=True).kind
    assert "wiped disk" == Wipe(Target.WITNESS, 0, 1).kind
