"""`takeover conform`: put somebody's server on the bench, and say which clause it breaks.

    takeover conform [--level L] [--case NAME]… [--json FILE] … -- COMMAND…

The command is an adapter (`lines`); all arguments are in `options`. What fails first is told. Exit status: 0 all that
was selected passed, but for known failures, which failed; 1 a case failed, or a known failure did not; 2 nothing was
selected, or the arguments are wrong, or the adapter cannot be started; 3 the adapter broke off, or did not keep to the
adapter protocol, so nothing is known of the server in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from takeover.cli import Exit
from takeover.lab.entrance import go_inside, inside, refusal
from takeover.lab.priority import keep_in_a_thread
from takeover_conformance import suite
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import Metadata
from takeover_conformance.adapter.new_adapter import SKELETONS, new_adapter
from takeover_conformance.adapter.process import Adapter, Asked
from takeover_conformance.adapter.smoke import smoke
from takeover_conformance.adapter.talk import Talk
from takeover_conformance.cases import ADAPTER_LEVEL, PAIRED_LEVEL
from takeover_conformance.judging import Spectator, concluded, next_thing
from takeover_conformance.keeping import keep
from takeover_conformance.listing import RUN, listed
from takeover_conformance.options import configure, unread
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.playing.replaying import play_decisions
from takeover_conformance.playing.sharing import Helpers
from takeover_conformance.reports import result_lines, telling
from takeover_conformance.reports.junit import write_junit
from takeover_conformance.reports.page import page
from takeover_conformance.reports.saved import read_results
from takeover_conformance.reports.statement import badge, statement
from takeover_conformance.selecting import selected
from takeover_models.decisions import parse_run
from takeover_spec.codec import Malformed

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; the exit status."""
    if wrong := unread(arguments):
        return _usage(wrong)
    if arguments.new_adapter is not None:
        return _new_adapter(arguments.new_adapter)
    try:
        if arguments.html:
            return _page(arguments.html, arguments.adapter)
        selection = selected(arguments)
        if arguments.list is not None:
            told = list(listed(arguments.list, (*selection.cases, *selection.service_cases)))
    except OSError as cause:
        return _usage(f"{cause.filename}: {cause.strerror}")
    except (Malformed, ValueError) as problem:
        return _usage(str(problem))
    if arguments.list is not None:
        print("\n".join(told))
        return Exit.HOLDS
    if not arguments.adapter:
        return _usage("after the options and --, name the command of an adapter")
    if not suite.planned(selection):
        return _usage(f"no case is selected: none of these is of level {selection.level} or below")
    if selection.service and (refused := _go_into_lab(selection.service)):
        return _usage(refused)
    try:
        return _smoke(arguments.adapter) if arguments.smoke else _with_bench(selection, arguments)
    except AdapterFault as fault:
        print("\n".join(telling.blame(fault, selection)))
        return Exit.USAGE if fault.fault == "cannot-start" else Exit.UNDECIDED


def _go_into_lab(service: tuple[str, ...]) -> str:
    """Go on inside the namespaces of a lab; why that cannot be, or that the service is not there."""
    if not shutil.which(service[0]):
        return f"--service: {service[0]} is no program that can be run"
    if not inside():
        if refused := refusal():
            return f"--service: there can be no lab on this machine: {refused}"
        go_inside(ahead=True)
    keep_in_a_thread()
    return ""


def _usage(problem: str) -> int:
    print(f"takeover conform: {problem}", file=sys.stderr)
    return Exit.USAGE


def _page(file: Path, results: list[str]) -> int:
    if absent := [name for name in results if not Path(name).is_file()]:
        what = (
            f"{absent[0]} is no file; it makes a page of results, instead of a run: name what --lines wrote"
        )
        return _usage(f"--html: {what}")
    if not results:
        return _usage("--html: name the results, files that --lines wrote")
    file.write_text(page(read_results([Path(name) for name in results])), encoding="utf-8")
    return Exit.HOLDS


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
        print(step, flush=True)
    print("good manners; --next says what to do next")
    return Exit.HOLDS


