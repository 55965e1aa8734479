"""`takeover check-trace FILE...`: do these traces obey the rules?

Each file is the trace of one run of one party. Files of one party, given in the order of its runs, are also held
against each other: what a run made durable, the next one must find (`trace.follows`).

What is wrong in several files is one exit status, of the most telling: a broken rule (1) before a file that is no trace
(2) before one that cannot be judged to its end (3). A trace that was cut off is never good, but what stands before the
cut is judged, and may break a rule.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from takeover.cli import Exit, report_file
from takeover_spec.codec import kind_of, plain
from takeover_spec.trace import Verdict, check, follows, forgets

_STATUS = {
    "obeys": Exit.HOLDS,
    "breaks": Exit.VIOLATED,
    "malformed": Exit.USAGE,
    "incomplete": Exit.UNDECIDED,
}

_TELLING = (Exit.VIOLATED, Exit.USAGE, Exit.UNDECIDED, Exit.HOLDS)


@dataclass(frozen=True, slots=True)
class Judged:
    """One file and what the checker says of it."""

    file: Path
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Break:
    """Something durable that was gone at the start of a server's next run."""

    earlier: Path
    later: Path
    problem: str


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="traces; of one party, in the order of its runs"
    )
    parser.add_argument("--json", type=report_file, metavar="FILE", help="write the verdict as JSON to FILE")


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    try:
        judged = [judge_file(file) for file in arguments.files]
    except OSError as error:
        print(f"{error.filename}: cannot be read: {error.strerror}", file=sys.stderr)
        if arguments.json:
            _write(arguments.json, {"verdict": "unreadable", "problem": str(error), "files": [], "runs": []})
        return Exit.USAGE
    breaks = breaks_between_runs(judged)
    for item in judged:
        print(described(item))
    for gap in breaks:
        print(f"{gap.later}: does not follow {gap.earlier}: {gap.problem}")
    status = exit_status([item.verdict for item in judged], breaks)
    if arguments.json:
        _write(arguments.json, as_plain(judged, breaks))
    return status


def judge_file(file: Path) -> Judged:
    """Check one trace. Raises OSError."""
    with file.open("rb") as lines:
        return Judged(file, check(lines))


def breaks_between_runs(judged: Sequence[Judged]) -> list[Break]:
    """What each server lost between two of its runs, as far as the trace of the first can be trusted."""
    runs: dict[tuple[str, str], list[Judged]] = {}
    for item in judged:
        if item.verdict.header is not None:
            runs.setdefault((item.verdict.header.pair, item.verdict.header.party), []).append(item)
    breaks = []
    for of_one_party in runs.values():
        for earlier, later in pairwise(of_one_party):
            known, header = earlier.verdict.knows, later.verdict.header
            before = earlier.verdict.header
            assert header is not None
            assert before is not None
            trusted = earlier.verdict.verdict in ("obeys", "incomplete")
            if trusted and known is not None:
                problem = follows(known, header.found) or forgets(before, later.verdict)
                if problem:
                    breaks.append(Break(earlier.file, later.file, problem))
    return breaks


def exit_status(verdicts: Sequence[Verdict], breaks: Sequence[Break]) -> Exit:
    """The exit status for several traces."""
    found = {_STATUS[verdict.verdict] for verdict in verdicts} | ({Exit.VIOLATED} if breaks else set())
    return next((status for status in _TELLING if status in found), Exit.USAGE)


def described(item: Judged) -> str:
    """What the checker says of a file, in a line or a few."""
    verdict = item.verdict
    party = f"{verdict.header.party} of pair {verdict.header.pair}, " if verdict.header else ""
    text = f"{item.file}: {verdict.verdict} ({party}{verdict.actions} actions)"
    if verdict.violation:
        return f"{text}\n{verdict.violation}"
    return f"{text}: {verdict.problem}" if verdict.problem else text


def as_plain(judged: Sequence[Judged], breaks: Sequence[Break]) -> dict[str, Any]:
    """The verdict on all of them, as plain JSON values."""
    status = exit_status([item.verdict for item in judged], breaks)
    word = next(word for word, value in _STATUS.items() if value == status)
    return {
        "verdict": word,
        "files": [_plain_file(item) for item in judged],
        "runs": [{"earlier": str(b.earlier), "later": str(b.later), "problem": b.problem} for b in breaks],
    }


def _plain_file(item: Judged) -> dict[str, Any]:
    verdict = item.verdict
    values: dict[str, Any] = {
        "file": str(item.file),
        "verdict": verdict.verdict,
        "party": verdict.header.party if verdict.header else None,
        "pair": verdict.header.pair if verdict.header else None,
        "actions": verdict.actions,
        "problem": verdict.problem,
        "violation": None,
    }
    if violation := verdict.violation:
        values["violation"] = {
            "line": violation.line,
            "clause": violation.rule.clause,
            "rule": violation.rule.name,
            "text": violation.rule.text,
            "t": violation.t,
            "action": {"do": kind_of(type(violation.action)), **plain(violation.action)},
            "knew": dict(violation.read),
        }
    return values


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=1) + "\n")
