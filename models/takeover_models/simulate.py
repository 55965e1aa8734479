"""Seeded random campaigns over the virtual world.

A seed chooses the setup and every decision; the same seed, cores and number of steps give the same run. What fails is
replayed from its seed, or from the decisions themselves once they have been shrunk.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from itertools import islice

from takeover_models.cores import REAL, Cores
from takeover_models.decisions import Decision
from takeover_models.findings import Finding
from takeover_models.setup import Setup
from takeover_models.shells import SOUND
from takeover_models.spells import decisions
from takeover_models.world import World

STEPS = 150
"""How many decisions a run has, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run."""

    seed: int
    setup: Setup
    decisions: tuple[Decision, ...]
    finding: Finding | None
    """What must not be and was; None if nothing was found."""
    tally: Counter[str]
    """How often what happened."""
    world: World
    """As it was at the end."""


def setup_of(rng: random.Random) -> Setup:
    """A setup that varies what may matter."""
    return Setup(
        lease=rng.choice((1000, 1000, 600)),
        promise=rng.choice((700, 700, 1500)),
        patience=rng.choice((400, 400, 2500)),
        drift=rng.choice((0, 20_000, 200_000)),
        latency=rng.choice((0, 500, 30_000)),
        synchronous=rng.choice((1, 1, 1, 0)),
        shell=rng.choice(SOUND),
    )


def run(seed: int, steps: int = STEPS, cores: Cores = REAL, *, judged: bool = True) -> Outcome:
    """One run of this many decisions, and then one more: to recover. It ends with the first finding.

    `judged` says whether the rules are asked about every action; the properties always are.
    """
    rng = random.Random(seed)
    setup = setup_of(rng)
    world = World(setup, cores, judged=judged)
    finding = decided_by(rng, world, steps)
    return Outcome(seed, setup, tuple(world.decisions), finding, world.tally, world)


def decided_by(rng: random.Random, world: World, steps: int) -> Finding | None:
    """Let chance decide so many times, and then recover; what was found, which ends it."""
    try:
        for decision in islice(decisions(rng, world), steps):
            world.decide(decision)
        world.decide(Decision("recover"))
    except Finding as finding:
        return finding
    return None
