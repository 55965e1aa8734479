"""What `takeover verify` found out, as lines for a person and as one object for a program.

The object's shape is `verify.schema.json`, next to this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from takeover_proofs.assumptions import Rows
from takeover_proofs.core_obeys import EventResult
from takeover_proofs.induction import PROVED, REFUTED, UNDECIDED, Result
from takeover_proofs.runs import CONSTANTS
from takeover_spec.codec import plain
from takeover_spec.words import Arbiter


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """Whether an example's run was found."""

    id: str
    verdict: str
    """`found`, `missing` or `undecided`."""
    steps: int
    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Without:
    """What was left out, and what came of it."""

    id: str
    text: str
    needed: bool | None
    """None: undecided."""
    property: str | None = None
    """The property that is broken, if one is."""
    rule: str | None = None
    """The one rule that was left out, if it was not the whole clause."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found out."""

    results: tuple[Result, ...] = ()
    core: tuple[EventResult, ...] = ()
    examples: tuple[ExampleResult, ...] = ()
    tables: dict[Arbiter, Rows] = field(default_factory=dict)
    """Which property rests on which assumption, under each arbiter."""
    without: Without | None = None
    trace: tuple[dict[str, Any], ...] = ()
    """The run that shows it, for a program."""
    traces: dict[str, str] = field(default_factory=dict)
    """The same run as its parties' traces, by the name of a file."""

    @property
    def verdict(self) -> str:
        """`refuted` if anything is, else `undecided` if anything is, else `proved`; something left out is refuted if
        it is needed."""
        if self.without is not None:
            return {True: REFUTED, False: PROVED, None: UNDECIDED}[self.without.needed]
        found = {result.verdict for result in self.results}
        found |= {result.verdict for result in self.core}
        found |= {PROVED if e.verdict == "found" else UNDECIDED for e in self.examples}
        rows = [row for table in self.tables.values() for row in table.values()]
        found |= {UNDECIDED for row in rows if UNDECIDED in row.values()}
        return next((v for v in (REFUTED, UNDECIDED, PROVED) if v in found), UNDECIDED)

    def as_data(self) -> dict[str, Any]:
        """The object for a program."""
        return {
            "verdict": self.verdict,
            "obligations": [_obligation(result) for result in self.results],
            "core": [_plain(result) | {"seconds": round(result.seconds, 3)} for result in self.core],
            "examples": [_plain(example) for example in self.examples],
            "assumptions": self.tables.get(Arbiter.WITNESS, {}),
            "own_arbiters": {str(a): rows for a, rows in self.tables.items() if a is not Arbiter.WITNESS},
            "without": None if self.without is None else _plain(self.without),
            "trace": list(self.trace),
            "traces": self.traces,
            "constants": plain(CONSTANTS) if self.trace else None,
        }


def _obligation(result: Result) -> dict[str, Any]:
    return {
        "id": result.obligation.id,
        "property": result.obligation.clause.id,
        "verdict": result.verdict,
        "seconds": round(result.seconds, 3),
        "arbiter": str(result.arbiter),
    }


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def obligation_line(result: Result) -> str:
    """One line: the action, the property or clause, the verdict, the seconds, and the arbiter if it is no witness."""
    obligation = result.obligation
    arbiter = "" if result.arbiter is Arbiter.WITNESS else f"  {result.arbiter}"
    return f"{obligation.step:<18} {obligation.clause.id:<40} {result.verdict:<9} {result.seconds:6.2f} s{arbiter}"


def core_line(result: EventResult) -> str:
    """One line: the core's event, on how many paths it was held against the rules, the verdict, the seconds."""
    what = f"the core obeys the rules: {result.paths} paths, {result.actions} actions"
    line = f"{result.event:<28} {what:<54} {result.verdict:<9} {result.seconds:6.2f} s"
    return f"{line}\n  {result.problem}" if result.problem else line


def example_line(example: ExampleResult) -> str:
    """One line: the example, whether it was found, its length, the seconds, what it shows."""
    found = f"{example.verdict} in {example.steps} steps" if example.steps else example.verdict
    return f"{example.id:<40} {found:<18} {example.seconds:6.2f} s  {example.text}"


def summary(results: Sequence[Result], core: Sequence[EventResult], seconds: float) -> Iterator[str]:
    """How many came out how, and which did not come out."""
    if core:
        paths, actions = sum(r.paths for r in core), sum(r.actions for r in core)
        yield f"the shipped cores: {len(core)} events, {paths} paths, {actions} actions held against the rules"
    found = [r.verdict for r in results] + [r.verdict for r in core]
    counts = {verdict: found.count(verdict) for verdict in (PROVED, REFUTED, UNDECIDED)}
    yield ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n) + f" in {seconds:.1f} s"
    yield from (f"  {r.verdict}: {r.obligation.id} ({r.arbiter})" for r in results if r.verdict != PROVED)
    yield from (f"  {r.verdict}: {r.event}" for r in core if r.verdict != PROVED)
