"""JUnit's XML: a suite for each level. What failed has in it all that is told of it, and how to play it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.talk import Exchange
from takeover_conformance.cases import LEVELS
from takeover_conformance.playing.bench import Outcome
from takeover_conformance.reports import telling
from takeover_conformance.suite import Result

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML has not."""


def write_junit(file: Path, result: Result, talk: Sequence[Exchange] = ()) -> None:
    """Write it; `talk` is what was asked and answered at the first failure. A known failure is skipped; what an adapter
    is at fault for, an error."""
    root = ElementTree.Element("testsuites", name="takeover conform")
    talks = {id(outcome): talk for outcome in result.failed[:1]}
    for level, what in LEVELS.items():
        cases = [
            _case(outcome, result, talks.get(id(outcome), ()))
            for outcome in result.outcomes
            if outcome.level == level
        ]
        if cases:
            root.append(_suite(f"L{level} {what}", cases))
    if result.stale:
        cases = [
            _element(str(entry), "failure", "stale", "it does not fail any more") for entry in result.stale
        ]
        root.append(_suite("known failures", cases))
    if result.fault is not None:
        root.append(_suite("adapter", [_fault(result.fault, result)]))
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _case(outcome: Outcome, result: Result, talk: Sequence[Exchange]) -> ElementTree.Element:
    name = f"{outcome.case} {outcome.tested}".strip()
    if outcome.finding is None:
        return ElementTree.Element("testcase", name=name)
    known = [entry for entry in result.selection.known if entry.is_of(outcome)]
    if known:
        return _element(name, "skipped", "known", str(known[0]))
    told = "\n".join(telling.told(outcome, result.selection, talk))
    return _element(name, "failure", outcome.finding.name, outcome.finding.text, told)


def _fault(fault: AdapterFault, result: Result) -> ElementTree.Element:
    known = "nothing more" if result.outcomes else "nothing"
    told = "\n".join(telling.blame(fault, result.selection, known))
    name = "manners" if fault.during is None else f"{fault.during[0]} {fault.during[2]}".strip()
    return _element(name, "error", fault.fault, str(fault), told)


def _element(name: str, what: str, kind: str, message: str, told: str = "") -> ElementTree.Element:
    case = ElementTree.Element("testcase", name=name)
    more = ElementTree.SubElement(case, what, type=kind, message=_NO_XML.sub("?", message))
    more.text = _NO_XML.sub("?", told) or None
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
