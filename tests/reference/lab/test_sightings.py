"""The judgement on an observer's answers: two holders are found, and a takeover is never taken for two."""

from __future__ import annotations

import pytest

from takeover.lab.sightings import Sightings, changes, holders_max

PERIOD = 100


def seen(*answers: tuple[str, int, int, int]) -> Sightings:
    """Answers of machines: (machine, round, sent, heard)."""
    sightings = Sightings()
    for machine, number, sent, heard in sorted(answers, key=lambda answer: answer[3]):
        sightings.add(machine, "arp", number, sent, heard)
    return sightings


def held(
    machine: str, first: int, last: int, delay: int = 1, skew: int = 0
) -> list[tuple[str, int, int, int]]:
    """Every probe of these rounds is answered."""
    return [
        (machine, number, number * PERIOD + skew, number * PERIOD + skew + delay)
        for number in range(first, last + 1)
    ]


def test_nobody_answers() -> None:
    """Then nobody holds."""
    assert (0, 0) == holders_max([])


def test_one_answer_is_a_holder() -> None:
    """One, and not none."""
    assert 1 == holders_max(seen(*held("a", 3, 3)).runs)[0]


def test_two_that_hold_for_two_rounds_are_found() -> None:
    """Whatever they did before and after."""
    runs = seen(*held("a", 1, 6), *held("b", 5, 9, skew=7)).runs
    assert (2, 507) == holders_max(runs)


def test_a_second_that_answers_once_is_found() -> None:
    """A flicker, while the other holds before and after it."""
    assert 2 == holders_max(seen(*held("a", 1, 9), *held("b", 5, 5, skew=7)).runs)[0]


def test_three_are_three() -> None:
    """The number is the number of machines, not of answers."""
    runs = seen(*held("a", 1, 9), *held("b", 3, 7, skew=3), *held("c", 4, 6, skew=5)).runs
    assert 3 == holders_max(runs)[0]


@pytest.mark.parametrize("skew", [0, 1, 7, 60])
def test_a_takeover_between_two_answers_is_not_two(skew: int) -> None:
    """Also when both answered the same round: one may have let go in between."""
    assert 1 == holders_max(seen(*held("a", 1, 5), *held("b", 5, 9, skew=skew)).runs)[0]


def test_a_late_answer_accuses_nobody() -> None:
    """It was asked while it held, and is heard when the other holds already."""
    late = ("a", 6, 600, 1050)
    assert 1 == holders_max(seen(*held("a", 1, 5), late, *held("b", 7, 12)).runs)[0]


def test_a_gap_ends_what_is_sure() -> None:
    """A machine that did not answer a probe may have let go; what the other held meanwhile is no second."""
    assert 1 == holders_max(seen(*held("a", 1, 4), *held("b", 6, 8), *held("a", 10, 14)).runs)[0]


def test_two_kinds_of_probe_are_one_machine() -> None:
    """A machine that answers ARP and TCP is one holder."""
    sightings = seen(*held("a", 1, 9))
    for _, number, sent, heard in held("a", 1, 9, skew=5):
        sightings.add("a", "tcp", number, sent, heard)
    assert 1 == holders_max(sightings.runs)[0]
    for _, number, sent, heard in held("b", 4, 6, skew=9):
        sightings.add("b", "tcp", number, sent, heard)
    assert 2 == holders_max(sightings.runs)[0]


def test_an_answer_is_counted_once() -> None:
    """The same tag heard twice, or an older round after a newer, changes nothing."""
    sightings = Sightings()
    assert sightings.add("a", "arp", 5, 500, 501)
    assert not sightings.add("a", "arp", 5, 500, 590)
    assert not sightings.add("a", "arp", 4, 400, 595)
    assert (501, 501) == (sightings.runs[0].first_heard, sightings.runs[0].last_heard)


def test_changes_are_told_with_their_times() -> None:
    """And a silence that is too short to be one is not."""
    runs = seen(*held("a", 1, 3), *held("a", 5, 6), *held("b", 20, 22)).runs
    assert [(0, 0), (101, 1), (601, 0), (2001, 1), (2201, 0)] == changes(runs, 0, blink=300)
    assert [(0, 0), (101, 1), (301, 0), (501, 1), (601, 0)] == changes(runs, 0, blink=100)[:5]
