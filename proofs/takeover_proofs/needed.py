"""The gallery's entries for the clauses that the properties need: a run for each, that breaks one without it.

An opening tells the tale up to the point where the clause would have stopped it; the rest is the search's.
"""

from __future__ import annotations

from takeover_spec import actions as act
from takeover_spec.words import Constants

from takeover_proofs.entries import Break, Entry, without
from takeover_proofs.invariant import Place
from takeover_proofs.scenes import (
    FAILOVER,
    LEADS,
    RECEIVES,
    REPORTED,
    SERVES,
    TIME,
    WRITES,
    Scene,
    granted,
    joins,
    one,
    serves,
    stores,
    takes,
    witness,
    zero,
)
from takeover_proofs.search import Plan
from takeover_proofs.world import World

HOLDER, PREFIX, GHOST = "one-holder", "exact-prefix", "no-ghost"
ACKNOWLEDGED, DRAINED = "nothing-acknowledged-is-lost", "drained-before-serving"

SHOWN = LEADS + zero(act.Enable)
"""Server 0 holds the public identity, and server 1 may take over from it."""

PROMISED = TIME + one(act.Promise) + zero(act.CountPromise)
"""Server 0 also counts on server 1's promise."""

SHOWS = one(act.Enable) + zero(act.Enable)


def changed(world: World, c: Constants, at: Place) -> bool:
    """The followed update had changed something when it was acknowledged."""
    return world.effect != 0


def breaks(prop: str, length: int, opening: Scene, cast: Scene) -> Break:
    """A property broken by a run of the opening and `length` more steps; a lost update is one that changed something."""
    return Break(prop, Plan(cast, length, opening), changed if prop == ACKNOWLEDGED else None)


