"""A saved result, read back: the file that `--lines` wrote, if it is whole.

A file without its footer is of a run that did not end; one whose lines are not as many as its footer says was cut or
put together. Neither is a result, and neither is what a newer suite wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takeover_conformance.adapter.lines import Metadata
from takeover_conformance.reports.result_lines import FORMAT, digests
from takeover_spec.codec import Malformed, parse_json


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole run's result."""

    file: str
    adapter: Metadata
    header: dict[str, Any]
    outcomes: tuple[dict[str, Any], ...]
    verdict: dict[str, Any]
    """The footer: the verdict, and what it rests on."""


def read_result(file: Path) -> Saved:
    """A result. Raises `Malformed` with the file, the line and why it is none, and `OSError`."""
    text = file.read_bytes()
    lines = [parse_json(line, f"{file.name}:{n}") for n, line in enumerate(text.splitlines(), 1)]
    if not lines or lines[0].get("report") != FORMAT:
        raise Malformed(f"{file.name}:1", f"this is no result in format {FORMAT}")
    header, *outcomes = lines
    footer = outcomes.pop() if outcomes else {}
    if footer.pop("end", False) is not True or not text.endswith(b"\n"):
        raise Malformed(
            f"{file.name}:{len(lines)}", "there is no footer: the run did not end, and is no result"
        )
    if len(outcomes) != footer["played"] or any("case" not in outcome for outcome in outcomes):
        raise Malformed(file.name, f"{footer['played']} cases were played, and {len(outcomes)} are here")
    return Saved(file.name, Metadata(**header["adapter"]), header, tuple(outcomes), footer)


def read_results(files: Sequence[Path]) -> list[Saved]:
    """Results that can be put beside each other: of these cases, and this protocol. Raises as `read_result`."""
    results = [read_result(file) for file in files]
    for result in results:
        for what, digest in digests().items():
            if result.header["digests"][what] != digest:
                raise Malformed(result.file, f"this is a result of other {what} than this suite has")
    return results
