"""The whole suite against one command: which cases there are, how each level went, and the one verdict.

A level is reached when every case of it was played and passed, and so were those below; and if one of them counted, for
some ask only that nothing wrong is done. The levels are played upwards; one that was not reached ends the run, for what
comes after it would only say the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import Metadata
from takeover_conformance.cases import (
    ADAPTER_LEVEL,
    LEVELS,
    PAIRED_LEVEL,
    ROLES,
    SERVICE_LEVEL,
    Case,
    FrameCase,
    RunCase,
)
from takeover_conformance.known import Known, stale
from takeover_conformance.playing.bench import SEED, Bench, Outcome, play, play_seed
from takeover_conformance.playing.replaying import made_short
from takeover_conformance.playing.service import ServiceCase, play_service
from takeover_conformance.playing.sharing import Helpers, played

RUN_LENGTH = 40
"""How many decisions a random run has."""

SEEDS = 30
"""How many random runs there are, if nobody says otherwise; who is tested in one goes round by its seed."""

CONFORMS, KNOWN, VIOLATES, UNDECIDED = "conforms", "known-failures", "violates", "undecided"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is played."""

    cases: tuple[Case, ...]
    level: int
    """Up to which level."""
    seeds: range
    names: tuple[str, ...] = ()
    """Only these cases, if there are any."""
    known: tuple[Known, ...] = ()
    """What may fail, and then has to."""
    service: tuple[str, ...] = ()
    """The command of the service; without one, its level is not played."""
    service_cases: tuple[ServiceCase, ...] = ()
    paired: Metadata | None = None
    """The other implementation, if the bench has one; without one, its level is not played."""
    adapter: tuple[str, ...] = ()
    """The command of the adapter, for whoever plays something again."""
    other: tuple[str, ...] = ()
    """The command of the other implementation's."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """By the names of cases that do not come with the suite, the files that they are in."""
    keeps: bool = False
    """A random run that failed is made short, whatever failed before it."""

    def case(self, name: str) -> Case | ServiceCase | None:
        """The case of this name; None if it is a random run."""
        return next((case for case in (*self.cases, *self.service_cases) if case.name == name), None)

    def is_known(self, outcome: Outcome) -> bool:
        """Whether this failure is listed."""
        return any(entry.is_of(outcome) for entry in self.known)


@dataclass(slots=True)
class Result:
    """How it went."""

    selection: Selection
    outcomes: list[Outcome] = field(default_factory=list)
    planned: int = 0
    fault: AdapterFault | None = None
    """What was wrong with the adapter itself; then the run is not complete."""

    @property
    def failed(self) -> list[Outcome]:
        """The cases that did not pass, and are not known for that."""
        known = self.selection.is_known
        return [outcome for outcome in self.outcomes if outcome.finding is not None and not known(outcome)]

    @property
    def failed_as_known(self) -> list[Outcome]:
        """The cases of which it is known that they do not pass."""
        return [outcome for outcome in self.outcomes if self.selection.is_known(outcome)]

    @property
    def stale(self) -> list[Known]:
        """Known failures that did not come."""
        whole = self.complete and not self.selection.names and self.selection.level >= ADAPTER_LEVEL
        return stale(self.selection.known, self.outcomes, whole)

    @property
    def complete(self) -> bool:
        """Whether all that was planned was played, and there was something."""
        return self.fault is None and 0 < self.planned == len(self.outcomes)

    @property
    def levels_played(self) -> list[int]:
        """The levels of which anything was played."""
        return sorted({outcome.level for outcome in self.outcomes})

    @property
    def unrepeatable(self) -> bool:
        """Whether what failed did not fail when it was played again."""
        return self.fault is not None and self.fault.fault == "nondeterministic"

    @property
    def level(self) -> int | None:
        """The highest that was reached with all those below; None if none was, or only some cases were asked for."""
        reached = list(takewhile(self.reached, LEVELS))
        return reached[-1] if reached else None

    def reached(self, level: int) -> bool:
        """Whether all of this level and those below was played and passed, with something among it that counts, and no
        fewer random runs than usual. Level 5 does not ask for a service, as level 4 does."""
        if self.selection.names or (level >= ADAPTER_LEVEL and len(self.selection.seeds) < SEEDS):
            return False
        played = [outcome for outcome in self.outcomes if outcome.level <= level]
        wanted = [job for job in jobs(self.selection) if job.level <= level]
        return (
            any(job.level == level and job.counts for job in wanted)
            and len(played) == len(wanted)
            and all(outcome.finding is None for outcome in played)
        )

    @property
    def verdict(self) -> str:
        """One of the four; only a run in which everything planned was played and passed conforms. What fails only
        sometimes is no verdict on a server."""
        if self.unrepeatable:
            return UNDECIDED
        if self.failed or self.stale:
            return VIOLATES
        if not self.complete:
            return UNDECIDED
        return KNOWN if self.failed_as_known else CONFORMS


@dataclass(frozen=True, slots=True)
class Job:
    """A case or a random run, as one of the servers."""

    level: int
    name: str
    tested: str
    how: Callable[[Bench], Outcome]
    counts: bool = True
    """It asks for something to be done."""

    def play(self, bench: Bench) -> Outcome:
        """Play it. Raises `AdapterFault`, which says during what."""
        with self.under_way():
            return self.how(bench)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """What an adapter is at fault for here is of this."""
        try:
            yield
        except AdapterFault as fault:
            fault.during = self.name, self.level, self.tested
            raise


def jobs(selection: Selection) -> Iterator[Job]:
    """Everything there is to play, in order."""
    for level in range(min(selection.level, ADAPTER_LEVEL) + 1):
        for case in selection.cases:
            if case.level == level and _is_wanted(selection, case.name):
                for tested in ("",) if isinstance(case, FrameCase) else case.tested:
                    yield Job(level, case.name, tested, partial(play, case=case, tested=tested), case.counts)
        if level == ADAPTER_LEVEL:
            for seed in _seeds(selection):
                yield _random(level, seed, ROLES[seed % len(ROLES)])
    if selection.level >= SERVICE_LEVEL and selection.service:
        yield from _of_service(selection)
    if selection.level >= PAIRED_LEVEL and selection.paired:
        yield from _paired(selection)


def _is_wanted(selection: Selection, name: str) -> bool:
    return not selection.names or name in selection.names


def _seeds(selection: Selection) -> Iterable[int]:
    """Of all random runs, or of those that are named."""
    named = [seed_of(name) for name in selection.names]
    return [seed for seed in named if seed is not None] if named else selection.seeds


def seed_of(name: str) -> int | None:
    """Of which seed the random run of this name comes; None if it is no such name."""
    number = name.removeprefix(SEED)
    return int(number) if name.startswith(SEED) and number.isascii() and number.isdigit() else None


def _random(level: int, seed: int, tested: str) -> Job:
    playing = partial(play_seed, seed=seed, length=RUN_LENGTH, tested=tested, level=level)
    return Job(level, f"{SEED}{seed}", tested, playing)


def _of_service(selection: Selection) -> Iterator[Job]:
    """What the service is put through."""
    for case in selection.service_cases:
        for tested in case.tested if _is_wanted(selection, case.name) else ():
            playing = partial(play_service, command=selection.service, case=case, tested=tested)
            yield Job(SERVICE_LEVEL, case.name, tested, playing)


def _paired(selection: Selection) -> Iterator[Job]:
    """What somebody thought of for a pair, and the random runs: both ways round."""
    runs = [case for case in selection.cases if isinstance(case, RunCase) and case.level >= 2]
    for tested in ROLES[:2]:
        for case in runs:
            if case.origin == "spec" and tested in case.tested and _is_wanted(selection, case.name):
                playing = partial(play, case=case, tested=tested, level=PAIRED_LEVEL)
                yield Job(PAIRED_LEVEL, case.name, tested, playing, case.counts)
        for seed in _seeds(selection):
            yield _random(PAIRED_LEVEL, seed, tested)


def planned(selection: Selection) -> int:
    """How much there is to play."""
    return sum(1 for _ in jobs(selection))


def run(
    bench: Bench,
    selection: Selection,
    heard: Callable[[Outcome], None],
    helpers: Helpers | None = None,
    shortening: Callable[[Outcome], None] = lambda outcome: None,
) -> Result:
    """Play everything, with help if there is any. `heard` is told of each outcome as it comes; of a random run that
    failed first the outcome is that of its short form, and `shortening` is told when that is looked for."""
    there_are = list(jobs(selection))
    result = Result(selection, planned=len(there_are))
    try:
        for level in LEVELS:
            of_level = [job for job in there_are if job.level == level]
            outcomes = played(bench, of_level, helpers if level != SERVICE_LEVEL else None)
            for job, outcome in zip(of_level, outcomes, strict=True):
                if _is_shortened(result, outcome):
                    again = _failed_again(bench, job, outcome)
                    shortening(outcome)
                    with job.under_way():
                        outcome = made_short(bench, again)
                result.outcomes.append(outcome)
                heard(outcome)
            if result.failed:
                first = result.failed[0]
                if level != SERVICE_LEVEL and not first.decided:  # that one is in real time
                    job = next(
                        job for job in of_level if (job.name, job.tested) == (first.case, first.tested)
                    )
                    _failed_again(bench, job, first)
                break
    except AdapterFault as fault:
        result.fault = fault
    finally:
        if helpers is not None:
            helpers.close()
        bench.close()
    return result


def _is_shortened(result: Result, outcome: Outcome) -> bool:
    if outcome.finding is None or seed_of(outcome.case) is None or result.selection.is_known(outcome):
        return False
    if result.selection.keeps:
        return not any(before.decided for before in result.failed)
    return not result.failed


def _failed_again(bench: Bench, job: Job, failed: Outcome) -> Outcome:
    """What comes of it the second time. Raises `AdapterFault` if that is something else: what is told of a failure has
    to be what whoever plays it again sees."""
    again = job.play(bench)
    assert failed.finding is not None
    if again.finding is None or again.finding.name != failed.finding.name:
        now = "passed" if again.finding is None else f"failed by {again.finding.name}"
        detail = f"{failed.case} failed by {failed.finding.name}, and when it was played again it {now}"
        with job.under_way():
            raise AdapterFault("nondeterministic", detail)
    return again
