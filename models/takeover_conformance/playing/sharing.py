"""Play jobs on several cores: in processes of our own, each with adapters of its own.

What comes back of a job is what was found, by its name and text alone. The first jobs that failed are played once more
by whoever asked, who then has the world to show. The order of the outcomes is that of the jobs.

Refused: threads. Judging takes as much computing as answering does, and threads would take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import Protocol

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.process import Asked
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_models.findings import Finding

BATCH_MAX = 24
"""How many jobs are handed over at once, at most."""

TURNS = 16
"""How often each helper is handed some of a level at least, if there are enough: so all end at about the same time."""

PLAYED_AGAIN = 3
"""How many of those that failed are played again, to be shown."""

ALONE_UPTO = 48
"""For so few jobs no other process is started; those that are there take part."""

_bench: Bench
"""In a process that helps: its adapters."""


@dataclass(slots=True)
class Helpers:
    """The processes that help: started when they are first needed, for all that comes. `close` them."""

    start: Callable[[], Asked]
    """Starts an adapter. It can be pickled."""
    processes: int
    other: Callable[[], Asked] | None = None
    """Starts one of the implementation that is paired with it."""
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)

    def pool(self, jobs: int) -> ProcessPoolExecutor | None:
        """Who plays so many jobs; None if they are better played here."""
        if self._pool is None and self.processes > 1 and jobs > ALONE_UPTO:
            arguments = self.start, self.other
            self._pool = ProcessPoolExecutor(self.processes, get_context("spawn"), _begin, arguments)
        return self._pool

    def close(self) -> None:
        """They end; what they have not begun is not played."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


class Job(Protocol):
    """Something to play. It can be pickled."""

    @property
    def play(self) -> Callable[[Bench], Outcome]:
        """Plays it. Raises `AdapterFault`."""


def played(bench: Bench, jobs: Sequence[Job], helpers: Helpers | None) -> Iterator[Outcome]:
    """The outcome of each job, in their order. Raises `AdapterFault`."""
    pool = helpers.pool(len(jobs)) if helpers is not None else None
    if helpers is None or pool is None:
        yield from (job.play(bench) for job in jobs)
        return
    failed = 0
    size = max(1, min(BATCH_MAX, len(jobs) // (helpers.processes * TURNS)))
    batches = [jobs[first : first + size] for first in range(0, len(jobs), size)]
    for batch, outcomes in zip(batches, pool.map(_play, batches), strict=True):
        for job, told in zip(batch, outcomes, strict=False):  # fewer, if there was a fault
            if isinstance(told, AdapterFault):
                raise told
            outcome = _outcome(*told)
            failed += outcome.finding is not None
            again = outcome.finding is not None and failed <= PLAYED_AGAIN
            yield _shown(outcome, job.play(bench)) if again else outcome


Told = tuple[str, int, str, tuple[str, str] | None]
"""An outcome as it is sent: the case, its level, who was tested, and the finding's name and text."""


def _outcome(case: str, level: int, tested: str, found: tuple[str, str] | None) -> Outcome:
    return Outcome(case, level, tested, None if found is None else Finding(*found))


def _shown(outcome: Outcome, again: Outcome) -> Outcome:
    """The second outcome, if it is like the first: what answers otherwise each time is told apart later."""
    return again if again.finding is not None else outcome


def _begin(start: Callable[[], Asked], other: Callable[[], Asked] | None) -> None:
    global _bench
    _bench = Bench(start, other)
    Finalize(None, _bench.close, exitpriority=1)


def _play(jobs: Sequence[Job]) -> list[Told | AdapterFault]:
    """What came of these, up to the first fault."""
    outcomes: list[Told | AdapterFault] = []
    for job in jobs:
        try:
            outcome = job.play(_bench)
        except AdapterFault as fault:
            return [*outcomes, fault]
        finding = outcome.finding
        found = None if finding is None else (finding.name, finding.text)
        outcomes.append((outcome.case, outcome.level, outcome.tested, found))
    return outcomes
