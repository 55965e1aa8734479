"""What a run of the suite says to a person: what failed and how, and what an adapter is at fault for.

A failure fits a screen: what was done and known, what the case is about, what the protocol says of it, the end of the
run as a diagram, what was asked and answered, and the line that plays it again.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from takeover_conformance import documents
from takeover_conformance.adapter.faults import FAULTS, AdapterFault
from takeover_conformance.adapter.talk import Exchange
from takeover_conformance.cases import LEVELS, Case, FrameCase, RunCase
from takeover_conformance.playing.bench import Outcome
from takeover_conformance.playing.service import ServiceCase
from takeover_conformance.reports.again import again, fault_again
from takeover_conformance.reports.exchanges import exchanges, found, of_a_frame, shown
from takeover_conformance.reports.sequence import TIMES, diagram
from takeover_conformance.suite import Selection
from takeover_models.findings import Finding, RuleBroken

WIDTH = 110
"""Of a screen, in characters."""

NAMED_MAX = 10
"""How many of those that failed are named, after the first."""

_QUOTED_MAX = 3
"""How many sentences are quoted."""


def blame(fault: AdapterFault, selection: Selection | None = None, known: str = "nothing") -> Iterator[str]:
    """What an adapter is at fault for, and how much is known of its server for all that."""
    whose = "other implementation's adapter (--with)" if fault.of_other else "adapter"
    yield f"the {whose} is at fault, and {known} is known of the server in it: {FAULTS[fault.fault]}"
    if fault.during is not None:
        name, level, tested = fault.during
        yield f"  during:   {name}, of level {level}; tested: {_whose(tested)}"
    if fault.asked:
        yield f"  asked:    {shown(fault.asked)}"
    if fault.line:
        yield f"  answered: {shown(fault.line)}"
    yield f"  {fault.fault}: {fault.detail}"
    yield from (f"  | {line}" for line in fault.errors)
    if selection is not None and (line := fault_again(fault, selection)):
        yield f"again: {line}"


def told(outcome: Outcome, selection: Selection, talk: Sequence[Exchange]) -> Iterator[str]:
    """All that is said of what failed; `talk` is what was last asked and answered."""
    yield from failure(outcome, selection.case(outcome.case), talk)
    yield ""
    yield f"again: {again(outcome, selection)}"


def failure(outcome: Outcome, case: Case | ServiceCase | None, talk: Sequence[Exchange]) -> Iterator[str]:
    """What failed, and how it came to it."""
    finding = outcome.finding
    assert finding is not None
    yield f"{outcome.case} fails by {finding.name}"
    yield f"  level {outcome.level}, {LEVELS[outcome.level]}; tested: {_whose(outcome.tested)}"
    if outcome.decided and outcome.world is not None:
        now = len(outcome.world.decisions)
        yield f"  {outcome.case}, made short: {outcome.decided} decisions, now {now}; this is the short run"
    yield ""
    yield from (part for line in str(finding).splitlines() for part in _wrapped(line, "  ", "    "))
    if case is not None:
        yield from _wrapped(case.why, "  this case is about: ", "    ")
    if isinstance(case, RunCase):
        yield from _came_of(case.origin)
        if case.situation is not None:
            yield from _wrapped(found(case.situation), "  on its disk it found: ", "    ")
    yield from _quoted(finding)
    if isinstance(case, FrameCase):
        yield from of_a_frame(case, talk[-1:])
    elif outcome.world is not None:
        network = outcome.world.network
        arrows = list(diagram(network.said(), outcome.tested, network.now_ns, finding))
        yield from ["", *arrows, f"  {TIMES}"] if arrows else []
        shown_talk = list(exchanges(finding, case, talk))
        yield from ["", *shown_talk] if shown_talk else []


def _whose(tested: str) -> str:
    return {"": "the codec", "both": "both servers"}.get(tested, f"the {tested}")


def others(failed: Sequence[Outcome]) -> Iterator[str]:
    """Those that failed beside the first, by what: some of their names."""
    counts = Counter(failed_by(outcome) for outcome in failed)
    names_each = max(1, NAMED_MAX // len(counts))
    yield f"{len(failed)} failed, by"
    for name, count in counts.most_common(NAMED_MAX):
        of_it = [outcome for outcome in failed if failed_by(outcome) == name]
        names = [
            f"{outcome.case} ({outcome.tested})" if outcome.tested else outcome.case for outcome in of_it
        ]
        more = f" and {count - names_each} more" if count > names_each else ""
        yield from _wrapped(f"{name}, {count}: {', '.join(names[:names_each])}{more}", "  ", "    ")
    if len(counts) > NAMED_MAX:
        yield f"  and by {len(counts) - NAMED_MAX} others; --json F says all"


def failed_by(outcome: Outcome) -> str:
    """The clause, the property or what else it failed by."""
    return "" if outcome.finding is None else outcome.finding.name


def _came_of(origin: str) -> Iterator[str]:
    """Where such a mistake can be seen to have led."""
    if origin.startswith("verify "):
        yield f"  what comes of it: takeover {origin}"
    elif origin.startswith("https://"):
        yield f"  where it happened: {origin}"


def _quoted(finding: Finding) -> Iterator[str]:
    """The sentence of the protocol."""
    predicate = finding.violation.rule.name if isinstance(finding, RuleBroken) else ""
    sentences = documents.sentences(finding.name, predicate)
    if not sentences:
        return
    yield ""
    yield f"PROTOCOL.md, {finding.name}: {documents.title(finding.name)}".rstrip(": ")
    for sentence in sentences[:_QUOTED_MAX]:
        yield from _wrapped(sentence, "  > ", "    ")


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False)
