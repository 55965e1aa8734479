"""`takeover conform`: put somebody's server on the bench, and say which clause it breaks.

    takeover conform [--level L] [--case NAME]… [--seeds A-B] [--json FILE] [--lines FILE] [--junit FILE] -- COMMAND…

The command is an adapter (`lines`). What fails first is told: the clause with its sentence, what was done and what was
known, the end of the run, and the line that plays it again. Exit status: 0 the level was reached; 1 a case failed; 2
nothing was selected, or the arguments are wrong, or the adapter cannot be started; 3 the adapter broke off, or did not
keep to the adapter protocol, so nothing is known of the server in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from takeover.cli import Exit, report_file
from takeover_conformance import reports, suite
from takeover_conformance.cases import LEVELS, ROLES, Case, shipped
from takeover_conformance.lines import Metadata
from takeover_conformance.playing import Bench, Outcome, play_decisions
from takeover_conformance.process import FAULTS, Adapter, AdapterFault
from takeover_models.decisions import parse_run, run_text
from takeover_models.findings import RuleBroken


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--level", type=int, choices=LEVELS, default=max(LEVELS), help="up to which level")
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case")
    parser.add_argument(
        "--seeds", type=_seeds, default=range(suite.SEEDS), metavar="A-B", help="the random runs of level 3"
    )
    parser.add_argument("--replay", metavar="RUN", help="play one run again, as a failure printed it")
    parser.add_argument(
        "--tested", choices=ROLES, default="both", help="with --replay: which server is yours"
    )
    parser.add_argument("--json", type=report_file, metavar="FILE", help="write the verdict there")
    parser.add_argument(
        "--lines", type=report_file, metavar="FILE", help="write each outcome there, and a footer"
    )
    parser.add_argument("--junit", type=report_file, metavar="FILE", help="write JUnit's XML there")
    parser.add_argument("--list", action="store_true", help="say what cases there are")
    parser.add_argument("adapter", nargs="*", metavar="COMMAND", help="the adapter and its arguments")


def _seeds(word: str) -> range:
    first, _, last = word.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(last or first) < int(first):
        raise argparse.ArgumentTypeError(f"{word!r} is not two numbers such as 0-99")
    return range(int(first), int(last or first) + 1)


def run(arguments: argparse.Namespace) -> int:
    """Judge the adapter; the exit status."""
    cases = shipped()
    if arguments.list:
        for case in cases:
            print(f"L{case.level} {case.name}: {' '.join(case.clauses)}: {case.why}")
        return Exit.HOLDS
    names = {case.name for case in cases}
    if unknown := sorted(set(arguments.case) - names):
        print(f"takeover conform: there is no case called {', '.join(unknown)}; see --list", file=sys.stderr)
        return Exit.USAGE
    if not arguments.adapter:
        print("takeover conform: after the options and --, name the command of an adapter", file=sys.stderr)
        return Exit.USAGE
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "errors"
        bench = Bench(lambda: Adapter(arguments.adapter, log))
        try:
            return _replay(bench, arguments) if arguments.replay else _judge(bench, arguments, cases, log)
        finally:
            bench.close()


def _judge(bench: Bench, arguments: argparse.Namespace, cases: list[Case], log: Path) -> int:
    selection = suite.Selection(tuple(cases), arguments.level, arguments.seeds, tuple(arguments.case))
    try:
        metadata = bench.metadata()
    except AdapterFault as fault:
        result = suite.Result(selection, planned=suite.planned(selection), fault=fault)
    else:
        print(f"{metadata.name} {metadata.version}, {metadata.language}")
        result = _run(bench, arguments, selection, metadata)
    for line in _told(result, log):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(reports.verdict(result), indent=2) + "\n")
    if arguments.junit:
        reports.write_junit(arguments.junit, result)
    if result.fault is not None and result.fault.fault == "cannot-start":
        return Exit.USAGE
    return {suite.CONFORMS: Exit.HOLDS, suite.VIOLATES: Exit.VIOLATED}.get(result.verdict, Exit.UNDECIDED)


def _run(
    bench: Bench, arguments: argparse.Namespace, selection: suite.Selection, metadata: Metadata
) -> suite.Result:
    if not arguments.lines:
        return suite.run(bench, selection, lambda outcome: None)
    with arguments.lines.open("w") as file:
        lines = reports.Lines(file, metadata, suite.planned(selection))
        result = suite.run(bench, selection, lines.add)
        lines.close(result)
    return result


def _replay(bench: Bench, arguments: argparse.Namespace) -> int:
    try:
        setup, decisions = parse_run(arguments.replay)
    except ValueError as problem:
        print(f"takeover conform: --replay: {problem}", file=sys.stderr)
        return Exit.USAGE
    try:
        outcome = play_decisions(bench, setup, decisions, arguments.tested)
    except AdapterFault as fault:
        print(fault)
        return Exit.UNDECIDED
    for line in _failure(outcome):
        print(line)
    return Exit.HOLDS if outcome.finding is None else Exit.VIOLATED


def _told(result: suite.Result, log: Path) -> Iterator[str]:
    for level, what in LEVELS.items():
        played = [outcome for outcome in result.outcomes if outcome.level == level]
        if played:
            failed = sum(outcome.finding is not None for outcome in played)
            said = f"{failed} of {len(played)} failed" if failed else f"{len(played)} passed"
            yield f"L{level} {what}: {said}"
    if result.failed:
        yield ""
        yield from _failure(result.failed[0])
        yield from _again(result)
    if result.fault is not None:
        yield f"the adapter is at fault, and nothing is known of the server in it: {FAULTS[result.fault.fault]}"
        yield f"  {result.fault}"
        errors = log.read_text(errors="replace").splitlines()[-32:] if log.exists() else []
        yield from (f"  | {line}" for line in errors)
    yield f"verdict: {result.verdict}"


def _failure(outcome: Outcome) -> Iterator[str]:
    finding = outcome.finding
    if finding is None:
        yield f"{outcome.case}: passed"
        return
    yield f"{outcome.case}, tested: {outcome.tested or 'the codec'}"
    yield f"  {finding}"
    if isinstance(finding, RuleBroken):
        yield f"  {finding.violation.rule.clause}: {finding.violation.rule.text}"
    if outcome.world is not None:
        yield from (f"  {line}" for line in outcome.world.network.told())


def _again(result: suite.Result) -> Iterator[str]:
    outcome = result.failed[0]
    if result.shortest and outcome.world is not None:
        line = run_text(outcome.world.setup, result.shortest)
        yield f"again: takeover conform --tested {outcome.tested} --replay '{line}' -- COMMAND"
    else:
        yield f"again: takeover conform --case {outcome.case} -- COMMAND"
