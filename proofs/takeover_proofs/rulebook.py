"""Which rules are asked: all of them, or all but some, or others in their place.

The proof asks every rule. To show what a clause is for, the proof and the search are asked again without it, or with
a weaker rule where it was; this is the only thing that changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from takeover_proofs.transition import Step, time_of
from takeover_proofs.world import NATURE, WITNESS, World, is_own, is_trusted
from takeover_spec import actions as act
from takeover_spec.logic import implies
from takeover_spec.rules import RULES, Rule
from takeover_spec.words import Constants


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules that are asked."""

    rules: tuple[Rule, ...] = tuple(RULES)

    def without(self, clause: str, part: str = "") -> Rulebook:
        """These rules, less those of one clause, or less the one of them that is named. `KeyError` if there is none."""
        gone = [rule for rule in self.rules if rule.clause == clause and part in ("", rule.name)]
        if not gone:
            raise KeyError(f"{clause} {part}".rstrip())
        return Rulebook(tuple(rule for rule in self.rules if rule not in gone))

    def weakened(self, name: str, weaker: Callable[..., bool]) -> Rulebook:
        """These rules with another predicate in the place of the one of this name. `KeyError` if there is none."""
        if all(rule.name != name for rule in self.rules):
            raise KeyError(name)
        return Rulebook(
            tuple(replace(rule, holds=weaker) if rule.name == name else rule for rule in self.rules)
        )

    def asked(self, world: World, step: Step, c: Constants) -> list[tuple[Rule, bool]]:
        """Each rule about this step, and whether it allows it in this world."""
        if step.actor == NATURE:
            return []
        if step.actor == WITNESS and is_own(world.nature):
            return self._asked_of_own(world, step.action, c)
        know: Any = world.witness if step.actor == WITNESS else world.sides[step.actor].know
        kind, now = type(step.action), time_of(world, step)
        return [(rule, rule.holds(know, step.action, now, c)) for rule in self.rules if rule.about is kind]

    def _asked_of_own(self, world: World, action: Any, c: Constants) -> list[tuple[Rule, bool]]:
        """The rules about what the servers' own arbiters do, on the record that stands for both.

        Each waits by its own clock, so of the one record every wait is over: `silence` or `operator` takes its place.
        An arbiter that started anew is told again what it knew, so a declaration need not be newer than the record,
        only not older. Without the assumption that vouches for it, nothing is asked of a grant.
        """
        know = replace(world.witness, lease_until=0, wait_until=0)
        if isinstance(action, act.Record):
            know = replace(know, version=know.version - 1)
        asked = [(rule, rule.holds(know, action, 0, c)) for rule in self.rules if rule.about is type(action)]
        trusted = is_trusted(world.nature, action.promoted) if isinstance(action, act.Grant) else True
        return asked if trusted is True else [(rule, implies(trusted, holds)) for rule, holds in asked]


EVERY_RULE = Rulebook()
