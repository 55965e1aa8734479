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
from pathlib import Path

from takeover.cli import Exit, report_file
from takeover_conformance import clauses, reports, suite, telling
from takeover_conformance.cases import LEVELS, ROLES, Case, shipped
from takeover_conformance.faults import AdapterFault
from takeover_conformance.lines import Metadata
from takeover_conformance.new_adapter import SKELETONS, new_adapter
from takeover_conformance.playing import Bench, play_decisions
from takeover_conformance.process import Adapter
from takeover_conformance.smoke import smoke
from takeover_models.decisions import parse_run


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--level", type=int, choices=LEVELS, default=max(LEVELS), help="up to which level")
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case")
    parser.add_argument(
        "--seeds", type=_seeds, default=range(suite.SEEDS), metavar="A-B", help="the random runs of level 3"
    )
    parser.add_argument("--smoke", action="store_true", help="only say what is wrong with its manners")
    parser.add_argument(
        "--new-adapter", metavar="LANGUAGE", help="write an adapter to begin with: " + ", ".join(SKELETONS)
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
    parser.add_argument(
        "--list", action="store_true", help="say what cases there are, and what judges each clause"
    )
    parser.add_argument("adapter", nargs="*", metavar="COMMAND", help="the adapter and its arguments")


def _seeds(word: str) -> range:
    first, _, last = word.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(last or first) < int(first):
        raise argparse.ArgumentTypeError(f"{word!r} is not two numbers such as 0-99")
    return range(int(first), int(last or first) + 1)


def run(arguments: argparse.Namespace) -> int:
    """Judge the adapter; the exit status."""
    cases = shipped()
    if arguments.new_adapter is not None:
        return _new_adapter(arguments.new_adapter)
    if arguments.list:
        for case in cases:
            print(f"L{case.level} {case.name}: {' '.join(case.clauses)}: {case.why}")
        print("\n".join(clauses.told(cases)))
        return Exit.HOLDS
    names = {case.name for case in cases}
    if unknown := sorted(set(arguments.case) - names):
        print(f"takeover conform: there is no case called {', '.join(unknown)}; see --list", file=sys.stderr)
        return Exit.USAGE
    if not arguments.adapter:
        print("takeover conform: after the options and --, name the command of an adapter", file=sys.stderr)
        return Exit.USAGE
    if arguments.smoke:
        return _smoke(arguments.adapter)
    bench = Bench(lambda: Adapter(arguments.adapter))
    try:
        return _replay(bench, arguments) if arguments.replay else _judge(bench, arguments, cases)
    finally:
        bench.close()


def _smoke(command: list[str]) -> int:
    try:
        for step in smoke(command):
            print(f"good: {step}", flush=True)
    except AdapterFault as fault:
        print("\n".join(telling.blame(fault)))
        return Exit.USAGE if fault.fault == "cannot-start" else Exit.UNDECIDED
    print("good manners; --next says what to do next")
    return Exit.HOLDS


def _new_adapter(language: str) -> int:
    if language not in SKELETONS:
        known = ", ".join(SKELETONS)
        print(
            f"takeover conform: there is no skeleton in {language!r}; there is one in {known}",
            file=sys.stderr,
        )
        return Exit.USAGE
    try:
        for line in new_adapter(language, Path.cwd()):
            print(line)
    except FileExistsError as there:
        print(
            f"takeover conform: {there.filename} is there already, and is not written over", file=sys.stderr
        )
        return Exit.USAGE
    return Exit.HOLDS


def _judge(bench: Bench, arguments: argparse.Namespace, cases: list[Case]) -> int:
    selection = suite.Selection(tuple(cases), arguments.level, arguments.seeds, tuple(arguments.case))
    try:
        metadata = bench.metadata()
    except AdapterFault as fault:
        result = suite.Result(selection, planned=suite.planned(selection), fault=fault)
    else:
        print(f"{metadata.name} {metadata.version}, {metadata.language}")
        result = _run(bench, arguments, selection, metadata)
    for line in telling.told(result):
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
        print("\n".join(telling.blame(fault)))
        return Exit.UNDECIDED
    for line in telling.failure(outcome):
        print(line)
    return Exit.HOLDS if outcome.finding is None else Exit.VIOLATED
