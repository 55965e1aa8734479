"""A run told so that a person can follow it: a numbered line a step, and at the end what is broken, and by what.

A line has the clocks of both servers and of the witness after the step, who then has the public identity on its
interface, and what was done. Plain text; `as_data` says the same to a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from takeover_proofs.invariant import Clause, Place
from takeover_proofs.runs import CONSTANTS, Run
from takeover_proofs.transition import Forget, Step, Tick
from takeover_proofs.world import NATURE, WITNESS, Nature, World, held, is_own
from takeover_spec import actions as act
from takeover_spec.words import PPM, Cause, Constants, Identity, Queue, Status

SENTENCES: dict[type, str] = {
    Tick: "time passes: {real}",
    Forget: "finds that its disk has lost update {seq}, and that it has heard of epoch {seen} at most",
    act.Start: "starts, {active} and {enabled}; it will not take over before {wait_until}",
    act.Store: "stores update {seq} of epoch {epoch} in its safe queue",
    act.StoreStatus: "stores the completion status of update {seq}: {status}",
    act.ReportSafe: "reports everything up to update {upto} as safe, and update {latest}",
    act.Apply: "applies update {seq} of epoch {epoch} out of the {queue} queue, {changed}",
    act.Resynchronise: "is resynchronised: it has the data of epoch {epoch} up to update {upto}",
    act.Promise: "promises the active server of epoch {epoch}, which asked at {asked}, to wait until {until}",
    act.CountPromise: "counts on that promise until {until}: it asked at {sent}",
    act.CountLease: "counts on its lease for epoch {epoch} until {until}: it asked at {sent}",
    act.Release: "releases the role of epoch {epoch}",
    act.HearRelease: "hears that epoch {epoch} was released: its promise is over",
    act.Promote: "is to go on with its own data{ordered}, complete up to update {kept}; its queue ends with {last}",
    act.Discard: "ends its drain with update {kept}, and {left}",
    act.TakeRole: "takes over: epoch {epoch} ({cause})",
    act.Enable: "enables the public identity until {until}",
    act.Disable: "disables the public identity",
    act.StartInterception: "intercepts updates from here on",
    act.StartApplications: "starts the applications",
    act.StopApplications: "stops the applications",
    act.Refrain: "does not take over",
    act.Log: "logs update {seq} of epoch {epoch}",
    act.CarryOut: "carries update {seq} out: {status}",
    act.HearSafe: "hears that everything up to update {upto} is safe, and update {latest}",
    act.Acknowledge: "acknowledges update {seq} of epoch {epoch} to the application",
    act.Trim: "trims its unsafe queue up to update {upto}, which is safe",
    act.Drop: "drops its unsafe queue up to update {upto}, which is not safe",
    act.Declare: "declares the passive server {eligible} (version {version})",
    act.Copy: "sends a copy of its data as it is after update {upto}; its own epochs began with {begun}",
    act.HearRecorded: "hears that the passive server is recorded as {eligible} (version {version})",
    act.HearEpoch: "hears of epoch {epoch}",
    act.StepDown: "steps down: it is passive and hidden",
    act.SetAside: "sets its unsafe queue aside: its peer has everything up to update {kept}, and it had logged {last}",
    act.HearGoodbye: "hears that its peer shuts down",
    act.HearReturn: "hears its peer again",
    act.WitnessStart: "starts, and will not grant a new epoch before {wait_until}",
    act.Grant: "grants the {to}, which asked at {asked}{promoted}, a lease for epoch {epoch} until {until}",
    act.Record: "records the passive server of epoch {epoch} as {eligible} (version {version})",
    act.EndLease: "ends the lease: epoch {epoch} was released",
}
"""What each kind of step says, after who does it."""

_FLAGS: dict[str, tuple[str, str]] = {
    "active": ("passive", "active"),
    "enabled": ("hidden", "showing itself"),
    "changed": ("changing nothing", "changing the data"),
    "eligible": ("not eligible", "eligible"),
    "promoted": ("", " as one that is promoted"),
    "ordered": ("", " on an operator's order"),
}
_CHOICES: dict[str, type] = {"status": Status, "queue": Queue, "cause": Cause, "to": Identity}


def name_of(actor: int) -> str:
    """Who that is."""
    return {NATURE: "", WITNESS: "the witness", 0: "the primary", 1: "the secondary"}[actor]


def _party(actor: int) -> str:
    return name_of(actor).removeprefix("the ")


def who(step: Step, nature: Nature) -> str:
    """Who does this step; where the servers have arbiters of their own, what one records the other is told."""
    if step.actor != WITNESS or not is_own(nature):
        return name_of(step.actor)
    return (
        f"{name_of(step.action.to)}'s own arbiter"
        if isinstance(step.action, act.Grant)
        else "their own arbiters"
    )


def sentence(step: Step, nature: Nature = Nature()) -> str:
    """What is done in this step."""
    said = {f.name: _word(f.name, getattr(step.action, f.name)) for f in fields(step.action)}
    if isinstance(step.action, act.Discard):
        nothing = step.action.last <= step.action.kept
        said["left"] = "has nothing to discard" if nothing else f"discards the rest, up to {step.action.last}"
    text = SENTENCES[type(step.action)]
    actor = who(step, nature)
    if isinstance(step.action, act.Grant) and is_own(nature):
        text = text.removesuffix(" until {until}")  # by a clock of its own, which the run does not show
    text = text.format(asked=step.sent, **said)
    return f"{actor} {_plural(text) if actor.endswith('s') else text}".strip()


def _plural(sentence: str) -> str:
    """What several do, of what one does."""
    does, _, what = sentence.partition(" ")
    return f"{does.removesuffix('s')} {what}"


def _word(name: str, value: Any) -> Any:
    if name in _FLAGS:
        return _FLAGS[name][value]
    return _CHOICES[name](value).name.lower() if name in _CHOICES else value


def holders(world: World, c: Constants = CONSTANTS) -> list[int]:
    """Who has the public identity on its interface."""
    return [index for index in (0, 1) if held(world, index, c)]


def tell(run: Run, worlds: Sequence[World], broken: Clause | None = None) -> Iterator[str]:
    """The lines of the story; `worlds` is what `replay` gave for this run."""
    drift = f"clocks within {CONSTANTS.drift_ppm / PPM:.0%} of true"
    yield (
        f"A pair with leases of {CONSTANTS.lease_ns} ns, promises of {CONSTANTS.promise_ns} ns, {drift}, and kernels "
        f"that are up to {CONSTANTS.expiry_slack_ns} ns late."
    )
    yield ""
    own = is_own(run.first.nature)
    yield f"step  primary  secondary  {'' if own else 'witness   '}identity     what happens"
    for number, (step, world) in enumerate(zip(run.steps, worlds[1:], strict=True), 1):
        clocks = ("{:>9}{:>11}" if own else "{:>9}{:>11}{:>9}").format(*_clocks(world))
        held_by = ["nobody", "".join(map(_party, holders(world))), "both"][len(holders(world))]
        yield f"{number:>4}{clocks}   {held_by:<13}{sentence(step, run.first.nature)}"
    if broken is not None:
        yield f"Broken: {broken.name}"
        yield f"  it says:  {broken.text}"
        for fact in facts_against(broken.name, worlds[-1], run.place):
            yield f"  but here: {fact}."


def as_data(run: Run, worlds: Sequence[World]) -> list[dict[str, Any]]:
    """The story for a program: an object a step."""
    own = is_own(run.first.nature)
    return [
        {
            "step": number,
            "actor": _party(step.actor) or "time" if not own or step.actor != WITNESS else "arbiter",
            "action": type(step.action).__name__,
            "says": {f.name: _plain(getattr(step.action, f.name)) for f in fields(step.action)},
            "clocks": _clocks(world),
            "holders": [_party(index) for index in holders(world)],
            "text": sentence(step, run.first.nature),
        }
        for number, (step, world) in enumerate(zip(run.steps, worlds[1:], strict=True), 1)
    ]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _clocks(world: World) -> list[int]:
    return [*(side.clock for side in world.sides), world.witness_clock]


# --- what breaks a property -------------------------------------------------------------------------


def facts_against(prop: str, world: World, at: Place) -> list[str]:
    """The facts of this world that break the property."""
    return list(_FACTS[prop](world, at))


def _two_holders(world: World, at: Place) -> Iterator[str]:
    for index, side in enumerate(world.sides):
        latest = side.know.until + CONSTANTS.expiry_slack_ns
        end = f"ends it at {latest} at the latest" if world.nature.kernel else "does not end it"
        yield f"{name_of(index)} has it: its clock shows {side.clock}, and its kernel {end}"


def _not_a_prefix(world: World, at: Place) -> Iterator[str]:
    new = world.sides[world.leader]
    begun = new.know.applied
    if new.cut_short:
        yield f"{name_of(world.leader)} ended a drain although the next update could be applied"
    if begun > world.parent_length:
        yield f"{name_of(world.leader)} took over with {_updates(begun)}, the old active had {world.parent_length}"
    elif 1 <= at.seq <= begun and new.data[at.seq] != world.parent[at.seq]:
        was, is_now = _effect(world.parent[at.seq]), _effect(new.data[at.seq])
        yield f"at {at.seq} the old active's data had {was}, and {name_of(world.leader)}'s has {is_now}"


def _effect(epoch: int) -> str:
    return f"the effect of an update of epoch {epoch}" if epoch else "no effect"


def _updates(count: int) -> str:
    return f"{count} update" if count == 1 else f"{count or 'no'} updates"


def _a_ghost(world: World, at: Place) -> Iterator[str]:
    for index, side in _later_actives(world):
        if side.know.logged >= world.mark_seq and side.data[world.mark_seq] == world.mark_epoch:
            yield f"{_mark(world)} was lost, and {name_of(index)}, active in epoch {side.know.epoch}, has it"


def _a_loss(world: World, at: Place) -> Iterator[str]:
    for index, side in _later_actives(world):
        there = side.data[world.mark_seq] if world.mark_seq <= side.know.logged else 0
        had = f"{_mark(world)} was acknowledged, with {_effect(world.effect)}"
        active = f"{name_of(index)}, active in epoch {side.know.epoch}"
        if side.know.logged < world.mark_seq:
            yield f"{had}, and {active}, has {_updates(side.know.logged)}"
        elif there != world.effect:
            yield f"{had}, and {active}, has {_effect(there)} there"


def _later_actives(world: World) -> Iterator[tuple[int, Any]]:
    for index, side in enumerate(world.sides):
        if side.know.active and side.know.epoch > world.mark_epoch:
            yield index, side


def _mark(world: World) -> str:
    return f"update {world.mark_seq} of epoch {world.mark_epoch}"


def _undrained(world: World, at: Place) -> Iterator[str]:
    for index, side in enumerate(world.sides):
        if not side.know.drained and (side.know.enabled or side.know.serving):
            shown = "the applications run" if side.know.serving else "the public identity was enabled"
            yield f"{name_of(index)} has not ended a drain since it last followed, and {shown} there"


def _left_behind(world: World, at: Place) -> Iterator[str]:
    new = world.sides[world.leader]
    yield (
        f"the old active released its role with {_updates(world.parent_length)}, "
        f"and {name_of(world.leader)} began with {_updates(new.know.applied)}"
    )


def _unsettled(world: World, at: Place) -> Iterator[str]:
    recorded = "eligible" if world.witness.eligible else "not eligible"
    yield f"{name_of(world.leader)} released epoch {world.epoch}, and its peer is recorded as {recorded}"


def _untrue(world: World, at: Place) -> Iterator[str]:
    for index, side in enumerate(world.sides):
        if side.misstated:
            yield f"of {_mark(world)} {name_of(index)} says what is not so, or says nothing"


_FACTS: dict[str, Callable[[World, Place], Iterator[str]]] = {
    "one-holder": _two_holders,
    "exact-prefix": _not_a_prefix,
    "no-ghost": _a_ghost,
    "nothing-acknowledged-is-lost": _a_loss,
    "drained-before-serving": _undrained,
    "switchover-loses-nothing": _left_behind,
    "switchover-settles": _unsettled,
    "exact-loss": _untrue,
}
