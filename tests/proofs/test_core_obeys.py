"""The shipped cores obey the rules on every path, and a core that does not is refuted, with the clause it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from takeover.core import challenging, following, leading, ordering, state
from takeover.core.state import Turn
from takeover.core.witness import witness_step
from takeover_proofs.core_obeys import EventResult, prove_core, prove_witness
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.words import Queue, Status

EVENTS = (
    "Begin",
    "Woke",
    "Connected",
    "Intercepted",
    "Paused",
    "Stopping",
    "WoundDown",
    "CarriedOut",
    "NextInQueue",
    "Copy",
    "SwitchoverAsked",
    "PromoteAsked",
    "ResyncAsked",
)
MESSAGES = (*(f"PeerSaid {kind.__name__}" for kind in wire.MESSAGES), "WitnessSaid")


@pytest.mark.parametrize("prefix", EVENTS + MESSAGES)
def test_the_server_obeys(prefix: str) -> None:
    """Every rule about every action follows, on every path of the core for this event."""
    results = list(prove_core(wanted=lambda event: event.startswith(prefix)))
    assert results
    assert [] == [f"{r.event}: {r.problem}" for r in results if r.verdict != "proved"]


def test_the_witness_obeys() -> None:
    """Every rule about every action of the witness follows, on every path, and it does act."""
    results = list(prove_witness())
    assert [] == [f"{r.event}: {r.problem}" for r in results if r.verdict != "proved"]
    assert {"Witness Begin", "Witness AskLease", "Witness DeclareEligible", "Witness Released"} == {
        r.event for r in results if r.actions
    }


def _server(prefix: str) -> list[EventResult]:
    return [r for r in prove_core(wanted=lambda event: event.startswith(prefix)) if r.verdict == "refuted"]


def _hasty(turn: Turn) -> None:
    """Takes over while its own promise binds it."""
    know = turn.know
    ready = know.drained and challenging.is_committed(know, turn.now) and challenging.why_not(turn) is None
    if not know.active and ready and turn.now < know.given_until:
        turn.do(act.TakeRole(know.epoch + 1, challenging.cause_of(know)))


def _eager(turn: Turn) -> None:
    """Acknowledges what is carried out, whether or not it is safe."""
    seq = max(turn.know.acknowledged, turn.know.applied) + 1
    if seq <= state.carried_upto(turn.know):
        turn.do(act.Acknowledge(turn.know.epoch, seq))


def _skipping(turn: Turn, seq: int, ended: Any) -> None:
    """Applies whatever it is handed."""
    know = turn.know
    if following._follows(know, know.epoch):
        turn.do(act.Apply(know.epoch, seq, ended is Status.DONE, Queue.SAFE))


def _long_promise(turn: Turn, epoch: int, run: int, sent: int) -> None:
    """Counts a promise from its arrival."""
    if turn.know.active and epoch == turn.know.epoch:
        turn.do(act.CountPromise(epoch, sent, turn.now + turn.settings.promise_counted_ns))


def _impatient(turn: Turn) -> None:
    """Releases the role as soon as everything is carried out, safe or not."""
    know = turn.know
    if turn.core.switching and know.successor and state.carried_upto(know) == know.logged:
        ordering._release(turn)


def _careless(turn: Turn) -> None:
    """Releases the role whoever may succeed."""
    know = turn.know
    if turn.core.switching and state.carried_upto(know) == know.logged == know.safe_upto:
        ordering._release(turn)


def _withdrawing(turn: Turn) -> None:
    """Starts the applications again although the role is released."""
    know = turn.know
    if turn.core.switching:
        turn.do(act.StopApplications())
        turn.do(act.Disable())
        turn.do(act.Release(know.epoch))
        ordering._call_off(turn, ("SWITCH-1", "changed its mind"))


def _modest(turn: Turn, order: int) -> None:
    """Goes on with what its epoch began with, whatever it carried out since."""
    know = turn.know
    if not know.active and know.seen <= know.epoch:
        turn.do(act.Promote(know.epoch, know.applied, know.logged if know.returned else know.newest, True))


def _ordered(turn: Turn, order: int) -> None:
    """Takes an order on with data of whatever epoch."""
    know = turn.know
    if know.returned and not know.active:
        turn.do(act.Promote(know.epoch, state.carried_upto(know), know.logged, True))


@pytest.mark.parametrize(
    ("module", "name", "broken", "event", "clause"),
    [
        (challenging, "take_over_if_ready", _hasty, "Woke", "LEASE-1"),
        (leading, "paused", _eager, "Paused", "SYNC-1"),
        (following, "next_in_queue", _skipping, "NextInQueue", "APPLY-1"),
        (leading, "promised", _long_promise, "PeerSaid Promised", "LEASE-4"),
        (leading, "step_down", lambda turn: None, "Paused", "ROLE-6"),
        (ordering, "hand_over_if_ready", _impatient, "PeerSaid Safe", "SWITCH-1"),
        (ordering, "hand_over_if_ready", _careless, "WitnessSaid Recorded", "SWITCH-2"),
        (ordering, "hand_over_if_ready", _withdrawing, "PeerSaid Safe", "SWITCH-1"),
        (ordering, "promote_asked", _modest, "PromoteAsked", "LOSS-1"),
        (ordering, "promote_asked", _ordered, "PromoteAsked", "REJOIN-4"),
    ],
)
def test_a_broken_server_is_refuted(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    broken: Callable[..., None],
    event: str,
    clause: str,
) -> None:
    """A core with one decision spoilt breaks the clause that the decision is for."""
    monkeypatch.setattr(module, name, broken)
    assert any(clause in r.problem for r in _server(event))


def test_a_broken_witness_is_refuted() -> None:
    """A witness that grants for half a lease is refuted."""

    def stingy(witness: Any, sender: Any, message: Any, now: Any) -> Any:
        after, effects = witness_step(witness, sender, message, now)
        short = [replace(e, until=e.until - 1) if isinstance(e, act.Grant) else e for e in effects]
        return after, tuple(short)

    refuted = [r for r in prove_witness(stingy) if r.verdict != "proved"]
    assert ["Witness AskLease"] == [r.event for r in refuted]
    assert "LEASE-3" in refuted[0].problem
