"""Ordinary Python, run on symbols along every path it can take.

A function that branches on a symbolic truth value is run once for each way its branches can go: at a branch where both
ways are possible under the conditions so far, one is taken and the other is kept for a later run. What is left when
no way is open is every path there is. So a claim that holds on each path holds of the function, for all values.

The function must be deterministic, and its branches finite in number: no loop whose end depends on a symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import z3

from takeover_proofs.terms import branching, raw

T = TypeVar("T")


class TooManyPaths(Exception):
    """The function has more paths than were allowed for: nothing is known about it."""


@dataclass(frozen=True, slots=True)
class Path(Generic[T]):
    """One way through the function: under which conditions, and what came of it."""

    conditions: tuple[Any, ...]
    result: T | None
    failed: AssertionError | None = None
    """An assertion of the function failed on this path."""


def paths(function: Callable[[], T], assumptions: Sequence[Any], most: int = 20_000) -> Iterator[Path[T]]:
    """Every path of `function` on which the assumptions (terms) can hold.

    Raises `TooManyPaths` when there are more than `most`, or as many branches on one of them, or when Z3 cannot tell
    whether a branch is open.
    """
    waiting: list[list[bool]] = [[]]
    count = 0
    while waiting:
        count += 1
        if count > most:
            raise TooManyPaths(f"more than {most} paths")
        explorer = _Explorer(waiting.pop(), [raw(a) for a in assumptions], most)
        result, failed = None, None
        with branching(explorer.decide):
            try:
                result = function()
            except AssertionError as error:
                failed = error
        waiting += explorer.open
        yield Path(tuple(explorer.conditions), result, failed)


class _Explorer:
    def __init__(self, script: list[bool], assumptions: list[Any], most: int) -> None:
        self.script = script
        self.most = most
        self.taken: list[bool] = []
        self.open: list[list[bool]] = []
        self.conditions: list[Any] = []
        self.solver = z3.Solver()
        self.solver.set("timeout", 20_000)
        self.solver.add(assumptions)

    def decide(self, condition: Any) -> bool:
        if z3.is_true(condition) or z3.is_false(condition):
            return bool(z3.is_true(condition))
        if len(self.taken) < len(self.script):
            way = self.script[len(self.taken)]
        else:
            ways = [way for way in (True, False) if self._possible(condition, way)]
            assert ways, "the assumptions contradict each other"
            way = ways[0]
            if len(ways) == 2:
                self.open.append([*self.taken, not way])
        self.taken.append(way)
        if len(self.taken) > self.most:
            raise TooManyPaths(f"a path of more than {self.most} branches")
        chosen = condition if way else z3.Not(condition)
        self.conditions.append(chosen)
        self.solver.add(chosen)
        return way

    def _possible(self, condition: Any, way: bool) -> bool:
        outcome = self.solver.check(condition if way else z3.Not(condition))
        if outcome == z3.unknown:
            raise TooManyPaths(f"Z3 cannot tell whether a branch is open: {self.solver.reason_unknown()}")
        return bool(outcome == z3.sat)
