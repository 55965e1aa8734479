"""How well an observer looked: gaps, seconds and the share of the time that was covered, and what is too little."""

from __future__ import annotations

from dataclasses import replace

import pytest

from takeover.lab.looking import (
    APART_NS,
    Looked,
    Looking,
    gaps_and_seconds,
    judge_looking,
    looking_of,
)

MS, S = 1_000_000, 1_000_000_000
GOOD = Looking(240.0, 180, 9, 1, 0.97, 90 * MS)


def looked(*looks_ms: int) -> Looked:
    gaps, per_second = gaps_and_seconds([5 * S + at * MS for at in looks_ms])
    return Looked(len(looks_ms), 1, ((5 * S, 0),), 0, tuple(gaps), tuple(per_second))


def test_looks_become_gaps_and_seconds() -> None:
    """A second in which nobody looked is one with none."""
    gaps, per_second = gaps_and_seconds([at * MS for at in (100, 105, 115, 126, 3100)])
    assert [(115 * MS, 126 * MS), (126 * MS, 3100 * MS)] == gaps
    assert [4, 0, 0, 1] == per_second


def test_the_figures_are_of_the_time_in_between() -> None:
    """What is outside of it does not count: neither gaps nor the seconds that are not all in it."""
    seen = looked(*range(0, 1000, 100), *range(1000, 1990, 5), *range(2010, 3000, 4), *range(3000, 9000, 200))
    looking = looking_of(seen, 5 * S + 900 * MS, 5 * S + 3100 * MS)
    assert looking is not None
    assert (2, 198, 1) == (looking.seconds, looking.per_second_min, looking.seconds_below)
    assert (198 + 248) / 2 == looking.per_second
    assert 100 * MS == looking.gap_ns_max
    assert 1 - (100 + 25 + 100) / 2200 == pytest.approx(looking.covered, abs=0.01)


def test_looks_in_time_cover_everything() -> None:
    """Then there is no gap that is told."""
    looking = looking_of(looked(*range(0, 3001, 5)), 5 * S, 8 * S)
    assert looking == Looking(200.0, 200, 3, 0, 1.0, APART_NS)


def test_a_campaign_that_was_broken_off_ends_with_the_looks() -> None:
    """Its last round has no end; the second that had begun does not count."""
    looking = looking_of(looked(*range(0, 2501, 5)), 5 * S, 0)
    assert looking == Looking(200.0, 200, 2, 0, 1.0, APART_NS)


def test_nothing_is_said_of_less_than_a_second_or_of_nobody() -> None:
    """And no verdict is given on it."""
    assert looking_of(None, 0, 9 * S) is None
    assert looking_of(looked(*range(0, 3000, 5)), 5 * S + 1 * MS, 6 * S + 900 * MS) is None
    assert ["incomplete"] == [finding.verdict for finding in judge_looking(None, S)]


@pytest.mark.parametrize(
    ("looking", "said"),
    [
        (GOOD, ""),
        (replace(GOOD, per_second=199.9), "200 are wanted"),
        (replace(GOOD, covered=0.949), "94.9% of the time"),
        (replace(GOOD, gap_ns_max=501 * MS), "did not look for 501 ms"),
    ],
)
def test_too_little_is_incomplete(looking: Looking, said: str) -> None:
    """A mean that is too low, a share that is too small, and a gap of more than half a lease."""
    findings = judge_looking(looking, S)
    assert bool(said) == bool(findings)
    assert all(finding.verdict == "incomplete" and said in finding.what for finding in findings)