def _with_bench(selection: suite.Selection, arguments: argparse.Namespace) -> int:
    talk = Talk()
    other = _other(arguments)
    bench = Bench(lambda: talk.overheard(Adapter(arguments.adapter)), other, talk.forget)
    try:
        if arguments.replay:
            return _replay(bench, arguments, talk)
        if arguments.next:
            return _next(bench, selection, talk)
        return _judge(bench, selection, arguments, talk)
    finally:
        bench.close()


def _next(bench: Bench, selection: suite.Selection, talk: Talk) -> int:
    nothing, told = next_thing(bench, selection, talk)
    print("\n".join(told))
    return Exit.HOLDS if nothing else Exit.VIOLATED


def _replay(bench: Bench, arguments: argparse.Namespace, talk: Talk) -> int:
    try:
        setup, decisions = parse_run(arguments.replay)
    except ValueError as problem:
        return _usage(f"--replay: {problem}; a run is such as {RUN!r}: see --list runs")
    level = PAIRED_LEVEL if arguments.other else ADAPTER_LEVEL
    outcome = play_decisions(bench, setup, decisions, arguments.tested or "both", level)
    if outcome.finding is None:
        print("nothing is wrong in this run")
        return Exit.HOLDS
    print("\n".join(telling.failure(outcome, None, talk.last())))
    return Exit.VIOLATED


def _judge(bench: Bench, selection: suite.Selection, arguments: argparse.Namespace, talk: Talk) -> int:
    for file in (arguments.lines, arguments.statement, arguments.badge, arguments.junit, arguments.json):
        if file is not None:  # of an earlier run, which this one may not come to replace
            file.unlink(missing_ok=True)
    metadata: Metadata | None = None
    spectator: Spectator | None = None
    try:
        metadata = bench.metadata()
        selection = replace(selection, paired=bench.paired())
    except AdapterFault as fault:
        result = suite.Result(selection, planned=suite.planned(selection), fault=fault)
    else:
        print(f"{metadata.name} {metadata.version}, {metadata.language}", flush=True)
        if selection.paired is not None:
            print(f"paired with {selection.paired.name} {selection.paired.version}", flush=True)
        spectator = Spectator(selection, talk)
        result = _played(bench, selection, arguments, metadata, spectator)
        spectator.end_level()
    print("\n".join(concluded(result, spectator.first if spectator else None)))
    if arguments.keep and (file := keep(arguments.keep, result)):
        again = shlex.join(["takeover", "conform", "--case", str(file), "--", *arguments.adapter])
        print(f"kept as a case, which is played by: {again}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result_lines.verdict(result), indent=2) + "\n")
    if arguments.badge:
        arguments.badge.write_text(badge(result))
    if arguments.statement and metadata is not None:
        arguments.statement.write_text(json.dumps(statement(result, metadata), indent=2) + "\n")
    if arguments.junit:
        write_junit(arguments.junit, result, spectator.first[1] if spectator and spectator.first else ())
    if result.fault is not None and result.fault.fault == "cannot-start":
        return Exit.USAGE
    holds = (suite.CONFORMS, suite.KNOWN)
    undecided = Exit.VIOLATED if result.verdict == suite.VIOLATES else Exit.UNDECIDED
    return Exit.HOLDS if result.verdict in holds else undecided


def _helpers(arguments: argparse.Namespace) -> Helpers:
    return Helpers(partial(Adapter, arguments.adapter), len(os.sched_getaffinity(0)), _other(arguments))


def _other(arguments: argparse.Namespace) -> Callable[[], Asked] | None:
    """What starts an adapter of the other implementation."""
    return partial(Adapter, shlex.split(arguments.other), other=True) if arguments.other else None


def _played(
    bench: Bench,
    selection: suite.Selection,
    arguments: argparse.Namespace,
    metadata: Metadata,
    spectator: Spectator,
) -> suite.Result:
    if not arguments.lines:
        return suite.run(bench, selection, spectator.hear, _helpers(arguments), spectator.shorten)
    with arguments.lines.open("w") as file:
        lines = result_lines.Lines(file, metadata, selection)

        def heard(outcome: Outcome) -> None:
            spectator.hear(outcome)
            lines.add(outcome)

        result = suite.run(bench, selection, heard, _helpers(arguments), spectator.shorten)
        lines.close(result)
    return result
