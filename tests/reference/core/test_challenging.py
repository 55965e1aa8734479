"""A challenger that has something to discard: the statement is written beside it, and its lease does not run out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from takeover.core import events as ev
from takeover.core.effects import SayWitness, StateLoss
from takeover.core.state import Core, Settings, begin, counted_ns, remembered
from takeover.core.step import step
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Constants, Identity

S = 1_000_000_000
CONSTANTS = Constants(3 * S, 3 * S, 1000, S // 5, True)
RUN = 7


def challenger(now: int = 10 * S) -> Core:
    """A passive server of epoch 1 with updates 1 to 9, of which 4 are applied and none of the others is settled."""
    counted = (counted_ns(CONSTANTS.lease_ns, 1000), counted_ns(CONSTANTS.promise_ns, 1000))
    settings = Settings(Identity.SECONDARY, RUN, CONSTANTS, S // 2, 6 * S, *counted)
    found = remembered(Knowledge(epoch=1, seen=1, applied=4, reported=4), 9, 0, 0)
    return begin(settings, found, now)[0]


def leased(core: Core, now: int) -> tuple[Core, tuple[Any, ...]]:
    """The witness grants what was asked for just now."""
    return step(core, ev.WitnessSaid(wire.Leased(2, RUN, now)), now)


def test_what_is_discarded_is_stated_first() -> None:
    """LOSS-1: the role is taken when the statement is written, and not before."""
    now = 14 * S
    core, effects = leased(challenger(), now)
    assert [StateLoss(1, 4, 9)] == [e for e in effects if isinstance(e, StateLoss)]
    assert not core.know.active
    core, effects = step(core, ev.LossStated(1, 4, 9), now + 1)
    assert core.know.active
    assert [act.Discard, act.TakeRole] == [type(effect) for effect in effects[:2]]


def test_meanwhile_the_lease_is_renewed() -> None:
    """However long the writing takes, the lease is asked for and counted, and the statement is asked for once."""
    now = 14 * S
    core, _ = leased(challenger(), now)
    for _ in range(100):
        now += S // 8
        core, effects = step(core, ev.Woke(), now)
        assert [wire.AskLease(2, RUN, now, False)] == [
            e.message for e in effects if isinstance(e, SayWitness)
        ]
        core, effects = leased(core, now)
        assert [act.CountLease] == [type(effect) for effect in effects]
    core, _ = step(core, ev.LossStated(1, 4, 9), now + 1)
    assert core.know.active


def test_a_statement_of_something_else_is_not_enough() -> None:
    """An update arrived in between: what is discarded now is another, and is stated anew."""
    now = 14 * S
    core, _ = leased(challenger(), now)
    core, _ = step(core, ev.PeerSaid(wire.Update(1, 10, b"")), now + 1)
    core, effects = step(core, ev.LossStated(1, 4, 9), now + 2)
    assert (StateLoss(1, 4, 10),) == effects
    core, _ = step(core, ev.LossStated(1, 4, 10), now + 3)
    assert core.know.active


def test_a_lease_that_ran_out_meanwhile_is_asked_for_again() -> None:
    """Nothing is discarded without it; with a new one, the statement is asked for again, and is there."""
    now = 14 * S
    core, _ = leased(challenger(), now)
    core, effects = step(core, ev.LossStated(1, 4, 9), now + 4 * S)
    assert ((), False) == (effects, core.know.active)
    core, effects = leased(core, now + 5 * S)
    assert StateLoss(1, 4, 9) in effects


def test_nothing_to_discard_needs_no_waiting() -> None:
    """The role is taken in the turn in which the lease comes."""
    core = challenger()
    core = replace(core, know=remembered(replace(core.know, applied=9), 9, 9, 0))
    core, _ = leased(core, 14 * S)
    assert core.know.active


def refraining() -> Core:
    """One that says why it does not take over: the witness refused it."""
    refusal = wire.NotLeased(2, RUN, 14 * S, 2, "REJOIN-2", "not eligible")
    core, effects = step(challenger(), ev.WitnessSaid(refusal), 14 * S)
    assert (act.Refrain("REJOIN-2", "not eligible"),) == effects
    assert core.refrained
    return core


def test_the_reason_is_gone_when_the_active_server_is_heard() -> None:
    """And is recorded anew when it holds again (ROLE-3)."""
    core, _ = step(refraining(), ev.PeerSaid(wire.AskPromise(1, 3, 0)), 15 * S)
    assert "" == core.refrained
    refusal = wire.NotLeased(2, RUN, 19 * S, 2, "REJOIN-2", "not eligible")
    _, effects = step(core, ev.WitnessSaid(refusal), 19 * S)
    assert (act.Refrain("REJOIN-2", "not eligible"),) == effects


def test_the_reason_is_gone_when_it_is_resynchronised() -> None:
    """What it refrained for was about the data that it has no more."""
    core, _ = step(refraining(), ev.CopyReceived(2, 4, 12), 15 * S)
    assert (2, "") == (core.know.epoch, core.refrained)


def test_it_asks_at_once_then_soon_and_then_less_often() -> None:
    """The lease of the holder ends about when its own promise does, and not to the millisecond."""
    now = 10 * S
    core = challenger(now)
    asked: list[int] = []
    while len(asked) < 8:
        now = core.wake_at(now)
        core, effects = step(core, ev.Woke(), now)
        asked += [now - 13 * S for e in effects if isinstance(e, SayWitness)]
    beat = S // 2
    assert [0, beat // 32, beat // 16, beat // 8, beat // 4, beat // 2, 3 * beat // 4, beat] == asked
