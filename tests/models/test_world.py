"""The virtual world: the same decisions give the same run, and what it writes are traces that obey."""

from itertools import pairwise

import pytest

from takeover.core import events as ev
from takeover.core.effects import Effect, Say
from takeover.core.state import Core
from takeover_models.cores import Cores, Step
from takeover_models.decisions import Decision, parse_run
from takeover_models.findings import CoreFailed, Finding, PropertyBroken, Stuck
from takeover_models.machines import STARTS
from takeover_models.reports import traces
from takeover_models.setup import Setup
from takeover_models.shells import EAGER, HASTY, LAX, LAZY, SOUND
from takeover_models.simulate import run
from takeover_models.world import World
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.trace import check, follows
from takeover_spec.words import Status


def world_after(run: str) -> World:
    """The world at the end of a run."""
    setup, decisions = parse_run(run)
    world = World(setup)
    world.replay(decisions)
    return world


def test_the_same_decisions_give_the_same_run() -> None:
    """To the last byte of every trace."""
    first = run(3, 60)
    second = World(first.setup)
    second.replay(first.decisions)
    assert traces(first.world) == traces(second)
    assert first.tally == second.tally


@pytest.mark.parametrize("seed", range(4))
def test_every_trace_obeys(seed: int) -> None:
    """The checker that judges everybody's traces judges these; and a next run finds what the one before had (LOSS)."""
    world = run(seed, 80).world
    for name, text in traces(world).items():
        assert (name, "obeys") == (name, check(text.encode().splitlines(keepends=True)).verdict)
    if world.setup.shell != HASTY:  # whose trace, like the reference server's, may be ahead of its disk
        for server in world.servers:
            for earlier, later in pairwise(server.account.runs):
                assert isinstance(earlier.ended, Knowledge)
                assert isinstance(later.header.found, Knowledge)
                assert "" == follows(earlier.ended, later.header.found)


def test_the_starts_are_what_they_are_called() -> None:
    """The states that machines begin in are the ones that are wanted."""
    paired, alone, half, late = (
        world_after(STARTS[name]) for name in ("loaded", "alone", "half shipped", "an update is late")
    )
    assert (1, True) == (paired.servers[0].leads, paired.witness.durable.eligible)
    assert paired.servers[1].image.data == paired.servers[0].image.data
    assert (True, False) == (alone.servers[0].serving, alone.servers[1].running)
    assert alone.tally["acknowledged alone"] > 0
    assert [Status.NONE] == [queued.status for queued in half.servers[1].image.safe.values()]
    assert (0, 2) == tuple(server.leads for server in late.servers)
    assert late.network.links["01"].letters
    discarded = world_after(STARTS["about to discard"] + ",calm//3000")
    assert 1 == discarded.tally["discard of something"]
    drained = world_after(STARTS["about to drain"] + ",calm//3000")
    assert drained.tally["drain of something"] >= 3


def test_a_step_can_be_cut_in_half() -> None:
    """A takeover stops between two of its effects, with a part of it done, and goes on there or dies there."""
    away = "default:heal,calm//2500/1,crash/0,calm//500"
    seen = set()
    for effects in range(6, 18):
        stopped = world_after(f"{away},interrupt/1/{effects}")
        server = stopped.servers[1]
        while not server.stopped:
            stopped.decide(Decision("calm", number=5))
        seen.add((server.image.know.drained, server.leads, server.holds_identity, server.serving))
        stopped.decide(Decision("resume", "1"))
        stopped.decide(Decision("calm", number=3000))
        assert (2, True) == (server.leads, server.serving)
    assert {(True, 0, False, False), (True, 2, False, False)} <= seen


def test_the_kernel_ends_the_identity_of_a_stopped_server() -> None:
    """At the time it was told, with the slack, whatever the process does (ADDR-2)."""
    world = world_after("default:heal,calm//2500,stop/0")
    server = world.servers[0]
    assert server.kernel.until is not None
    left_ns = server.kernel.until + server.kernel.slack_ns - server.clock.shows
    world.advance(left_ns - 1_000)
    assert server.holds_identity
    world.advance(1_000)
    assert not server.holds_identity


def test_a_started_process_hides_what_an_earlier_one_left() -> None:
    """The identity outlives a killed process, and not its successor's start; a dead machine has none (ROLE-1)."""
    world = world_after("default:heal,calm//2500,crash/0")
    assert world.servers[0].holds_identity
    world.decide(Decision("start", "0"))
    assert not world.servers[0].holds_identity
    assert not world_after("default:heal,calm//2500,crash/0//1").servers[0].holds_identity


@pytest.mark.parametrize(("shell", "lost"), [(EAGER, 0), (LAZY, 2), (HASTY, 2)])
def test_a_crash_takes_what_a_shell_has_not_synced(shell: int, lost: int) -> None:
    """What is logged and carried out is lost with the machine, unless it was synced; what is acknowledged is not."""
    world = world_after(f"shell={shell}:heal,calm//2500/1")
    before = world.servers[0].image.logged
    world.replay(parse_run("default:offer/0,work/0/1,work/0/2,offer/0,work/0/1,work/0/2,crash/0//1")[1])
    assert before + 2 - lost == world.servers[0].image.logged
    assert world.truth.acknowledged.keys() <= {entry.uid for entry in world.servers[0].image.data.history}


POWER_CUT_IN_A_TAKEOVER = (
    "heal,calm//2500/1,offer/0,work/0/1,work/0/3,deliver/01,work/0/2,work/0/3,delay/01/2600,crash/0,"
    "calm//600,interrupt/1/{effects},calm//1000,crash/1//1,calm//3000,start/1,calm//4000"
)
"""A status is late, the active goes, its peer discards the update, takes over, and loses its power in the middle."""


def found_in(shell: int) -> set[str]:
    """What is found when the power goes at any point of a takeover."""
    found = set()
    for effects in range(8, 18):
        setup, decisions = parse_run(f"shell={shell}:" + POWER_CUT_IN_A_TAKEOVER.format(effects=effects))
        world = World(setup)
        try:
            world.replay(decisions)
        except Finding as finding:
            found.add(finding.name)
    return found


def test_a_shell_must_sync_before_it_enables_the_identity() -> None:
    """It is not enough to sync before messages and acknowledgements: what clients saw must not come undone."""
    assert {"no-ghost"} == found_in(LAX)
    for shell in SOUND:
        assert set() == found_in(shell)


def never_rests(core: Core, event: ev.Event, now: int) -> tuple[Core, tuple[Effect, ...]]:
    """A core that always has something to say."""
    return core, (Say(wire.Goodbye(1)),)


def fails(core: Core, event: ev.Event, now: int) -> tuple[Core, tuple[Effect, ...]]:
    """A core that does not answer."""
    raise AssertionError("it is not so")


@pytest.mark.parametrize(("step", "found"), [(never_rests, Stuck), (fails, CoreFailed)])
def test_a_core_that_never_rests_or_fails_is_a_finding(step: Step, found: type[Finding]) -> None:
    """A pair that keeps itself busy without time passing is stuck; a core that raises has failed."""
    with pytest.raises(found):
        World(Setup(), Cores(step=step)).replay([Decision("heal"), Decision("calm", number=100)])


def test_a_world_ends_with_its_finding() -> None:
    """Something that must never be ends the run, there and then."""
    world = World(Setup())
    world.replay([Decision("heal"), Decision("calm", number=2500)])
    world.servers[1].kernel.until = world.servers[1].clock.shows + 1_000_000
    with pytest.raises(PropertyBroken, match="one-holder"):
        world.decide(Decision("idle", "0"))
