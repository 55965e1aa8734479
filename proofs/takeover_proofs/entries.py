"""What an entry of the gallery is, and how one is written down; the entries are in the modules `gallery_*.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from takeover_proofs.invariant import Place
from takeover_proofs.rulebook import EVERY_RULE, Rulebook
from takeover_proofs.runs import Goal
from takeover_proofs.scenes import Scene
from takeover_proofs.search import Plan
from takeover_proofs.world import Nature, World
from takeover_spec.words import Constants

HOLDER, PREFIX, GHOST = "one-holder", "exact-prefix", "no-ghost"
ACKNOWLEDGED, DRAINED = "nothing-acknowledged-is-lost", "drained-before-serving"
LOSSLESS, SETTLES, LOSS = "switchover-loses-nothing", "switchover-settles", "exact-loss"


@dataclass(frozen=True, slots=True)
class Break:
    """A property that is broken, and how the search finds a run that shows it."""

    prop: str
    plan: Plan
    """Its length is pinned: the shortest with this opening and this cast."""
    vivid: Goal | None = None
    """What else is to hold at the end, so that the story is plain."""

    @property
    def length(self) -> int:
        """How many steps the run has."""
        return len(self.plan.opening) + self.plan.length


@dataclass(frozen=True, slots=True)
class Entry:
    """What happens without something."""

    id: str
    """A clause; a variant of one, `CLAUSE:variant`; or an assumption about the world."""
    text: str
    """What goes wrong, or why the clause is there although nothing does."""
    rules: Rulebook = EVERY_RULE
    breaks: Break | None = None
    """None: no property proved here needs it."""
    part: str = ""
    """The one rule that is left out, or that stands in another's place; empty if the whole clause goes."""
    nature: Nature = field(default_factory=Nature)


def without(clause: str, text: str, breaks: Break | None = None, part: str = "", variant: str = "") -> Entry:
    """The entry that leaves out a clause, or one rule of it."""
    name = f"{clause}:{variant}" if variant else clause
    return Entry(name, text, EVERY_RULE.without(clause, part), breaks, part)


def instead(
    of: str, weaker: Callable[..., bool], id: str, breaks: Break, rules: Rulebook = EVERY_RULE
) -> Entry:
    """The entry that puts a weaker rule in the place of the one named."""
    text = " ".join((weaker.__doc__ or "").split())
    return Entry(id, text, rules.weakened(of, weaker), breaks, weaker.__name__)


def breaks(prop: str, length: int, opening: Scene, cast: Scene, vivid: Goal | None = None) -> Break:
    """A property broken by the opening and `length` more steps; a lost update is one that changed something."""
    default = _changed if prop == ACKNOWLEDGED else None
    return Break(prop, Plan(cast, length, opening), vivid or default)


def _changed(world: World, c: Constants, at: Place) -> bool:
    """The followed update had changed something when it was acknowledged."""
    return world.effect != 0
