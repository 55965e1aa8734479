"""The queue layer of the invariant: why the data of the new active is what it must be.

The *leader* is the server that took the latest epoch, whether it still runs or not; its data is the history. A
*follower* is a passive server whose data belongs to that epoch; there is at most one, and only it can take over.
What the follower has applied is a prefix of the history; what is in its safe queue was logged by the leader; what it
has reported it has; and what was acknowledged it has reported, or else the witness will not let it take over.
"""

from __future__ import annotations

from takeover_proofs.invariant import Place, both, clause, follower, follows
from takeover_proofs.world import (
    ELIGIBLE,
    INELIGIBLE,
    NOTHING,
    Side,
    World,
    at_leader,
    is_own,
    succeeds_itself,
)
from takeover_spec.knowledge import settled
from takeover_spec.logic import choose, implies, not_
from takeover_spec.words import Constants, Status


@clause("queue")
def natural_numbers(world: World, c: Constants, at: Place) -> bool:
    """Nothing is counted below 0, and a server that follows nobody yet has no data."""

    def natural(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        natural = (know.epoch >= 0) & (know.applied >= 0) & (know.reported >= 0) & (know.begun >= 0)
        heard = (know.epoch <= know.seen) & (know.seen <= world.epoch) & (know.released <= know.epoch)
        return natural & heard & implies(know.epoch == 0, know.applied == 0)

    holder = (world.witness.holder == 0) | (world.witness.holder == 1)
    return both(world, natural) & holder


@clause("queue")
def active_has_drained(world: World, c: Constants, at: Place) -> bool:
    """A server that is active, or was, has drained; only an active one serves."""

    def drained(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        serving = know.enabled | know.serving | know.intercepting | know.alone | know.successor
        was = know.active | know.returned
        led = implies(was, know.drained & (know.epoch >= 1)) & implies(know.unsafe, was)
        return led & implies(serving, know.active) & not_(know.active & know.returned)

    return both(world, drained)


@clause("queue")
def epochs_in_order(world: World, c: Constants, at: Place) -> bool:
    """The leader is in the latest epoch, and nobody else has been active in it."""

    def ordered(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        was = know.active | know.returned
        leads = was & (know.epoch == world.epoch)
        other = choose(was, know.epoch < world.epoch, know.epoch <= world.epoch)
        led = choose(world.leader == index, leads, other)
        return choose(world.epoch >= 1, led, not_(was) & (know.epoch == 0))

    return both(world, ordered) & (world.epoch >= 0)


@clause("queue")
def witness_is_level_or_one_ahead(world: World, c: Constants, at: Place) -> bool:
    """The witness has granted the latest epoch to the leader, and at most the next one."""
    level = (world.witness.epoch == world.epoch) & implies(
        world.epoch >= 1, world.witness.holder == world.leader
    )
    ahead = world.witness.epoch == world.epoch + 1
    fresh = (world.witness.version == 0) & not_(world.witness.eligible) & not_(world.witness.ended)
    return level | (ahead & fresh)


@clause("queue")
def only_an_order_lets_the_leader_succeed_itself(world: World, c: Constants, at: Place) -> bool:
    """A leader that was granted the next epoch was ordered to take it, in this epoch, and is passive."""

    def ordered(index: int, me: Side, peer: Side) -> bool:
        itself = (world.leader == index) & succeeds_itself(world)
        return implies(itself, not_(me.know.active) & (me.asked == me.know.epoch + 1))

    def asked(index: int, me: Side, peer: Side) -> bool:
        latest = me.know.epoch + choose(me.know.active, 0, 1)
        return (me.asked <= latest) & implies(me.know.promoted, not_(me.know.active))

    return both(world, ordered) & both(world, asked) & (world.ordered <= world.witness.epoch)


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
def nobody_owns_the_past(world: World, c: Constants, at: Place) -> bool:
    """Whoever leads an epoch, or led it, owns it; and a server that is behind does not own the epoch after its own."""

    def behind(index: int, me: Side, peer: Side) -> bool:
        led = implies(me.know.active | me.know.returned, world.owner[me.know.epoch] == index)
        return led & implies(me.know.epoch < world.epoch, world.owner[me.know.epoch + 1] != index)

    return both(world, behind)


@clause("queue")
def drained_owns_the_next(world: World, c: Constants, at: Place) -> bool:
    """A follower that has drained was granted the next epoch."""

    def granted(index: int, me: Side, peer: Side) -> bool:
        ahead = (world.witness.epoch == world.epoch + 1) & (world.witness.holder == index)
        return implies(follows(world, index) & me.know.drained, ahead)

    return both(world, granted)


@clause("queue")
def closed_queue_is_empty(world: World, c: Constants, at: Place) -> bool:
    """Nothing in a safe queue is above its newest; and once a server's drain has ended its safe queue is empty."""

    def empty(index: int, me: Side, peer: Side) -> bool:
        nothing = not_(me.know.stored[at.seq]) & (me.know.status[at.seq] == Status.NONE)
        bounded = implies(me.know.stored[at.seq], at.seq <= me.know.newest)
        return bounded & implies(me.know.drained, nothing)

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
        follows_me = peer.reported_epoch == me.know.epoch
        said = follows_me & (me.know.safe_upto <= peer.know.reported)
        believed = ((me.know.safe_upto <= 0) | said) & implies(me.know.peer_follows, follows_me)
        return implies(me.know.active, believed)

    return both(world, reported)


@clause("queue")
def overtaken_agrees(world: World, c: Constants, at: Place) -> bool:
    """A server that was overtaken agrees with the leader about everything that was taken over from it."""

    def agrees(index: int, me: Side, peer: Side) -> bool:
        leader = peer.know
        finished = (at.seq <= me.know.applied) | (me.know.carried[at.seq] != Status.NONE)
        same = (me.data[at.seq] == peer.data[at.seq]) & finished
        inherited = implies((at.seq >= 1) & (at.seq <= me.parted), same)
        after = (me.parted < at.seq) & (at.seq <= leader.logged)
        inherited &= implies(after, (peer.data[at.seq] == 0) | (peer.data[at.seq] > me.know.epoch))
        reported = implies(peer.reported_epoch == me.know.epoch, leader.reported <= me.parted)
        overtaken = (me.know.active | me.know.returned) & (world.epoch >= 1) & (world.leader != index)
        length = (me.know.applied <= me.parted) & (me.parted <= me.know.logged)
        known = (leader.begun == me.parted) & (me.parted <= leader.applied)
        return implies(overtaken, inherited & reported & length & known)

    return both(world, agrees)


@clause("queue")
def copies_say_where_epochs_began(world: World, c: Constants, at: Place) -> bool:
    def said(index: int, me: Side, peer: Side) -> bool:
        sent = (world.leader == index) & (world.epoch >= 1) & (me.copied >= 0)
        return implies(sent, me.copied_begun == me.know.begun)

    return both(world, said)


@clause("queue")
def promoted_keeps_what_was_carried_out(world: World, c: Constants, at: Place) -> bool:
    """What an old leader is to go on with is all that was carried out, and nothing else."""

    def keeps(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        length = (know.applied <= know.keeps) & (know.keeps <= know.logged)
        own = (know.applied < at.seq) & (at.seq <= know.logged)
        exact = implies(own, (know.carried[at.seq] != Status.NONE) == (at.seq <= know.keeps))
        return implies(know.promoted & know.returned, length & exact)

    return both(world, keeps)


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
    """While the witness is level with the leader, its record is the newest one that was recorded; with arbiters of
    their own it may say less."""
    witness = world.witness
    level = (world.epoch >= 1) & (witness.epoch == world.epoch)
    recorded = at_leader(world, lambda leader: leader.recorded)
    newest = implies(at.version > witness.version, recorded[at.version] == NOTHING)
    was = recorded[witness.version] == ELIGIBLE
    itself = implies(witness.eligible, was) if is_own(world.nature) else witness.eligible == was
    used = witness.version <= at_leader(world, lambda leader: leader.know.version)
    return implies(level, newest & itself & used & (witness.version >= 0))


@clause("queue")
def overtaken_is_not_alone(world: World, c: Constants, at: Place) -> bool:
    """Once the next epoch is granted, the active server's newest declaration is not recorded as *not eligible*."""

    def not_alone(index: int, me: Side, peer: Side) -> bool:
        overtaken = me.know.active & (me.know.epoch < world.witness.epoch) & (world.ordered <= me.know.epoch)
        ineligible = me.recorded[me.know.version] == INELIGIBLE
        return implies(overtaken, not_(me.know.alone) & not_(ineligible))

    return both(world, not_alone)


@clause("queue")
def alone_means_locked(world: World, c: Constants, at: Place) -> bool:
    """While an active server may acknowledge alone, nobody is eligible and no declaration is on its way."""

    def locked(index: int, me: Side, peer: Side) -> bool:
        level = (world.witness.epoch == me.know.epoch) & not_(world.witness.eligible)
        newest = (world.witness.version == me.know.version) & (me.declared[me.know.version] != ELIGIBLE)
        unordered = world.ordered <= me.know.epoch
        return implies(me.know.active & me.know.alone & unordered, level & newest)

    return both(world, locked)


@clause("queue")
def acknowledged_is_reported_or_locked(world: World, c: Constants, at: Place) -> bool:
    """An update acknowledged in the latest epoch has been reported, or the follower cannot become eligible."""
    mark, witness = world.mark_seq, world.witness

    def kept(index: int, me: Side, peer: Side) -> bool:
        known = (me.know.applied < mark) & (mark <= me.know.logged) & (mark <= me.know.acknowledged)
        done = (me.know.carried[mark] != Status.NONE) & (me.data[mark] == world.effect)
        reported = (peer.reported_epoch == me.know.epoch) & (mark <= peer.know.reported)
        pending = (at.version >= witness.version) & (me.declared[at.version] == ELIGIBLE)
        locked = (witness.epoch == world.epoch) & not_(witness.eligible) & not_(pending)
        kept = reported | locked | succeeds_itself(world)
        return implies(world.leader == index, known & done & kept)

    followed = c.synchronous & world.acknowledged & (world.ordered <= world.mark_epoch)
    latest = followed & (world.mark_epoch == world.epoch)
    return implies(latest, both(world, kept))


@clause("queue")
def acknowledged_is_inherited(world: World, c: Constants, at: Place) -> bool:
    """An update acknowledged in an earlier epoch is in what each later leader took over."""
    mark = world.mark_seq

    def inherited(index: int, me: Side, peer: Side) -> bool:
        later = (me.know.active | me.know.returned) & (world.mark_epoch < me.know.epoch)
        there = (mark >= 1) & (mark <= me.know.applied) & (me.data[mark] == world.effect)
        return implies(later & (world.ordered <= world.mark_epoch), there)

    epochs = (world.mark_epoch >= 1) & (world.mark_epoch <= world.epoch)
    return implies(c.synchronous & world.acknowledged, epochs & both(world, inherited))


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


# --- switchover -----------------------------------------------------------------------------------


@clause("queue")
def successor_is_recorded(world: World, c: Constants, at: Place) -> bool:
    """A server that knows of a successor has its newest declaration recorded, as *eligible*."""

    def recorded(index: int, me: Side, peer: Side) -> bool:
        return implies(me.know.active & me.know.successor, me.recorded[me.know.version] == ELIGIBLE)

    return both(world, recorded)


@clause("queue")
def releases_are_true(world: World, c: Constants, at: Place) -> bool:
    """What a server heard of as released was released."""
    return both(world, lambda index, me, peer: me.know.peer_released <= peer.know.released)


@clause("queue")
def released_is_complete(world: World, c: Constants, at: Place) -> bool:
    """What a leader that released its role logged is carried out, and reported by a follower that may succeed it; with
    arbiters of their own, by one that follows."""

    def complete(index: int, me: Side, peer: Side) -> bool:
        know = me.know
        released = (world.leader == index) & (world.epoch >= 1) & (know.released == world.epoch)
        own = (know.applied < at.seq) & (at.seq <= know.logged)
        finished = implies(own, know.carried[at.seq] != Status.NONE)
        reported = (peer.reported_epoch == world.epoch) & (know.logged <= peer.know.reported)
        open_to_it = world.witness.eligible & (world.witness.version == know.version) | is_own(world.nature)
        granted = world.witness.holder != world.leader
        ordered = implies(me.asked > world.epoch, me.obeys > world.epoch)
        may = (
            choose(world.witness.epoch == world.epoch, open_to_it, granted | succeeds_itself(world)) & ordered
        )
        hidden = not_(know.serving) & not_(know.intercepting)
        return implies(released, finished & reported & follows(world, 1 - index) & may & hidden)

    return both(world, complete)
