"""Make the cases that are made: the frames, the moments, and for each mistake a short run that was found to tell it.

    python -m takeover_conformance.making DIRECTORY

A run is looked for among random ones, in the order of their seeds, and made short for as long as the same thing is
found. All of it comes of the seeds alone, so whoever makes the files again gets the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from takeover_conformance.cases import ROLES
from takeover_conformance.golden import Made, compact_text, file_text, frame_cases
from takeover_conformance.inprocess import InProcess
from takeover_conformance.keeping import run_of
from takeover_conformance.moments import file_lines, moments
from takeover_conformance.playing import Bench, Outcome, play_seed, shortest
from takeover_conformance.situations import situations
from takeover_conformance.wrappings import Wrong
from takeover_conformance.wrong import WRONG
from takeover_models.decisions import Decision

SEEDS_MAX = 60
"""How many random runs are played to find one that tells a mistake."""

LENGTH = 100
"""How many decisions each of them has."""

OF_FRAMES = "§12.1"
"""A mistake in frames is for the frame cases to find."""


def telling(name: str, seeds: Iterable[int] = range(SEEDS_MAX)) -> Made | None:
    """A case that tells this mistake by the clause that it is about; None if none was found."""
    (wrong,) = (wrong for wrong in WRONG if wrong.name == name)
    bench = Bench(lambda: InProcess(wrong.name))
    for seed in seeds:
        outcome = play_seed(bench, seed, LENGTH, ROLES[seed % len(ROLES)])
        if outcome.finding is not None and outcome.finding.name in wrong.clauses:
            return _made(wrong, seed, outcome, shortest(bench, outcome))
    return None


def _made(wrong: Wrong, seed: int, outcome: Outcome, decisions: tuple[Decision, ...]) -> Made:
    assert outcome.finding is not None
    assert outcome.world is not None
    names = {"name": f"tells-{wrong.name}", "level": 3, "clauses": [outcome.finding.name], "why": wrong.why}
    origin = f"mistake {wrong.name}, seed {seed}"
    return names | {"origin": origin} | run_of(outcome.world.setup, outcome.tested, decisions)


def run_cases() -> Iterator[Made]:
    """One for each mistake that a random run tells."""
    mistakes = [wrong.name for wrong in WRONG if OF_FRAMES not in wrong.clauses]
    with ProcessPoolExecutor() as workers:
        yield from (made for made in workers.map(telling, mistakes) if made is not None)


def moment_lines() -> Iterator[Made]:
    """All moments, and what they are made of."""
    with ProcessPoolExecutor() as workers:
        yield from file_lines(workers.map(moments, situations()))


def main() -> None:
    """Write the files into a directory."""
    parser = argparse.ArgumentParser(prog="takeover_conformance.making", description="make the cases anew")
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    (directory / "frames.ndjson").write_text(file_text(frame_cases()))
    (directory / "moments.ndjson").write_text(compact_text(moment_lines()))
    (directory / "mistakes.ndjson").write_text(file_text(run_cases()))


if __name__ == "__main__":
    main()
