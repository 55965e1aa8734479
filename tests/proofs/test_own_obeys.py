"""The core of an own arbiter is held against the rules and its duties, and a broken one is refuted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from takeover.core import own_arbiter
from takeover.core.own_arbiter import OwnArbiter, own_said, peer_said
from takeover_proofs.own_obeys import own_tasks, prove_own
from takeover_spec import actions as act
from takeover_spec import wire


def test_the_shipped_one_obeys() -> None:
    """For both kinds, every message from either side, every path; and it does something."""
    results = list(prove_own())
    assert [task.event for task in own_tasks()] != []
    assert {task.event for task in own_tasks()} == {result.event for result in results}
    assert [] == [(r.event, r.problem) for r in results if r.verdict != "proved"]
    acting = {
        r.event.removeprefix("crash-stop ") for r in results if r.actions and r.event.startswith("crash")
    }
    assert {"Begin", "AskLease", "DeclareEligible", "Released"} < acting
    assert {"peer's DeclareEligible", "peer's Recorded", "peer's Released"} < acting


def _believes(arbiter: OwnArbiter, message: wire.Message, now: int) -> Any:
    """Records what its own server declares, whoever has heard of it."""
    return own_arbiter._step(arbiter, arbiter.me, message, now)


def _generous(arbiter: OwnArbiter, message: wire.Message, now: int) -> Any:
    """Lets the peer have a lease."""
    return own_arbiter._step(arbiter, arbiter.me.peer, message, now)


def _hasty(arbiter: OwnArbiter, message: wire.Message, now: int) -> Any:
    """Waits for nothing."""
    know = replace(arbiter.witness.know, lease_until=0, wait_until=0)
    return own_said(replace(arbiter, witness=replace(arbiter.witness, know=know)), message, now)


@pytest.mark.parametrize(
    ("broken", "event", "problem"),
    [
        (_believes, "crash-stop DeclareEligible", "the peer's arbiter records first"),
        (_believes, "operator AskLease", "the next epoch needs a person"),
        (_generous, "crash-stop AskLease", "the next epoch needs a person"),
        (_hasty, "crash-stop AskLease", "LEASE-3"),
    ],
)
def test_a_broken_one_is_refuted(broken: Callable[..., Any], event: str, problem: str) -> None:
    """Each duty is one that can be missed."""
    [result] = prove_own(own=broken, wanted=lambda name: name == event)
    assert ("refuted", True) == (result.verdict, problem in result.problem)


def test_one_that_listens_badly_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was heard of the holder has to be waited from."""

    def deaf(witness: Any, found: Any, now: int) -> Any:
        return replace(witness, know=replace(found, lease_until=now))

    monkeypatch.setattr(own_arbiter, "observe", deaf)
    [result] = prove_own(wanted=lambda name: name == "crash-stop peer's AskPromise")
    assert ("refuted", True) == (result.verdict, "a full lease is waited" in result.problem)


def test_nothing_is_granted_to_the_peer() -> None:
    """An own arbiter answers its own server alone."""

    def lends(arbiter: OwnArbiter, message: wire.Message, now: int) -> Any:
        after, effects = peer_said(arbiter, message, now)
        return after, (*effects, act.Grant(arbiter.me.peer, 1, now, False))

    [result] = prove_own(peer=lends, wanted=lambda name: name == "operator peer's Goodbye")
    assert "refuted" == result.verdict
