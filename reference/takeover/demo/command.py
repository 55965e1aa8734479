"""`takeover demo`: a real pair, a witness, a real application and a real client on this machine, and a failover.

Everything is real: processes, files, sockets, a SIGKILL. Where the machine allows it, it plays in the lab: four
machines in namespaces, two networks and a real address (`takeover.lab.scene`). Elsewhere, and in asynchronous mode,
for which the servers have to be far apart, it plays on the loopback interface, with a link between the servers that
takes its time. It says which.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takeover.cli import Exit, fresh_directory, report_file
from takeover.commands.check_trace import Judged, as_plain, breaks_between_runs
from takeover.demo.client import End
from takeover.demo.judgement import (
    Facts,
    Finding,
    enabled_ns,
    failover_ns,
    judge,
    judge_gap,
    judge_holders,
    judge_traces,
    missing,
    verdict_of,
)
from takeover.demo.play import Play
from takeover.demo.scene import Scene
from takeover.demo.stage import Stage
from takeover.demo.timeline import Timeline
from takeover.errors import TakeoverError
from takeover.lab.entrance import go_inside, inside, refusal
from takeover.observer import Observation

_STATUS = {"holds": Exit.HOLDS, "violated": Exit.VIOLATED, "incomplete": Exit.UNDECIDED}


@dataclass(frozen=True, slots=True)
class Performance:
    """What came of a performance."""

    facts: Facts | None
    """What was learned; None if it was not completed."""
    problem: str = ""
    """Why it was not completed; empty if it was."""
    observation: Observation | None = None
    """What the observer saw, if there was one."""
    traces: Sequence[Judged] = ()
    """The verdict on every trace there is."""
    grant_ms: int = 0
    """How long the longer grant lasts, in ms."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--json",
        type=report_file,
        metavar="FILE",
        help="write the verdict as JSON (demo.schema.json) to FILE",
    )
    parser.add_argument(
        "--keep",
        type=fresh_directory,
        metavar="DIR",
        help="keep data, traces and logs in DIR, which must be empty or absent",
    )
    parser.add_argument(
        "--where",
        choices=("lab", "loopback"),
        help="in four machines, or in one (default: the lab, where there can be one; loopback if asynchronous)",
    )
    parser.add_argument("--mode", choices=("synchronous", "asynchronous"), default="synchronous")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=6.0,
        metavar="N",
        help="how long the load runs undisturbed (default 6)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 3600")
    return seconds


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    where, why = arguments.where, "asked for"
    if where is None:
        where, why = _choose(arguments.mode)
    if where == "lab" and not inside():
        refused = refusal() if why == "asked for" else ""
        if refused:
            print(f"takeover demo: no lab on this machine: {refused}", file=sys.stderr)
            return Exit.USAGE
        go_inside()
    if arguments.keep is None:
        directory = Path(tempfile.mkdtemp(prefix="takeover-demo-"))
    else:
        directory = arguments.keep
        directory.mkdir(parents=True, exist_ok=True)
    tell(f"in the {where}" if where == "lab" else f"on the loopback interface: {why}")
    try:
        performance = asyncio.run(
            _perform(directory, where, arguments.mode == "synchronous", arguments.seconds)
        )
    except (KeyboardInterrupt, asyncio.CancelledError):
        performance = Performance(None, "interrupted")
    findings, report = conclude(performance)
    report["mode"], report["where"] = arguments.mode, where
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    for line in summary(report, findings):
        tell(line)
    if arguments.keep is None and not findings:
        shutil.rmtree(directory)
    else:
        tell(f"data, traces and logs are in {directory}")
    return _STATUS[report["verdict"]]


def _choose(mode: str) -> tuple[str, str]:
    """Where to play, and why there."""
    if inside():
        return "lab", ""
    if mode == "asynchronous":
        return "loopback", "in asynchronous mode the servers are far apart"
    refused = refusal()
    return ("loopback", f"no lab on this machine: {refused}") if refused else ("lab", "")


def _scene(directory: Path, where: str, synchronous: bool) -> Stage:
    if where == "loopback":
        return Scene(directory, synchronous)
    from takeover.lab.scene import LabScene  # needs an extra, which a loopback demo does without

    return LabScene(directory, synchronous)


