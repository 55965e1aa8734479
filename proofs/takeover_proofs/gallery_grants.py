"""The gallery's entries for the clauses about the public identity and the grants: ADDR, LEASE."""

from __future__ import annotations

from takeover_proofs.entries import ACKNOWLEDGED, DRAINED, HOLDER, Entry, breaks, without
from takeover_proofs.scenes import (
    FAILOVER,
    LEADS,
    PROMISED,
    RECORDED,
    SERVES,
    SHOWN,
    SHOWS,
    WRITES,
    one,
    witness,
    zero,
)
from takeover_spec import actions as act

ENTRIES: tuple[Entry, ...] = (
    without(
        "ADDR-1",
        "A server that has stepped down enables the identity again under its lease, and follows without disabling it.",
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
        breaks(HOLDER, 5, SHOWN + RECORDED + zero(act.Release) + witness(act.EndLease), FAILOVER + SHOWS),
        "hidden_before_releasing",
    ),
    without(
        "LEASE-5",
        "A server that released its role shows itself again under the lease that it gave up.",
        breaks(HOLDER, 6, LEADS + RECORDED + zero(act.Release) + witness(act.EndLease), FAILOVER + SHOWS),
        "released_for_good",
        "used-again",
    ),
)
