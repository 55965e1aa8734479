"""`takeover conform --next`: the easiest thing that is not yet right.

The cases go in the order of their difficulty: by level, and within a level what says least first: the shortest frame,
then what is no frame; the run of the fewest steps, then those of a server that is alone. The first that fails is next.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from takeover_conformance.cases import Case, FrameCase
from takeover_conformance.playing.bench import Bench, Outcome, play
from takeover_conformance.suite import Job


def difficulty(case: Case) -> tuple[int, bool, int, str]:
    """By which cases are put in order."""
    if isinstance(case, FrameCase):
        return case.level, case.message is None, len(case.frame), case.name
    return case.level, case.situation is not None, len(case.steps), case.name


def easiest(bench: Bench, cases: Iterable[Case]) -> tuple[int, Case, Outcome] | int:
    """How many passed before the first that fails, which that is, and what came of it; or how many there are."""
    passed = 0
    for case in sorted(cases, key=difficulty):
        for tested in ("",) if isinstance(case, FrameCase) else case.tested:
            outcome = Job(case.level, case.name, tested, partial(play, case=case, tested=tested)).play(bench)
            if outcome.finding is not None:
                return passed, case, outcome
            passed += 1
    return passed
