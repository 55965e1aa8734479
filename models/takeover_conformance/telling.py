"""What a run of the suite says to a person: how the levels went, what failed first, what an adapter is at fault for."""

from __future__ import annotations

from collections.abc import Iterator

from takeover_conformance.cases import LEVELS
from takeover_conformance.faults import FAULTS, AdapterFault
from takeover_conformance.playing import Outcome
from takeover_conformance.suite import Result
from takeover_models.decisions import run_text
from takeover_models.findings import RuleBroken

LINE_MAX = 320
"""How much of a line of the adapter protocol is shown, in characters."""


def told(result: Result) -> Iterator[str]:
    """The whole result."""
    for level, what in LEVELS.items():
        played = [outcome for outcome in result.outcomes if outcome.level == level]
        if played:
            failed = sum(outcome.finding is not None for outcome in played)
            said = f"{failed} of {len(played)} failed" if failed else f"{len(played)} passed"
            yield f"L{level} {what}: {said}"
    if result.failed:
        yield ""
        yield from failure(result.failed[0])
        yield from _again(result)
    if result.fault is not None:
        yield from blame(result.fault)
    yield f"verdict: {result.verdict}"


def blame(fault: AdapterFault) -> Iterator[str]:
    """What an adapter is at fault for."""
    yield f"the adapter is at fault, and nothing is known of the server in it: {FAULTS[fault.fault]}"
    if fault.asked:
        yield f"  asked:    {shown_line(fault.asked)}"
    if fault.line:
        yield f"  answered: {shown_line(fault.line)}"
    yield f"  {fault.fault}: {fault.detail}"
    yield from (f"  | {line}" for line in fault.errors)


def shown_line(line: bytes) -> str:
    """A line of the adapter protocol, or the first of several; if need be cut short."""
    text = line.decode(errors="replace").partition("\n")[0]
    return text if len(text) <= LINE_MAX else f"{text[:LINE_MAX]}… ({len(line)} bytes)"


def failure(outcome: Outcome) -> Iterator[str]:
    """What failed, and how it came to it."""
    finding = outcome.finding
    if finding is None:
        yield f"{outcome.case}: passed"
        return
    yield f"{outcome.case}, tested: {outcome.tested or 'the codec'}"
    yield f"  {finding}"
    if isinstance(finding, RuleBroken):
        yield f"  {finding.violation.rule.clause}: {finding.violation.rule.text}"
    if outcome.world is not None:
        yield from (f"  {line}" for line in outcome.world.network.told())


def _again(result: Result) -> Iterator[str]:
    outcome = result.failed[0]
    if result.shortest and outcome.world is not None:
        line = run_text(outcome.world.setup, result.shortest)
        yield f"again: takeover conform --tested {outcome.tested} --replay '{line}' -- COMMAND"
    else:
        yield f"again: takeover conform --case {outcome.case} -- COMMAND"
