"""The cores that must fail: one for each thing that an implementer may get wrong, and what it breaks.

A check that has never failed is not known to work. Each of these has one decision spoilt, and the campaign has to see
it twice: as a broken clause, when the rules are asked, and as a broken property, when they are not. A property is
judged on what happened, so the second is no echo of the first.

REJOIN-3 has no core of its own here: a server that forgets that it was active asks for the next epoch, and a correct
witness grants that to its peer only (LEASE-3). One has to break both to break a property.
"""

from __future__ import annotations

from dataclasses import dataclass

from takeover_models import broken_data as data
from takeover_models import broken_grants as grants
from takeover_models import broken_orders as orders
from takeover_models.cores import REAL, Cores


@dataclass(frozen=True, slots=True)
class Broken:
    """A core with one decision spoilt."""

    name: str
    clause: str
    """What it breaks when the rules are asked."""
    prop: str
    """What it breaks in the world."""
    cores: Cores


BROKEN: tuple[Broken, ...] = (
    Broken("out-of-order", "APPLY-1", "exact-prefix", Cores(step=data.out_of_order)),
    Broken("without-status", "APPLY-2", "exact-prefix", Cores(step=data.without_status)),
    Broken("failed-is-applied", "APPLY-3", "exact-prefix", Cores(step=data.failed_is_applied)),
    Broken("drain-cut-short", "APPLY-4", "exact-prefix", Cores(step=data.drain_cut_short)),
    Broken("drain-goes-on", "APPLY-5", "no-ghost", Cores(step=data.drain_goes_on)),
    Broken(
        "reported-too-early", "QUEUE-4", "nothing-acknowledged-is-lost", Cores(step=data.reported_too_early)
    ),
    Broken("unsafe-queue-replayed", "REJOIN-1", "no-ghost", Cores(step=data.unsafe_queue_replayed)),
    Broken(
        "acknowledged-at-once",
        "SYNC-1",
        "nothing-acknowledged-is-lost",
        Cores(step=data.acknowledged_at_once),
    ),
    Broken("seen-before-drained", "ADDR-1", "drained-before-serving", Cores(step=data.seen_before_drained)),
    Broken("held-past-the-grant", "ADDR-2", "one-holder", Cores(step=grants.held_past_the_grant)),
    Broken("promise-forgotten", "LEASE-1", "one-holder", Cores(step=grants.promise_forgotten)),
    Broken("no-lease-needed", "LEASE-1", "one-holder", Cores(step=grants.no_lease_needed)),
    Broken("no-wait-after-restart", "LEASE-2", "one-holder", Cores(begin=grants.no_wait_after_restart)),
    Broken("two-leases", "LEASE-3", "one-holder", Cores(witness_step=grants.two_leases)),
    Broken(
        "witness-does-not-wait", "LEASE-3", "one-holder", Cores(begin_witness=grants.witness_does_not_wait)
    ),
    Broken(
        "anyone-succeeds",
        "LEASE-3",
        "nothing-acknowledged-is-lost",
        Cores(witness_step=grants.anyone_succeeds),
    ),
    Broken("counted-from-receipt", "LEASE-4", "one-holder", Cores(step=grants.counted_from_receipt)),
    Broken(
        "declared-too-early", "REJOIN-2", "nothing-acknowledged-is-lost", Cores(step=data.declared_too_early)
    ),
    Broken(
        "released-too-early", "SWITCH-1", "switchover-loses-nothing", Cores(step=orders.released_too_early)
    ),
    Broken("released-to-nobody", "SWITCH-2", "switchover-settles", Cores(step=orders.released_to_nobody)),
    Broken("loss-not-stated", "LOSS-1", "exact-loss", Cores(step=data.loss_not_stated)),
    Broken("order-keeps-less", "LOSS-1", "exact-loss", Cores(step=orders.order_keeps_less)),
    Broken("copy-says-otherwise", "LOSS-1", "exact-loss", Cores(step=orders.copy_says_otherwise)),
)
"""In the order of the clauses."""


def cores_named(name: str) -> Cores:
    """The cores of this name; the real ones for the empty name. Raises `KeyError`."""
    return {broken.name: broken.cores for broken in BROKEN}[name] if name else REAL
