"""Runs that obey every rule: what is proved is about something.

A proof that every allowed step keeps the invariant would also succeed if no step were allowed. So for each kind of
step there is a run here that takes it, and for each property a run in which what it speaks of happens: two servers
hold the identity one after the other, an update is discarded, an acknowledged one is kept. Each is found by the
search from the first world, by every rule, and replayed; the moves are written down, so the search is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from takeover_proofs.invariant import Place
from takeover_proofs.properties import property_named
from takeover_proofs.runs import Goal, Run, replay, violation
from takeover_proofs.scenes import (
    LEADS,
    ORDERED,
    RECORDED,
    RELEASED,
    REPORTED,
    SERVES,
    TIME,
    WRITES,
    Scene,
    granted,
    one,
    rejoins,
    serves,
    stores,
    takes,
    witness,
    zero,
)
from takeover_proofs.search import Plan, find
from takeover_proofs.world import Nature, World, held
from takeover_spec import actions as act
from takeover_spec.logic import not_
from takeover_spec.words import Arbiter, Constants, Status


@dataclass(frozen=True, slots=True)
class Example:
    """A run that is possible."""

    id: str
    moves: Scene
    """Every move of it, in order."""
    goal: Goal
    """What holds at its end; its docstring says it."""
    about: tuple[str, ...]
    """The properties whose subject it is."""
    nature: Nature = field(default_factory=Nature)
    fails: str = ""
    """The property that does not hold at its end, under this arbiter."""

    @property
    def text(self) -> str:
        """What it shows."""
        return " ".join((self.goal.__doc__ or "").split())


EXAMPLES: dict[str, Example] = {}
"""By id."""


def search(example: Example, timeout_ms: int) -> Run | str | None:
    """The run; `None` or `UNDECIDED` if the search does not find it. It is replayed."""
    run = find(example.goal, Plan((), 0, example.moves), nature=example.nature, timeout_ms=timeout_ms)
    if isinstance(run, Run):
        replay(run, example.goal)
    return run


def _example(
    moves: Scene, about: tuple[str, ...] = (), arbiter: Arbiter = Arbiter.WITNESS, fails: str = ""
) -> Callable[[Goal], Goal]:
    """Make a predicate the goal of an example, which has its name."""

    def register(goal: Goal) -> Goal:
        name = goal.__name__.replace("_", "-")
        EXAMPLES[name] = Example(name, moves, goal, about, Nature(arbiter=arbiter), fails)
        return goal

    return register


_SHOWN = serves(1) + one(act.StartApplications)


@_example(takes(0) + serves(0) + zero(act.StartApplications), ("drained-before-serving",))
def first_takeover(world: World, c: Constants, at: Place) -> bool:
    """The first server takes epoch 1, shows itself and starts the applications."""
    know = world.sides[0].know
    return held(world, 0, c) & know.serving & (know.epoch == 1)


@_example(
    SERVES + WRITES + stores(1) + REPORTED + TIME + granted(1) + one(act.CountLease, act.Apply)
    + one(act.Discard, act.TakeRole) + _SHOWN,
    ("one-holder", "exact-prefix", "nothing-acknowledged-is-lost", "drained-before-serving", "takes-over-in-time"),
)  # fmt: skip
def failover_keeps_what_was_acknowledged(world: World, c: Constants, at: Place) -> bool:
    """Server 0 fails; server 1 has the update that was acknowledged, holds the public identity and serves."""
    new = world.sides[1]
    kept = world.acknowledged & (world.effect != 0) & (new.data[world.mark_seq] == world.effect)
    return kept & (new.know.epoch == 2) & held(world, 1, c) & new.know.serving


@_example(SERVES + WRITES + one(act.Store) + TIME + takes(1) + _SHOWN, ("no-ghost",))
def failover_discards_what_was_unsafe(world: World, c: Constants, at: Place) -> bool:
    """Server 0 fails; server 1 has an update without its completion status, discards it and serves without."""
    old, new = world.sides
    changed = old.data[world.mark_seq] == world.mark_epoch
    return world.lost & changed & (new.data[world.mark_seq] == 0) & new.know.serving


@_example(
    SERVES + WRITES + stores(1) + one(act.Apply) + TIME + takes(1), ("exact-prefix",)
)  # fmt: skip
def failed_update_is_applied(world: World, c: Constants, at: Place) -> bool:
    """An update that failed on the active server counts as applied on the passive one, and changes nothing."""
    old, new = world.sides
    failed = old.know.carried[1] == Status.FAILED
    return failed & (new.know.applied == 1) & (new.data[1] == 0) & new.know.active


@_example(
    SERVES + WRITES + stores(1) + one(act.Apply) + TIME + takes(1) + serves(1)
    + one(act.Log, act.CarryOut) + zero(act.HearEpoch, act.StepDown) + rejoins(0)
    + TIME + takes(0) + serves(0),
    ("one-holder", "exact-prefix"),
)  # fmt: skip
def two_failovers(world: World, c: Constants, at: Place) -> bool:
    """Server 1 takes over from server 0, and later server 0 from server 1, with an update of each epoch."""
    side = world.sides[0]
    history = (side.data[1] == 1) & (side.data[2] == 2) & (side.know.applied == 2)
    return (world.epoch == 3) & history & held(world, 0, c)


@_example(
    LEADS + zero(act.Enable) + TIME + one(act.Promise) + zero(act.CountPromise, act.Enable) + TIME,
    ("one-holder",),
)
def holds_by_promise(world: World, c: Constants, at: Place) -> bool:
    """The witness's lease has run out, and server 0 goes on under server 1's promise."""
    return (world.witness.lease_until <= world.witness_clock) & held(world, 0, c)


@_example(
    SERVES + zero(act.StartApplications) + WRITES + stores(1) + REPORTED
    + one(act.Promise, act.Apply) + RECORDED
    + zero(act.CountPromise, act.StopApplications, act.Disable, act.Release)
    + one(act.HearRelease) + witness(act.EndLease) + takes(1) + _SHOWN,
    ("one-holder", "nothing-acknowledged-is-lost", "switchover-loses-nothing", "switchover-settles"),
)  # fmt: skip
def switchover(world: World, c: Constants, at: Place) -> bool:
    """Server 0 hands the role to server 1 at once: no clock has moved, and nothing is lost."""
    at_once = (world.witness_clock == 0) & (world.sides[1].clock == 0)
    new = world.sides[1]
    return at_once & held(world, 1, c) & (new.data[1] == 1) & new.know.serving


@_example(
    SERVES + zero(act.Declare) + witness(act.Record) + zero(act.HearRecorded) + WRITES
    + zero(act.Acknowledge, act.Drop),
    ("nothing-acknowledged-is-lost",),
)  # fmt: skip
def active_goes_on_alone(world: World, c: Constants, at: Place) -> bool:
    """The passive server is recorded as not eligible, and server 0 acknowledges and drops without it."""
    know = world.sides[0].know
    return know.alone & (know.trimmed > know.safe_upto) & world.acknowledged & not_(world.witness.eligible)


@_example(SERVES + WRITES + stores(1) + one(act.ReportSafe) + zero(act.HearSafe, act.Trim))
def unsafe_queue_is_trimmed(world: World, c: Constants, at: Place) -> bool:
    """What is safe on the passive server leaves the active server's unsafe queue."""
    return world.sides[0].know.trimmed == 1


