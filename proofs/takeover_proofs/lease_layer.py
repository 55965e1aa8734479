"""The lease layer of the invariant: why one server at most holds the public identity.

A grant is asked for at `sent` on the holder's clock, and binds its giver for a length on the giver's clock from when
it was given, which is later. The clauses carry one inequality through time: what is left of a grant for its holder,
on a slow clock, is never more than what is left for its giver, on a fast one,

    (sent - clock)·(1+ρ) + length·(1-ρ)  <=  (giver's end - giver's clock)·(1-ρ).
"""

from __future__ import annotations

from takeover_proofs.invariant import Place, both, clause
from takeover_proofs.world import Side, World, is_own
from takeover_spec.logic import choose, implies, not_
from takeover_spec.words import PPM, Constants


def _reaches(sent: int, clock: int, length: int, c: Constants) -> int:
    """How far a grant asked for at `sent` can still reach, scaled: positive while it may be in use."""
    return (sent - clock) * (PPM + c.drift_ppm) + length * (PPM - c.drift_ppm)


@clause("lease")
def sent_in_the_past(world: World, c: Constants, at: Place) -> bool:
    def past(index: int, me: Side, peer: Side) -> bool:
        lease = implies(me.leased, me.leased_sent <= me.clock)
        return lease & implies(me.promised, me.promised_sent <= me.clock)

    return both(world, past) & both(world, lambda index, me, peer: me.clock >= 0)


@clause("lease")
def witness_outlasts_its_leases(world: World, c: Constants, at: Place) -> bool:
    """What a server can still count from a lease ends before the witness is free to grant to the other. With arbiters
    of their own: a lease that is of use to a passive server, or is in use, is the record holder's."""
    free_in = (world.witness.lease_until - world.witness_clock) * (PPM - c.drift_ppm)

    def bounded(index: int, me: Side, peer: Side) -> bool:
        reach = _reaches(me.leased_sent, me.clock, c.lease_ns, c)
        holds_it = (world.witness.holder == index) & (me.leased_epoch == world.witness.epoch)
        usable = me.leased & (me.leased_epoch > me.know.released)
        if is_own(world.nature):
            of_use = usable & (me.know.active | (me.leased_epoch > me.know.epoch))
            return implies(of_use, (world.witness.holder == index) | (reach <= 0))
        return implies(usable, choose(holds_it, reach <= free_in, reach <= 0))

    return both(world, bounded)


@clause("lease")
def epochs_are_heard_of(world: World, c: Constants, at: Place) -> bool:
    def heard(index: int, me: Side, peer: Side) -> bool:
        return (me.know.epoch <= me.know.seen) & (me.know.released <= me.know.epoch)

    return both(world, heard)


@clause("lease")
def what_ended_was_released(world: World, c: Constants, at: Place) -> bool:
    def gave_up(index: int, me: Side, peer: Side) -> bool:
        holder = world.witness.ended & (world.witness.holder == index)
        return implies(holder, world.witness.epoch <= me.know.released)

    return both(world, gave_up)


@clause("lease")
def leases_are_of_granted_epochs(world: World, c: Constants, at: Place) -> bool:
    """…and with arbiters of their own, of the epoch that a server is active in, or at most the next of a passive
    one."""

    def known(index: int, me: Side, peer: Side) -> bool:
        granted = implies(me.leased, me.leased_epoch <= world.witness.epoch)
        if not is_own(world.nature):
            return granted
        wanted = implies(me.know.active, me.leased & (me.leased_epoch == me.know.epoch))
        return granted & wanted & implies(me.leased, me.leased_epoch <= me.know.epoch + 1)

    return both(world, known)


@clause("lease")
def leases_counted_short(world: World, c: Constants, at: Place) -> bool:
    """What a server still counts from a lease is no more than what it may."""

    def short(index: int, me: Side, peer: Side) -> bool:
        counted = _reaches(me.leased_sent, me.know.lease_until, c.lease_ns, c) >= 0
        known = me.leased & (me.know.lease_epoch <= me.leased_epoch)
        void = me.know.lease_epoch <= me.know.released
        if is_own(world.nature):  # a passive server's lease of its old epoch
            void |= not_(me.know.active) & (me.know.lease_epoch <= me.know.epoch)
        return (me.know.lease_until <= me.clock) | void | (known & counted)

    return both(world, short)


@clause("lease")
def promise_outlasts_its_use(world: World, c: Constants, at: Place) -> bool:
    """What a server can still count from a promise ends before the promise does."""

    def bounded(index: int, me: Side, peer: Side) -> bool:
        bound = (peer.know.given_until - peer.clock) * (PPM - c.drift_ppm)
        usable = me.promised & (me.promised_epoch > me.know.released)
        return implies(usable, _reaches(me.promised_sent, me.clock, c.promise_ns, c) <= bound)

    return both(world, bounded)


@clause("lease")
def promises_are_of_seen_epochs(world: World, c: Constants, at: Place) -> bool:
    def known(index: int, me: Side, peer: Side) -> bool:
        return implies(me.promised, me.promised_epoch <= peer.know.seen)

    return both(world, known)


@clause("lease")
def promises_counted_short(world: World, c: Constants, at: Place) -> bool:
    """What an active server still counts from a promise is no more than what it may."""

    def short(index: int, me: Side, peer: Side) -> bool:
        counted = _reaches(me.promised_sent, me.know.promise_until, c.promise_ns, c) >= 0
        known = me.know.active & me.promised & (me.promised_epoch == me.know.epoch)
        return (me.know.promise_until <= me.clock) | (known & counted)

    return both(world, short)


@clause("lease")
def active_has_promised_nothing(world: World, c: Constants, at: Place) -> bool:
    return both(world, lambda index, me, peer: implies(me.know.active, me.know.given_until <= me.clock))


@clause("lease")
def identity_within_a_grant(world: World, c: Constants, at: Place) -> bool:
    """An enabled identity is at an active server, and has ended or ends within a grant that is not void."""

    def within(index: int, me: Side, peer: Side) -> bool:
        end = me.know.until + c.expiry_slack_ns
        leased = me.leased & (me.leased_epoch > me.know.released)
        promised = me.promised & (me.promised_epoch > me.know.released) & (me.promised_epoch == me.know.epoch)
        by_lease = leased & (_reaches(me.leased_sent, end, c.lease_ns, c) >= 0)
        by_promise = promised & (_reaches(me.promised_sent, end, c.promise_ns, c) >= 0)
        return implies(me.know.enabled, me.know.active & ((end <= me.clock) | by_lease | by_promise))

    return both(world, within)
