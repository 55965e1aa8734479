"""A run of the suite as somebody at a terminal sees it: the levels as they end, the first failure, the verdict."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from takeover_conformance import suite
from takeover_conformance.adapter.talk import Exchange, Talk
from takeover_conformance.cases import LEVELS, Case
from takeover_conformance.easiest import easiest
from takeover_conformance.playing.bench import SEED, Bench, Outcome
from takeover_conformance.playing.service import ServiceCase
from takeover_conformance.reports import telling
from takeover_conformance.suite import Result, Selection


class Spectator:
    """Hears of each outcome, tells of each level when it has ended, and keeps what was said at the first failure."""

    def __init__(self, selection: Selection, talk: Talk) -> None:
        self._known = selection.known
        self._talk = talk
        self._level: int | None = None
        self._counts: Counter[str] = Counter()
        self._shows = sys.stderr.isatty()
        self.first: tuple[Outcome, Sequence[Exchange]] | None = None
        """The first failure that is not known, and what was last asked and answered then."""

    def hear(self, outcome: Outcome) -> None:
        """An outcome came."""
        if outcome.level != self._level:
            self.end_level()
            self._level = outcome.level
        known = any(entry.is_of(outcome) for entry in self._known)
        failed = outcome.finding is not None and not known
        self._counts["failed" if failed else "known" if known else "passed"] += 1
        if failed and self.first is None:
            self.first = outcome, self._talk.last()
        self._talk.forget()  # one that another process played brings none
        if self._shows:
            print(f"\rL{outcome.level}: {self._counts.total()} played ", end="", file=sys.stderr, flush=True)

    def end_level(self) -> None:
        """A level has ended."""
        if self._level is None:
            return
        if self._shows:
            print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
        said = ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))
        print(f"L{self._level} {LEVELS[self._level]}: {said}", flush=True)
        self._counts.clear()


def concluded(result: Result, first: tuple[Outcome, Sequence[Exchange]] | None) -> Iterator[str]:
    """What is said at the end."""
    if first is not None and not result.unrepeatable:
        outcome, talk = first
        yield ""
        yield "what failed first:"
        yield ""
        yield from telling.failure(outcome, _named(outcome.case, result.selection), talk)
        yield ""
        yield telling.again(outcome, result.shortest if outcome.case.startswith(SEED) else ())
    for entry in result.stale:
        yield f"listed as a known failure, and does not fail: {entry}"
    if result.fault is not None:
        yield from telling.blame(result.fault, "nothing more" if result.outcomes else "nothing")
    yield f"verdict: {result.verdict}, {worth(result)}"


def worth(result: Result) -> str:
    """What a result is worth, in words."""
    if known := len(result.failed_as_known):
        return f"{known} known failures, and no level for that"
    conforms = result.verdict == suite.CONFORMS
    if result.level is not None:
        beyond = (level for level in LEVELS if level > result.level and result.reached(level))
        levels = ", and ".join(f"level {level}" for level in (result.level, *beyond))
        return levels if conforms else f"though {levels} was reached"
    return "in what was selected, which is not a whole level" if conforms else "no level"


def _named(name: str, selection: Selection) -> Case | ServiceCase | None:
    return next((case for case in (*selection.cases, *selection.service_cases) if case.name == name), None)


def next_thing(bench: Bench, cases: Sequence[Case], talk: Talk) -> tuple[bool, list[str]]:
    """Whether nothing is left to do in these cases, and the easiest thing that is. Raises `AdapterFault`."""
    found = easiest(bench, cases)
    if isinstance(found, int):
        return True, [
            f"all {found} pass, one by one; what is left is a whole run: takeover conform -- COMMAND"
        ]
    passed, case, outcome = found
    told = [f"{passed} pass; what comes next is", ""]
    told += telling.failure(outcome, case, talk.last())
    return False, [*told, "", telling.again(outcome, ())]