@_example(
    one(act.HearGoodbye, act.Refrain, act.HearReturn) + SERVES + witness(act.WitnessStart) + zero(act.Start)
    + one(act.Start) + TIME + takes(1) + one(act.Enable),
    ("one-holder",),
)  # fmt: skip
def everybody_restarts(world: World, c: Constants, at: Place) -> bool:
    """Both servers and the witness restart, wait out what they may have promised, and server 1 takes over."""
    return world.sides[0].know.returned & held(world, 1, c)


@_example(
    SERVES + WRITES + one(act.Store) + TIME + takes(1) + serves(1) + one(act.Log, act.CarryOut)
    + zero(act.HearEpoch, act.StepDown) + one(act.Copy) + zero(act.SetAside, act.Resynchronise),
    ("exact-loss",),
)  # fmt: skip
def rejoin_with_a_loss_statement(world: World, c: Constants, at: Place) -> bool:
    """Server 0 returns, lists the update that server 1 discarded, and takes on the one that is in its place."""
    old, new = world.sides
    listed = world.lost & (old.know.logged == 1) & not_(old.know.unsafe)
    return listed & (world.mark_seq == 1) & (old.data[1] == 2) & (new.data[1] == 2)


@_example(
    takes(0) + serves(0) + WRITES + zero(act.Acknowledge, act.Log, act.Start) + TIME + ORDERED + serves(0),
    ("one-holder", "nothing-acknowledged-is-lost", "exact-loss"),
)
def promoted_with_its_own_data(world: World, c: Constants, at: Place) -> bool:
    """Server 0 was alone and restarts; it goes on with what it carried out, without what it had only logged."""
    know, kept = (
        world.sides[0].know,
        world.acknowledged & (world.sides[0].data[world.mark_seq] == world.effect),
    )
    return kept & (world.effect != 0) & (world.epoch == 2) & (know.applied == 1) & (world.parent_length == 2)


