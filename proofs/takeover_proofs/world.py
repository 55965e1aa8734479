"""The whole pair, its witness, its clocks and its messages, as only a proof knows them.

One text with two readings, like the rules: on Python values `advance` executes a step, on terms it builds the
transition that Z3 reasons about. A counterexample that Z3 finds in the second reading is replayed in the first.

**Messages.** Anything that was ever sent may arrive at any time, any number of times, in any order, or never. So a
message needs no queue: it is enough to remember what has been sent, and an action that hears something is possible
(`advance`'s conditions) when it was said. What is monotone is remembered as its greatest value: who may hear
"granted for the request sent at 7" may as well have heard the weaker "…at 5".

**Time.** Real time passes in `tick`; each clock runs within ρ of it, on its own. Nothing else moves a clock, but for
`Start`, after which a server's clock may show anything (the machine rebooted).

**Stopped processes.** A server that does nothing is a stopped or a dead one. What its kernel holds stays: the public
identity counts as held until its end has passed by σ, whoever is or is not running (`held`).

**One update.** The properties speak of every update. `mark_epoch` and `mark_seq` name one, any one; what is proved of
it is proved of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, after, settled, witness_after
from takeover_spec.logic import Sparse, Table, choose, greatest, implies, not_
from takeover_spec.words import PPM, Constants, Status

T = TypeVar("T")

NOTHING, ELIGIBLE, INELIGIBLE = 0, 1, 2
"""What was declared, or recorded, in some version."""

WITNESS = 2
"""The witness, where an actor is named by a number; the servers are 0 and 1."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Real time passes, and with it each clock, at its own rate."""

    real: int
    clock_0: int
    clock_1: int
    clock_witness: int


@dataclass(frozen=True, slots=True)
class Side:
    """One server: what it knows, and what is true of it and of the messages it has been sent."""

    know: Knowledge = field(default_factory=Knowledge)
    clock: int = 0
    data: Table[int] = field(default_factory=lambda: Sparse[int](0))
    """At each position the epoch of the update whose effect is there; 0 for an update that changed nothing."""
    leased: bool = False
    """The witness granted it a lease by a request of this run."""
    leased_epoch: int = 0
    leased_sent: int = 0
    """The latest such request."""
    promised: bool = False
    """The peer gave it a promise by a request of this run."""
    promised_epoch: int = 0
    promised_sent: int = 0
    reported_epoch: int = 0
    """The epoch in which it last reported something safe."""
    reported_latest: Table[bool] = field(default_factory=lambda: Sparse(False))
    declared: Table[int] = field(default_factory=lambda: Sparse(NOTHING))
    """What it declared in its epoch, by version."""
    recorded: Table[int] = field(default_factory=lambda: Sparse(NOTHING))
    """What the witness recorded in its epoch, by version."""
    copied: int = -1
    """The latest point of its history at which it sent a copy of its data."""
    cut_short: bool = False
    """It ended a drain although something could still be applied."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything."""

    sides: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))
    witness: WitnessKnowledge = field(default_factory=WitnessKnowledge)
    witness_clock: int = 0
    owner: Table[int] = field(default_factory=lambda: Sparse(-1))
    """To which server each epoch was granted."""
    epoch: int = 0
    """The latest epoch in which a server took the role."""
    leader: int = 0
    """That server; means nothing in epoch 0."""
    parent: Table[int] = field(default_factory=lambda: Sparse[int](0))
    """The data of the leader before, as it was at the last takeover."""
    parent_length: int = 0
    # the update that the proof follows
    mark_epoch: int = 1
    mark_seq: int = 1
    lost: bool = False
    """The followed update was discarded, or was not in the data of the server that took over."""
    acknowledged: bool = False
    """The followed update was acknowledged."""
    effect: int = 0
    """What the followed update had changed when it was acknowledged: its epoch, or 0."""


def at_leader(world: World, of: Callable[[Side], T]) -> T:
    """`of(the leader)`."""
    if isinstance(world.leader, int):
        return of(world.sides[world.leader])
    return choose(world.leader == 0, of(world.sides[0]), of(world.sides[1]))


def held(side: Side, c: Constants) -> bool:
    """Whether the public identity is on this server's interface: the kernel may be late by the slack."""
    return side.know.enabled & (side.clock < side.know.until + c.expiry_slack_ns)


def clock_of(world: World, actor: int) -> int:
    """The clock of the actor."""
    return world.witness_clock if actor == WITNESS else world.sides[actor].clock


