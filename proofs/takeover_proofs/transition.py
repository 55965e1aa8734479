"""What a world can do next: one step, and the world after it.

One text with two readings, like the rules: on Python values `take` executes a step, on terms it builds the
transition that Z3 reasons about. A run that Z3 finds in the second reading is replayed in the first.

**Time.** Real time passes in `Tick`; each clock runs within ρ of it, on its own. Nothing else moves a clock, but for
`Start`, after which a server's clock may show anything (the machine rebooted).

**What is possible** is here, *what is allowed* is in the rules: a condition of a step says only that what is heard
was said, and that time does what it does. `rulebook.py` asks the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from takeover_proofs.statements import misstated
from takeover_proofs.world import (
    ELIGIBLE,
    INELIGIBLE,
    WITNESS,
    Side,
    World,
    at_leader,
    clock_of,
    is_out,
    is_own,
    is_trusted,
)
from takeover_spec import actions as act
from takeover_spec.knowledge import after, settled, witness_after
from takeover_spec.logic import choose, greatest, implies, not_
from takeover_spec.words import PPM, Arbiter, Constants, Status


@dataclass(frozen=True, slots=True)
class Tick:
    """Real time passes, and with it each clock, at its own rate. Nobody's step."""

    real: int
    clock_0: int
    clock_1: int
    clock_witness: int


@dataclass(frozen=True, slots=True)
class Forget:
    """A server that has just restarted finds that something durable is not: only where that assumption is dropped."""

    seen: int
    """The highest epoch it has heard of, as its disk shows it now."""
    seq: int
    """An update that is not in its safe queue any more."""
    newest: int
    """The highest update that is still there, or applied."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who does what, and when."""

    actor: int
    """0 or 1, `WITNESS`, or `NATURE`."""
    action: Any
    """An action of the protocol, a `Tick` or a `Forget`."""
    clock: Any = 0
    """What the actor's clock shows after `Start`; means nothing otherwise."""
    sent: Any = 0
    """When the request was sent that a `Grant` or a `Promise` answers, on the asking server's clock. One from before
    that server's latest `Start` is answered like any other, but the answer means nothing to it any more."""


def time_of(world: World, step: Step) -> Any:
    """What the actor's clock shows when it takes the step."""
    return step.clock if isinstance(step.action, act.Start) else clock_of(world, step.actor)


def take(world: World, step: Step, c: Constants) -> tuple[list[bool], World]:
    """What must hold for the step to be possible in this world, and the world after it."""
    action = step.action
    if isinstance(action, Tick):
        return _tick(world, action, c)
    if isinstance(action, Forget):
        return _forget(world, step.actor, action)
    if step.actor == WITNESS:
        possible, new = _witness_said(world, action, step.sent), _witness_did(world, action, step.sent)
    else:
        clock = time_of(world, step)
        possible = _said(world, step.actor, action, step.sent)
        new = _did(world, step.actor, action, clock, step.sent)
        if isinstance(action, act.Start):
            return [clock >= 0], new
    return possible if world.nature.truthful else [], new


def _tick(world: World, step: Tick, c: Constants) -> tuple[list[bool], World]:
    conditions = [step.real >= 0]
    for passed in (step.clock_0, step.clock_1, step.clock_witness):
        if world.nature.clocks:
            conditions.append(step.real * (PPM - c.drift_ppm) <= passed * PPM)
            conditions.append(passed * PPM <= step.real * (PPM + c.drift_ppm))
        else:
            conditions.append(passed >= 0)
    zero, one = world.sides
    moved = (
        replace(zero, clock=zero.clock + step.clock_0),
        replace(one, clock=one.clock + step.clock_1),
    )
    return conditions, replace(world, sides=moved, witness_clock=world.witness_clock + step.clock_witness)


