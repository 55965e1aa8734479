"""`takeover simulate`: seeded random campaigns of a virtual pair, or one run again.

Every run is judged twice: the rules on every action as it is taken, and the properties on what really happened. At the
end of a run everything is mended, and the pair has to recover. What is found is shrunk and printed as the traces of all
parties, with the one line that replays it.

Exit status: 0 nothing was found, and the campaign saw what it has to have seen; 1 something was found; 2 wrong usage;
3 the campaign was too small to have seen it, or a core that is broken on purpose was not caught.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takeover.cli import Exit, fresh_directory, report_file
from takeover_models import simulate
from takeover_models.broken import BROKEN, cores_named
from takeover_models.decisions import Decision, parse_run, run_text
from takeover_models.findings import Finding
from takeover_models.reports import keep, replay_line, report
from takeover_models.setup import Setup
from takeover_models.shrink import rerun, shrunk
from takeover_models.tallies import WANTED
from takeover_models.world import World

RUNS = 100
"""How many runs a campaign has, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and the run that has it."""

    finding: Finding
    world: World
    seed: int | None
    """None if the run was replayed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--seed", type=_count, default=0, metavar="S", help="the first run's seed (default: 0)"
    )
    parser.add_argument(
        "--runs", type=_count, default=RUNS, metavar="N", help=f"how many runs (default: {RUNS})"
    )
    parser.add_argument(
        "--steps", type=_count, default=simulate.STEPS, metavar="K",
        help=f"how many decisions a run has (default: {simulate.STEPS})",
    )  # fmt: skip
    names = ", ".join(broken.name for broken in BROKEN)
    parser.add_argument(
        "--broken", default="", metavar="NAME", help=f"run a core that is broken on purpose: {names}"
    )
    parser.add_argument(
        "--unjudged", action="store_true", help="judge by the properties only, not by the rules"
    )
    parser.add_argument("--replay", default="", metavar="RUN", help="one run, as an earlier report gave it")
    parser.add_argument(
        "--keep",
        type=fresh_directory,
        metavar="DIR",
        help="write the traces of what was found, or replayed, into DIR, which must be empty or absent",
    )
    parser.add_argument("--json", type=report_file, metavar="FILE", help="write the verdict as JSON to FILE")


def _count(word: str) -> int:
    number = int(word)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{word} is less than 0")
    return number


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    try:
        cores_named(arguments.broken)
        replayed = parse_run(arguments.replay) if arguments.replay else None
    except KeyError:
        return _misused(f"{arguments.broken!r} is none of the broken cores")
    except ValueError as error:
        return _misused(f"--replay: {error}")
    if replayed:
        return _replay(*replayed, arguments)
    if arguments.runs == 0 or arguments.steps == 0:
        return _misused("a campaign of nothing says nothing: --runs and --steps have to be at least 1")
    return _campaign(arguments)


def _misused(problem: str) -> Exit:
    print(f"takeover simulate: {problem}", file=sys.stderr)
    return Exit.USAGE


def _replay(setup: Setup, decisions: Sequence[Decision], arguments: argparse.Namespace) -> Exit:
    judged = not arguments.unjudged
    world, finding = rerun(setup, decisions, cores_named(arguments.broken), judged=judged)
    print(report(world, arguments.broken, judged=judged))
    found = Found(finding, world, None) if finding else None
    if arguments.keep:
        _kept(world, arguments.keep)
    _write(arguments, "violated" if found else "holds", 1, world.tally, found)
    print(f"\n{finding}" if finding else "\nnothing was found")
    return Exit.VIOLATED if found else Exit.HOLDS


def _campaign(arguments: argparse.Namespace) -> Exit:
    tally: Counter[str] = Counter()
    judged = not arguments.unjudged
    cores = cores_named(arguments.broken)
    for count, seed in enumerate(range(arguments.seed, arguments.seed + arguments.runs), 1):
        outcome = simulate.run(seed, arguments.steps, cores, judged=judged)
        tally += outcome.tally
        if outcome.finding:
            found = _shrunk(outcome, arguments)
            print(report(found.world, arguments.broken, judged=judged))
            print(f"\nseed {seed}: {found.finding}")
            if arguments.keep:
                _kept(found.world, arguments.keep)
            _write(arguments, "violated", count, tally, found)
            return Exit.VIOLATED
    missed = [name for name in WANTED if not tally[name]]
    if arguments.broken:
        missed.append(f"what is wrong with {arguments.broken}")
    for name in sorted(tally):
        print(f"{tally[name]:9} {name}")
    told = f"{arguments.runs} runs of {arguments.steps} decisions: nothing was found"
    print(told + (f", and nothing was seen of: {', '.join(missed)}" if missed else ""))
    _write(arguments, "undecided" if missed else "holds", arguments.runs, tally, None)
    return Exit.UNDECIDED if missed else Exit.HOLDS


def _shrunk(outcome: simulate.Outcome, arguments: argparse.Namespace) -> Found:
    assert outcome.finding is not None
    cores, judged = cores_named(arguments.broken), not arguments.unjudged
    print(f"seed {outcome.seed}: {outcome.finding.name}; looking for a shorter run", file=sys.stderr)
    decisions = shrunk(outcome.setup, outcome.decisions, outcome.finding.name, cores, judged=judged)
    world, finding = rerun(outcome.setup, decisions, cores, judged=judged)
    assert finding is not None, f"a run does not repeat itself: {replay_line(outcome.setup, decisions)}"
    return Found(finding, world, outcome.seed)


def _kept(world: World, directory: Path) -> None:
    for path in keep(world, directory):
        print(f"kept {path}", file=sys.stderr)


def _write(
    arguments: argparse.Namespace, verdict: str, runs: int, tally: Counter[str], found: Found | None
) -> None:
    """The verdict as JSON; `simulate.schema.json` describes it."""
    if arguments.json is None:
        return
    told: dict[str, Any] = {
        "verdict": verdict,
        "runs": runs,
        "seen": dict(sorted((+tally).items())),
        "finding": None,
    }
    if found:
        told["finding"] = {
            "name": found.finding.name,
            "text": found.finding.text,
            "seed": found.seed,
            "run": run_text(found.world.setup, found.world.decisions),
            "broken": arguments.broken,
            "judged": not arguments.unjudged,
        }
    arguments.json.write_text(json.dumps(told, indent=1) + "\n")
