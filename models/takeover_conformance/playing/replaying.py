"""Play a run again from its decisions, and make one that failed short.

What is told of a random run that failed is told of its short form, played once more: it is what whoever plays it again
from the line that is printed sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.cases import ADAPTER_LEVEL
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_models.decisions import Decision
from takeover_models.findings import Finding
from takeover_models.setup import Setup
from takeover_models.shrink import shortened


def play_decisions(
    bench: Bench, setup: Setup, run: Sequence[Decision], tested: str, level: int = ADAPTER_LEVEL
) -> Outcome:
    """Play a run again, or part of one. Raises `AdapterFault`."""
    world = bench.world(setup, tested, level)
    try:
        world.replay(run)
    except Finding as finding:
        return Outcome("replay", level, tested, finding, world)
    return Outcome("replay", level, tested, None)


def shortest(bench: Bench, outcome: Outcome) -> tuple[Decision, ...]:
    """The decisions of a run that failed, without those that it fails without. Raises `AdapterFault`."""
    world, finding = outcome.world, outcome.finding
    assert world is not None
    assert finding is not None

    def again(run: tuple[Decision, ...]) -> tuple[tuple[Decision, ...], str]:
        played = play_decisions(bench, world.setup, run, outcome.tested, outcome.level)
        if played.finding is None or played.world is None:
            return run, ""
        return tuple(played.world.decisions), played.finding.name

    return shortened(tuple(world.decisions), finding.name, again)


def made_short(bench: Bench, outcome: Outcome) -> Outcome:
    """What comes of the short form of a run that failed, which has its name. Raises `AdapterFault`."""
    world, finding = outcome.world, outcome.finding
    assert world is not None
    assert finding is not None
    short = play_decisions(bench, world.setup, shortest(bench, outcome), outcome.tested, outcome.level)
    if short.finding is None or short.finding.name != finding.name:
        detail = f"{outcome.case} failed by {finding.name}, and its short form only sometimes does"
        raise AdapterFault("nondeterministic", detail)
    return replace(short, case=outcome.case, decided=len(world.decisions))
