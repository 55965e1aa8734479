"""The runs that tell mistakes: for each mistake a short run of a pair that was found to tell it.

A run is looked for among random ones, in the order of their seeds, and made short for as long as the same thing is
found. A mistake for which none is found, and that is not known to need none, ends the making: its case would be gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from takeover.errors import OwnFault
from takeover_conformance.cases import ROLES
from takeover_conformance.keeping import run_of
from takeover_conformance.making.golden import Made
from takeover_conformance.playing.bench import Bench, Outcome, play_seed
from takeover_conformance.playing.replaying import shortest
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.servers.named import WRONG
from takeover_conformance.servers.wrappings import Wrong
from takeover_models.decisions import Decision

SEEDS_MAX = 60
"""How many random runs are played to find one that tells a mistake."""

RARE = {"released-to-nobody": 500}
"""From which seed a run is looked for that is rare. For this one an order has to come in the instant between a
declaration and its record."""

WITHOUT_A_RUN = frozenset(
    {
        "copy-with-a-hole",
        "counts-any-run",
        "cut-takeover-given-up",
        "release-told-once",
        "newer-unheard",
        "goodbye-unheard",
        "older-epoch-unanswered",
        "refrains-in-silence",
        "carries-on-lapsed",
        "order-not-carried-out",
        "prolongs-nothing",
        "never-takes-over",
        "starts-in-silence",
        "asks-for-nothing",
        "counts-no-promise",
        "release-unheard",
        "takes-no-copy",
        "refuses-writes",
        "report-unheard",
        "stores-nothing",
        "never-acknowledges",
        "forgets-what-it-heard-of",
        "forgets-that-it-was-active",
        "acknowledges-over-a-hole",
        "resynchronised-after-its-drain",
        "returns-by-itself",
        "acknowledged-at-latest",
        "trimmed-at-latest",
        "released-at-latest",
        "declared-at-latest",
        "declares-once",
        "needs-no-copy",
        "resynchronised-below-its-report",
        "stores-another-over-it",
        "promise-outlives-a-release",
        "goodbye-not-durable",
    }
)
"""Mistakes that no run by chance tells: a pair does without what they leave out, which only a duty asks for, or nobody
in it says what they take for right. Cases that somebody thought of tell them; the kill matrix says which."""

LENGTH = 100
"""How many decisions each of them has."""

OF_FRAMES = "§12.1"
"""A mistake in frames is for the frame cases to find."""


class Untold(OwnFault):
    """No run was found that tells a mistake."""


def telling(name: str, seeds: Sequence[int] = ()) -> Made:
    """A case that tells this mistake by the clause that it is about. Raises `Untold` if none is found."""
    (wrong,) = (wrong for wrong in WRONG if wrong.name == name)
    bench = Bench(lambda: InProcess(wrong.name))
    first = RARE.get(name, 0)
    looked_at = seeds or range(first, first + SEEDS_MAX)
    for seed in looked_at:
        outcome = play_seed(bench, seed, LENGTH, ROLES[seed % len(ROLES)])
        if outcome.finding is not None and outcome.finding.name in wrong.clauses:
            return _made(wrong, seed, outcome, shortest(bench, outcome))
    raise Untold(
        f"no run of the seeds {looked_at[0]} to {looked_at[-1]} tells {name} by {' or '.join(wrong.clauses)}: look"
        " for it elsewhere (RARE), or let another case tell it (WITHOUT_A_RUN)"
    )


def _made(wrong: Wrong, seed: int, outcome: Outcome, decisions: tuple[Decision, ...]) -> Made:
    assert outcome.finding is not None
    assert outcome.world is not None
    names = {"name": f"tells-{wrong.name}", "level": 3, "clauses": [outcome.finding.name], "why": wrong.why}
    origin = f"mistake {wrong.name}, seed {seed}"
    return names | {"origin": origin} | run_of(outcome.world.setup, outcome.tested, decisions)


def told_by_a_run() -> list[str]:
    """The mistakes that need a run."""
    return [
        wrong.name for wrong in WRONG if OF_FRAMES not in wrong.clauses and wrong.name not in WITHOUT_A_RUN
    ]


def run_cases() -> Iterator[Made]:
    """One for each mistake that needs one. Raises `Untold`."""
    with ProcessPoolExecutor() as workers:
        yield from workers.map(telling, told_by_a_run())
