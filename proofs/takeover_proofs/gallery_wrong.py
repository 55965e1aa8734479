"""The gallery's wrong protocols: rules that look right and are not, and a world that keeps less than is assumed of it.

Each of these rules is a tempting reading of a clause, weaker than the clause in one place. No server obeys them.
"""

from __future__ import annotations

from dataclasses import fields

from takeover_proofs.entries import ACKNOWLEDGED, HOLDER, Entry, breaks, instead
from takeover_proofs.invariant import Place
from takeover_proofs.rulebook import EVERY_RULE
from takeover_proofs.scenes import (
    FAILOVER,
    LEADS,
    PROMISED,
    RECEIVES,
    REPORTED,
    SERVES,
    SHOWN,
    SHOWS,
    TIME,
    WRITES,
    granted,
    one,
    stores,
    takes,
    zero,
)
from takeover_proofs.transition import Forget
from takeover_proofs.world import ELIGIBLE, Nature, World
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge
from takeover_spec.logic import not_
from takeover_spec.words import PPM, Arbiter, Constants


def acknowledged_when_itself_safe(know: Knowledge, action: act.Acknowledge, now: int, c: Constants) -> bool:
    """An update is acknowledged when it is safe itself, whatever is missing below it: a hole makes it discarded."""
    itself = (action.seq <= know.safe_upto) | (action.seq == know.safe_latest)
    return not_(c.synchronous) | itself | know.alone


def challenger_needs_the_lease(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    """A server takes over as soon as it has a lease, whatever it has promised."""
    return (know.lease_epoch == action.epoch) & (now < know.lease_until)


def lease_counted_from_arrival(know: Knowledge, action: act.CountLease, now: int, c: Constants) -> bool:
    """A lease is counted from when it arrives, which may be long after it was granted."""
    counted = (action.until - now) * (PPM + c.drift_ppm) <= c.lease_ns * (PPM - c.drift_ppm)
    return counted & (know.started <= action.sent) & (action.sent <= now)


def lease_counted_in_full(know: Knowledge, action: act.CountLease, now: int, c: Constants) -> bool:
    """A lease is counted from when its request was sent, as if all clocks ran alike."""
    counted = action.until - action.sent <= c.lease_ns
    return counted & (know.started <= action.sent) & (action.sent <= now)


_GOES_ON = zero(act.Promote) + LEADS + TIME + granted(0) + zero(act.CountLease, act.Enable) + TIME
"""Server 0 was ordered to begin, and goes on under the leases that its own arbiter grants."""


def silent_for_a_lease(world: World, c: Constants, at: Place) -> bool:
    """Server 1, which was eligible, has been there for longer than a lease, and server 0 was granted another
    meanwhile."""
    old, new = world.sides
    eligible = old.recorded[old.know.version] == ELIGIBLE
    return (new.clock > c.lease_ns) & (old.leased_sent > 0) & eligible


RULES = (
    instead(
        "acknowledged_when_safe",
        acknowledged_when_itself_safe,
        "SYNC-1:weaker",
        breaks(ACKNOWLEDGED, 8, SERVES + WRITES + WRITES + stores(1), FAILOVER + REPORTED),
    ),
    instead(
        "challenger_needs_both",
        challenger_needs_the_lease,
        "LEASE-1:either",
        breaks(HOLDER, 6, SHOWN + PROMISED + zero(act.Enable), FAILOVER + SHOWS),
        EVERY_RULE.without("LEASE-1", "drained_for_a_takeover"),
    ),
    instead(
        "lease_counted_from_sending",
        lease_counted_from_arrival,
        "LEASE-4:from-arrival",
        breaks(HOLDER, 9, LEADS, FAILOVER + zero(act.CountLease) + SHOWS),
    ),
    instead(
        "lease_counted_from_sending",
        lease_counted_in_full,
        "LEASE-4:no-drift",
        breaks(HOLDER, 7, LEADS, FAILOVER + SHOWS),
    ),
)

ASSUMPTIONS = (
    Entry(
        "clocks",
        "The witness's clock runs away: it takes a lease for over that its holder still counts on.",
        breaks=breaks(HOLDER, 7, LEADS, FAILOVER + SHOWS),
        nature=Nature(clocks=False),
    ),
    Entry(
        "kernel",
        "The kernel does not end the address of a server that is stopped.",
        breaks=breaks(HOLDER, 6, SHOWN, FAILOVER + SHOWS),
        nature=Nature(kernel=False),
    ),
    Entry(
        "durable",
        "A server restarts, and an update that it reported as durable is gone from its safe queue.",
        breaks=breaks(
            ACKNOWLEDGED,
            5,
            SERVES + WRITES + stores(1) + REPORTED + one(act.Start, Forget),
            FAILOVER + RECEIVES,
        ),
        nature=Nature(durable=False),
    ),
    Entry(
        "truthful",
        "Somebody pretends to be the witness, and grants a lease.",
        breaks=breaks(HOLDER, 4, SHOWN, FAILOVER + SHOWS),
        nature=Nature(truthful=False),
    ),
    Entry(
        "silence",
        "Crash-stop, and the link is cut: the secondary takes the primary for dead, which goes on by its own arbiter.",
        breaks=breaks(HOLDER, 5, _GOES_ON, takes(1) + one(act.Enable), silent_for_a_lease),
        nature=Nature(arbiter=Arbiter.CRASH_STOP, silence=False),
    ),
    Entry(
        "operator",
        "A person orders the secondary to take over, and has not seen that the silent primary still serves.",
        breaks=breaks(HOLDER, 5, _GOES_ON + one(act.Promote), takes(1) + one(act.Enable), silent_for_a_lease),
        nature=Nature(arbiter=Arbiter.OPERATOR, operator=False),
    ),
)

ENTRIES: tuple[Entry, ...] = (*RULES, *ASSUMPTIONS)

assert {entry.id for entry in ASSUMPTIONS} == {f.name for f in fields(Nature)} - {"arbiter"}