@_example(
    SERVES + zero(act.Declare) + witness(act.Record) + zero(act.HearRecorded) + WRITES + zero(act.Acknowledge) + TIME
    + one(act.Promote) + takes(1) + _SHOWN,
    ("one-holder", "exact-loss"),
)  # fmt: skip
def promoted_though_not_eligible(world: World, c: Constants, at: Place) -> bool:
    """Server 0 went on alone and is gone; server 1 takes over on an operator's order, without what it never got."""
    lost = world.acknowledged & (world.ordered == 2) & (world.sides[1].know.applied < world.mark_seq)
    return lost & held(world, 1, c) & world.sides[1].know.serving


@_example(SERVES + WRITES + zero(act.Copy) + one(act.Resynchronise))
def resynchronised_in_its_own_epoch(world: World, c: Constants, at: Place) -> bool:
    """Server 1 follows server 0, and its data is replaced all the same."""
    know = world.sides[1].know
    return (know.epoch == 1) & (know.applied == 1) & (world.sides[1].data[1] == world.sides[0].data[1])


# --- with arbiters of their own -----------------------------------------------------------------------

_BEGUN = zero(act.Promote) + SERVES
"""A person orders server 0 to begin, and it serves."""


@_example(_BEGUN + zero(act.Start) + TIME + takes(1) + _SHOWN, ("takes-over-in-time",), Arbiter.CRASH_STOP)
def crash_stop_failover(world: World, c: Constants, at: Place) -> bool:
    """Server 0 is gone, and server 1 takes over by itself: it was not heard for a lease."""
    return (world.epoch == 2) & held(world, 1, c) & world.sides[1].know.serving


@_example(
    _BEGUN + zero(act.Start) + TIME + one(act.Promote) + takes(1) + _SHOWN, ("one-holder",), Arbiter.OPERATOR
)
def operator_failover(world: World, c: Constants, at: Place) -> bool:
    """Server 0 is gone, a person sees it, and server 1 takes over on that person's order."""
    return (world.epoch == 2) & held(world, 1, c) & world.sides[1].know.serving


@_example(
    zero(act.Promote) + RELEASED + zero(act.StepDown) + one(act.HearRelease) + witness(act.EndLease) + takes(1)
    + _SHOWN,
    ("switchover-loses-nothing",),
    Arbiter.OPERATOR,
)  # fmt: skip
def operator_switchover(world: World, c: Constants, at: Place) -> bool:
    """Server 0 hands its role over, and server 1 has heard it: it needs no second order."""
    return (world.epoch == 2) & world.handed & held(world, 1, c) & not_(world.sides[1].know.promoted)


@_example(
    zero(act.Promote) + RELEASED + zero(act.Start) + one(act.Start),
    arbiter=Arbiter.CRASH_STOP,
    fails="switchover-settles",
)
def crash_stop_successor_restarts(world: World, c: Constants, at: Place) -> bool:
    """Server 0 released its role, is gone, and server 1 starts anew: its arbiter cannot know that it is eligible."""
    return violation(property_named("switchover-settles"))(world, c, at)


@_example(
    zero(act.Promote) + RELEASED + zero(act.Start), arbiter=Arbiter.OPERATOR, fails="switchover-settles"
)
def operator_release_unheard(world: World, c: Constants, at: Place) -> bool:
    """Server 0 released its role and is gone before server 1 heard of it, which waits for a person."""
    return violation(property_named("switchover-settles"))(world, c, at)


@_example(_BEGUN + zero(act.Start) + TIME, arbiter=Arbiter.OPERATOR, fails="takes-over-in-time")
def operator_is_waited_for(world: World, c: Constants, at: Place) -> bool:
    """Server 0 is gone, and server 1, which is eligible, waits for a person."""
    return violation(property_named("takes-over-in-time"))(world, c, at)
