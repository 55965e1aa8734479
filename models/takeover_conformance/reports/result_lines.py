"""What a run of the suite leaves behind for machines: lines of JSON with a footer, and one verdict.

Both say what `suite.Result` says, and nothing of their own. The lines are written as the outcomes come; a file
of them without its footer is of a run that did not end, and is no result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import IO, Any

from takeover_conformance import documents
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import PROTOCOL, Metadata
from takeover_conformance.cases import LEVELS, files_of_cases
from takeover_conformance.playing.bench import Outcome
from takeover_conformance.reports.again import again, fault_again
from takeover_conformance.suite import Result, Selection, planned

FORMAT = 1
"""The version of the lines."""


def digests() -> dict[str, str]:
    """Name what was played, by SHA-256: the files of cases that come with the suite, and the protocol's document."""
    summed = hashlib.sha256()
    for name, content in files_of_cases():
        summed.update(f"{name} {len(content)} ".encode() + content)
    return {"cases": summed.hexdigest(), "protocol": documents.digest()}


def today() -> str:
    """The day of a run, in UTC."""
    return datetime.now(UTC).date().isoformat()


class Lines:
    """A file of lines; `close` it with the result."""

    def __init__(self, file: IO[str], adapter: Metadata, selection: Selection) -> None:
        self._file = file
        self._selection = selection
        self._write(
            {
                "report": FORMAT,
                "protocol": PROTOCOL,
                "digests": digests(),
                "date": today(),
                "level": selection.level,
                "seeds": len(selection.seeds),
                "named": list(selection.names),
                "known": [asdict(entry) for entry in selection.known],
                "planned": planned(selection),
                "adapter": asdict(adapter),
                "paired": None if selection.paired is None else asdict(selection.paired),
            }
        )

    def add(self, outcome: Outcome) -> None:
        """An outcome came."""
        self._write(told(outcome, self._selection))

    def close(self, result: Result) -> None:
        """The footer."""
        self._write({"end": True, **verdict(result)})

    def _write(self, values: dict[str, Any]) -> None:
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()


def told(outcome: Outcome, selection: Selection) -> dict[str, Any]:
    """An outcome, as it is written."""
    finding = outcome.finding
    return {
        "case": outcome.case,
        "level": outcome.level,
        "tested": outcome.tested,
        "passed": finding is None,
        "clause": "" if finding is None else finding.name,
        "text": "" if finding is None else finding.text,
        "again": "" if finding is None else again(outcome, selection),
    }


def verdict(result: Result) -> dict[str, Any]:
    """The verdict, and what it rests on."""
    return {
        "verdict": result.verdict,
        "levels": {str(level): result.reached(level) for level in LEVELS},
        "levels_played": result.levels_played,
        "level": result.level,
        "planned": result.planned,
        "played": len(result.outcomes),
        "failed": [told(outcome, result.selection) for outcome in result.failed],
        "known": [told(outcome, result.selection) for outcome in result.failed_as_known],
        "stale": [asdict(entry) for entry in result.stale],
        "fault": None if result.fault is None else _fault(result.fault, result.selection),
    }


def _fault(fault: AdapterFault, selection: Selection) -> dict[str, Any]:
    case, _, tested = fault.during or ("", 0, "")
    return {
        "fault": fault.fault,
        "text": str(fault),
        "case": case,
        "tested": tested,
        "asked": fault.asked.decode(errors="replace").rstrip("\n"),
        "line": fault.line.decode(errors="replace"),
        "errors": list(fault.errors),
        "again": fault_again(fault, selection),
    }
