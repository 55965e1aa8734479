"""`takeover conform --html FILE RESULT…`: implementations beside each other, on one page that needs no network.

A row is a level, a clause of the protocol, or whatever else something failed by; a column is an implementation. A cell
is green only if all cases about that row were played and passed. What failed is listed below, case by case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from takeover_conformance import documents
from takeover_conformance.cases import LEVELS, UNTESTED, Case, FrameCase, shipped
from takeover_conformance.reports.saved import Saved
from takeover_spec.rules import RULES

_SIGNS = {"passed": "✓", "failed": "✗", "known": "!", "other": "≠", "part": "…", "none": "–", "unjudged": "·"}


def page(results: Sequence[Saved]) -> str:
    """The page."""
    style = files("takeover_conformance.reports").joinpath("page.css").read_text(encoding="utf-8")
    parts = [*_table(results), *(line for result in results for line in _details(result))]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Implementations of takeover</title>\n<style>\n{style}</style></head><body>",
            "<h1>Implementations of takeover</h1>",
            "<p>What <code>takeover conform</code> found, as who ran it says. ✓ all cases about it were played and",
            "passed; ✗ it was broken; ! broken, as is known; ≠ a case about it failed by something else; … some of",
            "them were not played, the others passed; – none was played; · no case is about it. The numbers are how",
            "many passed, of how many there are.</p>",
            *parts,
            "</body></html>\n",
        ]
    )


def _table(results: Sequence[Saved]) -> Iterator[str]:
    yield "<table><thead><tr><th>level or clause</th>"
    for result in results:
        more = f"{escape(result.adapter.language)}, {escape(_which(result, results))}"
        yield f'<th scope="col">{escape(_name(result))}<br><small>{more}</small></th>'
    yield "</tr></thead><tbody>"
    for level, what in LEVELS.items():
        cells = [_level_cell(result, level) for result in results]
        yield _row(f"level {level}", what, cells)
    cases = shipped()
    clauses = ["§12.1", *dict.fromkeys(rule.clause for rule in RULES)]
    failed = {outcome["clause"] for result in results for outcome in _failed(result)}
    for clause in [*clauses, *sorted(failed - set(clauses))]:
        about = [case for case in cases if clause in case.clauses]
        cells = [_clause_cell(result, clause, about) for result in results]
        title = documents.title(clause) or " ".join(documents.sentences(clause))
        yield _row(clause, "; not judged: ".join(filter(None, (title, UNTESTED.get(clause)))), cells)
    yield "</tbody></table>"


def _name(result: Saved) -> str:
    return f"{result.adapter.name} {result.adapter.version}"


def _which(result: Saved, results: Sequence[Saved]) -> str:
    """The day of a result; and its file, if another one has the same name."""
    date = str(result.header["date"])
    alike = sum(_name(other) == _name(result) for other in results)
    return date if alike == 1 else f"{date}, {result.file}"


def _row(name: str, what: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{escape(name)} <small>{escape(what)}</small></th>{"".join(cells)}</tr>'


def _cell(kind: str, more: str) -> str:
    return f'<td class="{kind}">{_SIGNS[kind]}{f" <small>{escape(more)}</small>" if more else ""}</td>'


def _level_cell(result: Saved, level: int) -> str:
    played = [outcome for outcome in result.outcomes if outcome["level"] == level]
    failed = [outcome for outcome in played if not outcome["passed"]]
    counts = f"{len(played) - len(failed)}/{len(played)}" if played else ""
    if result.verdict["levels"].get(str(level)):
        return _cell("passed", counts)
    if not failed:
        return _cell("part" if played else "none", counts)
    known = all(outcome in result.verdict["known"] for outcome in failed)
    return _cell("known" if known else "failed", counts)


def _clause_cell(result: Saved, clause: str, cases: Sequence[Case]) -> str:
    about = {(case.name, case.level) for case in cases}  # beside another implementation they are played again
    played = [outcome for outcome in result.outcomes if (outcome["case"], outcome["level"]) in about]
    passed = sum(outcome["passed"] for outcome in played)
    there_are = sum(1 if isinstance(case, FrameCase) else len(case.tested) for case in cases)
    counts = f"{passed}/{there_are}" if there_are else ""
    failed = [outcome for outcome in _failed(result) if outcome["clause"] == clause]
    if failed:
        known = all(outcome in result.verdict["known"] for outcome in failed)
        return _cell("known" if known else "failed", counts)
    if not cases:
        return _cell("unjudged", "")
    if not played:
        return _cell("none", counts)
    if passed < len(played):
        return _cell("other", counts)
    return _cell("passed" if passed == there_are else "part", counts)


def _failed(result: Saved) -> list[dict[str, str]]:
    return [outcome for outcome in result.outcomes if not outcome["passed"]]


def _details(result: Saved) -> Iterator[str]:
    told, header, verdict = result.adapter, result.header, result.verdict
    level = "no level" if verdict["level"] is None else f"level {verdict['level']}"
    yield f"<h2>{escape(told.name)} {escape(told.version)}</h2>"
    yield f"<p>{escape(verdict['verdict'])}, {level}; {verdict['played']} of {verdict['planned']} played,"
    yield f"{len(verdict['failed'])} failed, {len(verdict['known'])} failed as is known; {escape(header['date'])}.</p>"
    if verdict["fault"]:
        yield f"<p>The adapter is at fault: {escape(verdict['fault']['text'])}</p>"
        yield f"<pre>{escape(_of_fault(verdict['fault']))}</pre>"
    for entry in header["known"]:
        name = " ".join(entry[key] for key in ("case", "check") if entry[key])
        yield f"<p>Known: {escape(name)}: {escape(entry['reason'])} ({escape(entry['link'])})</p>"
    if failed := _failed(result):
        yield f"<details><summary>what failed ({len(failed)})</summary><ul>"
        for outcome in failed:
            whose = f" ({escape(outcome['tested'])})" if outcome["tested"] else ""
            yield f"<li><b>{escape(outcome['case'])}</b>{whose}, {escape(outcome['clause'])}:"
            yield f"<pre>{escape(outcome['text'])}\nagain: {escape(outcome['again'])}</pre></li>"
        yield "</ul></details>"
    digests = f"cases {header['digests']['cases']}<br>protocol {header['digests']['protocol']}"
    yield f"<p><small>{escape(result.file)}<br>{digests}</small></p>"


def _of_fault(fault: dict[str, Any]) -> str:
    """What was asked and answered, and by which case."""
    said = {
        "during": fault["case"],
        "asked": fault["asked"],
        "answered": fault["line"],
        "again": fault["again"],
    }
    lines = [f"{what}: {text}" for what, text in said.items() if text]
    return "\n".join([*lines, *(f"| {line}" for line in fault["errors"])])
