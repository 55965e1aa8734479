"""Who held the public address while a campaign was played, and for how long nobody or two did: plain arithmetic.

The same figures are taken of whoever is under test, from the same observer, so they can be put side by side.

What complicates it: **whose fault was it?** A round has up to three faults, and its longest time without a holder is
put down to each kind among them. So a kind's figure says how long it can last when this fault has its part in it,
and not that it was this fault alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from takeover.lab.faults import Fault
from takeover.lab.injection import names
from takeover.lab.operating import Order
from takeover.observer import Observation


@dataclass(slots=True)
class Played:
    """A round as it was played."""

    active: str
    """The server that was active when it began."""
    began_ns: int
    ended_ns: int = 0
    """When all was well again; 0 if it never was."""
    hit: list[Fault] = field(default_factory=list)
    missed: list[Fault] = field(default_factory=list)
    """Those whose process was gone when their time came."""
    orders: list[Order] = field(default_factory=list)
    absent: list[Fault] = field(default_factory=list)
    """Those at something that whoever is under test does not have."""
    held: Sequence[Fault] = ()
    """Those whose machine was the last that began to answer for the address when their time came."""

    @property
    def values(self) -> dict[str, Any]:
        """For the report, as plain JSON values."""
        done = [(fault, True) for fault in self.hit] + [(fault, False) for fault in self.missed]
        return {
            "active": self.active,
            "faults": [
                {
                    "kind": fault.kind,
                    "target": fault.target.value,
                    "party": names(self.active)[fault.target],
                    "at_ms": fault.at_ms,
                    "lasts_ms": fault.lasts_ms,
                    "hit": hit,
                    "held": fault in self.held,
                }
                for fault, hit in sorted(done, key=lambda item: item[0].at_ms)
            ],
            "switchovers": [
                {
                    "server": order.server,
                    "at_ms": (order.asked_ns - self.began_ns) // 1_000_000,
                    "outcome": order.outcome,
                    "clause": order.clause,
                }
                for order in self.orders
            ],
        }


@dataclass(frozen=True, slots=True)
class Holding:
    """How long the address was held, by how many."""

    watched_ns: int
    """From the beginning of the first round to the end of the last."""
    two_holders_ns: int
    """More than one machine answered for it."""
    no_holder_ns: int
    """Nobody did."""
    longest_ns: dict[str, int]
    """The longest time without a holder in a round with this kind of fault; 0 if there was none."""

    @property
    def values(self) -> dict[str, Any]:
        """For the report, as plain JSON values."""
        return {
            "watched_ms": self.watched_ns / 1e6,
            "two_holders_ms": self.two_holders_ns / 1e6,
            "no_holder_ms": self.no_holder_ns / 1e6,
            "longest_outage_ms": {kind: ns / 1e6 for kind, ns in sorted(self.longest_ns.items())},
        }


def holding_of(seen: Observation | None, rounds: Sequence[Played]) -> Holding:
    """The figures of a campaign; nothing if nobody observed, or nothing was played."""
    if seen is None or not rounds:
        return Holding(0, 0, 0, {})
    begins = [played.began_ns for played in rounds]
    ends = [*begins[1:], rounds[-1].ended_ns or max(begins[-1], seen.changes[-1][0])]
    two = none = 0
    longest = {fault.kind: 0 for played in rounds for fault in played.hit}
    for begin, end, holders in _spans(seen, begins[0], ends[-1]):
        if holders > 1:
            two += end - begin
        if holders == 0:
            none += end - begin
            shares = [min(end, last) - max(begin, first) for first, last in zip(begins, ends, strict=True)]
            for fault in rounds[shares.index(max(shares))].hit:
                longest[fault.kind] = max(longest[fault.kind], end - begin)
    return Holding(ends[-1] - begins[0], two, none, longest)


def played_between(rounds: Sequence[Played]) -> tuple[int, int]:
    """From the beginning of the first round to the end of the last, which is 0 if it never ended."""
    return (rounds[0].began_ns, rounds[-1].ended_ns) if rounds else (0, 0)


def _spans(seen: Observation, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """(begin, end, holders) between two times."""
    ends = [at for at, _ in seen.changes[1:]] + [max(last, seen.changes[-1][0])]
    for (begin, holders), end in zip(seen.changes, ends, strict=True):
        if min(end, last) > max(begin, first):
            yield max(begin, first), min(end, last), holders