def tick(world: World, step: Tick, c: Constants) -> tuple[list[bool], World]:
    """Real time passes: when that is possible, and the world after it."""
    conditions = [step.real >= 0]
    for passed in (step.clock_0, step.clock_1, step.clock_witness):
        conditions.append(step.real * (PPM - c.drift_ppm) <= passed * PPM)
        conditions.append(passed * PPM <= step.real * (PPM + c.drift_ppm))
    zero, one = world.sides
    moved = (
        replace(zero, clock=zero.clock + step.clock_0),
        replace(one, clock=one.clock + step.clock_1),
    )
    return conditions, replace(world, sides=moved, witness_clock=world.witness_clock + step.clock_witness)


def advance(
    world: World, actor: int, action: act.Action, clock: int, sent: int = 0
) -> tuple[list[bool], World]:
    """An actor acts: what must have been said for that to be possible, and the world after it.

    `clock` is the actor's clock at `Start`, and otherwise the one it has. `sent` is when the request was sent that a
    `Grant` or a `Promise` answers, on the asking server's clock; one from before that server's latest `Start` is
    answered like any other, but the answer means nothing to it any more.
    """
    if actor == WITNESS:
        return _witness_acts(world, cast(act.WitnessAction, action), sent)
    return _server_acts(world, actor, cast(act.ServerAction, action), clock, sent)


def _with_side(world: World, index: int, side: Side) -> World:
    return replace(world, sides=(side, world.sides[1]) if index == 0 else (world.sides[0], side))


def _server_acts(
    world: World, me: int, action: act.ServerAction, clock: int, sent: int
) -> tuple[list[bool], World]:
    side, peer = world.sides[me], world.sides[1 - me]
    know = side.know
    new = replace(side, know=after(know, action, clock), clock=clock)
    conditions: list[bool] = []
    following = (world.epoch >= 1) & (know.epoch == world.epoch) & (world.leader != me)
    match action:
        case act.Start():
            conditions = [clock >= 0]
            new = replace(new, leased=False, promised=False)
        case act.Store(epoch=epoch, seq=seq):
            logged = (peer.know.applied < seq) & (seq <= peer.know.logged)
            conditions = [following, epoch == world.epoch, logged]
        case act.StoreStatus(epoch=epoch, seq=seq, status=status):
            carried = (
                (peer.know.applied < seq) & (seq <= peer.know.logged) & (peer.know.carried[seq] == status)
            )
            conditions = [following, epoch == world.epoch, carried, status != Status.NONE]
        case act.ReportSafe(epoch=epoch, latest=latest):
            said = side.reported_latest.put(latest, True)
            new = replace(new, reported_epoch=epoch, reported_latest=said)
        case act.Apply(epoch=epoch, seq=seq, changed=changed):
            new = replace(new, data=side.data.put(seq, choose(changed, epoch, 0)))
        case act.Resynchronise(epoch=epoch, upto=upto):
            copied = (peer.know.applied <= upto) & (upto <= peer.copied)
            conditions = [world.epoch >= 1, epoch == world.epoch, world.leader != me, copied]
            new = replace(new, data=peer.data, reported_latest=side.reported_latest.emptied())
        case act.CountLease(epoch=epoch, sent=asked):
            conditions = [side.leased, epoch <= side.leased_epoch, asked <= side.leased_sent]
            conditions.append(world.owner[epoch] == me)
        case act.CountPromise(epoch=epoch, sent=asked):
            conditions = [side.promised, epoch == side.promised_epoch, asked <= side.promised_sent]
        case act.HearRelease(epoch=epoch):
            conditions = [epoch >= 1, epoch <= peer.know.released]
        case act.HearEpoch(epoch=epoch):
            conditions = [epoch <= world.epoch]
        case act.HearSafe(epoch=epoch, upto=upto, latest=latest):
            conditions = [peer.reported_epoch == epoch, upto <= peer.know.reported]
            conditions += [peer.reported_latest[latest]]
        case act.HearRecorded(version=version, eligible=eligible):
            conditions = [side.recorded[version] == choose(eligible, ELIGIBLE, INELIGIBLE)]
        case _:
            pass
    world = _with_side(world, me, new)
    match action:
        case act.Promise(epoch=epoch):
            conditions = [epoch >= 1, epoch <= peer.know.epoch, sent <= peer.clock]
            usable = peer.know.active & (epoch == peer.know.epoch) & (peer.know.started <= sent)
            again = peer.promised & (epoch == peer.promised_epoch)
            latest_sent = choose(again, greatest(peer.promised_sent, sent), sent)
            peer = replace(
                peer,
                promised=peer.promised | usable,
                promised_epoch=choose(usable, epoch, peer.promised_epoch),
                promised_sent=choose(usable, latest_sent, peer.promised_sent),
            )
            world = _with_side(world, 1 - me, peer)
        case act.Discard():
            more = settled(know, know.applied + 1)
            mine = (know.epoch == world.mark_epoch) & know.stored[world.mark_seq]
            lost = world.lost | (mine & (know.applied < world.mark_seq))
            world = _with_side(world, me, replace(new, cut_short=side.cut_short | more))
            world = replace(world, lost=lost)
        case act.TakeRole(epoch=epoch):
            world = _taken_over(world, me, epoch)
        case act.Log(epoch=epoch, seq=seq):
            this = (epoch == world.mark_epoch) & (seq == world.mark_seq)
            world = _with_side(world, me, replace(new, data=side.data.put(seq, 0)))
            world = replace(world, lost=world.lost | (this & (epoch < world.epoch)))
        case act.CarryOut(seq=seq, status=status):
            effect = choose(status == Status.DONE, know.epoch, 0)
            world = _with_side(world, me, replace(new, data=side.data.put(seq, effect)))
        case act.Acknowledge(epoch=epoch, seq=seq):
            this = (epoch == world.mark_epoch) & (seq == world.mark_seq)
            world = replace(
                world,
                acknowledged=world.acknowledged | this,
                effect=choose(this, side.data[seq], world.effect),
            )
        case act.Declare(version=version, eligible=eligible):
            code = choose(eligible, ELIGIBLE, INELIGIBLE)
            world = _with_side(world, me, replace(new, declared=side.declared.put(version, code)))
        case act.Copy(upto=upto):
            world = _with_side(world, me, replace(new, copied=upto))
        case _:
            pass
    return conditions, world


