"""What a run of the suite leaves behind for machines: lines of JSON with a footer, JUnit's XML, and one verdict.

All of them say what `suite.Result` says, and nothing of their own. The lines are written as the outcomes come; a file
of them without its footer is of a run that did not end, and is no result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from takeover_conformance import documents
from takeover_conformance.adapter.lines import PROTOCOL, Metadata
from takeover_conformance.cases import LEVELS, files_of_cases
from takeover_conformance.playing.bench import Outcome
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
        self._write(told(outcome))

    def close(self, result: Result) -> None:
        """The footer."""
        self._write({"end": True, **verdict(result)})

    def _write(self, values: dict[str, Any]) -> None:
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()


def told(outcome: Outcome) -> dict[str, Any]:
    """An outcome, as it is written."""
    finding = outcome.finding
    return {
        "case": outcome.case,
        "level": outcome.level,
        "tested": outcome.tested,
        "passed": finding is None,
        "clause": "" if finding is None else finding.name,
        "text": "" if finding is None else finding.text,
    }


def verdict(result: Result) -> dict[str, Any]:
    """The verdict, and what it rests on."""
    return {
        "verdict": result.verdict,
        "levels": {str(level): result.reached(level) for level in LEVELS},
        "level": result.level,
        "planned": result.planned,
        "played": len(result.outcomes),
        "failed": [told(outcome) for outcome in result.failed],
        "known": [told(outcome) for outcome in result.failed_as_known],
        "stale": [asdict(entry) for entry in result.stale],
        "fault": None if result.fault is None else {"fault": result.fault.fault, "text": str(result.fault)},
    }


def write_junit(file: Path, result: Result) -> None:
    """JUnit's XML: a suite for each level. A known failure is skipped; what an adapter is at fault for, an error."""
    root = ElementTree.Element("testsuites", name="takeover conform")
    for level, what in LEVELS.items():
        cases = [_case(outcome, result) for outcome in result.outcomes if outcome.level == level]
        if cases:
            root.append(_suite(f"L{level} {what}", cases))
    if result.stale:
        cases = [
            _element(str(entry), "failure", "stale", "it does not fail any more") for entry in result.stale
        ]
        root.append(_suite("known failures", cases))
    if result.fault is not None:
        root.append(_suite("adapter", [_element("manners", "error", result.fault.fault, str(result.fault))]))
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _case(outcome: Outcome, result: Result) -> ElementTree.Element:
    name = f"{outcome.case} {outcome.tested}".strip()
    if outcome.finding is None:
        return ElementTree.Element("testcase", name=name)
    known = [entry for entry in result.selection.known if entry.is_of(outcome)]
    if known:
        return _element(name, "skipped", "known", str(known[0]))
    return _element(name, "failure", outcome.finding.name, outcome.finding.text)


def _element(name: str, what: str, kind: str, message: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", name=name)
    ElementTree.SubElement(case, what, type=kind, message=message)
    return case


def _suite(name: str, cases: Sequence[ElementTree.Element]) -> ElementTree.Element:
    counts = {
        what: sum(case.find(what) is not None for case in cases) for what in ("failure", "error", "skipped")
    }
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for case in cases:
        case.set("classname", name)
        suite.append(case)
    return suite
