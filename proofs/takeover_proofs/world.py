"""The whole pair, its witness, its clocks and its messages, as only a proof knows them.

What a world can do next is in `transition.py`; here is what it is made of.

**Messages.** Anything that was ever sent may arrive at any time, any number of times, in any order, or never. So a
message needs no queue: it is enough to remember what has been sent, and an action that hears something is possible
when it was said. What is monotone is remembered as its greatest value: who may hear "granted for the request sent
at 7" may as well have heard the weaker "…at 5".

**Stopped processes.** A server that does nothing is a stopped or a dead one. What its kernel holds stays: the public
identity counts as held until its end has passed by σ, whoever is or is not running (`held`).

**Who arbitrates.** With an arbiter of its own (`Nature.arbiter`), each server carries the witness out for itself.
There are then two records; the world has one. It stands for both, because a server's arbiter tells the other's what
it records before it acts on it, or else the other is dead. That is what `silence` and `operator` say: *whoever grants
itself the next epoch finds the other server out (`is_out`), and decides on the one record there is*. Where the
assumption is dropped, the record it decides on may be any, and nothing is asked of the grant. What a server's arbiter
must do for that to be fair is in `takeover.core.own_arbiter`, with the argument.

**One update.** The properties speak of every update. `mark_epoch` and `mark_seq` name one, any one; what is proved of
it is proved of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.logic import Sparse, Table, choose, not_
from takeover_spec.words import Arbiter, Constants

T = TypeVar("T")

NOTHING, ELIGIBLE, INELIGIBLE = 0, 1, 2
"""What was declared, or recorded, in some version."""

WITNESS = 2
"""The witness, where an actor is named by a number; the servers are 0 and 1."""

NATURE = -1
"""Nobody: what happens by itself."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What is assumed of everything that no rule binds. Where an assumption is dropped, the world may do more."""

    clocks: bool = True
    """Every clock runs within ρ of true rate; if not, clocks run as fast or as slowly as they like."""
    kernel: bool = True
    """The kernel ends the public identity within σ of the time it was told; if not, it never does."""
    durable: bool = True
    """What is durable survives a restart; if not, there is the step `Forget`."""
    truthful: bool = True
    """Nobody hears what was not said; if not, anybody may hear anything."""
    silence: bool = True
    """Crash-stop: a server that was not heard for a lease is dead; if not, the other takes over from a living one."""
    operator: bool = True
    """Arbiters of their own: a person orders a takeover only where the other server is out, and only at the one that
    has the latest data; if not, anywhere."""
    arbiter: Arbiter = Arbiter.WITNESS
    """Who plays the witness's part. This is no assumption, but what some assumptions are about."""


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
    """The latest point of its history at which it sent a copy of its data; -1 if it sent none in its epoch."""
    copied_begun: int = 0
    """Where it said, with that copy, that its own epochs began."""
    asked: int = 0
    """The highest epoch that it may have asked the witness for as one that is promoted."""
    obeys: int = 0
    """The highest epoch that an operator ordered it to ask for."""
    parted: int = 0
    """How much of its history the peer took over from it when it last did."""
    misstated: bool = False
    """A loss statement of its was not true, or was not made."""
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
    handed: bool = False
    """The leader before had released its role."""
    ordered: int = 0
    """The latest epoch that was granted, on an operator's order, to a server that did not have the one before."""
    # the update that the proof follows
    mark_epoch: int = 1
    mark_seq: int = 1
    lost: bool = False
    """The followed update was discarded, or was not in the data of the server that took over."""
    acknowledged: bool = False
    """The followed update was acknowledged."""
    effect: int = 0
    """What the followed update had changed when it was acknowledged: its epoch, or 0."""
    nature: Nature = field(default_factory=Nature)
    """What the proof or the search assumes of the rest; never a symbol."""


def at_leader(world: World, of: Callable[[Side], T]) -> T:
    """`of(the leader)`."""
    if isinstance(world.leader, int):
        return of(world.sides[world.leader])
    return choose(world.leader == 0, of(world.sides[0]), of(world.sides[1]))


def succeeds_itself(world: World) -> bool:
    """Whether the leader has been granted the next epoch, which is on an operator's order only."""
    ahead = world.witness.epoch > world.epoch
    return (world.epoch >= 1) & ahead & (world.witness.holder == world.leader)


def held(world: World, index: int, c: Constants) -> bool:
    """Whether the public identity is on this server's interface: the kernel may be late by the slack."""
    side = world.sides[index]
    ended = (side.clock >= side.know.until + c.expiry_slack_ns) & world.nature.kernel
    return side.know.enabled & not_(ended)


def is_own(nature: Nature) -> bool:
    """Whether each server has an arbiter of its own."""
    return nature.arbiter is not Arbiter.WITNESS


def is_out(world: World, index: int) -> bool:
    """Whether this server is passive, hidden, and was granted no epoch that it has not begun.

    A dead server is. It does nothing before it starts anew, so the world loses nothing if it does that at once; and
    what is held by its kernel has ended, for it was dead for a lease.
    """
    side = world.sides[index]
    challenges = side.leased & (side.leased_epoch > side.know.epoch)
    return not_(side.know.active) & not_(side.know.enabled) & not_(challenges)


def is_trusted(nature: Nature, promoted: bool) -> bool:
    """Whether an assumption vouches for a grant of the next epoch by a server's own arbiter."""
    silence = nature.silence or nature.arbiter is Arbiter.OPERATOR  # who would not act on silence
    return silence if silence == nature.operator else choose(promoted, nature.operator, silence)


def clock_of(world: World, actor: int) -> int:
    """The clock of the actor."""
    return world.witness_clock if actor == WITNESS else world.sides[actor].clock


def initially(world: World) -> list[bool]:
    """What holds of a world that has not begun, beyond the defaults: clocks show what they like."""
    clocks: list[Any] = [world.witness_clock, world.sides[0].clock, world.sides[1].clock]
    return [clock >= 0 for clock in clocks] + [not_(world.lost)]
