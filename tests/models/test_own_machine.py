"""A pair without a witness in the virtual world: it keeps everything where the assumption is true, and not where it
is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from takeover.core import own_arbiter as own
from takeover.core.own_arbiter import OwnArbiter
from takeover.core.witness import observe
from takeover_models import machines
from takeover_models.decisions import parse_run
from takeover_models.findings import PropertyBroken
from takeover_models.own_machine import OwnMachine
from takeover_models.world import World
from takeover_spec.knowledge import Knowledge

SETTINGS = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)

BEGUN = ":heal,calm//2000,promote/0,calm//2500/1"
"""A new pair, begun at server 0 on an order, in sync and under load."""


def world_after(run: str) -> World:
    """The world at the end of a run."""
    setup, decisions = parse_run(run)
    world = World(setup)
    world.replay(decisions)
    return world


def test_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the network is whole, whatever dies or stops and whenever, in runs in which that happened."""
    events: Counter[str] = Counter()
    monkeypatch.setattr(machines, "event", lambda name: events.update([name]))
    run_state_machine_as_test(OwnMachine, settings=SETTINGS)
    wanted = ("takeover", "second takeover", "acknowledged alone", "rejoin", "handed over", "stepped down")
    assert [] == [name for name in wanted if not events[f"seen: {name}"]]


def test_a_new_pair_waits_for_a_person() -> None:
    """Of either kind; and its first order begins it."""
    for arbiter in (1, 2):
        world = world_after(f"arbiter={arbiter}:heal,calm//4000")
        assert (0, 0) == tuple(server.leads for server in world.servers)
        assert 1 == world_after(f"arbiter={arbiter}:heal,calm//2000,promote/1,calm//2500").servers[1].leads


@pytest.mark.parametrize(("arbiter", "leads"), [(1, 2), (2, 0)])
def test_a_dead_server_is_succeeded_or_waited_for(arbiter: int, leads: int) -> None:
    """Crash-stop takes over by itself; operator waits for an order, and then takes over too."""
    dead = f"arbiter={arbiter}{BEGUN},crash/0,calm//4000/1"
    assert leads == world_after(dead).servers[1].leads
    assert 2 == world_after(f"{dead},promote/1,calm//1000").servers[1].leads


def test_a_cut_network_has_two_holders() -> None:
    """Crash-stop: silence does not mean dead, and the world shows what the proof without `silence` tells."""
    with pytest.raises(PropertyBroken) as error:
        world_after(f"arbiter=1{BEGUN},cut/01,cut/10,calm//4000/1")
    assert "one-holder" == error.value.name
    assert 0 == world_after(f"arbiter=2{BEGUN},cut/01,cut/10,calm//4000/1").servers[1].leads


def test_a_wrong_order_has_two_holders() -> None:
    """Operator: a person who has not seen that the silent server lives."""
    with pytest.raises(PropertyBroken) as error:
        world_after(f"arbiter=2{BEGUN},cut/01,cut/10,calm//2500/1,promote/1,calm//2500/1")
    assert "one-holder" == error.value.name


RESTARTED = f"arbiter=1{BEGUN},crash/1,calm//2500/1,crash/0,start/1,calm//4000"
"""Server 0 goes on alone, and dies; server 1 starts, which was eligible once."""

HELD_UP = f"arbiter=1{BEGUN},stop/1,calm//3000/1,resume/1,wake/1,deliver/w1/-1,calm//500/1"
"""Server 1 is stopped for some leases, and goes on: it asks before it reads what came meanwhile."""

GONE_MEANWHILE = f"arbiter=1{BEGUN},stop/1,calm//3000/1,crash/0,disconnect///1,resume/1,calm//4000"
"""The same, and meanwhile server 0 went on alone, and died."""


def test_who_restarts_or_was_held_up_takes_nothing_over() -> None:
    """It was not told in this run that it is eligible, or has not listened."""
    for run in (RESTARTED, GONE_MEANWHILE):
        assert (0, 0) == tuple(server.leads for server in world_after(run).servers)
    assert (1, 0) == tuple(server.leads for server in world_after(HELD_UP).servers)


def _trusting(me: Any, found: Knowledge) -> Any:
    """A server that starts believes that it is still eligible."""
    know = _deduced(me, found)
    return replace(know, eligible=know.holder != me and found.epoch == found.seen)


def _deaf(arbiter: OwnArbiter, now: int) -> OwnArbiter:
    """A gap in its own life is a silence like any."""
    return replace(arbiter, called_at=now)


def _short_memory(arbiter: OwnArbiter, now: int) -> OwnArbiter:
    """It waits anew, and believes that it is still eligible."""
    gap = (now - arbiter.called_at) * own.GAPS_PER_LEASE > arbiter.witness.constants.lease_ns
    witness = observe(arbiter.witness, arbiter.witness.know, now) if gap else arbiter.witness
    return replace(arbiter, witness=witness, called_at=now)


_deduced = own.deduced


@pytest.mark.parametrize(
    ("name", "broken", "run", "found"),
    [
        ("deduced", _trusting, RESTARTED, "nothing-acknowledged-is-lost"),
        ("look", _deaf, HELD_UP, "nothing-acknowledged-is-lost"),
        ("look", _short_memory, GONE_MEANWHILE, "nothing-acknowledged-is-lost"),
    ],
)
def test_a_broken_arbiter_is_caught(
    name: str, broken: Callable[..., Any], run: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its precautions is needed: without it the property goes, though the assumption is true."""
    monkeypatch.setattr(own, name, broken)
    with pytest.raises(PropertyBroken) as error:
        world_after(run)
    assert found == error.value.name
