"""What the rules allow once the waits are over: a wait ends by itself, a forbidden step stays forbidden.

The path of a takeover, from the grant of the next epoch to the role, is held against the rules themselves, on what the
parties know with every wait behind them: no lease and no promise runs, and what the peer said for good has been heard,
for it says so again. What is left to ask is whether a rule stands in the way *for good*.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from takeover_proofs.world import World
from takeover_spec import actions as act
from takeover_spec.knowledge import after, settled
from takeover_spec.logic import choose, implies, not_
from takeover_spec.rules import rules_about
from takeover_spec.words import Arbiter, Cause, Constants, Identity, Queue, Status


def may_succeed(world: World, who: int, c: Constants, cause: Cause = Cause.RELEASE) -> bool:
    """Whether no rule keeps this passive server from the role of the next epoch for good."""
    know = world.sides[who].know
    heard = after(know, act.HearRelease(know.epoch), 0) if cause is Cause.RELEASE else know
    waited = replace(heard, given_until=0, lease_epoch=know.epoch + 1, lease_until=1)
    status = waited.status[waited.applied + 1]
    changed = status == Status.DONE
    apply = act.Apply(know.epoch, know.applied + 1, changed, Queue.SAFE)
    discard = act.Discard(know.epoch, know.applied, know.newest)
    drains = choose(
        settled(waited, waited.applied + 1), _allowed(waited, apply, c), _allowed(waited, discard, c)
    )
    drained = replace(waited, drained=True)
    taking = _allowed(drained, act.TakeRole(know.epoch + 1, cause), c)
    return _may_be_granted(world, who, c) & (know.drained | drains) & taking


def _may_be_granted(world: World, who: int, c: Constants) -> bool:
    know = replace(world.witness, lease_until=0, wait_until=0)
    grant = act.Grant(Identity(who), world.sides[who].know.epoch + 1, c.lease_ns, False)
    person = implies(know.epoch < grant.epoch, know.ended) if _waits_for_a_person(world) else not_(False)
    return _allowed(know, grant, c) & person


def _waits_for_a_person(world: World) -> bool:
    """Whether a server is granted an epoch that was not given up on a person's order alone."""
    return world.nature.arbiter is Arbiter.OPERATOR


def _allowed(know: Any, action: act.Action, c: Constants) -> bool:
    """Whether every rule allows it, at the time 0 of a clock that has nothing left to wait for."""
    held = not_(False)
    for rule in rules_about(type(action)):
        held = held & rule.holds(know, action, 0, c)
    return held
