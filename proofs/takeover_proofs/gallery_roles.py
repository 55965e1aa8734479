"""The gallery's entries for the clauses about roles, epochs and who is eligible: ROLE, REJOIN."""

from __future__ import annotations

from takeover_proofs.entries import ACKNOWLEDGED, DRAINED, GHOST, HOLDER, PREFIX, Entry, breaks, without
from takeover_proofs.invariant import Place
from takeover_proofs.scenes import (
    DRAINS,
    FAILOVER,
    LEADS,
    RECORDED,
    SERVES,
    SHOWS,
    TIME,
    WRITES,
    granted,
    joins,
    one,
    rejoins,
    serves,
    takes,
    witness,
    zero,
)
from takeover_proofs.world import World, at_leader
from takeover_spec import actions as act
from takeover_spec.words import Constants


def not_too_long(world: World, c: Constants, at: Place) -> bool:
    """The new active took over with no more updates than the old one had."""
    return at_leader(world, lambda leader: leader.know.applied) <= world.parent_length


ENTRIES: tuple[Entry, ...] = (
    without(
        "ROLE-1",
        "Both servers start as they were before: showing themselves.",
        breaks(HOLDER, 2, (), zero(act.Start) + one(act.Start)),
    ),
    without(
        "ROLE-2",
        "A passive server starts the applications before anything else.",
        breaks(DRAINED, 1, LEADS, zero(act.StartApplications) + one(act.StartApplications)),
    ),
    without(
        "ROLE-5",
        "A release of the first epoch reaches the witness a second time, and ends the lease of the second.",
        breaks(
            HOLDER,
            7,
            LEADS
            + RECORDED
            + zero(act.Release)
            + witness(act.EndLease)
            + zero(act.StepDown)
            + takes(1)
            + rejoins(0),
            witness(act.EndLease) + takes(0) + SHOWS,
        ),
        "current_epoch_only",
    ),
    without(
        "ROLE-5",
        "The witness records a declaration of the epoch before, so a server takes over that nobody declared eligible.",
        breaks(
            ACKNOWLEDGED,
            12,
            LEADS
            + zero(act.Declare)
            + TIME
            + granted(1)
            + one(act.CountLease)
            + witness(act.Record)
            + one(act.Discard, act.TakeRole)
            + serves(1),
            TIME
            + takes(0)
            + zero(act.StepDown, act.SetAside, act.Resynchronise)
            + one(act.Copy, act.Log, act.CarryOut, act.Acknowledge),
        ),
        "current_epoch_only",
        "old-declaration",
    ),
    without(
        "REJOIN-2",
        "The passive server is declared eligible although an acknowledged update is not known to be safe.",
        breaks(
            ACKNOWLEDGED,
            7,
            takes(0) + serves(0) + WRITES + zero(act.Acknowledge, act.Copy) + one(act.Resynchronise),
            FAILOVER + zero(act.Declare) + witness(act.Record),
        ),
        "eligible_when_nothing_is_missing",
    ),
    without(
        "REJOIN-2",
        "The witness records an old declaration over a newer one.",
        breaks(
            ACKNOWLEDGED,
            6,
            SERVES
            + zero(act.Declare)
            + witness(act.Record)
            + zero(act.HearRecorded)
            + WRITES
            + zero(act.Acknowledge),
            FAILOVER + witness(act.Record),
        ),
        "newer_declarations_only",
        "old-declaration",
    ),
    without(
        "REJOIN-2",
        "The data is copied in the middle of an update.",
        breaks(
            PREFIX,
            6,
            takes(0) + serves(0) + zero(act.Log) + joins(1),
            FAILOVER + zero(act.CarryOut),
            not_too_long,
        ),
        "copied_between_updates",
        "torn-copy",
    ),
    without(
        "REJOIN-2",
        "A server is resynchronised into the epoch in which it has already discarded an update.",
        breaks(
            GHOST,
            4,
            SERVES + WRITES + one(act.Store) + DRAINS,
            zero(act.Copy) + one(act.Resynchronise, act.Discard, act.TakeRole),
        ),
        "resynchronised_forwards",
        "twice",
    ),
)
