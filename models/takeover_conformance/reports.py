"""What a run of the suite leaves behind for machines: lines of JSON with a footer, JUnit's XML, and one verdict.

All of them say what `suite.Result` says, and nothing of their own. The lines are written as the outcomes come; a file
of them without its footer is of a run that did not end, and is no result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from takeover_conformance.cases import LEVELS, files_of_cases
from takeover_conformance.lines import PROTOCOL, Metadata
from takeover_conformance.playing import Outcome
from takeover_conformance.suite import Result, Selection, planned

FORMAT = 1
"""The version of the lines."""


def digest() -> str:
    """Names the cases that come with the suite: SHA-256 of their files."""
    summed = hashlib.sha256()
    for name, content in files_of_cases():
        summed.update(f"{name} {len(content)} ".encode() + content)
    return summed.hexdigest()


class Lines:
    """A file of lines; `close` it with the result."""

    def __init__(self, file: IO[str], adapter: Metadata, selection: Selection) -> None:
        self._file = file
        self._write(
            {
                "report": FORMAT,
                "protocol": PROTOCOL,
                "cases": digest(),
                "planned": planned(selection),
                "adapter": asdict(adapter),
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
    """JUnit's XML: a suite for each level; what the adapter is at fault for is an error, and not a failure."""
    root = ElementTree.Element("testsuites", name="takeover conform")
    for level, what in LEVELS.items():
        outcomes = [outcome for outcome in result.outcomes if outcome.level == level]
        if outcomes:
            root.append(_suite(f"L{level} {what}", outcomes))
    if result.fault is not None:
        suite = ElementTree.SubElement(root, "testsuite", name="adapter", tests="1", failures="0", errors="1")
        case = ElementTree.SubElement(suite, "testcase", classname="adapter", name="manners")
        ElementTree.SubElement(case, "error", type=result.fault.fault, message=str(result.fault))
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _suite(name: str, outcomes: Iterable[Outcome]) -> ElementTree.Element:
    cases = []
    for outcome in outcomes:
        case = ElementTree.Element(
            "testcase", classname=name, name=f"{outcome.case} {outcome.tested}".strip()
        )
        if outcome.finding is not None:
            ElementTree.SubElement(case, "failure", type=outcome.finding.name, message=outcome.finding.text)
        cases.append(case)
    failures = sum(len(case) for case in cases)
    suite = ElementTree.Element(
        "testsuite", name=name, tests=str(len(cases)), failures=str(failures), errors="0"
    )
    suite.extend(cases)
    return suite
