"""`takeover verify`: prove the properties, or show what goes wrong without a clause.

Without arguments it proves every obligation, holds the shipped cores against the rules, finds every example and says
which property rests on which assumption.
With `--without` it shows what the clause is for: a run that breaks a property, or a proof that none needs it.

Exit status: 0 everything is proved (or: the clause is not needed); 1 something is refuted; 2 wrong usage; 3 something
is undecided, whatever else is proved.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from takeover.cli import Exit, fresh_directory, report_file
from takeover.errors import CallerError
from takeover_proofs import assumptions, examples, gallery, story
from takeover_proofs.core_obeys import CoreTask, EventResult, core_tasks
from takeover_proofs.entries import Entry
from takeover_proofs.examples import EXAMPLES
from takeover_proofs.gallery import GALLERY
from takeover_proofs.induction import PROVED, REFUTED, TIMEOUT_MS, UNDECIDED, Result
from takeover_proofs.own_obeys import OwnTask, own_tasks
from takeover_proofs.properties import property_named
from takeover_proofs.proving import Task, in_parallel, prove_in_parallel, tasks_for
from takeover_proofs.report import (
    ExampleResult,
    Report,
    Without,
    core_line,
    example_line,
    obligation_line,
    summary,
)
from takeover_proofs.runs import Run, replay
from takeover_proofs.selection import PROPERTIES, Selection, UnknownId, select
from takeover_proofs.traces import as_traces, judged
from takeover_proofs.two_records import RecordsTask, records_tasks
from takeover_spec.words import Arbiter

_STATUS = {PROVED: Exit.HOLDS, REFUTED: Exit.VIOLATED, UNDECIDED: Exit.UNDECIDED}


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    names = ", ".join(prop.name for prop in PROPERTIES)
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"a property ({names}), STEP/CLAUSE, or `core`")
    parser.add_argument(
        "--without",
        metavar="CLAUSE",
        help="show what goes wrong without this clause, under a wrong reading of it (SYNC-1:weaker), "
        "or without an assumption (clocks)",
    )
    parser.add_argument("--json", type=report_file, metavar="FILE", help="write the verdict as JSON to FILE")
    parser.add_argument(
        "--keep",
        type=fresh_directory,
        metavar="DIR",
        help="with --without: write the run as traces into DIR, which must be empty or absent",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT_MS / 1000,
        metavar="SECONDS",
        help="how long the solver may take for one question (default: %(default)g)",
    )


def _seconds(word: str) -> float:
    seconds = float(word)
    if not seconds >= 0.001:
        raise argparse.ArgumentTypeError(f"{word}: the solver needs a millisecond at least")
    return seconds


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    timeout_ms = int(arguments.timeout * 1000)
    try:
        if arguments.keep and arguments.without is None:
            raise CallerError("--keep keeps the run that --without finds, and there is no --without")
        if arguments.without is None:
            report = verify(select(arguments.ids), timeout_ms)
        elif arguments.ids:
            raise CallerError(f"{arguments.ids[0]!r} cannot be selected together with --without")
        else:
            report = without(_entry(arguments.without), timeout_ms)
    except CallerError as error:
        print(f"takeover verify: {error}", file=sys.stderr)
        return Exit.USAGE
    print(f"verdict: {report.verdict}")
    try:
        _write(arguments.json, report)
        _keep(arguments.keep, report)
    except OSError as error:
        print(f"takeover verify: {error.filename} cannot be written: {error.strerror}", file=sys.stderr)
        return Exit.USAGE
    return _STATUS[report.verdict]


def _write(file: Path | None, report: Report) -> None:
    if file is not None:
        file.write_text(json.dumps(report.as_data(), indent=1) + "\n", encoding="utf-8")


def _keep(directory: Path | None, report: Report) -> None:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in report.traces.items():
            (directory / name).write_text(text, encoding="utf-8")


def _entry(id: str) -> Entry:
    if id not in GALLERY:
        raise UnknownId(id, sorted(GALLERY))
    return GALLERY[id]


# --- proving ----------------------------------------------------------------------------------------


def verify(selection: Selection, timeout_ms: int) -> Report:
    """Prove what is selected, find the examples, and ask for the assumptions; print it as it comes."""
    begun = time.perf_counter()
    results = []
    tasks = tasks_for(selection.obligations, timeout_ms=timeout_ms)
    for nature, wanted in selection.own:
        tasks += tasks_for(wanted, nature=nature, timeout_ms=timeout_ms)
    records = records_tasks(timeout_ms) if selection.properties and selection.own else []
    for result in (*_proved(tasks), *_of_records(records)):
        print(obligation_line(result))
        results.append(result)
    core = list(_core()) if selection.core else []
    if not selection.properties:  # single obligations prove no property
        _print_all("", *summary(results, core, time.perf_counter() - begun))
        return Report(tuple(results), tuple(core))
    print()
    found = [_example(id, timeout_ms) for id in EXAMPLES]
    tables = _assumptions(selection, timeout_ms)
    _print_all("", *assumptions.lines(tables), "", *summary(results, core, time.perf_counter() - begun))
    return Report(tuple(results), tuple(core), tuple(found), tables)


def _proved(tasks: list[Task]) -> Iterator[Result]:
    """The results one by one, with a bar on a terminal."""
    total, done = sum(len(task.wanted) for task in tasks), 0
    for _, results in prove_in_parallel(tasks):
        _bar("")
        yield from results
        done += len(results)
        _bar(f"[{'#' * (40 * done // total):<40}] {done} of {total}")
    _bar("")


def _of_records(tasks: list[RecordsTask]) -> Iterator[Result]:
    """The proof that two records are as good as one."""
    for _, results in in_parallel(tasks, RecordsTask.done):
        yield from results


def _done(task: CoreTask | OwnTask) -> list[EventResult]:
    return task.done()


def _core() -> Iterator[EventResult]:
    """The proof that the shipped cores obey the rules, for every event on every path."""
    tasks: list[CoreTask | OwnTask] = [*core_tasks(), *own_tasks()]
    print()
    for done, (_, results) in enumerate(in_parallel(tasks, _done), 1):
        _bar("")
        for result in results:
            print(core_line(result))
            yield result
        _bar(f"[{'#' * (40 * done // len(tasks)):<40}] {done} of {len(tasks)} events")
    _bar("")


def _bar(text: str) -> None:
    """Put a progress line on the terminal in the place of the one before; an empty one takes it away."""
    if sys.stderr.isatty():
        sys.stdout.flush()
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _print_all(*lines: str) -> None:
    for line in lines:
        print(line)


def _example(id: str, timeout_ms: int) -> ExampleResult:
    example = EXAMPLES[id]
    begun = time.perf_counter()
    run = examples.search(example, timeout_ms)
    verdict, steps = ("found", len(run.steps)) if isinstance(run, Run) else (run or "missing", 0)
    result = ExampleResult(id, verdict, steps, round(time.perf_counter() - begun, 3), example.text)
    print(example_line(result))
    return result


def _assumptions(selection: Selection, timeout_ms: int) -> dict[Arbiter, assumptions.Rows]:
    tasks = assumptions.tasks({prop.layer for prop in selection.properties}, timeout_ms)
    uses = assumptions.used(prove_in_parallel(tasks))
    return {arbiter: assumptions.table(selection.properties, uses, arbiter) for arbiter in Arbiter}


# --- leaving something out --------------------------------------------------------------------------


def without(entry: Entry, timeout_ms: int) -> Report:
    """Show what goes wrong without something, or that nothing does; print it."""
    part = f" ({entry.part.replace('_', ' ')})" if entry.part else ""
    _print_all(f"{entry.id}{part}: {entry.text}", "")
    return _unneeded(entry, timeout_ms) if entry.breaks is None else _broken(entry, timeout_ms)


def _unneeded(entry: Entry, timeout_ms: int) -> Report:
    begun = time.perf_counter()
    results = list(_proved(tasks_for(select([]).obligations, entry.rules, timeout_ms=timeout_ms)))
    _print_all(*summary(results, [], time.perf_counter() - begun))
    proved = all(result.verdict == PROVED for result in results)
    if proved:
        print(f"Not needed for any property proved here: all of this is proved without {entry.id}.")
    # an obligation that fails is not yet a run that breaks a property
    return Report(tuple(results), without=Without(entry.id, entry.text, False if proved else None))


def _broken(entry: Entry, timeout_ms: int) -> Report:
    assert entry.breaks is not None
    run = gallery.search(entry, timeout_ms)
    said: dict[str, Any] = {"id": entry.id, "text": entry.text, "rule": entry.part or None}
    if not isinstance(run, Run):
        print(
            f"The search found no run that breaks {entry.breaks.prop}: {run or 'there is none by its plan'}."
        )
        return Report(without=Without(needed=None, **said))
    worlds = replay(run, gallery.goal_of(entry.breaks), entry.rules)
    traces = as_traces(run, worlds)
    _print_all(*story.tell(run, worlds, property_named(entry.breaks.prop)), "", *_judgements(traces), "")
    found = Without(needed=True, property=entry.breaks.prop, **said)
    return Report(without=found, trace=tuple(story.as_data(run, worlds)), traces=traces)


def _judgements(traces: dict[str, str]) -> Iterator[str]:
    """What `check-trace` says of the run's traces, a line for each."""
    for name, verdict in judged(traces).items():
        broken = verdict.violation
        said = f"line {broken.line} breaks {broken.rule.clause} ({broken.rule.name})" if broken else ""
        yield f"check-trace {name:<20} {said or verdict.verdict}"
