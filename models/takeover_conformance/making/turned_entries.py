"""What a counterexample turned round is: a case in which a server is led to where another broke a clause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from takeover_conformance.making.scenes import SETUP
from takeover_conformance.making.situations import Json, Steps


@dataclass(frozen=True, slots=True)
class Turned:
    """See the module."""

    entry: str
    """Of the gallery: what is left out there."""
    tested: str
    """The server that breaks the clause there."""
    follower: str
    """The mistake that does here what is done there."""
    why: str
    steps: Steps
    finds: Json = field(default_factory=dict)
    """What is on its disk, where a right server is not led to the last step in one run."""

    @property
    def clause(self) -> str:
        """What is broken there."""
        return self.entry.partition(":")[0]

    @property
    def name(self) -> str:
        """The name of the case."""
        return f"turned-{self.entry.lower().replace(':', '-')}"

    def case(self) -> Json:
        """As in a file of cases."""
        return {
            "name": self.name,
            "level": 1,
            "clauses": [self.clause],
            "why": self.why,
            "origin": f"verify --without {self.entry}",
            "setup": SETUP,
            "tested": [self.tested],
            "finds": self.finds,
            "steps": self.steps,
        }


def turned(
    entry: str, tested: str, follower: str, why: str, scenes: Iterable[object], finds: Json | None = None
) -> Turned:
    """A case of these scenes and steps."""
    steps: Steps = []
    for scene in scenes:
        steps += scene if isinstance(scene, list) else [scene]
    return Turned(entry, tested, follower, why, steps, finds or {})
