"""`takeover conform --list`: how many cases there are and what judges each clause; some of the cases; what a run is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase

from takeover_conformance import clauses
from takeover_conformance.cases import LEVELS, Case, FrameCase, RunCase
from takeover_conformance.playing.service import ServiceCase
from takeover_models.decisions import VERBS
from takeover_models.setup import Setup

RUN = "lease=600:heal,calm//1250,crash/0/1,recover"
"""A run, as --replay reads it."""


def listed(what: str, cases: Sequence[Case | ServiceCase]) -> Iterator[str]:
    """Counts and clauses, if nothing is said; `runs`; or the cases of a level (`L1`), of a clause, or of names such as
    `left-meets-*`. Raises `ValueError` if there are none."""
    if not what:
        yield from _counts(cases)
        yield from clauses.told([case for case in cases if isinstance(case, FrameCase | RunCase)])
    elif what == "runs":
        yield from _runs()
    else:
        found = [
            case
            for case in cases
            if f"L{case.level}" == what or what in case.clauses or fnmatchcase(case.name, what)
        ]
        if not found:
            raise ValueError(
                f"--list: {what!r} is no level such as L1, no clause of a case, and no case's name"
            )
        yield from (f"L{case.level} {case.name}: {' '.join(case.clauses)}: {case.why}" for case in found)


def _counts(cases: Sequence[Case | ServiceCase]) -> Iterator[str]:
    for level, name in LEVELS.items():
        if count := sum(case.level == level for case in cases):
            yield f"L{level} {name}: {count} cases; --list L{level} names them"
    yield ""


def _setup() -> str:
    return ".".join(f"{field.name}={getattr(Setup(), field.name)}" for field in fields(Setup))


def _runs() -> Iterator[str]:
    yield f"A run is how its world is set up, a colon, and decisions: {RUN}"
    yield f"Set up (default, or what differs from it, with dots between): {_setup()}"
    yield "A decision is VERB/WHOM/NUMBER/FLAG; what is at its end and empty is left out."
    for verb, (whom, what) in VERBS.items():
        about = ", ".join(filter(None, whom))
        yield f"  {verb}: {what}" + (f" ({about})" if about else "")
