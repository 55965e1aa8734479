"""The whole life of a pair: a switchover wherever it is cut, and what else an operator orders."""

import copy
from collections.abc import Iterator

import pytest

from takeover_models.decisions import Decision
from takeover_models.setup import Setup
from takeover_models.shells import EAGER, HASTY, LAZY
from takeover_models.world import World
from takeover_spec import actions as act

SETUPS = (Setup(shell=EAGER), Setup(shell=LAZY), Setup(shell=HASTY, synchronous=0, latency=30_000))
IDS = ("eager", "lazy", "hasty, asynchronous")

EFFECTS_MAX = 200
"""No party has more to do than this in a switchover."""


def paired(setup: Setup, *more: Decision) -> World:
    """An active primary, which was written to, with an eligible secondary; and then more."""
    world = World(setup)
    world.replay([Decision("heal"), Decision("calm", number=2500, flag=True)])
    assert world.witness.durable.eligible
    world.replay(more)
    return world


def unsafe(world: World) -> World:
    """The same, with updates logged that nobody else has."""
    world.replay([Decision("offer", "0", 1), Decision("work", "0", 1), Decision("offer", "0", 2)])
    world.replay([Decision("work", "0", 1)])
    return world


def calm(length_ms: int, load: bool = False) -> Decision:
    """Time for whatever there is to do."""
    return Decision("calm", number=length_ms, flag=load)


def led(world: World) -> list[int]:
    """Who leads, serves and has the public identity."""
    return [s.index for s in world.servers if s.leads and s.serving and s.holds_identity]


def refusals(world: World, who: int) -> list[str]:
    """By which clauses this server's orders were refused."""
    return [answer.clause for answer in world.servers[who].answers if not answer.accepted]


def causes(world: World, who: int) -> list[str]:
    """Why this server took over, each time."""
    lines = [line.action for run in world.servers[who].account.runs for line in run.lines]
    return [action.cause.name for action in lines if isinstance(action, act.TakeRole)]


