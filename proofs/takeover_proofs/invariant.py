"""What an inductive invariant is made of: clauses over a `World`, looked at in one place of it.

A `Place` is any position of the data and any version of a declaration; a clause that mentions it is claimed for all
of them. The proof shows each clause at an arbitrary place of the world after a step, and may assume all of them at
as many places of the world before it as it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from takeover_proofs.world import Side, World
from takeover_spec.logic import implies, not_
from takeover_spec.words import Arbiter, Constants


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a clause is looked at."""

    seq: int
    version: int


Predicate = Callable[[World, Constants, Place], bool]


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of the invariant; a property is one that the world outside cares about."""

    name: str
    layer: str
    """`lease`: who may hold the public identity, and when. `queue`: what is in the data."""
    holds: Predicate
    is_property: bool
    is_carried: bool = False
    """It follows from the others, and none of them from it: it is no hypothesis of any proof."""
    fails_under: frozenset[Arbiter] = frozenset()
    """The arbiters under which it does not hold: a run in `examples.py` shows it for each."""

    @property
    def id(self) -> str:
        """Its name in one word, for reports."""
        return self.name.replace(" ", "-")

    @property
    def text(self) -> str:
        """What it says."""
        return " ".join((self.holds.__doc__ or "").split())


CLAUSES: list[Clause] = []
"""The properties, and what carries them."""


def clause(
    layer: str, prop: str = "", *, fails_under: tuple[Arbiter, ...] = ()
) -> Callable[[Predicate], Predicate]:
    """Make a predicate a clause of the invariant; with a name, a property. One that fails under some arbiter carries
    none."""

    def register(holds: Predicate) -> Predicate:
        name, fails = prop or holds.__name__.replace("_", " "), frozenset(fails_under)
        CLAUSES.append(Clause(name, layer, holds, bool(prop), bool(fails), fails))
        return holds

    return register


def clauses_under(arbiter: Arbiter) -> list[Clause]:
    """The clauses that hold under this arbiter."""
    return [clause for clause in CLAUSES if arbiter not in clause.fails_under]


def both(world: World, of: Callable[[int, Side, Side], bool]) -> bool:
    """`of(which, the server, its peer)` for both servers."""
    zero, one = world.sides
    return of(0, zero, one) & of(1, one, zero)


def follows(world: World, me: int) -> bool:
    """Whether this server is a passive one whose data belongs to the leader's epoch."""
    know = world.sides[me].know
    passive = not_(know.active) & not_(know.returned)
    return passive & (world.epoch >= 1) & (know.epoch == world.epoch) & (world.leader != me)


def follower(world: World, of: Callable[[Side, Side], bool]) -> bool:
    """`of(the server that follows the leader, the leader)` where there is such a one."""
    zero, one = world.sides
    return implies(follows(world, 0), of(zero, one)) & implies(follows(world, 1), of(one, zero))
