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

from takeover_proofs import (
    gallery_data,
    gallery_grants,
    gallery_life,
    gallery_roles,
    gallery_unneeded,
    gallery_wrong,
)
from takeover_proofs.entries import Break, Entry
from takeover_proofs.invariant import Place
from takeover_proofs.properties import property_named
from takeover_proofs.runs import Goal, Run, replay, violation
from takeover_proofs.search import find
from takeover_proofs.world import World
from takeover_spec.words import Constants

_MODULES = (gallery_data, gallery_grants, gallery_roles, gallery_life, gallery_unneeded, gallery_wrong)

GALLERY: dict[str, Entry] = {entry.id: entry for module in _MODULES for entry in module.ENTRIES}
"""By id: the clauses, their variants, and the assumptions about the world."""


def goal_of(broken: Break) -> Goal:
    """What the run has to lead to."""
    lost, vivid = violation(property_named(broken.prop)), broken.vivid
    if vivid is None:
        return lost

    def goal(world: World, c: Constants, at: Place) -> bool:
        return lost(world, c, at) & vivid(world, c, at)

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