def _forget(world: World, me: int, step: Forget) -> tuple[list[bool], World]:
    side = world.sides[me]
    know = side.know
    restarted = know.started == side.clock
    stored, status = know.stored.put(step.seq, False), know.status.put(step.seq, Status.NONE)
    there = (step.newest == know.applied) | stored[step.newest]
    lower = (know.applied <= step.newest) & (step.newest <= know.newest) & there
    conditions = [
        not world.nature.durable,
        restarted,
        (know.epoch <= step.seen) & (step.seen <= know.seen),
        lower & ((step.newest == know.newest) | (step.seq == know.newest)),
    ]
    know = replace(know, seen=step.seen, stored=stored, status=status, newest=step.newest)
    return conditions, _with_side(world, me, replace(side, know=know))


def _with_side(world: World, index: int, side: Side) -> World:
    return replace(world, sides=(side, world.sides[1]) if index == 0 else (world.sides[0], side))


# --- a server ---------------------------------------------------------------------------------------


def _said(world: World, me: int, action: act.ServerAction, sent: int) -> list[bool]:
    """What must have been said for a server to do this."""
    side, peer = world.sides[me], world.sides[1 - me]
    led = peer.know
    following = (world.epoch >= 1) & (side.know.epoch == world.epoch) & (world.leader != me)
    match action:
        case act.Store(epoch=epoch, seq=seq):
            return [following, epoch == world.epoch, (led.applied < seq) & (seq <= led.logged)]
        case act.StoreStatus(epoch=epoch, seq=seq, status=status):
            carried = (led.applied < seq) & (seq <= led.logged) & (led.carried[seq] == status)
            return [following, epoch == world.epoch, carried, status != Status.NONE]
        case act.Resynchronise(epoch=epoch, upto=upto):
            copied = (led.applied <= upto) & (upto <= peer.copied)
            return [world.epoch >= 1, epoch == world.epoch, world.leader != me, copied]
        case act.CountLease(epoch=epoch, sent=asked):
            granted = (epoch <= side.leased_epoch) & (asked <= side.leased_sent)
            return [side.leased, granted, world.owner[epoch] == me]
        case act.CountPromise(epoch=epoch, sent=asked):
            return [side.promised, epoch == side.promised_epoch, asked <= side.promised_sent]
        case act.Promise(epoch=epoch):
            return [epoch >= 1, epoch <= led.epoch, sent <= peer.clock]
        case act.HearRelease(epoch=epoch):
            return [epoch >= 1, epoch <= led.released]
        case act.SetAside(kept=kept):
            return [world.epoch >= 1, world.leader != me, peer.copied >= 0, kept == peer.copied_begun]
        case act.HearEpoch(epoch=epoch):
            return [epoch <= world.epoch]
        case act.HearSafe(epoch=epoch, upto=upto, latest=latest):
            return [peer.reported_epoch == epoch, upto <= led.reported, peer.reported_latest[latest]]
        case act.HearRecorded(version=version, eligible=eligible):
            return [side.recorded[version] == _code(eligible)]
        case _:
            return []


def _code(eligible: bool) -> int:
    return choose(eligible, ELIGIBLE, INELIGIBLE)


def _did(world: World, me: int, action: act.ServerAction, clock: int, sent: int) -> World:
    """The world after a server did this."""
    old, peer = world.sides[me], world.sides[1 - me]
    side = replace(old, know=after(old.know, action, clock), clock=clock)
    match action:
        case act.Start():
            side = replace(side, leased=False, promised=False)
        case act.ReportSafe(epoch=epoch, latest=latest):
            said = old.reported_latest.put(latest, True)
            side = replace(side, reported_epoch=epoch, reported_latest=said)
        case act.Apply(epoch=epoch, seq=seq, changed=changed):
            side = replace(side, data=old.data.put(seq, choose(changed, epoch, 0)))
        case act.Resynchronise():
            side = replace(side, data=peer.data, reported_latest=old.reported_latest.emptied())
        case act.Log(seq=seq):
            done = old.know.carried[seq] == Status.DONE  # never so, if it is logged first
            side = replace(side, data=old.data.put(seq, choose(done, old.know.epoch, 0)))
        case act.CarryOut(seq=seq, status=status):
            effect = choose(status == Status.DONE, old.know.epoch, 0)
            side = replace(side, data=old.data.put(seq, effect))
        case act.Declare(version=version, eligible=eligible):
            side = replace(side, declared=old.declared.put(version, _code(eligible)))
        case act.Copy(begun=begun, upto=upto):
            side = replace(side, copied=upto, copied_begun=begun)
        case act.Promote(ordered=ordered):
            next_one = old.know.epoch + 1
            obeys = choose(ordered, greatest(old.obeys, next_one), old.obeys)
            side = replace(side, asked=greatest(old.asked, next_one), obeys=obeys)
        case act.Discard():
            more = settled(old.know, old.know.applied + 1)
            side = replace(side, cut_short=old.cut_short | more)
        case _:
            pass
    side = replace(side, misstated=old.misstated | misstated(world, me, action))
    return _told(world, _with_side(world, me, side), me, action, sent)


