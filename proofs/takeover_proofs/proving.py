"""Prove obligations in worker processes: those of one kind of step together, and the results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TypeVar

from takeover_proofs.induction import TIMEOUT_MS, Obligation, Result, prove
from takeover_proofs.rulebook import EVERY_RULE, Rulebook
from takeover_proofs.world import Nature

WORKERS = 2
"""How many processes prove at a time."""


@dataclass(frozen=True, slots=True)
class Task:
    """The obligations of one kind of step that are to be proved together."""

    step: str
    wanted: frozenset[str]
    """Their ids."""
    rules: Rulebook = EVERY_RULE
    nature: Nature = field(default_factory=Nature)
    timeout_ms: int = TIMEOUT_MS

    def done(self) -> list[Result]:
        """Prove them."""

        def ours(obligation: Obligation) -> bool:
            return obligation.step == self.step and obligation.id in self.wanted

        return list(prove(ours, self.rules, self.nature, self.timeout_ms))


def tasks_for(
    wanted: Iterable[Obligation],
    rules: Rulebook = EVERY_RULE,
    nature: Nature = Nature(),
    timeout_ms: int = TIMEOUT_MS,
) -> list[Task]:
    """The tasks that prove these obligations, from these rules in a world of this nature."""
    by_step: dict[str, set[str]] = {}
    for obligation in wanted:
        by_step.setdefault(obligation.step, set()).add(obligation.id)
    return [Task(step, frozenset(ids), rules, nature, timeout_ms) for step, ids in by_step.items()]


W = TypeVar("W")
R = TypeVar("R")


def in_parallel(tasks: Iterable[W], do: Callable[[W], R], workers: int = WORKERS) -> Iterator[tuple[W, R]]:
    """Each task with what `do` makes of it, in order, as they come."""
    tasks = list(tasks)
    # a fresh process: a solver's state does not survive being forked while in use
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from zip(tasks, pool.map(do, tasks), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def prove_in_parallel(tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Result]]]:
    """Each task with its results, in order, as they come."""
    return in_parallel(tasks, Task.done)
