"""The queue layer of the invariant: why the data of the new active is what it must be.

The *leader* is the server that took the latest epoch, whether it still runs or not; its data is the history. A
*follower* is a passive server whose data belongs to that epoch; there is at most one, and only it can take over.
What the follower has applied is a prefix of the history; what is in its safe queue was logged by the leader; what it
has reported it has; and what was acknowledged it has reported, or else the witness will not let it take over.
"""

from __future__ import annotations

from takeover_proofs.invariant import Place, both, clause, follower, follows
from takeover_proofs.world import ELIGIBLE, INELIGIBLE, NOTHING, Side, World, at_leader
from takeover_spec.knowledge import settled
from takeover_spec.logic import choose, implies, not_
from takeover_spec.words import Constants, Status


@clause("queue")
def natural_numbers(world: World, c: Constants, at: Place) -> bool:
    """Nothing is counted below 0, and a server that follows nobody yet has no data."""

    def natural(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        natural = (know.epoch >= 0) & (know.applied >= 0) & (know.reported >= 0) & (know.seen >= know.epoch)
        return natural & implies(know.epoch == 0, know.applied == 0)

    return both(world, natural)


@clause("queue")
def active_has_drained(world: World, c: Constants, at: Place) -> bool:
    """A server that is active, or was, has drained; only an active one serves."""

    def drained(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        serving = know.enabled | know.serving | know.intercepting | know.alone
        led = implies(know.active | know.returned, know.drained & (know.epoch >= 1))
        return led & implies(serving, know.active) & not_(know.active & know.returned)

    return both(world, drained)


@clause("queue")
def epochs_in_order(world: World, c: Constants, at: Place) -> bool:
    """The leader is in the latest epoch, and nobody else has been active in it."""

    def ordered(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        was = know.active | know.returned
        leads = was & (know.epoch == world.epoch)
        other = choose(was, know.epoch < world.epoch, (know.epoch == world.epoch) | (know.epoch == 0))
        stale = implies(know.active, know.epoch + 1 == world.epoch)
        fresh = implies(not_(was) & (know.epoch == 0), world.epoch <= 1)
        led = choose(world.leader == index, leads, other & stale & fresh)
        return choose(world.epoch >= 1, led, not_(was) & (know.epoch == 0))

    return both(world, ordered) & (world.epoch >= 0)


@clause("queue")
def witness_is_level_or_one_ahead(world: World, c: Constants, at: Place) -> bool:
    """The witness has granted the latest epoch to the leader, and at most the next one, to the other."""
    level = (world.witness.epoch == world.epoch) & implies(
        world.epoch >= 1, world.witness.holder == world.leader
    )
    ahead = world.witness.epoch == world.epoch + 1
    to_other = implies(world.epoch >= 1, world.witness.holder != world.leader)
    fresh = (world.witness.version == 0) & not_(world.witness.eligible)
    return level | (ahead & to_other & fresh)


@clause("queue")
def owners(world: World, c: Constants, at: Place) -> bool:
    """Each epoch belongs to the server it was granted to, and a lease is counted by that server."""
    latest = implies(world.witness.epoch >= 1, world.owner[world.witness.epoch] == world.witness.holder)
    taken = implies(world.epoch >= 1, world.owner[world.epoch] == world.leader)

    def counted(index: int, me: Side, peer: Side) -> bool:
        lease = me.know.lease_epoch
        mine = (lease <= world.witness.epoch) & (world.owner[lease] == index)
        granted = implies(me.leased, me.leased_epoch <= world.witness.epoch)
        return implies(lease >= 1, mine) & granted

    return latest & taken & both(world, counted)


@clause("queue")
def nobody_owns_two_in_a_row(world: World, c: Constants, at: Place) -> bool:
    """Whoever leads an epoch, or led it, owns it, and does not own the next one."""

    def alternates(index: int, me: Side, peer: Side) -> bool:
        led = me.know.active | me.know.returned
        next_one = me.know.epoch + 1
        other = implies(next_one <= world.witness.epoch, world.owner[next_one] != index)
        return implies(led, (world.owner[me.know.epoch] == index) & other)

    return both(world, alternates)


@clause("queue")
def closed_queue_is_empty(world: World, c: Constants, at: Place) -> bool:
    """Once a server's drain has ended its safe queue is empty."""

    def empty(index: int, me: Side, peer: Side) -> bool:
        nothing = not_(me.know.stored[at.seq]) & (me.know.status[at.seq] == Status.NONE)
        return implies(me.know.drained, nothing)

    return both(world, empty)


@clause("queue")
def leader_data(world: World, c: Constants, at: Place) -> bool:
    """At each place of its own epoch an active server's data has what the update there did."""

    def done(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        own = (know.applied < at.seq) & (at.seq <= know.logged)
        effect = choose(know.carried[at.seq] == Status.DONE, know.epoch, 0)
        right = implies(own, me.data[at.seq] == effect) & implies(know.carried[at.seq] != Status.NONE, own)
        return implies(know.active | know.returned, right & (know.applied <= know.logged))

    return both(world, done)


@clause("queue")
def follower_is_a_prefix(world: World, c: Constants, at: Place) -> bool:
    """What the follower has applied is the leader's history, up to there."""

    def prefix(me: Side, leader: Side) -> bool:
        length = (leader.know.applied <= me.know.applied) & (me.know.applied <= leader.know.logged)
        finished = (at.seq <= leader.know.applied) | (leader.know.carried[at.seq] != Status.NONE)
        same = (me.data[at.seq] == leader.data[at.seq]) & finished
        return length & implies((at.seq >= 1) & (at.seq <= me.know.applied), same)

    return follower(world, prefix)


@clause("queue")
def safe_queue_is_true(world: World, c: Constants, at: Place) -> bool:
    """What is in the follower's safe queue was logged by the leader, and ended as it says."""

    def true(me: Side, leader: Side) -> bool:
        own = (leader.know.applied < at.seq) & (at.seq <= leader.know.logged)
        status = me.know.status[at.seq]
        known = implies(status != Status.NONE, own & (leader.know.carried[at.seq] == status))
        closed = implies(me.know.drained, not_(me.know.stored[at.seq]))
        return implies(me.know.stored[at.seq], own) & known & closed

    return follower(world, true)


@clause("queue")
def copies_are_finished(world: World, c: Constants, at: Place) -> bool:
    """A copy of the leader's data was taken when every update in it had been carried out."""

    def finished(index: int, me: Side, peer: Side) -> bool:
        inside = (me.know.applied < at.seq) & (at.seq <= me.copied)
        done = implies(inside, me.know.carried[at.seq] != Status.NONE) & (me.copied <= me.know.logged)
        return implies(world.leader == index, implies(world.epoch >= 1, done))

    return both(world, finished)


@clause("queue")
def drains_were_finished(world: World, c: Constants, at: Place) -> bool:
    """No drain ended early."""
    return both(world, lambda index, me, peer: not_(me.cut_short))


@clause("queue")
def reports_are_true(world: World, c: Constants, at: Place) -> bool:
    """What the follower reported as safe it has, in its queue or applied."""

    def true(me: Side, leader: Side) -> bool:
        has = choose(me.know.drained, at.seq <= me.know.applied, settled(me.know, at.seq))
        return implies((at.seq >= 1) & (at.seq <= me.know.reported), has)

    return follower(world, true) & both(world, lambda index, me, peer: me.reported_epoch <= me.know.epoch)


@clause("queue")
def safe_is_reported(world: World, c: Constants, at: Place) -> bool:
    """What an active server believes safe was reported to it, in its epoch."""

    def reported(index: int, me: Side, peer: Side) -> bool:
        said = (peer.reported_epoch == me.know.epoch) & (me.know.safe_upto <= peer.know.reported)
        return implies(me.know.active, (me.know.safe_upto <= 0) | said)

    return both(world, reported)


@clause("queue")
def stale_leader_agrees(world: World, c: Constants, at: Place) -> bool:
    """An active server that was overtaken agrees with the leader about everything the leader took over."""

    def agrees(index: int, me: Side, peer: Side) -> bool:
        leader = peer.know
        finished = (at.seq <= me.know.applied) | (me.know.carried[at.seq] != Status.NONE)
        same = (me.data[at.seq] == peer.data[at.seq]) & finished
        inherited = implies((at.seq >= 1) & (at.seq <= leader.applied), same)
        reported = implies(peer.reported_epoch == me.know.epoch, leader.reported <= leader.applied)
        stale = me.know.active & (world.epoch >= 1) & (world.leader != index)
        length = (me.know.applied <= leader.applied) & (leader.applied <= me.know.logged)
        return implies(stale, inherited & reported & length)

    return both(world, agrees)


# --- eligibility ----------------------------------------------------------------------------------


@clause("queue")
def versions(world: World, c: Constants, at: Place) -> bool:
    """What was recorded was declared, and what was declared has a version that was used."""

    def used(index: int, me: Side, peer: Side) -> bool:
        known = (me.recorded[at.version] == NOTHING) | (me.recorded[at.version] == me.declared[at.version])
        out_of_range = (at.version <= 0) | (at.version > me.know.version)
        unused = implies(out_of_range, me.declared[at.version] == NOTHING)
        return implies(me.know.active | me.know.returned, known & unused & (me.know.version >= 0))

    return both(world, used)


@clause("queue")
def witness_version(world: World, c: Constants, at: Place) -> bool:
    """While the witness is level with the leader, its record is the newest one that was recorded."""
    witness = world.witness
    level = (world.epoch >= 1) & (witness.epoch == world.epoch)
    recorded = at_leader(world, lambda leader: leader.recorded)
    newest = implies(at.version > witness.version, recorded[at.version] == NOTHING)
    itself = implies(witness.eligible, recorded[witness.version] == ELIGIBLE)
    used = witness.version <= at_leader(world, lambda leader: leader.know.version)
    return implies(level, newest & itself & used & (witness.version >= 0))


@clause("queue")
def overtaken_is_not_alone(world: World, c: Constants, at: Place) -> bool:
    """Once the next epoch is granted, the active server's newest declaration is not recorded as *not eligible*."""

    def not_alone(index: int, me: Side, peer: Side) -> bool:
        overtaken = (me.know.active | me.know.returned) & (me.know.epoch < world.witness.epoch)
        ineligible = me.recorded[me.know.version] == INELIGIBLE
        return implies(overtaken, not_(me.know.alone) & not_(ineligible))

    return both(world, not_alone)


@clause("queue")
def alone_means_locked(world: World, c: Constants, at: Place) -> bool:
    """While an active server may acknowledge alone, nobody is eligible and no declaration is on its way."""

    def locked(index: int, me: Side, peer: Side) -> bool:
        level = (world.witness.epoch == me.know.epoch) & not_(world.witness.eligible)
        newest = world.witness.version == me.know.version
        return implies(me.know.active & me.know.alone, level & newest)

    return both(world, locked)


@clause("queue")
def acknowledged_is_reported_or_locked(world: World, c: Constants, at: Place) -> bool:
    """An update acknowledged in the latest epoch has been reported, or the follower cannot become eligible."""
    mark, witness = world.mark_seq, world.witness

    def kept(index: int, me: Side, peer: Side) -> bool:
        known = (me.know.applied < mark) & (mark <= me.know.logged) & (mark <= me.know.acknowledged)
        done = (me.know.carried[mark] != Status.NONE) & (me.data[mark] == world.effect)
        reported = (peer.reported_epoch == me.know.epoch) & (mark <= peer.know.reported)
        pending = (at.version > witness.version) & (me.declared[at.version] == ELIGIBLE)
        locked = (witness.epoch == world.epoch) & not_(witness.eligible) & not_(pending)
        return implies(world.leader == index, known & done & (reported | locked))

    latest = c.synchronous & world.acknowledged & (world.mark_epoch == world.epoch)
    return implies(latest, both(world, kept))


@clause("queue")
def acknowledged_is_inherited(world: World, c: Constants, at: Place) -> bool:
    """An update acknowledged in an earlier epoch is in what the leader took over."""
    mark = world.mark_seq
    begun = at_leader(world, lambda leader: leader.know.applied)
    data = at_leader(world, lambda leader: leader.data)
    inherited = (mark >= 1) & (mark <= begun) & (data[mark] == world.effect)
    epochs = (world.mark_epoch >= 1) & (world.mark_epoch <= world.epoch)
    acknowledged = c.synchronous & world.acknowledged
    return implies(acknowledged, epochs & implies(world.mark_epoch < world.epoch, inherited))


@clause("queue")
def lost_stays_lost(world: World, c: Constants, at: Place) -> bool:
    """A lost update is not in the leader's data, and not in what its follower will take over."""
    mark = world.mark_seq
    later = world.mark_epoch < world.epoch
    there = at_leader(
        world, lambda leader: (mark <= leader.know.logged) & (leader.data[mark] == world.mark_epoch)
    )

    def left_out(me: Side, leader: Side) -> bool:
        gone = me.know.drained & (me.know.applied < mark)
        return implies(world.mark_epoch == world.epoch, gone)

    someone = follows(world, 0) | follows(world, 1)
    known = implies(world.mark_epoch == world.epoch, someone) & follower(world, left_out)
    real = world.lost & (world.mark_epoch >= 1) & (mark >= 1)
    return implies(real, (world.mark_epoch <= world.epoch) & implies(later, not_(there)) & known)
