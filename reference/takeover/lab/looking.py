"""How well an observer looked while a campaign was played: how often, and for how long it did not. Plain arithmetic.

The intuition: what is shorter than the time between two looks may be missed. So a mean says little. What counts is
the share of the time in which looks came no more than `APART_NS` apart, and the longest time without one.

What is too little for a verdict: fewer than `LOOKS_PER_S_MIN` looks a second all together, a share below
`COVERED_MIN`, or a gap of more than one `GAPS_PER_LEASE`th of a lease. A pair that is wrong has two holders for about
as long as a grant or a fault lasts, which is longer than such a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from takeover.demo.judgement import Finding
from takeover.linux import NANOSECONDS
from takeover.observer import Observation

LOOKS_PER_S_MIN = 200

APART_NS = 10_000_000
"""Two looks no further apart than this cover the time between them: one look of those that are wanted may be missed."""

COVERED_MIN = 0.95
"""The least share of the time that has to be covered."""

GAPS_PER_LEASE = 2
"""A gap may be no longer than this part of a lease."""


@dataclass(frozen=True, slots=True)
class Looked(Observation):
    """What was seen, and when nobody looked."""

    gaps: tuple[tuple[int, int], ...]
    """(begin, end) of each time between two looks that is longer than `APART_NS`."""
    per_second: tuple[int, ...]
    """The looks in each second from the first one, the last second included."""

    @property
    def began_ns(self) -> int:
        """When it began to look."""
        return self.changes[0][0]


@dataclass(frozen=True, slots=True)
class Looking:
    """The figures between two times."""

    per_second: float
    per_second_min: int
    """In the poorest whole second."""
    seconds: int
    """Whole seconds."""
    seconds_below: int
    """Those with fewer than `LOOKS_PER_S_MIN` looks."""
    covered: float
    gap_ns_max: int
    """The longest gap, or `APART_NS` if there was none that is longer."""

    @property
    def values(self) -> dict[str, Any]:
        """For the report, as plain JSON values."""
        return {
            "looks_per_second": round(self.per_second, 1),
            "looks_per_second_min": self.per_second_min,
            "seconds": self.seconds,
            "seconds_below_200": self.seconds_below,
            "covered": round(self.covered, 5),
            "gap_ms_max": self.gap_ns_max / 1e6,
        }


def looking_of(seen: Looked | None, begin: int, end: int) -> Looking | None:
    """The figures; None if nobody observed, or for less than a whole second. An `end` of 0 is that of the looks."""
    if seen is None:
        return None
    begin = max(begin, seen.began_ns)
    end = end or seen.began_ns + (len(seen.per_second) - 1) * NANOSECONDS
    first = max(0, -((seen.began_ns - begin) // NANOSECONDS))
    seconds = seen.per_second[first : max(first, (end - seen.began_ns) // NANOSECONDS)]
    if not seconds or end <= begin:
        return None
    gaps = [min(to, end) - max(at, begin) for at, to in seen.gaps if to > begin and at < end]
    return Looking(
        sum(seconds) / len(seconds),
        min(seconds),
        len(seconds),
        sum(count < LOOKS_PER_S_MIN for count in seconds),
        1 - sum(gaps) / (end - begin),
        max(gaps, default=APART_NS),
    )


def judge_looking(looking: Looking | None, lease_ns: int) -> list[Finding]:
    """What is too little to say that there was one holder."""
    if looking is None:
        return [Finding("incomplete", "one-holder", "nobody observed for as much as a second")]
    problems = []
    if looking.per_second < LOOKS_PER_S_MIN:
        problems.append(f"looked {looking.per_second:.0f} times a second, and {LOOKS_PER_S_MIN} are wanted")
    if looking.covered < COVERED_MIN:
        problems.append(
            f"looked often enough for {looking.covered:.1%} of the time, and {COVERED_MIN:.0%} are wanted"
        )
    if looking.gap_ns_max > lease_ns // GAPS_PER_LEASE:
        gap_ms, most_ms = looking.gap_ns_max // 1_000_000, lease_ns // GAPS_PER_LEASE // 1_000_000
        problems.append(f"did not look for {gap_ms} ms, and {most_ms} are too many")
    return [Finding("incomplete", "one-holder", f"the observer {problem}") for problem in problems]


def gaps_and_seconds(looks: Sequence[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """What `Looked` keeps, of the times of all looks."""
    gaps: list[tuple[int, int]] = []
    per_second: list[int] = []
    for at, last in zip(looks, [looks[0], *looks], strict=False):
        if at - last > APART_NS:
            gaps.append((last, at))
        second = (at - looks[0]) // NANOSECONDS
        per_second.extend([0] * (second + 1 - len(per_second)))
        per_second[second] += 1
    return gaps, per_second
