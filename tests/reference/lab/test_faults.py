"""A seed is a campaign: the faults that are drawn, and what is left out."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from takeover.lab.faults import LASTS_MAX, LASTS_MIN, WINDOW, Kill, PowerCut, Role, Stop, Target, draw_rounds

LEASE_MS = 1000


def drawn(seed: int, faults: int) -> list[str]:
    """A campaign, written out."""
    return [repr(faults) for faults in draw_rounds(seed, faults, LEASE_MS)]


def test_a_seed_replays() -> None:
    """The same faults at the same times; another seed is another campaign."""
    assert drawn(7, 100) == drawn(7, 100)
    assert drawn(7, 100) != drawn(8, 100)


@pytest.mark.parametrize("faults", [1, 2, 17, 500])
def test_there_are_as_many_as_were_asked_for(faults: int) -> None:
    """And no round is empty."""
    rounds = list(draw_rounds(1, faults, LEASE_MS))
    assert faults == sum(map(len, rounds))
    assert all(rounds)


def test_everything_is_broken_sooner_or_later() -> None:
    """Every kind, at everybody it can be done to; alone and together."""
    rounds = list(draw_rounds(2, 2000, LEASE_MS))
    kinds = Counter((fault.target, fault.kind) for fault in chain.from_iterable(rounds))
    for target in Target:
        expected = {"kill service", "stop service", "restart", "starve", "power cut"}
        expected |= {f"cut public {way}" for way in ("in", "out", "out+in")}
        if target is not Target.WITNESS:
            expected |= {f"cut channel {way}" for way in ("in", "out", "out+in")}
            expected |= {"double power cut", "kill guard", "stop guard", "stop all"}
        if target is Target.ACTIVE:
            expected |= {"kill application", "stop application"}
        assert expected == {kind for hit, kind in kinds if hit is target}
    assert {1, 2, 3} == {len(faults) for faults in rounds}


def test_a_round_begins_before_anybody_can_have_taken_over() -> None:
    """So that nobody who is active alone is hit: from that, only an operator leads out."""
    for fault in chain.from_iterable(draw_rounds(3, 2000, LEASE_MS)):
        assert 0 <= fault.at_ms <= WINDOW * LEASE_MS
        assert LASTS_MIN * LEASE_MS <= fault.lasts_ms <= LASTS_MAX * LEASE_MS


def test_times_go_with_the_lease() -> None:
    """A longer lease is a slower campaign, not another one."""
    one, three = (list(chain.from_iterable(draw_rounds(4, 50, ms))) for ms in (1000, 3000))
    assert [(fault.kind, fault.target) for fault in one] == [(fault.kind, fault.target) for fault in three]
    assert all(3 * a.lasts_ms <= b.lasts_ms <= 3 * a.lasts_ms + 3 for a, b in zip(one, three, strict=True))


def test_a_kind_says_what_is_hit() -> None:
    """It is what a report counts."""
    assert "kill guard" == Kill(Target.ACTIVE, 0, 1, Role.GUARD).kind
    assert "stop all" == Stop(Target.ACTIVE, 0, 1, Role.ALL).kind
    assert "double power cut" == PowerCut(Target.ACTIVE, 0, 1, also_peer=True).kind
