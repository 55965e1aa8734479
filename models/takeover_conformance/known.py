"""Known failures: what somebody's server does not do yet, and why; so that a run tells what is new.

A file of them is JSON: `{"known": 1, "failures": [{"case": …, "check": …, "reason": …, "link": …}, …]}`. `case` is the
name of a case, `check` the clause or property by which it fails; one of the two may be left out, and then any will do,
and so may `link`.
A run in which everything that fails is listed reaches no level for that: it is told as so many known failures. A
listed failure that was looked for and did not come fails the run, or the list would hide the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takeover_conformance.playing.bench import Outcome
from takeover_spec.codec import Malformed, parse_json

FORMAT = 1
"""The version of the file."""


@dataclass(frozen=True, slots=True)
class Known:
    """A failure that is known."""

    reason: str
    link: str = ""
    """Where more is said, such as an issue's address."""
    case: str = ""
    check: str = ""

    def is_of(self, outcome: Outcome) -> bool:
        """Whether this is the failure that is meant."""
        finding = outcome.finding
        return finding is not None and self.case in ("", outcome.case) and self.check in ("", finding.name)

    def __str__(self) -> str:
        what = " ".join(name for name in (self.case, self.check) if name)
        return f"{what}: {self.reason}" + (f" ({self.link})" if self.link else "")


def read_known(file: Path) -> tuple[Known, ...]:
    """The failures that a file lists. Raises `Malformed` with the file and what is wrong, and `OSError`."""
    values = parse_json(file.read_bytes(), file.name)
    if values.get("known") != FORMAT:
        raise Malformed(file.name, f"this is no list of known failures in format {FORMAT}")
    failures = values.get("failures")
    if not isinstance(failures, list) or not failures:
        raise Malformed(f"{file.name}.failures", "is not a list with something in it")
    return tuple(_known(entry, f"{file.name}.failures[{n}]") for n, entry in enumerate(failures))


def _known(values: Any, where: str) -> Known:
    if not isinstance(values, dict):
        raise Malformed(where, "is not an object")
    if unknown := sorted(values.keys() - {"case", "check", "reason", "link"}):
        raise Malformed(f"{where}.{unknown[0]}", "is unknown")
    if "reason" not in values:
        raise Malformed(f"{where}.reason", "is missing")
    if wrong := [name for name, value in values.items() if not isinstance(value, str) or not value]:
        raise Malformed(f"{where}.{wrong[0]}", "is not a text that says something")
    if not values.keys() & {"case", "check"}:
        raise Malformed(where, "names neither a case nor a check")
    return Known(**values)


def stale(known: Sequence[Known], outcomes: Sequence[Outcome], whole: bool) -> list[Known]:
    """Those that were looked for and did not come; one that names no case is looked for by the whole suite alone."""
    names = {outcome.case for outcome in outcomes}
    looked_for = [entry for entry in known if (entry.case in names if entry.case else whole)]
    return [entry for entry in looked_for if not any(entry.is_of(outcome) for outcome in outcomes)]
