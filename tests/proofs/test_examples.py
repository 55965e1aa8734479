"""What is proved is about something: runs that obey every rule, for every kind of step and every property."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from takeover_proofs.examples import EXAMPLES
from takeover_proofs.invariant import CLAUSES, Place, clauses_under
from takeover_proofs.runs import CONSTANTS, Run, replay
from takeover_proofs.search import SIZE
from takeover_proofs.selection import PROPERTIES
from takeover_proofs.symbols import STEPS

LENGTHS = {
    "first-takeover": 7,
    "failover-keeps-what-was-acknowledged": 28,
    "failover-discards-what-was-unsafe": 23,
    "failed-update-is-applied": 22,
    "two-failovers": 42,
    "holds-by-promise": 16,
    "switchover": 36,
    "active-goes-on-alone": 19,
    "unsafe-queue-is-trimmed": 19,
    "everybody-restarts": 24,
    "rejoin-with-a-loss-statement": 29,
    "promoted-with-its-own-data": 18,
    "promoted-though-not-eligible": 27,
    "resynchronised-in-its-own-epoch": 16,
    "crash-stop-failover": 22,
    "operator-failover": 23,
    "operator-switchover": 27,
    "crash-stop-successor-restarts": 19,
    "operator-release-unheard": 18,
    "operator-is-waited-for": 15,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_found_and_replays(name: str, run_of: Callable[[str], Run]) -> None:
    """The run is found with the length that is written down, and it obeys every rule."""
    run = run_of(name)
    assert LENGTHS[name] == len(run.steps)
    worlds = replay(run, EXAMPLES[name].goal)
    assert len(run.steps) + 1 == len(worlds)


def test_every_kind_of_step_is_taken() -> None:
    """Each kind of action, and the passing of time, is in the moves of some example."""
    taken = {move.kind for example in EXAMPLES.values() for move in example.moves}
    assert set(STEPS) == taken


def test_every_property_has_an_example() -> None:
    """For each property there is a run in which what it speaks of happens."""
    assert {prop.name for prop in PROPERTIES} == {name for e in EXAMPLES.values() for name in e.about}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_invariant_holds_in_every_world_of_an_example(name: str, run_of: Callable[[str], Run]) -> None:
    """The invariant is true of worlds that are reached, so what an induction step assumes is not contradictory."""
    places = [Place(seq, version) for seq in range(SIZE) for version in range(SIZE)]
    for number, world in enumerate(replay(run_of(name), EXAMPLES[name].goal)):
        clauses = clauses_under(EXAMPLES[name].nature.arbiter)
        broken = [c.name for c in clauses for at in places if not c.holds(world, CONSTANTS, at)]
        assert (number, []) == (number, broken)


def test_what_does_not_hold_is_shown_by_an_example() -> None:
    """Where the table says that a property does not hold under an arbiter, a run ends in a world that lacks it."""
    said = {(arbiter, clause.name) for clause in CLAUSES for arbiter in clause.fails_under}
    assert said == {(e.nature.arbiter, e.fails) for e in EXAMPLES.values() if e.fails}
