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
from takeover_conformance.cases import LEVELS, ROLES, shipped
from takeover_conformance.faults import AdapterFault
from takeover_conformance.judging import Spectator, concluded, next_thing
from takeover_conformance.known import read_known
from takeover_conformance.lines import Metadata
from takeover_conformance.new_adapter import SKELETONS, new_adapter
from takeover_conformance.playing import SEED, Bench, Outcome, play_decisions
from takeover_conformance.process import Adapter
from takeover_conformance.smoke import smoke
from takeover_conformance.talk import Talk
from takeover_models.decisions import parse_run
from takeover_spec.codec import Malformed


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--level", type=int, choices=LEVELS, default=max(LEVELS), help="up to which level")
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case")
    parser.add_argument(
        "--seeds", type=_seeds, default=range(suite.SEEDS), metavar="A-B", help="the random runs of level 3"
    )
    parser.add_argument("--smoke", action="store_true", help="only say what is wrong with its manners")
    parser.add_argument(
        "--next", action="store_true", help="only say what is the easiest thing not yet right"
    )
    parser.add_argument(
        "--known", type=Path, metavar="FILE", help="failures that are known, each with its reason"
    )
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
    """Do what is asked; the exit status."""
    if arguments.new_adapter is not None:
        return _new_adapter(arguments.new_adapter)
    try:
        selection = _selection(arguments)
    except (Malformed, ValueError, OSError) as problem:
        return _usage(str(problem))
    if arguments.list:
        for case in selection.cases:
            print(f"L{case.level} {case.name}: {' '.join(case.clauses)}: {case.why}")
        print("\n".join(clauses.told(selection.cases)))
        return Exit.HOLDS
    if not arguments.adapter:
        return _usage("after the options and --, name the command of an adapter")
    if not suite.planned(selection):
        return _usage(f"no case is selected: none of these is of level {selection.level} or below")
    try:
        return _smoke(arguments.adapter) if arguments.smoke else _with_bench(selection, arguments)
    except AdapterFault as fault:
        print("\n".join(telling.blame(fault)))
        return Exit.USAGE if fault.fault == "cannot-start" else Exit.UNDECIDED


def _usage(problem: str) -> int:
    print(f"takeover conform: {problem}", file=sys.stderr)
    return Exit.USAGE


def _selection(arguments: argparse.Namespace) -> suite.Selection:
    """What is to be played. Raises `ValueError`, `Malformed` and `OSError`."""
    cases = shipped()
    known = read_known(arguments.known) if arguments.known else ()
    wanted = {*arguments.case, *(entry.case for entry in known if not entry.case.startswith(SEED))} - {""}
    if unknown := sorted(wanted - {case.name for case in cases}):
        raise ValueError(f"there is no case called {', '.join(unknown)}; see --list")
    return suite.Selection(tuple(cases), arguments.level, arguments.seeds, tuple(arguments.case), known)


def _new_adapter(language: str) -> int:
    if language not in SKELETONS:
        return _usage(f"there is no skeleton in {language!r}; there is one in {', '.join(SKELETONS)}")
    try:
        for line in new_adapter(language, Path.cwd()):
            print(line)
    except FileExistsError as there:
        return _usage(f"{there.filename} is there already, and is not written over")
    return Exit.HOLDS


def _smoke(command: list[str]) -> int:
    for step in smoke(command):
        print(f"good: {step}", flush=True)
    print("good manners; --next says what to do next")
    return Exit.HOLDS


def _with_bench(selection: suite.Selection, arguments: argparse.Namespace) -> int:
    talk = Talk()
    bench = Bench(lambda: talk.overheard(Adapter(arguments.adapter)))
    try:
        if arguments.replay:
            return _replay(bench, arguments, talk)
        if arguments.next:
            return _next(bench, selection, talk)
        return _judge(bench, selection, arguments, talk)
    finally:
        bench.close()


def _next(bench: Bench, selection: suite.Selection, talk: Talk) -> int:
    wanted = [case for case in selection.cases if case.level <= selection.level]
    named = [case for case in wanted if not selection.names or case.name in selection.names]
    nothing, told = next_thing(bench, named, talk)
    print("\n".join(told))
    return Exit.HOLDS if nothing else Exit.VIOLATED


def _replay(bench: Bench, arguments: argparse.Namespace, talk: Talk) -> int:
    try:
        setup, decisions = parse_run(arguments.replay)
    except ValueError as problem:
        return _usage(f"--replay: {problem}")
    outcome = play_decisions(bench, setup, decisions, arguments.tested)
    if outcome.finding is None:
        print("nothing is wrong in this run")
        return Exit.HOLDS
    print("\n".join(telling.failure(outcome, None, talk.last())))
    return Exit.VIOLATED


def _judge(bench: Bench, selection: suite.Selection, arguments: argparse.Namespace, talk: Talk) -> int:
    spectator = Spectator(selection, talk)
    try:
        metadata: Metadata = bench.metadata()
    except AdapterFault as fault:
        result = suite.Result(selection, planned=suite.planned(selection), fault=fault)
    else:
        print(f"{metadata.name} {metadata.version}, {metadata.language}", flush=True)
        result = _played(bench, selection, arguments, metadata, spectator)
    spectator.end_level()
    print("\n".join(concluded(result, spectator.first)))
    if arguments.json:
        arguments.json.write_text(json.dumps(reports.verdict(result), indent=2) + "\n")
    if arguments.junit:
        reports.write_junit(arguments.junit, result)
    if result.fault is not None and result.fault.fault == "cannot-start":
        return Exit.USAGE
    holds = (suite.CONFORMS, suite.KNOWN)
    undecided = Exit.VIOLATED if result.verdict == suite.VIOLATES else Exit.UNDECIDED
    return Exit.HOLDS if result.verdict in holds else undecided


def _played(
    bench: Bench,
    selection: suite.Selection,
    arguments: argparse.Namespace,
    metadata: Metadata,
    spectator: Spectator,
) -> suite.Result:
    if not arguments.lines:
        return suite.run(bench, selection, spectator.hear)
    with arguments.lines.open("w") as file:
        lines = reports.Lines(file, metadata, selection)

        def heard(outcome: Outcome) -> None:
            spectator.hear(outcome)
            lines.add(outcome)

        result = suite.run(bench, selection, heard)
        lines.close(result)
    return result
