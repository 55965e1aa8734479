"""What a run of the suite says to a person: how a level went, what failed first, what an adapter is at fault for.

A failure fits a screen: what the case hunts, what was done and known, what the protocol says of it, the end of the run
as a diagram, what was last asked and answered, and the line that plays it again.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from takeover_conformance import documents
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.faults import FAULTS, AdapterFault
from takeover_conformance.adapter.talk import Exchange
from takeover_conformance.cases import LEVELS, PAIRED_LEVEL, SERVICE_LEVEL, Case, FrameCase, RunCase
from takeover_conformance.playing.bench import Outcome
from takeover_conformance.playing.service import ServiceCase
from takeover_conformance.reports.sequence import diagram
from takeover_models.decisions import Decision, run_text
from takeover_models.findings import Finding, RuleBroken
from takeover_spec import wire

WIDTH = 110
"""Of a screen, in characters."""

LINE_MAX = 320
"""How much of a line of the adapter protocol is shown, in characters."""

_LEVEL_OPTIONS = {SERVICE_LEVEL: "--service SERVICE ", PAIRED_LEVEL: "--with OTHER "}
"""What has to be said for a level to be played."""

_QUOTED_MAX = 3
"""How many sentences are quoted."""


def blame(fault: AdapterFault, known: str = "nothing") -> Iterator[str]:
    """What an adapter is at fault for, and how much is known of its server for all that."""
    yield f"the adapter is at fault, and {known} is known of the server in it: {FAULTS[fault.fault]}"
    if fault.asked:
        yield f"  asked:    {_shown(fault.asked)}"
    if fault.line:
        yield f"  answered: {_shown(fault.line)}"
    yield f"  {fault.fault}: {fault.detail}"
    yield from (f"  | {line}" for line in fault.errors)


def failure(outcome: Outcome, case: Case | ServiceCase | None, talk: Sequence[Exchange]) -> Iterator[str]:
    """What failed, and how it came to it; `talk` is what was last asked and answered."""
    finding = outcome.finding
    assert finding is not None
    yield f"{outcome.case} fails by {finding.name}"
    if case is not None:
        yield from _wrapped(case.why, "  the mistake: ", "    ")
    if isinstance(case, RunCase):
        yield from _came_of(case.origin)
    whose = {"": "the codec", "both": "both servers"}.get(outcome.tested, f"the {outcome.tested}")
    yield f"  level {outcome.level}, {LEVELS[outcome.level]}; tested: {whose}"
    yield ""
    yield from (part for line in str(finding).splitlines() for part in _wrapped(line, "  ", "    "))
    yield from _quoted(finding)
    if isinstance(case, FrameCase):
        yield from _frame(case, talk[-1:])
    elif outcome.world is not None:
        arrows = list(diagram(outcome.world.network.said(), outcome.tested))
        yield from ["", *arrows] if arrows else []
        yield from ["", *_exchanged(talk[-1:] if arrows else talk)] if talk else []


def _came_of(origin: str) -> Iterator[str]:
    """Where such a mistake can be seen to have led."""
    if origin.startswith("verify "):
        yield f"  what comes of it: takeover {origin}"
    elif origin.startswith("https://"):
        yield f"  where it happened: {origin}"


def again(outcome: Outcome, shortest: Sequence[Decision]) -> str:
    """The line that plays a failure again."""
    if shortest and outcome.world is not None:
        run = run_text(outcome.world.setup, shortest)
        options = _LEVEL_OPTIONS.get(outcome.level, "")
        return f"again: takeover conform {options}--tested {outcome.tested} --replay '{run}' -- COMMAND"
    return f"again: takeover conform {_LEVEL_OPTIONS.get(outcome.level, '')}--case {outcome.case} -- COMMAND"


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


def _frame(case: FrameCase, talk: Iterable[Exchange]) -> Iterator[str]:
    yield ""
    for exchange in talk:
        yield from _exchanged([exchange])
        if isinstance(exchange.request, lines.Encode):
            expected: lines.Reply = lines.Encoded(wire.encode(exchange.request.message))
            yield "  expected, or the same in other words of JSON:"
        else:
            decodes = case.message is not None
            expected = lines.Decoded(wire.decode_frame(case.frame)) if decodes else lines.Refused()
            yield "  expected:"
        yield from _line(exchange.number, expected)


def _exchanged(talk: Iterable[Exchange]) -> Iterator[str]:
    for exchange in talk:
        yield f"  asked:    {_shown(exchange.asked())}"
        yield from _bytes(exchange.request)
        yield "  answered:"
        for reply in exchange.replies:
            yield from _line(exchange.number, reply)
        yield from _line(exchange.number, lines.End())


def _line(number: int, reply: lines.Reply) -> Iterator[str]:
    yield f"            {_shown(lines.reply_line(number, reply))}"
    yield from _bytes(reply)


def _bytes(line: lines.Request | lines.Reply) -> Iterator[str]:
    """The frame in a line, as its bytes are."""
    frame = getattr(line, "frame", None)
    if isinstance(frame, bytes):
        yield f"            = {_shown(repr(frame)[2:-1].encode())}"


def _shown(line: bytes) -> str:
    """A line of the adapter protocol, or the first of several; if need be cut short."""
    text = line.decode(errors="replace").partition("\n")[0]
    return text if len(text) <= LINE_MAX else f"{text[:LINE_MAX]}... ({len(line)} bytes)"


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False)
