"""What was asked and answered when something failed: which exchanges are shown of it, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.talk import Exchange
from takeover_conformance.cases import Case, FrameCase, RunCase, Situation, Tell
from takeover_conformance.playing.alone import found_image
from takeover_conformance.playing.bench import Unmet
from takeover_conformance.playing.service import ServiceCase
from takeover_models.findings import Finding
from takeover_spec import wire
from takeover_spec.codec import plain, spelt
from takeover_spec.knowledge import Knowledge

LINE_MAX = 320
"""How much of a line of the adapter protocol is shown, in characters."""


def exchanges(finding: Finding, case: Case | ServiceCase | None, talk: Sequence[Exchange]) -> Iterator[str]:
    """What was asked when a run failed: the last request; or the event after which something that should have been done
    was not."""
    if not talk:
        return
    place = _event(case, talk) if isinstance(finding, Unmet) and isinstance(case, RunCase) else len(talk) - 1
    yield from exchanged([talk[place]])
    if later := len(talk) - 1 - place:
        yield (
            f"  ({later} more requests came after it)" if later > 1 else "  (one more request came after it)"
        )


def _event(case: RunCase, talk: Sequence[Exchange]) -> int:
    """Which exchange carried the event that a case is about."""
    told = any(isinstance(step, Tell) for step in case.steps)
    kinds = (lines.Frame | lines.Connected, lines.Order) if told else (lines.Order,)
    for kind in kinds:
        for place in reversed(range(len(talk))):
            if isinstance(talk[place].request, kind):
                return place
    quiet = (place for place in reversed(range(len(talk))) if not isinstance(talk[place].request, lines.Idle))
    return next(quiet, len(talk) - 1)


def found(situation: Situation) -> str:
    """In what the disk that a case begins with differs from an empty one."""
    empty = plain(_found(Knowledge()))
    values = plain(_found(situation.finds))
    words = [f"{name} = {spelt(value)}" for name, value in values.items() if value != empty[name]]
    image = found_image(situation.finds)
    for name, queue in (("safe", image.safe), ("unsafe", image.unsafe)):
        if queue:
            words.append(f"updates {min(queue)} to {max(queue)} in its {name} queue")
    return ", ".join(words) or "nothing"


def _found(know: Knowledge) -> lines.Found:
    carried = found_image(know).last_carried_out()
    return lines.Found(**{name: getattr(know, name) for name in lines.FOUND_NAMES}, carried=carried)


def of_a_frame(case: FrameCase, talk: Iterable[Exchange]) -> Iterator[str]:
    """What was asked of a frame, and what was expected."""
    yield ""
    for exchange in talk:
        yield from exchanged([exchange])
        if isinstance(exchange.request, lines.Encode):
            expected: lines.Reply = lines.Encoded(wire.encode(exchange.request.message))
            yield "  expected, or the same in other words of JSON:"
        else:
            decodes = case.message is not None
            expected = lines.Decoded(wire.decode_frame(case.frame)) if decodes else lines.Refused()
            yield "  expected:"
        yield from _line(exchange.number, expected)


def exchanged(talk: Iterable[Exchange]) -> Iterator[str]:
    """Requests and their answers, as lines."""
    for exchange in talk:
        yield f"  asked:    {shown(exchange.asked())}"
        yield from _bytes(exchange.request)
        yield "  answered:"
        for reply in exchange.replies:
            yield from _line(exchange.number, reply)
        yield from _line(exchange.number, lines.End())


def _line(number: int, reply: lines.Reply) -> Iterator[str]:
    yield f"            {shown(lines.reply_line(number, reply))}"
    yield from _bytes(reply)


def _bytes(line: lines.Request | lines.Reply) -> Iterator[str]:
    """The frame in a line, as its bytes are."""
    frame = getattr(line, "frame", None)
    if isinstance(frame, bytes):
        yield f"            = {shown(repr(frame)[2:-1].encode())}"


def shown(line: bytes) -> str:
    """A line of the adapter protocol, or the first of several; if need be cut short."""
    text = line.decode(errors="replace").partition("\n")[0]
    return text if len(text) <= LINE_MAX else f"{text[:LINE_MAX]}... ({len(line)} bytes)"
