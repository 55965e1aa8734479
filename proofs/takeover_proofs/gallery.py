"""What each clause is for: what happens without it.

An entry leaves out one clause, or puts a weaker rule in its place, or drops an assumption about the world. Then
either a property is broken, and the entry has the plan by which the search finds a run that shows it; or no property
that is proved here needs the clause, and the entry says why it is there all the same. Neither is asserted: a run is
found and replayed, and "not needed" is the whole proof by induction, done without the clause.

Where a clause has several rules, an entry may leave out only one of them (`part`): a run without that one is a run
without the clause, and shows more. Every run is the shortest with its opening and its cast; that no run at all is
shorter is not claimed.

Refused: searching from nothing but the first world. It finds runs too, in minutes instead of a second, and they
ramble.
"""

from __future__ import annotations

from dataclasses import replace

from takeover_spec.logic import not_
from takeover_spec.words import Constants

from takeover_proofs.entries import Break, Entry
from takeover_proofs.invariant import Place
from takeover_proofs.needed import NEEDED
from takeover_proofs.properties import property_named
from takeover_proofs.runs import Goal, Run, replay
from takeover_proofs.search import find
from takeover_proofs.unneeded import UNNEEDED
from takeover_proofs.world import World
from takeover_proofs.wrong import WRONG

GALLERY: dict[str, Entry] = {entry.id: entry for entry in (*NEEDED, *UNNEEDED, *WRONG)}
"""By id: the clauses, their variants, and the assumptions about the world."""


def goal_of(broken: Break) -> Goal:
    """What the run has to lead to."""
    prop = property_named(broken.prop)

    def goal(world: World, c: Constants, at: Place) -> bool:
        lost = not_(prop.holds(world, c, at))
        return lost & broken.vivid(world, c, at) if broken.vivid else lost

    return goal


def search(entry: Entry, timeout_ms: int, shorter_by: int = 0) -> Run | str | None:
    """The run that shows what an entry says; `None` or `UNDECIDED` if the search does not find it. It is replayed."""
    assert entry.breaks is not None
    plan = replace(entry.breaks.plan, length=entry.breaks.plan.length - shorter_by)
    goal = goal_of(entry.breaks)
    run = find(goal, plan, entry.rules, entry.nature, timeout_ms=timeout_ms)
    if isinstance(run, Run):
        replay(run, goal, entry.rules)
    return run
