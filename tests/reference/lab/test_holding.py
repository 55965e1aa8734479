"""Who held the address for how long, and after which fault nobody did, from what an observer saw."""

from __future__ import annotations

from takeover.lab.faults import Fault, Kill, PowerCut, Restart, Role, Target
from takeover.lab.holding import Holding, Played, holding_of
from takeover.lab.operating import Order
from takeover.observer import Observation

KILL = Kill(Target.ACTIVE, 0, 1, Role.SERVICE)
RESTART = Restart(Target.PASSIVE, 5, 1)
POWER_CUT = PowerCut(Target.ACTIVE, 7, 1, also_peer=False)


def played(began: int, ended: int, *hit: Fault) -> Played:
    return Played("secondary", began, ended, list(hit))


def seen(*changes: tuple[int, int]) -> Observation:
    return Observation(9, max(holders for _, holders in changes), changes, 1)


def test_times_are_added_up_between_the_first_round_and_the_last() -> None:
    """From each change to the next; what was before and what comes after does not count."""
    changes = ((0, 0), (10, 1), (20, 2), (25, 1), (40, 3), (47, 0), (50, 1), (90, 0))
    rounds = [played(15, 30, KILL), played(30, 60, RESTART)]
    assert Holding(45, 12, 3, {"kill service": 0, "restart": 3}) == holding_of(seen(*changes), rounds)


def test_an_outage_belongs_to_the_round_that_it_fills_most() -> None:
    """And to each kind of fault in it: the last answer may have come just before the power was cut."""
    changes = ((0, 1), (39, 0), (60, 1), (70, 0), (75, 1))
    rounds = [played(0, 40, RESTART), played(40, 80, POWER_CUT, KILL)]
    assert {"restart": 0, "power cut": 21, "kill service": 21} == holding_of(
        seen(*changes), rounds
    ).longest_ns


def test_a_campaign_that_was_broken_off_ends_with_what_was_seen_last() -> None:
    """Its last round has no end."""
    assert Holding(30, 0, 10, {"restart": 10}) == holding_of(
        seen((0, 1), (20, 0), (30, 1)), [played(0, 0, RESTART)]
    )


def test_where_nobody_looked_there_are_no_figures() -> None:
    """Nor where nothing was played."""
    assert Holding(0, 0, 0, {}) == holding_of(None, [played(0, 1)]) == holding_of(seen((0, 1)), [])


def test_a_round_says_what_was_done_to_whom() -> None:
    """In the order of the times that were drawn, with what was missed, and whether it had the address."""
    order = Order("secondary", 3, 1_000_000 + 4_000_000, 9_000_000, "refused", "SWITCH-1", "…")
    values = Played("secondary", 1_000_000, 0, [POWER_CUT, KILL], [RESTART], [order], [], [KILL]).values
    assert [
        ("kill service", "secondary", True, True),
        ("restart", "primary", False, False),
        ("power cut", "secondary", True, False),
    ] == [(fault["kind"], fault["party"], fault["hit"], fault["held"]) for fault in values["faults"]]
    assert [{"server": "secondary", "at_ms": 4, "outcome": "refused", "clause": "SWITCH-1"}] == values[
        "switchovers"
    ]