DATA = (
    without(
        "APPLY-1",
        "An update is applied over a hole: the new active's data has an effect without the one before it.",
        breaks(PREFIX, 8, SERVES + WRITES + WRITES, FAILOVER + RECEIVES),
    ),
    without(
        "APPLY-2",
        "An update is applied before it is known how it ended, so what it did here is not what it did there.",
        breaks(PREFIX, 6, SERVES + WRITES + one(act.Store), FAILOVER + RECEIVES),
    ),
    without(
        "APPLY-3",
        "An update that failed on the active server changes the data of the passive one.",
        breaks(PREFIX, 8, SERVES + WRITES, FAILOVER + RECEIVES),
    ),
    without(
        "APPLY-4",
        "A drain ends while an update with its completion status is in the safe queue, and it is thrown away.",
        breaks(PREFIX, 7, SERVES + WRITES, FAILOVER + RECEIVES),
    ),
    without(
        "APPLY-5",
        "An update that was discarded, and reported as lost, is stored and applied after all.",
        breaks(GHOST, 7, SERVES + WRITES + one(act.Store, act.Discard), FAILOVER + RECEIVES),
    ),
    without(
        "QUEUE-1",
        "An update is carried out twice, and fails the second time: the passive server has applied the first.",
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

IDENTITY = (
    without(
        "ADDR-1",
        "A server that has stepped down shows itself again under the rest of its lease, and goes back to following.",
        breaks(
            DRAINED,
            10,
            LEADS + zero(act.StepDown),
            FAILOVER + zero(act.Enable, act.CountLease, act.SetAside, act.Resynchronise) + one(act.Copy),
        ),
    ),
    without(
        "ADDR-2",
        "A server shows itself for longer than it was granted.",
        breaks(HOLDER, 7, LEADS, FAILOVER + SHOWS),
    ),
    without(
        "LEASE-1",
        "The challenger takes over with a lease alone, while the holder still counts on the challenger's promise.",
        breaks(HOLDER, 6, SHOWN + PROMISED + zero(act.Enable), FAILOVER + SHOWS),
    ),
    without(
        "LEASE-2",
        "A server that restarts has forgotten its promise, and does not wait it out.",
        breaks(HOLDER, 7, SHOWN + PROMISED + one(act.Start), FAILOVER + SHOWS),
        "wait_out_forgotten_promises",
    ),
    without(
        "LEASE-2",
        "A promise binds its giver for less than its full length.",
        breaks(HOLDER, 7, SHOWN + PROMISED, FAILOVER + SHOWS),
        "promise_only_grows",
        "short",
    ),
    without(
        "LEASE-3",
        "The witness grants to one server while the other's lease still runs.",
        breaks(HOLDER, 5, SHOWN, FAILOVER + SHOWS),
        "one_holder_at_a_time",
    ),
    without(
        "LEASE-3",
        "The witness grants to a server that is recorded as not eligible: what was acknowledged without it is lost.",
        breaks(
            ACKNOWLEDGED,
            5,
            SERVES
            + zero(act.Declare)
            + witness(act.Record)
            + zero(act.HearRecorded)
            + WRITES
            + zero(act.Acknowledge),
            FAILOVER,
        ),
        "only_to_an_eligible_server",
        "ineligible",
    ),
    without(
        "LEASE-3",
        "A witness that restarts has forgotten its lease, and does not wait it out.",
        breaks(HOLDER, 5, SHOWN + witness(act.WitnessStart), FAILOVER + SHOWS),
        "wait_out_forgotten_leases",
        "restart",
    ),
    without(
        "LEASE-3",
        "A lease runs for less than its full length.",
        breaks(HOLDER, 5, SHOWN, FAILOVER + SHOWS),
        "lease_is_kept",
        "short",
    ),
    without(
        "LEASE-4",
        "A server counts a lease for as long as it likes.",
        breaks(HOLDER, 7, LEADS, FAILOVER + SHOWS),
        "lease_counted_from_sending",
    ),
    without(
        "LEASE-4",
        "A server counts a promise for as long as it likes.",
        breaks(HOLDER, 8, LEADS + one(act.Promise), FAILOVER + SHOWS + zero(act.CountPromise)),
        "promise_counted_from_sending",
        "promise",
    ),
    without(
        "LEASE-5",
        "A server releases its role while it still shows itself.",
        breaks(HOLDER, 5, SHOWN + zero(act.Release) + witness(act.EndLease), FAILOVER + SHOWS),
        "hidden_before_releasing",
    ),
    without(
        "LEASE-5",
        "A server that released its role shows itself again under the lease that it gave up.",
        breaks(HOLDER, 6, LEADS + zero(act.Release) + witness(act.EndLease), FAILOVER + SHOWS),
        "released_for_good",
        "used-again",
    ),
)

RETURN = takes(1) + zero(act.SetAside) + one(act.Copy) + zero(act.Resynchronise)
"""Server 1 takes the next epoch, and server 0 returns as its passive server."""

ROLES = (
    without(
        "ROLE-1",
        "Both servers start as they were before: showing themselves.",
        breaks(HOLDER, 2, (), zero(act.Start) + one(act.Start)),
    ),
    without(
        "ROLE-2",
        "The applications are started before anything else.",
        breaks(DRAINED, 1, (), zero(act.StartApplications) + one(act.StartApplications)),
    ),
    without(
        "ROLE-5",
        "A release of the first epoch reaches the witness a second time, and ends the lease of the second.",
        breaks(
            HOLDER,
            7,
            LEADS
            + zero(act.Release)
            + witness(act.EndLease)
            + zero(act.StepDown)
            + RETURN
            + one(act.Declare)
            + witness(act.Record),
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
            5,
            takes(0) + serves(0) + zero(act.Log) + joins(1),
            FAILOVER + zero(act.CarryOut),
        ),
        "copied_between_updates",
        "torn-copy",
    ),
    without(
        "REJOIN-2",
        "A server is resynchronised into the epoch in which it has already discarded an update.",
        breaks(
            GHOST,
            7,
            SERVES + zero(act.Log) + one(act.Store) + zero(act.CarryOut) + one(act.Discard),
            FAILOVER + zero(act.Copy) + one(act.Resynchronise),
        ),
        "resynchronised_once_an_epoch",
        "twice",
    ),
)

NEEDED: tuple[Entry, ...] = (*DATA, *IDENTITY, *ROLES)
