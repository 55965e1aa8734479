"""Make a run that ends with a finding short: leave decisions out for as long as the same thing is found.

Any part of a run is a run, so whole stretches are left out first, then shorter ones, then single decisions; then
numbers are halved. What is held on to is the finding's name: the property or the clause. Hypothesis shrinks its own
runs; this is for those of a campaign, which come of a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from takeover_models.cores import Cores
from takeover_models.decisions import Decision
from takeover_models.findings import Finding
from takeover_models.setup import Setup
from takeover_models.world import World

Again = Callable[[tuple[Decision, ...]], tuple[tuple[Decision, ...], str]]
"""Runs decisions: those that were taken until something was found, and the name of that, empty if nothing was."""

ATTEMPTS_MAX = 600
"""How many shorter runs are tried at most."""


def rerun(
    setup: Setup, decisions: Sequence[Decision], cores: Cores, *, judged: bool
) -> tuple[World, Finding | None]:
    """Run these decisions; the world at the end, and what was found."""
    world = World(setup, cores, judged=judged)
    try:
        world.replay(decisions)
    except Finding as finding:
        return world, finding
    return world, None


def shrunk(
    setup: Setup, decisions: Sequence[Decision], name: str, cores: Cores, *, judged: bool
) -> tuple[Decision, ...]:
    """A short run with a finding of this name; `decisions` is a run that has it."""

    def again(candidate: tuple[Decision, ...]) -> tuple[tuple[Decision, ...], str]:
        world, finding = rerun(setup, candidate, cores, judged=judged)
        return tuple(world.decisions), "" if finding is None else finding.name

    return shortened(tuple(decisions), name, again)


def shortened(decisions: tuple[Decision, ...], name: str, again: Again) -> tuple[Decision, ...]:
    """A short run with a finding of this name, for somebody who can run decisions `again`."""
    shortest = decisions
    attempts = 0
    improved = True
    while improved:
        improved = False
        for candidate in _shorter(shortest):
            attempts += 1
            if attempts > ATTEMPTS_MAX:
                return shortest
            taken, found = again(candidate)
            if found == name:
                shortest = taken
                improved = True
                break
    return shortest


def _shorter(decisions: tuple[Decision, ...]) -> Iterator[tuple[Decision, ...]]:
    """Runs that are a little shorter or simpler, the boldest first."""
    length = len(decisions) // 2
    while length >= 1:
        for start in range(len(decisions) - length, -1, -length):
            yield decisions[:start] + decisions[start + length :]
        length //= 2
    for place, decision in enumerate(decisions):
        if abs(decision.number) > 1:
            simpler = replace(decision, number=int(decision.number / 2))
            yield (*decisions[:place], simpler, *decisions[place + 1 :])
        if decision.flag:
            yield (*decisions[:place], replace(decision, flag=False), *decisions[place + 1 :])