def tell(line: str) -> None:
    """Print a line, at once."""
    print(line, flush=True)


async def _perform(directory: Path, where: str, synchronous: bool, seconds: float) -> Performance:
    """The play from its beginning to its end; whatever happens, nothing of it runs on return."""
    this = asyncio.current_task()
    assert this is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, this.cancel)
    facts: Callable[[], Facts] | None = None
    problem = ""
    try:
        scene = _scene(directory, where, synchronous)
        tell(f"{scene.description}; leases and promises last {scene.timing.grant_ms} ms")
        play = Play(scene, Timeline(tell), seconds, synchronous)
    except TakeoverError as error:
        return Performance(None, str(error))
    try:
        facts = await play.run()
    except TakeoverError as error:
        problem = str(error)
    finally:
        await play.end()
    try:
        if facts is not None:
            learned = facts()
            return Performance(learned, "", learned.observation, learned.traces, scene.timing.grant_ms)
    except TakeoverError as error:
        problem = str(error)
    return Performance(None, problem, scene.observation, play.traces(), scene.timing.grant_ms)


def conclude(performance: Performance) -> tuple[Sequence[Finding], dict[str, Any]]:
    """What is wrong, and the report as plain JSON values."""
    facts, seen = performance.facts, performance.observation
    breaks = breaks_between_runs(performance.traces)
    report: dict[str, Any] = {
        "verdict": "incomplete",
        "failover_ms": None,
        "enabled_ms": None,
        "acknowledged": 0,
        "refused": 0,
        "unknown": 0,
        "kept": 0,
        "lost": 0,
        "updates_lost": None,
        "holders_max": seen.holders_max if seen else None,
        "observer_gap_ms_max": seen.gap_ns_max / 1e6 if seen else None,
    }
    if facts:
        findings = judge(facts)
        report |= _figures(facts)
    else:
        findings = [Finding("incomplete", "demo", performance.problem)]
        if seen:
            findings += judge_holders(seen)
            findings += judge_gap(seen, performance.grant_ms * 1_000_000)
        findings += judge_traces(performance.traces, breaks)
    report["verdict"] = verdict_of(findings)
    report["trace"] = as_plain(performance.traces, breaks)
    report["findings"] = [{"verdict": f.verdict, "about": f.about, "what": f.what} for f in findings]
    return findings, report


def _figures(facts: Facts) -> dict[str, Any]:
    """The numbers of a completed demo."""
    ends = [write.end for write in facts.writes]
    acknowledged, lost = ends.count(End.ACKNOWLEDGED), len(missing(facts))
    failover, enabled = failover_ns(facts), enabled_ns(facts)
    return {
        "failover_ms": None if failover is None else failover / 1e6,
        "enabled_ms": None if enabled is None else enabled / 1e6,
        "acknowledged": acknowledged,
        "refused": ends.count(End.REFUSED),
        "unknown": ends.count(End.UNKNOWN),
        "kept": acknowledged - lost,
        "lost": lost,
        "updates_lost": len(facts.loss.seqs),
    }


def summary(report: dict[str, Any], findings: Sequence[Finding]) -> list[str]:
    """The report for a person."""
    lines = [""]
    if report["failover_ms"] is not None:
        lines += [
            f"failover             {_ms(report['failover_ms'])} from the kill to the client's next successful write",
            f"                     {_ms(report['enabled_ms'])} from the kill to the public identity being enabled",
            f"writes               {report['acknowledged']} acknowledged: {report['kept']} kept, {report['lost']} lost;"
            f" {report['refused']} refused, {report['unknown']} with an unknown end",
            f"loss statement       {report['updates_lost']} updates of the killed server",
        ]
    if report["holders_max"] is not None:
        lines.append(
            f"public identity      at most {report['holders_max']} holder at once, seen from outside (longest gap"
            f" {report['observer_gap_ms_max']:.0f} ms)"
        )
    files = report["trace"]["files"]
    actions = sum(file["actions"] for file in files)
    lines.append(f"traces               {report['trace']['verdict']}: {len(files)} runs, {actions} actions")
    lines += [str(finding) for finding in findings]
    return [*lines, f"verdict              {report['verdict']}"]


def _ms(length: float | None) -> str:
    return "never" if length is None else f"{length:.0f} ms"