def _told(before: World, world: World, me: int, action: act.ServerAction, sent: int) -> World:
    """What else is true after a server's action; `world` has only that server's own part of it."""
    old = before.sides[me]
    match action:
        case act.Start() if is_own(world.nature):
            return replace(world, witness=_of_a_new_run(world.witness, me))
        case act.Promise(epoch=epoch):
            return _with_side(world, 1 - me, _promised(world.sides[1 - me], epoch, sent))
        case act.TakeRole(epoch=epoch):
            return _taken_over(before, world, me, epoch)
        case act.Discard():
            mine = (old.know.epoch == world.mark_epoch) & old.know.stored[world.mark_seq]
            return replace(world, lost=world.lost | (mine & (old.know.applied < world.mark_seq)))
        case act.Log(epoch=epoch, seq=seq):
            this = (epoch == world.mark_epoch) & (seq == world.mark_seq)
            return replace(world, lost=world.lost | (this & (epoch < world.epoch)))
        case act.Acknowledge(epoch=epoch, seq=seq):
            this = (epoch == world.mark_epoch) & (seq == world.mark_seq)
            effect = choose(this, old.data[seq], world.effect)
            return replace(world, acknowledged=world.acknowledged | this, effect=effect)
        case _:
            return world


def _promised(peer: Side, epoch: int, sent: int) -> Side:
    """The server that asked, once the promise is on its way to it."""
    usable = peer.know.active & (epoch == peer.know.epoch) & (peer.know.started <= sent)
    again = peer.promised & (epoch == peer.promised_epoch)
    latest_sent = choose(again, greatest(peer.promised_sent, sent), sent)
    return replace(
        peer,
        promised=peer.promised | usable,
        promised_epoch=choose(usable, epoch, peer.promised_epoch),
        promised_sent=choose(usable, latest_sent, peer.promised_sent),
    )


def _taken_over(before: World, world: World, me: int, epoch: int) -> World:
    """The server `me` has just taken the role of `epoch`."""
    side = world.sides[me]
    led = before.epoch >= 1
    old_data = at_leader(before, lambda old: old.data)
    old_length = choose(led, at_leader(before, lambda old: old.know.logged), 0)
    mark = world.mark_seq
    its_epoch = (before.epoch == world.mark_epoch) | (old_data[mark] == world.mark_epoch)
    was_there = led & its_epoch & (mark <= old_length)
    lost = world.lost | (was_there & (side.know.applied < mark))
    side = replace(side, declared=side.declared.emptied(), recorded=side.recorded.emptied(), copied=-1)
    peer = before.sides[1 - me]
    overtaken = led & (before.leader == 1 - me)
    peer = replace(peer, parted=choose(overtaken, side.know.applied, peer.parted))
    world = _with_side(_with_side(world, me, side), 1 - me, peer)
    return replace(
        world,
        epoch=epoch,
        leader=me,
        parent=old_data,
        parent_length=old_length,
        handed=led & (at_leader(before, lambda old: old.know.released) == before.epoch),
        lost=lost,
    )


