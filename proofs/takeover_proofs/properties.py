"""The properties, as clauses of the invariant: what follows from the rules, for any pair that obeys them."""

from __future__ import annotations

from takeover_proofs import lease_layer, queue_layer
from takeover_proofs.in_time import may_succeed
from takeover_proofs.invariant import CLAUSES, Clause, Place, both, clause, follows
from takeover_proofs.world import Side, World, at_leader, held, succeeds_itself
from takeover_spec.logic import implies, not_
from takeover_spec.words import Arbiter, Cause, Constants

CARRIED_BY = (lease_layer, queue_layer)
"""The modules of the clauses that carry them, which come first."""


@clause("lease", "one-holder")
def one_holder(world: World, c: Constants, at: Place) -> bool:
    """At every instant at most one server has the public identity enabled."""
    return not_(held(world, 0, c) & held(world, 1, c))


@clause("queue", "exact-prefix")
def exact_prefix(world: World, c: Constants, at: Place) -> bool:
    """The new active's data is a prefix of the old one's, without a hole, and the longest that could be applied."""
    begun = at_leader(world, lambda leader: leader.know.applied)
    data = at_leader(world, lambda leader: leader.data)
    short = at_leader(world, lambda leader: leader.cut_short)
    same = implies((at.seq >= 1) & (at.seq <= begun), data[at.seq] == world.parent[at.seq])
    return implies(world.epoch >= 1, (begun <= world.parent_length) & same & not_(short))


@clause("queue", "no-ghost")
def no_ghost(world: World, c: Constants, at: Place) -> bool:
    """A discarded or unsafe update never shows up in a later epoch."""

    def absent(index: int, me: Side, peer: Side) -> bool:
        there = (world.mark_seq <= me.know.logged) & (me.data[world.mark_seq] == world.mark_epoch)
        return implies(me.know.active & (me.know.epoch > world.mark_epoch), not_(there))

    return implies(world.lost & (world.mark_epoch >= 1) & (world.mark_seq >= 1), both(world, absent))


@clause("queue", "nothing-acknowledged-is-lost")
def nothing_acknowledged_is_lost(world: World, c: Constants, at: Place) -> bool:
    """In synchronous mode, an acknowledged update is in the data of every later active; unless an operator ordered,
    after it, that a server take over which was not eligible."""

    def there(index: int, me: Side, peer: Side) -> bool:
        kept = (world.mark_seq <= me.know.logged) & (me.data[world.mark_seq] == world.effect)
        return implies(me.know.active & (me.know.epoch > world.mark_epoch), kept)

    followed = c.synchronous & world.acknowledged & (world.ordered <= world.mark_epoch)
    return implies(followed, both(world, there))


@clause("queue", "drained-before-serving")
def drained_before_serving(world: World, c: Constants, at: Place) -> bool:
    """No client and no application sees data before the drain has ended."""

    def drained(index: int, me: Side, peer: Side) -> bool:
        return implies(me.know.enabled | me.know.serving, me.know.drained)

    return both(world, drained)


@clause("queue", "switchover-loses-nothing")
def switchover_loses_nothing(world: World, c: Constants, at: Place) -> bool:
    """The epoch after a released one begins with every update that was logged, acknowledged or not."""
    begun = at_leader(world, lambda leader: leader.know.applied)
    return implies((world.epoch >= 1) & world.handed, begun == world.parent_length)


@clause("queue", "switchover-settles", fails_under=(Arbiter.CRASH_STOP, Arbiter.OPERATOR))
def switchover_settles(world: World, c: Constants, at: Place) -> bool:
    """Once a role is released, the rules let the passive server take it as soon as its waits are over, whoever restarts
    or is not there any more; unless an operator orders the old active server to go on."""

    def settles(index: int, me: Side, peer: Side) -> bool:
        released = (world.leader == index) & (world.epoch >= 1) & (me.know.released == world.epoch)
        ordered = succeeds_itself(world) & (me.obeys > world.epoch)
        return implies(released & not_(ordered), may_succeed(world, 1 - index, c))

    return both(world, settles)


@clause("queue", "takes-over-in-time", fails_under=(Arbiter.OPERATOR,))
def takes_over_in_time(world: World, c: Constants, at: Place) -> bool:
    """The rules let an eligible passive server take over by itself once its own promise and the lease have run out
    and it has drained, whoever is not there any more; unless the active server said goodbye."""

    def takes(index: int, me: Side, peer: Side) -> bool:
        open_to_it = (world.witness.epoch == world.epoch) & world.witness.eligible
        eligible = follows(world, index) & open_to_it & not_(me.know.peer_left)
        return implies(eligible, may_succeed(world, index, c, Cause.SILENCE))

    return both(world, takes)


@clause("queue", "exact-loss")
def exact_loss(world: World, c: Constants, at: Place) -> bool:
    """Every loss statement is true, to the update, and no data goes without one."""
    return both(world, lambda index, me, peer: not_(me.misstated))


def property_named(name: str) -> Clause:
    """The property of this name. Raises `KeyError`."""
    return {known.name: known for known in CLAUSES if known.is_property}[name]