# --- switchover -----------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", SETUPS, ids=IDS)
def test_a_switchover_loses_nothing_and_waits_for_no_grant(setup: Setup) -> None:
    """SWITCH-1: everything logged is in the new active's data; the old one follows again, and may be reinstated."""
    world = unsafe(paired(setup))
    logged = world.servers[0].image.logged
    world.replay([Decision("switch", "0", 1000), calm(250 + setup.latency // 40)])
    assert [1] == led(world)
    assert [True] == [answer.accepted for answer in world.servers[0].answers]
    assert logged == len(world.servers[1].image.data.history)
    world.replay([calm(2500, load=True), Decision("switch", "1", 1000), calm(2500, load=True)])
    assert [0] == led(world)
    assert ["FIRST", "RELEASE"] == causes(world, 0)
    assert ["RELEASE"] == causes(world, 1)
    assert world.witness.durable.eligible


def _cut_points(world: World, victim: str) -> Iterator[tuple[int, World]]:
    """The world in the middle of a switchover, with the victim stopped after so many of its effects: each of them."""
    for effects in range(EFFECTS_MAX):
        cut = copy.deepcopy(world)
        cut.replay([Decision("interrupt", victim, effects), Decision("switch", "0", 1000)])
        for _ in range(60):
            cut.decide(calm(5))
            if cut.hosts[victim].stopped or (len(led(cut)) == 1 and cut.servers[1].leads):
                break
        if not cut.hosts[victim].stopped:
            return
        yield effects, cut
    raise AssertionError("a switchover has no end")


@pytest.mark.parametrize("setup", SETUPS, ids=IDS)
@pytest.mark.parametrize("victim", ["0", "1", "w"])
def test_a_switchover_cut_at_every_step_settles(setup: Setup, victim: str) -> None:
    """SWITCH-2: a party dies after any of its effects, keeping none or all of what it had not synced, and comes back
    at once or late: exactly one server is active, without a person, and the pair becomes whole again."""
    world = unsafe(paired(setup))
    points = 0
    ends = set()
    for effects, cut in _cut_points(world, victim):
        for keep in (0, 99):
            after = copy.deepcopy(cut)
            away = calm(3500 if effects % 2 else 20)
            after.replay([Decision("crash", victim, keep), away, Decision("heal"), calm(4000)])
            assert 1 == len(led(after)), f"cut after {effects} effects of {victim}, {keep} kept"
            ends.add(led(after)[0])
            points += 1
        if effects % 8 == 0:
            after.decide(Decision("recover"))
            assert 0 == after.tally["waits for a person"]
    assert points >= 10
    assert ends == {0, 1} if victim == "1" else 1 in ends


@pytest.mark.parametrize("link", ["0w", "w0", "01", "10", "1w", "w1"])
def test_a_switchover_settles_whatever_is_not_heard(link: str) -> None:
    """SWITCH-2: one direction of one link carries nothing while it goes on, and then does again."""
    world = unsafe(paired(SETUPS[0]))
    world.replay(
        [Decision("cut", link), Decision("switch", "0", 1000), calm(3000), Decision("heal"), calm(3000)]
    )
    assert 1 == len(led(world))
    world.decide(Decision("recover"))
    assert 0 == world.tally["waits for a person"]


def test_a_release_is_told_again_after_a_restart() -> None:
    """SWITCH-2: nobody heard that the role was released, and the server that did so restarts: it still says so."""
    world = paired(SETUPS[0])
    world.replay([Decision("cut", link) for link in ("01", "0w")])
    world.replay([Decision("switch", "0", 1000), calm(1)])
    assert not world.servers[0].leads
    world.replay([Decision("crash", "0"), Decision("heal"), calm(100)])
    assert [1] == led(world)
    assert ["RELEASE"] == causes(world, 1)


def test_a_goodbye_after_a_release_is_no_reason_to_wait() -> None:
    """ROLE-4: the server that handed over is shut down at once, and the other one takes over all the same."""
    world = paired(SETUPS[0])
    world.replay(
        [Decision("cut", "1w"), Decision("switch", "0", 1000), calm(20), Decision("bye", "0"), calm(20)]
    )
    assert [] == led(world)
    world.replay([Decision("crash", "1"), Decision("mend", "1w"), Decision("start", "1"), calm(3000)])
    assert [1] == led(world)
    assert ["RELEASE"] == causes(world, 1)


# --- a switchover that is refused, or called off --------------------------------------------------


def test_a_switchover_without_a_follower_is_refused_at_once() -> None:
    """SWITCH-1: by a server that is not active, and by one that nobody follows; the applications run on."""
    world = World(SETUPS[0])
    world.replay([Decision("start", "0"), Decision("start", "w"), calm(2500, load=True)])
    world.replay([Decision("switch", "0", 1000)])
    assert ["SWITCH-1"] == refusals(world, 0)
    assert [0] == led(world)
    world.replay([Decision("heal"), calm(2500), Decision("switch", "1", 1000)])
    assert ["SWITCH-1"] == refusals(world, 1)


def test_a_switchover_to_a_server_that_is_not_eligible_is_refused_at_once() -> None:
    """SWITCH-2: the witness has recorded that the passive server is not eligible."""
    world = paired(SETUPS[0], Decision("cut", "10"), calm(1500, load=True))
    assert world.servers[0].core is not None
    assert world.servers[0].core.know.alone
    world.decide(Decision("switch", "0", 1000))
    assert ["SWITCH-2"] == refusals(world, 0)
    assert [0] == led(world)


@pytest.mark.parametrize(("within_ms", "clause"), [(60, "SWITCH-1"), (5000, "SWITCH-2")])
def test_a_switchover_that_cannot_become_safe_is_called_off(within_ms: int, clause: str) -> None:
    """The passive server vanishes: the time is over, or it is not eligible any more. The applications run again."""
    world = unsafe(paired(SETUPS[0]))
    world.replay([Decision("crash", "1"), Decision("switch", "0", within_ms), calm(30)])
    assert not world.servers[0].serving
    world.decide(calm(1500))
    assert [clause] == refusals(world, 0)
    assert [0] == led(world)
    world.decide(Decision("recover"))
    assert 0 == world.tally["waits for a person"]


def test_a_switchover_ends_when_the_grants_do() -> None:
    """ROLE-6: the active server hears nobody any more; it answers the order, and the other one takes over."""
    world = unsafe(paired(SETUPS[0], *(Decision("cut", link) for link in ("10", "w0", "0w"))))
    world.replay([Decision("switch", "0", 5000), calm(4000)])
    assert ["SWITCH-2"] == refusals(world, 0)
    assert [1] == led(world)


# --- promote --------------------------------------------------------------------------------------


def both_down_to_one() -> World:
    """The secondary is not eligible, and the primary, which went on alone, restarts."""
    world = paired(SETUPS[0], Decision("crash", "1"), calm(1500, load=True))
    world.replay([Decision("crash", "0"), Decision("start", "0"), calm(4000)])
    assert [] == led(world)
    return world


def test_the_last_active_server_goes_on_when_ordered_to() -> None:
    """REJOIN-4: nobody becomes active by itself; promoted, the old active has all it acknowledged, and is joined."""
    world = both_down_to_one()
    before = world.servers[0].image.data
    world.replay([Decision("promote", "0"), calm(1500)])
    assert [0] == led(world)
    assert before == world.servers[0].image.data
    assert ["FIRST", "OPERATOR"] == causes(world, 0)
    world.replay([Decision("recover")])
    assert [0] == led(world)


def test_a_follower_that_is_not_eligible_takes_over_when_ordered_to() -> None:
    """REJOIN-4: it serves with the data it has; what the old active comes back with is in its loss statement."""
    world = paired(SETUPS[0], Decision("crash", "1"), calm(1500, load=True))
    logged = world.servers[0].image.logged
    world.replay([Decision("crash", "0"), Decision("start", "1"), calm(3000)])
    assert [] == led(world)
    world.replay([Decision("promote", "1"), calm(1500)])
    assert [1] == led(world)
    kept = world.truth.begun[2]
    assert kept < logged
    world.decide(Decision("recover"))
    aside = [line.action for run in world.servers[0].account.runs for line in run.lines]
    assert [act.SetAside(1, kept, logged)] == [a for a in aside if isinstance(a, act.SetAside)]


def test_a_promotion_still_needs_a_lease() -> None:
    """LEASE-3: the order waits while the active server's lease runs; and it is void when that server is heard."""
    world = paired(SETUPS[0], Decision("cut", "10"), calm(1500, load=True))
    world.replay([Decision("cut", "01"), calm(1500), Decision("promote", "1"), calm(3000, load=True)])
    assert [0] == led(world)
    world.replay([Decision("heal"), calm(3000), Decision("crash", "0"), calm(300)])
    assert not world.servers[1].image.know.promoted


@pytest.mark.parametrize("who", ["0", "1"])
def test_a_promotion_beside_a_living_active_server_is_refused(who: str) -> None:
    """REJOIN-4, LEASE-1: the active server itself, and one that has just promised not to take over."""
    world = paired(SETUPS[0], Decision("promote", who))
    assert [{"0": "REJOIN-4", "1": "LEASE-1"}[who]] == refusals(world, int(who))


def test_a_promotion_with_data_of_an_epoch_that_is_over_is_refused() -> None:
    """REJOIN-4: the old active has heard of its successor, and is not resynchronised yet."""
    world = paired(SETUPS[0], Decision("crash", "0"), calm(3500, load=True))
    world.replay([Decision("start", "0"), Decision("connect"), Decision("wake", "1")])
    world.replay([Decision("pass", number=150_000), Decision("wake", "1"), Decision("deliver", "10", 0)])
    while world.network.links["10"].letters and world.servers[0].image.know.seen < 2:
        world.decide(Decision("deliver", "10", 0))
    world.decide(Decision("promote", "0"))
    assert ["REJOIN-4"] == refusals(world, 0)


# --- a copy in the same epoch ---------------------------------------------------------------------


def test_a_follower_gets_a_new_copy_when_ordered_to() -> None:
    """REJOIN-2: in its own epoch, under load; it stays eligible, and goes on following."""
    world = paired(SETUPS[0], Decision("resync", "1"), calm(1000, load=True))
    assert 1 == world.tally["copy in the same epoch"]
    assert [True] == [answer.accepted for answer in world.servers[1].answers]
    world.decide(Decision("recover"))
    assert [0] == led(world)


def test_an_active_server_has_nothing_to_copy() -> None:
    """REJOIN-2: its data is what others copy."""
    world = paired(SETUPS[0], Decision("resync", "0"))
    assert ["REJOIN-2"] == refusals(world, 0)
