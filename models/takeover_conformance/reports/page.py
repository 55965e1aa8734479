"""`takeover conform --html FILE RESULT…`: implementations beside each other, on one page that needs no network.

A row is a level, a clause of the protocol, or whatever else something failed by; a column is an implementation. A cell
is green only if all cases about that row were played and passed. What failed is listed below, case by case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from takeover_conformance import documents
from takeover_conformance.cases import LEVELS, UNTESTED, Case, FrameCase, shipped
from takeover_conformance.reports.saved import Saved
from takeover_spec.rules import RULES

_SIGNS = {"passed": "✓", "failed": "✗", "known": "!", "none": "–"}


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
            "<p>What <code>takeover conform</code> found, as who ran it says. ✓ all cases about it passed; ✗ it was",
            "broken; ! broken, as is known; – not all were played, or one failed by something else.</p>",
            *parts,
            "</body></html>\n",
        ]
    )


def _table(results: Sequence[Saved]) -> Iterator[str]:
    yield "<table><thead><tr><th>level or clause</th>"
    for result in results:
        name, language = f"{result.adapter.name} {result.adapter.version}", result.adapter.language
        yield f'<th scope="col">{escape(name)}<br><small>{escape(language)}</small></th>'
    yield "</tr></thead><tbody>"
    for level, what in LEVELS.items():
        cells = [_cell(_of_level(result, level), "") for result in results]
        yield _row(f"level {level}", what, cells)
    cases = shipped()
    clauses = ["§12.1", *dict.fromkeys(rule.clause for rule in RULES)]
    failed = {outcome["clause"] for result in results for outcome in _failed(result)}
    for clause in [*clauses, *sorted(failed - set(clauses))]:
        about = [case for case in cases if clause in case.clauses]
        cells = [_clause_cell(result, clause, about) for result in results]
        title = documents.title(clause) or " ".join(documents.sentences(clause))
        yield _row(clause, UNTESTED.get(clause, title), cells)
    yield "</tbody></table>"


def _row(name: str, what: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{escape(name)} <small>{escape(what)}</small></th>{"".join(cells)}</tr>'


def _cell(kind: str, more: str) -> str:
    return f'<td class="{kind}" title="{escape(more)}">{_SIGNS[kind]}</td>'


def _of_level(result: Saved, level: int) -> str:
    if result.verdict["levels"].get(str(level)):
        return "passed"
    played = [outcome for outcome in result.outcomes if outcome["level"] == level]
    failed = [outcome for outcome in played if not outcome["passed"]]
    if not failed:
        return "none"
    return "known" if all(outcome in result.verdict["known"] for outcome in failed) else "failed"


def _clause_cell(result: Saved, clause: str, cases: Sequence[Case]) -> str:
    failed = [outcome for outcome in _failed(result) if outcome["clause"] == clause]
    if failed:
        known = all(outcome in result.verdict["known"] for outcome in failed)
        return _cell("known" if known else "failed", f"{len(failed)} failed by it")
    played = {
        (case.name, case.level) for case in cases
    }  # beside another implementation they are played again
    passed = sum(
        outcome["passed"] for outcome in result.outcomes if (outcome["case"], outcome["level"]) in played
    )
    there_are = sum(1 if isinstance(case, FrameCase) else len(case.tested) for case in cases)
    return _cell("passed" if 0 < passed == there_are else "none", f"{passed} of {there_are} passed")


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
    for entry in header["known"]:
        name = " ".join(entry[key] for key in ("case", "check") if entry[key])
        yield f"<p>Known: {escape(name)}: {escape(entry['reason'])} ({escape(entry['link'])})</p>"
    if failed := _failed(result):
        yield f"<details><summary>what failed ({len(failed)})</summary><ul>"
        for outcome in failed:
            whose = f" ({escape(outcome['tested'])})" if outcome["tested"] else ""
            yield f"<li><b>{escape(outcome['case'])}</b>{whose}, {escape(outcome['clause'])}:"
            yield f"<pre>{escape(outcome['text'])}</pre></li>"
        yield "</ul></details>"
    yield f"<p><small>cases {header['digests']['cases']}<br>protocol {header['digests']['protocol']}</small></p>"
