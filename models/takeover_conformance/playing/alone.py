"""A server that is alone in its world: its disk is as a case says, and whom it talks to is played.

There is no pair, so no property of a pair can be judged; what the rules allow, and what may truthfully be said, is.
"""

from __future__ import annotations

from takeover_models.data import Data, Entry, Operation
from takeover_models.images import Image, Queued
from takeover_models.truth import Seen, Truth
from takeover_models.world import World
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Status

FIRST_OFFER = 1_000
"""What applications offer is numbered from here on, so that it is nothing that was found."""


class Unjudged(Truth):
    """What really happened, where half of it was never there."""

    def look(self) -> None:
        """Nothing is seen."""

    def acting(self, server: Seen, action: act.ServerAction) -> tuple[tuple[int, int], ...]:
        """Nothing is given up."""
        return ()

    def acknowledging(self, server: Seen, epoch: int, seq: int) -> None:
        """Nobody else could have it."""

    def changed(self, server: Seen, *, wholly: bool) -> None:
        """Nothing was given up that could come back."""


def alone_in_its(world: World) -> None:
    """Make a new world one of a server alone."""
    world.truth = Unjudged(synchronous=world.truth.synchronous)
    for server in world.servers:
        server.truth = world.truth
    world.offered = FIRST_OFFER


def found_image(found: Knowledge) -> Image:
    """A disk on which just this is found."""
    led = found.active or found.returned
    carried = found.applied
    while led and found.carried[carried + 1]:
        carried += 1
    done = {seq: Queued(_operation(seq), Status.DONE) for seq in range(found.applied + 1, carried + 1)}
    left = {seq: Queued(_operation(seq)) for seq in range(carried + 1, found.logged + 1)} if led else {}
    stored = range(found.applied + 1, found.newest + 1)
    return Image(
        know=found,
        data=Data({}, tuple(Entry(seq, True) for seq in range(1, carried + 1))),
        lineage=found.epoch,
        safe={seq: Queued(_operation(seq), Status(found.status[seq])) for seq in stored if found.stored[seq]},
        unsafe=done | left if found.unsafe else {},
        logged=found.logged,
    )


def _operation(number: int) -> Operation:
    return Operation(number, "put", "a")
