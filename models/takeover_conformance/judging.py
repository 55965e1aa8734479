"""A run of the suite as somebody at a terminal sees it: the levels as they end, the first failure, the verdict."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from takeover_conformance import suite
from takeover_conformance.adapter.talk import Exchange, Talk
from takeover_conformance.cases import LEVELS
from takeover_conformance.easiest import easiest
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.reports import telling
from takeover_conformance.suite import Result, Selection

First = tuple[Outcome, Sequence[Exchange]]
"""The first failure that is not known, and what was last asked and answered then."""


class Spectator:
    """Hears of each outcome, tells of each level when it has ended, and keeps what was said at the first failure."""

    def __init__(self, selection: Selection, talk: Talk) -> None:
        self._selection = selection
        self._planned = Counter(job.level for job in suite.jobs(selection))
        self._talk = talk
        self._level: int | None = None
        self._counts: Counter[str] = Counter()
        self._shows = sys.stderr.isatty()
        self.first: First | None = None

    def hear(self, outcome: Outcome) -> None:
        """An outcome came."""
        if outcome.level != self._level:
            self.end_level()
            self._level = outcome.level
        known = self._selection.is_known(outcome)
        failed = outcome.finding is not None and not known
        self._counts["failed" if failed else "known" if known else "passed"] += 1
        if failed and self.first is None:
            self.first = outcome, self._talk.last()
        self._talk.forget()  # one that another process played brings none
        self._show(f"L{outcome.level}: {self._counts.total()} of {self._planned[outcome.level]} played")

    def shorten(self, outcome: Outcome) -> None:
        """A random run that failed is being made short, which takes a while."""
        self._show(f"{outcome.case} fails by {telling.failed_by(outcome)}; making it short ...")

    def _show(self, what: str) -> None:
        if self._shows:
            print(f"\r{what:<70}", end="", file=sys.stderr, flush=True)

    def end_level(self) -> None:
        """A level has ended."""
        if self._level is None:
            return
        if self._shows:
            print("\r" + " " * 70 + "\r", end="", file=sys.stderr, flush=True)
        said = ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))
        print(f"L{self._level} {LEVELS[self._level]}: {said}", flush=True)
        self._counts.clear()


def concluded(result: Result, first: First | None) -> Iterator[str]:
    """What is said at the end."""
    yield from _not_played(result)
    if first is not None and not result.unrepeatable:
        yield ""
        yield "what failed first:"
        yield ""
        outcome, talk = first
        yield from telling.told(outcome, result.selection, talk)
        if len(result.failed) > 1:
            yield ""
            yield from telling.others(result.failed)
    for entry in result.stale:
        yield f"listed as a known failure, and does not fail: {entry}"
    if result.fault is not None:
        known = "nothing more" if result.outcomes else "nothing"
        yield from telling.blame(result.fault, result.selection, known)
    yield f"verdict: {result.verdict}, {worth(result)}"


def _not_played(result: Result) -> Iterator[str]:
    """The levels that were to be played and were not, because one before failed."""
    played = result.levels_played
    left = sorted({job.level for job in suite.jobs(result.selection)} - set(played))
    if left and result.failed and result.fault is None:
        yield f"{', '.join(f'L{level}' for level in left)}: not played, because L{played[-1]} failed"


def worth(result: Result) -> str:
    """What a result is worth, in words."""
    if known := len(result.failed_as_known):
        return f"{known} known failure{'s' if known > 1 else ''}, and no level for that"
    conforms = result.verdict == suite.CONFORMS
    if result.level is not None:
        beyond = (level for level in LEVELS if level > result.level and result.reached(level))
        levels = ", and ".join(f"level {level}" for level in (result.level, *beyond))
        return levels if conforms else f"though {levels} was reached"
    return "in what was selected, which is not a whole level" if conforms else "no level"


def next_thing(bench: Bench, selection: Selection, talk: Talk) -> tuple[bool, list[str]]:
    """Whether nothing is left to do in these cases, and the easiest thing that is. Raises `AdapterFault`."""
    wanted = [case for case in selection.cases if case.level <= selection.level]
    named = [case for case in wanted if not selection.names or case.name in selection.names]
    found = easiest(bench, named)
    if isinstance(found, int):
        command = shlex.join(["takeover", "conform", "--", *selection.adapter])
        return True, [f"all {found} pass, one by one; what is left is a whole run: {command}"]
    passed, _, outcome = found
    told = [f"{passed} pass; what comes next is", ""]
    return False, [*told, *telling.told(outcome, selection, talk.last())]
