"""Runs: from the first world, step by step, to a world where something holds.

A run that the solver found is not believed: `replay` executes it on Python values, with the same rules, and a run
that does not replay is a defect of the search or of the world's two readings, not a counterexample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from takeover_proofs.invariant import Clause, Place
from takeover_proofs.rulebook import EVERY_RULE, Rulebook
from takeover_proofs.transition import Step, take
from takeover_proofs.world import World
from takeover_spec.logic import not_
from takeover_spec.words import Constants

CONSTANTS = Constants(lease_ns=10, promise_ns=10, drift_ppm=100_000, expiry_slack_ns=1, synchronous=True)
"""A pair with short times and bad clocks, so that runs are short and readable."""

Goal = Callable[[World, Constants, Place], bool]
"""What a run is to lead to: a predicate in both readings."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run: where it begins, what happens, and the place at which the goal holds at its end."""

    first: World
    steps: tuple[Step, ...]
    place: Place


class NotARun(Exception):
    """A run does not replay: somebody changed it, or the search or the world's two readings are wrong."""


def violation(clause: Clause) -> Goal:
    """The goal of breaking a property."""

    def broken(world: World, c: Constants, at: Place) -> bool:
        return not_(clause.holds(world, c, at))

    return broken


def replay(
    run: Run, goal: Goal, rules: Rulebook = EVERY_RULE, constants: Constants = CONSTANTS
) -> list[World]:
    """Execute a run on Python values, holding every step against the rules; the worlds it goes through.

    Raises `NotARun` at the first step that is not possible or that a rule forbids, and if the goal does not hold at
    the end.
    """
    worlds = [run.first]
    for number, step in enumerate(run.steps, 1):
        world = worlds[-1]
        for rule, allows in rules.asked(world, step, constants):
            if not allows:
                raise NotARun(f"step {number}, {step.action}: breaks {rule.clause} ({rule.name})")
        conditions, after = take(world, step, constants)
        if not all(conditions):
            raise NotARun(f"step {number}, {step.action}: not possible in this world")
        worlds.append(after)
    if not goal(worlds[-1], constants, run.place):
        raise NotARun("the goal does not hold at the end")
    return worlds
