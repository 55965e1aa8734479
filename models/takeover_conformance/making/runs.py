"""The runs that tell mistakes: for each mistake a short run of a pair that was found to tell it.

A run is looked for among random ones, in the order of their seeds, and made short for as long as the same thing is
found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from takeover_conformance.cases import ROLES
from takeover_conformance.keeping import run_of
from takeover_conformance.making.golden import Made
from takeover_conformance.playing.bench import Bench, Outcome, play_seed, shortest
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.servers.named import WRONG
from takeover_conformance.servers.wrappings import Wrong
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
