"""What an implementer publishes: a statement for machines, and a badge. Both are self-declared, and say so.

A level is named only if it was reached by a whole run of it, and green is only what names a level and has no failure.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any
from xml.sax.saxutils import escape

from takeover_conformance.adapter.lines import Metadata
from takeover_conformance.cases import LEVELS, PAIRED_LEVEL
from takeover_conformance.reports.result_lines import digests, today
from takeover_conformance.suite import CONFORMS, Result

FORMAT = 1
"""The version of the statement."""

SAYS = (
    "Self-declared: who ran the suite says this, and nobody else has looked. It holds for this version alone."
)

_GREEN, _AMBER, _GREY = "#1a7f37", "#9a6700", "#57606a"
_CHARACTER_PX = 7
_PAD_PX = 8


def statement(result: Result, adapter: Metadata) -> dict[str, Any]:
    """What was found of an implementation."""
    paired = result.selection.paired
    return {
        "statement": FORMAT,
        "says": SAYS,
        "implementation": {"name": adapter.name, "version": adapter.version, "language": adapter.language},
        "verdict": result.verdict,
        "level": result.level,
        "means": "" if result.level is None else LEVELS[result.level],
        "paired": asdict(paired) if paired is not None and result.reached(PAIRED_LEVEL) else None,
        "known": [asdict(entry) for entry in result.selection.known],
        "adapter_protocol": adapter.protocol,
        "digests": digests(),
        "suite": version("takeover"),
        "date": today(),
    }


def badge(result: Result) -> str:
    """A badge, in SVG."""
    told, colour = "no level", _GREY
    if known := len(result.failed_as_known):
        told, colour = f"{known} known failure{'s' if known > 1 else ''}", _AMBER
    elif result.level is not None:
        told, colour = f"level {result.level}", _GREEN if result.verdict == CONFORMS else _AMBER
    return _svg("takeover", told, colour)


def _svg(label: str, told: str, colour: str) -> str:
    left, right = (len(text) * _CHARACTER_PX + 2 * _PAD_PX for text in (label, told))
    told = escape(told)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">
<title>{label}: {told} (self-declared)</title>
<rect width="{left}" height="20" fill="#24292f"/>
<rect x="{left}" width="{right}" height="20" fill="{colour}"/>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:g}" y="14">{label}</text>
<text x="{left + right / 2:g}" y="14">{told}</text>
</g>
</svg>
"""
