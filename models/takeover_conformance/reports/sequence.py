"""The end of a run as a small sequence diagram in text: three lifelines, and an arrow for each message that was said.

Time goes down, in milliseconds of true time. Heartbeats make most of a run: those that say again what was said
shortly before leave an empty row. What does not fit on an arrow is below it. A last row marks when the run failed, and
at which server.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from takeover_models.findings import Finding
from takeover_models.network import TOLD_MAX
from takeover_spec import wire
from takeover_spec.codec import kind_of, plain, spelt

LANE = 47
"""How far apart two lifelines are, in characters."""

ROWS_MAX = 14
"""How many messages are shown; the last ones."""

TIMES = "(in ms of true time since the run began; `now` and `t` are in ns, of the server's own clock)"
"""What the times in a diagram are."""

_RECENT = 8
"""How many different messages back one is looked for, to be left out if it is there."""

SERVERS = ("primary", "secondary")
_PLACES = {"0": 0, "1": 1, "w": 2}
_MARGIN = 12
_UNSHOWN = ("run", "sent", "operation", "digest", "amount", "begun", "protocol", "party", "reason")
"""Fields that tell a person nothing, or too much."""

Said = tuple[int, str, wire.Message]


def diagram(
    said: Sequence[Said], tested: str, now_ns: int = 0, failed: Finding | None = None
) -> Iterator[str]:
    """The last messages of a run, which `failed` now; the tested servers have a star."""
    if not said:
        return
    names = [f"{name}*" if tested in (name, "both") else name for name in SERVERS]
    heads = [*names, "witness"]
    line = [" "] * (_MARGIN + 2 * LANE + 8)
    for place, head in enumerate(heads):
        _put(line, _MARGIN + place * LANE - len(head) // 2, head)
    yield "".join(line).rstrip()
    shown = list(_without_repetition(said))
    left_out = len(shown) - ROWS_MAX
    if left_out > 0 or len(said) == TOLD_MAX:
        yield _row("...", [])
    for what in shown[-ROWS_MAX:]:
        yield from [_row("", [])] if what is None else _arrow(*what)
    if failed is not None:
        yield _failed(now_ns, failed)


def _without_repetition(said: Sequence[Said]) -> Iterator[Said | None]:
    """The messages; None in the place of those that only say again what was said."""
    seen: list[tuple[str, str]] = []
    skipping = False
    for now_ns, link, message in said:
        what = (link, word(message))
        if what in seen[-_RECENT:]:
            if not skipping:
                yield None
            skipping = True
            continue
        skipping = False
        seen.append(what)
        yield now_ns, link, message


def word(message: wire.Message) -> str:
    """A message in a few words."""
    values = plain(message).items()
    fields = " ".join(f"{name}={spelt(value)}" for name, value in values if name not in _UNSHOWN)
    return f"{kind_of(type(message))} {fields}".strip()


def _arrow(now_ns: int, link: str, message: wire.Message) -> Iterator[str]:
    start, end = sorted(_PLACES[party] for party in link)
    width = (end - start) * LANE - 1
    rightwards = _PLACES[link[0]] < _PLACES[link[1]]
    label, *more = textwrap.wrap(word(message), width - 6)
    shaft = f" {label} ".center(width - 2, "-")
    yield _row(_ms(now_ns), [(start, f"-{shaft}>" if rightwards else f"<{shaft}-")])
    yield from (_row("", [(start, part.center(width))]) for part in more)


def _failed(now_ns: int, finding: Finding) -> str:
    """The row at which it fails: at whom, if the finding says it."""
    who = next((place for place, name in enumerate(SERVERS) if finding.text.startswith(f"the {name}")), None)
    line = list(_row(_ms(now_ns), []).ljust(_MARGIN + 2 * LANE + 1))
    for place in range(len(SERVERS)) if who is None else [who]:
        _put(line, _MARGIN + place * LANE, f"X {finding.name}")
    return "".join(line).rstrip()


def _ms(now_ns: int) -> str:
    return f"{now_ns / 1e6:.1f}"


def _row(when: str, arrows: Sequence[tuple[int, str]]) -> str:
    line = list(f"{when:>{_MARGIN - 2}}  " + " " * (2 * LANE + 1))
    for place in _PLACES.values():
        line[_MARGIN + place * LANE] = "|"
    for place, arrow in arrows:
        _put(line, _MARGIN + place * LANE + 1, arrow)
    return "".join(line).rstrip()


def _put(line: list[str], at: int, text: str) -> None:
    line[at : at + len(text)] = text
