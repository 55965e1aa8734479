"""What a person asks `takeover verify` to prove: properties, or single obligations, by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from takeover.errors import CallerError
from takeover_proofs.induction import Obligation, obligations, obligations_of_own
from takeover_proofs.invariant import CLAUSES, Clause
from takeover_proofs.world import Nature

PROPERTIES: tuple[Clause, ...] = tuple(clause for clause in CLAUSES if clause.is_property)


CORE = "core"
"""The id of the proof that the shipped cores obey the rules."""


class UnknownId(CallerError):
    """Nothing has this id. Says which ids there are."""

    def __init__(self, id: str, known: Sequence[str]) -> None:
        super().__init__(f"{id!r} is not known; there are: {', '.join(known)}")
        self.id = id
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be proved."""

    obligations: tuple[Obligation, ...]
    properties: tuple[Clause, ...]
    """The properties that are proved if all of these are: those whose layer is selected as a whole."""
    own: tuple[tuple[Nature, list[Obligation]], ...]
    """What else the properties need where the servers have arbiters of their own."""
    core: bool
    """Whether the shipped cores are to be held against the rules."""


def select(ids: Sequence[str]) -> Selection:
    """What these ids name; everything if there are none. A property needs the whole invariant of its layer.

    Raises `UnknownId`.
    """
    every = obligations()
    named = {prop.name: prop for prop in PROPERTIES}
    single = {obligation.id for obligation in every}
    for id in ids:
        if id not in named and id not in single and id != CORE:
            raise UnknownId(
                id, [*named, CORE, "and single obligations as STEP/CLAUSE, such as Tick/one-holder"]
            )
    properties = tuple(prop for prop in PROPERTIES if prop.name in ids) if ids else PROPERTIES
    layers = {prop.layer for prop in properties}
    own = [
        (nature, [o for o in of_own if o.clause.layer in layers]) for nature, of_own in obligations_of_own()
    ]
    chosen = tuple(o for o in every if o.clause.layer in layers or o.id in ids)
    return Selection(chosen, properties, tuple(own), not ids or CORE in ids)