# --- the witness, or the arbiters -------------------------------------------------------------------


def _of_a_new_run(record: Any, me: int) -> Any:
    """The record, once a server has started that has an arbiter of its own: it is not eligible before it is told
    anew."""
    return replace(record, eligible=record.eligible & (record.holder == me))


def _granted_to_itself(world: World, action: act.Grant) -> list[bool]:
    """What is so where a server's own arbiter grants: nothing is between the two, so what is asked for is what the
    server wants now. What is assumed: the next epoch is granted only if the other server is out."""
    nature, witness = world.nature, world.witness
    trusted = is_trusted(nature, action.promoted)
    new, ordered = action.epoch > witness.epoch, action.epoch <= world.sides[action.to].obeys
    asking = world.sides[action.to].know
    wanted = action.epoch == asking.epoch + choose(asking.active, 0, 1)
    alone = implies(new & not_(witness.ended), is_out(world, 1 - action.to))
    waits = (
        [implies(new & not_(action.promoted), witness.ended)] if nature.arbiter is Arbiter.OPERATOR else []
    )
    alone = alone if trusted is True else implies(trusted, alone)
    return [wanted, alone, implies(action.promoted, ordered & not_(asking.active)), *waits]


def _witness_said(world: World, action: act.WitnessAction, sent: int) -> list[bool]:
    """What must have been said for the witness to do this."""
    match action:
        case act.Grant(to=to, epoch=epoch, promoted=promoted):
            own = _granted_to_itself(world, action) if is_own(world.nature) else []
            return [sent <= world.sides[to].clock, implies(promoted, epoch <= world.sides[to].asked), *own]
        case act.Record(epoch=epoch, version=version, eligible=eligible):
            said = at_leader(world, lambda leader: leader.declared)[version]
            return [world.epoch >= 1, epoch == world.epoch, said == _code(eligible)]
        case act.EndLease(epoch=epoch):
            granted = (epoch >= 1) & (epoch <= world.witness.epoch)
            return [granted, *(_gave_up(world, index, epoch) for index in (0, 1))]
        case _:
            return []


def _gave_up(world: World, index: int, epoch: int) -> bool:
    """Whether this server released the epoch, if it was its own: the holder's if it is the current one."""
    current = epoch == world.witness.epoch
    released = epoch <= world.sides[index].know.released
    of_holder = implies(current & (world.witness.holder == index), released)
    return of_holder & implies(not_(current) & (world.owner[epoch] == index), released)


def _witness_did(world: World, action: act.WitnessAction, sent: int) -> World:
    """The world after the witness did this."""
    new = replace(world, witness=witness_after(world.witness, action, world.witness_clock))
    match action:
        case act.Grant(to=to, epoch=epoch, promoted=promoted):
            other = (world.witness.epoch >= 1) & (world.witness.holder != to)
            ordered = promoted & other & (epoch > world.witness.epoch)
            latest = choose(ordered, epoch, world.ordered)
            new = replace(new, owner=world.owner.put(epoch, to), ordered=latest)
            return _with_side(new, to, _granted(world.sides[to], epoch, sent))
        case act.Record(version=version, eligible=eligible):
            for index, side in enumerate(world.sides):
                recorded = side.recorded.put(version, _code(eligible))
                known = choose(world.leader == index, recorded, side.recorded)
                new = _with_side(new, index, replace(side, recorded=known))
            return new
        case _:
            return new


def _granted(asking: Side, epoch: int, sent: int) -> Side:
    """The server that asked, once the lease is on its way to it."""
    usable = asking.know.started <= sent
    again = asking.leased & (epoch == asking.leased_epoch)
    latest = choose(again, greatest(asking.leased_sent, sent), sent)
    return replace(
        asking,
        leased=asking.leased | usable,
        leased_epoch=choose(usable, epoch, asking.leased_epoch),
        leased_sent=choose(usable, latest, asking.leased_sent),
    )