def _taken_over(world: World, me: int, epoch: int) -> World:
    """The server `me` has just taken the role of `epoch`."""
    side = world.sides[me]
    old_data = at_leader(world, lambda old: old.data)
    led = world.epoch >= 1
    old_length = choose(led, at_leader(world, lambda old: old.know.logged), 0)
    mark = world.mark_seq
    its_epoch = (world.epoch == world.mark_epoch) | (old_data[mark] == world.mark_epoch)
    was_there = led & its_epoch & (mark <= old_length)
    lost = world.lost | (was_there & (side.know.applied < mark))
    side = replace(side, declared=side.declared.emptied(), recorded=side.recorded.emptied(), copied=-1)
    world = _with_side(world, me, side)
    return replace(world, epoch=epoch, leader=me, parent=old_data, parent_length=old_length, lost=lost)


def _witness_acts(world: World, action: act.WitnessAction, sent: int) -> tuple[list[bool], World]:
    know, now = world.witness, world.witness_clock
    conditions: list[bool] = []
    new = replace(world, witness=witness_after(know, action, now))
    match action:
        case act.Grant(to=to, epoch=epoch):
            asking = world.sides[to]
            conditions = [sent <= asking.clock]
            usable = asking.know.started <= sent
            again = asking.leased & (epoch == asking.leased_epoch)
            latest = choose(again, greatest(asking.leased_sent, sent), sent)
            asking = replace(
                asking,
                leased=asking.leased | usable,
                leased_epoch=choose(usable, epoch, asking.leased_epoch),
                leased_sent=choose(usable, latest, asking.leased_sent),
            )
            new = replace(_with_side(new, to, asking), owner=world.owner.put(epoch, to))
        case act.Record(epoch=epoch, version=version, eligible=eligible):
            code = choose(eligible, ELIGIBLE, INELIGIBLE)
            said = at_leader(world, lambda leader: leader.declared)[version]
            conditions = [world.epoch >= 1, epoch == world.epoch, said == code]
            sides = [
                replace(
                    side,
                    recorded=choose(world.leader == index, side.recorded.put(version, code), side.recorded),
                )
                for index, side in enumerate(world.sides)
            ]
            new = replace(new, sides=(sides[0], sides[1]))
        case act.EndLease(epoch=epoch):
            gave_up = [
                implies(know.holder == index, epoch <= side.know.released)
                for index, side in enumerate(world.sides)
            ]
            conditions = [epoch >= 1, *gave_up]
        case act.WitnessStart():
            pass
    return conditions, new


def initially(world: World) -> list[bool]:
    """What holds of a world that has not begun, beyond the defaults: clocks show what they like."""
    clocks: list[Any] = [world.witness_clock, world.sides[0].clock, world.sides[1].clock]
    return [clock >= 0 for clock in clocks] + [not_(world.lost)]
