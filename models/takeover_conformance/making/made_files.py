"""The files that are made: what each is made of, and where one that is shipped is not as it is made.

All of it comes of the code and of seeds, so whoever makes a file again gets the same bytes. What is taken, and the
matrix, are of the cases as they are in the package, so they are made last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import zip_longest

from takeover_conformance.adapter.lines_schema import schema_text
from takeover_conformance.making import matrix, taken
from takeover_conformance.making.golden import compact_text, file_text, frame_cases
from takeover_conformance.making.matrix import matrix_text
from takeover_conformance.making.moments import moment_lines
from takeover_conformance.making.runs import run_cases
from takeover_conformance.making.taken import taken_text
from takeover_conformance.making.turned import turned_cases

MADE: dict[str, Callable[[], str]] = {
    "adapter/lines.schema.json": schema_text,
    "cases/frames.ndjson": lambda: file_text(frame_cases()),
    "cases/moments.ndjson": lambda: compact_text(moment_lines()),
    "cases/turned.ndjson": lambda: file_text(turned_cases()),
    "cases/mistakes.ndjson": lambda: file_text(run_cases()),
    "making/taken.ndjson": lambda: taken_text(taken.rows()),
    "making/kills.ndjson": lambda: matrix_text(matrix.rows()),
}
"""By their place in this package, in the order in which they are made."""

AGAIN = "python -m takeover_conformance.making"
"""What makes them again, all or those that are named."""


def difference(name: str, shipped: bytes | None, made: bytes) -> str | None:
    """Where the file that is shipped is not the one that is made, and what to do; None if it is, to the byte."""
    if shipped == made:
        return None
    return f"{name}{_place(shipped, made)}; to make it again: {AGAIN} {name}"


def _place(shipped: bytes | None, made: bytes) -> str:
    if shipped is None:
        return ": it is not there"
    pairs = zip_longest(shipped.splitlines(keepends=True), made.splitlines(keepends=True))
    line, (there, due) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    if there is None or due is None:
        return f":{line}: {_told(due or there)} is {'missing' if there is None else 'not made'}"
    if _told(there) != _told(due):
        return f":{line}: here is {_told(there)}, and {_told(due)} is made"
    return f":{line}: {_told(due)} is made otherwise"


def _told(line: bytes | None) -> str:
    """What a line is about."""
    try:
        values = json.loads(line or b"")
    except ValueError:
        return "something"
    if not isinstance(values, dict):
        return "something"
    if "meets" in values:
        return f"{values.get('in')}-meets-{values['meets']}"
    if "role" in values:
        return f"{values.get('action')} of the {values['role']}"
    return str(
        next((values[key] for key in ("name", "adapter", "situation", "event") if key in values), "the head")
    )
