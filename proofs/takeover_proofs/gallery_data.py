"""The gallery's entries for the clauses about the data: APPLY, QUEUE, SYNC.

An opening tells the tale up to the point where the clause would have stopped it; the rest is the search's.
"""

from __future__ import annotations

from takeover_proofs.entries import ACKNOWLEDGED, GHOST, PREFIX, Entry, breaks, without
from takeover_proofs.invariant import Place
from takeover_proofs.scenes import DRAINS, FAILOVER, RECEIVES, REPORTED, SERVES, WRITES, one, zero
from takeover_proofs.world import World, at_leader
from takeover_spec import actions as act
from takeover_spec.words import Constants


def surplus(world: World, c: Constants, at: Place) -> bool:
    """The new active's data has an effect there."""
    return at_leader(world, lambda leader: leader.data)[at.seq] != 0


def over_a_hole(world: World, c: Constants, at: Place) -> bool:
    """The new active's data lacks the effect there, and has the next one."""
    data = at_leader(world, lambda leader: leader.data)
    return (data[at.seq] == 0) & (data[at.seq + 1] != 0)


ENTRIES: tuple[Entry, ...] = (
    without(
        "APPLY-1",
        "An update is applied over a hole: the new active's data has an effect without the one before it.",
        breaks(PREFIX, 8, SERVES + WRITES + WRITES, FAILOVER + RECEIVES, over_a_hole),
    ),
    without(
        "APPLY-2",
        "An update is applied before it is known how it ended, so what it did here is not what it did there.",
        breaks(PREFIX, 6, SERVES + WRITES + one(act.Store), FAILOVER + RECEIVES),
    ),
    without(
        "APPLY-3",
        "An update that failed on the active server changes the data of the passive one.",
        breaks(PREFIX, 8, SERVES + WRITES, FAILOVER + RECEIVES, surplus),
    ),
    without(
        "APPLY-4",
        "A drain ends while an update with its completion status is in the safe queue, and it is thrown away.",
        breaks(PREFIX, 7, SERVES + WRITES, FAILOVER + RECEIVES),
    ),
    without(
        "APPLY-5",
        "An update that was discarded, and reported as lost, is stored and applied after all.",
        breaks(GHOST, 4, SERVES + WRITES + one(act.Store) + DRAINS, RECEIVES + one(act.TakeRole)),
    ),
    without(
        "QUEUE-1",
        "An update is carried out twice, and ends otherwise than the passive server was told.",
        breaks(PREFIX, 9, SERVES + WRITES, FAILOVER + RECEIVES + zero(act.CarryOut)),
        "log_first",
    ),
    without(
        "QUEUE-1",
        "The numbers go back: the active server forgets an update that the passive one has applied.",
        breaks(PREFIX, 9, SERVES + WRITES, FAILOVER + RECEIVES + zero(act.Log)),
        "next_number",
        "renumbered",
    ),
    without(
        "QUEUE-4",
        "The passive server reports what it does not have, and the active one believes it.",
        breaks(ACKNOWLEDGED, 5, SERVES + WRITES + REPORTED, FAILOVER + RECEIVES),
    ),
    without(
        "QUEUE-5",
        "An update is applied out of the failed server's unsafe queue, though nobody knows how it would have ended.",
        breaks(PREFIX, 6, SERVES + zero(act.Log), FAILOVER + RECEIVES),
    ),
    without(
        "SYNC-1",
        "An update is acknowledged before the passive server has it, and the active server fails.",
        breaks(ACKNOWLEDGED, 5, SERVES + WRITES + zero(act.Acknowledge), FAILOVER),
        "acknowledged_when_safe",
    ),
)
