"""A pair gets on: it takes over in time, becomes whole again, and finds its way back from anywhere."""

import pytest

from takeover_models.decisions import Decision, parse_run
from takeover_models.findings import NoProgress
from takeover_models.setup import MS, Setup
from takeover_models.shells import SOUND
from takeover_models.simulate import run
from takeover_models.world import World

SETUPS = [
    Setup(),
    Setup(lease=600, promise=1500, drift=200_000, latency=30_000, shell=2),
    Setup(promise=1500, beat=300, drift=0, synchronous=0, shell=1),
    Setup(latency=0, slack=0),
]


def whole(setup: Setup, load: bool) -> World:
    """An active primary with an eligible secondary."""
    world = World(setup)
    world.replay([Decision("heal"), Decision("calm", number=4000, flag=load)])
    assert world.witness.durable.eligible
    return world


def calm_until_led(world: World, index: int, limit_ns: int) -> int:
    """How long it takes until a server leads and has the public identity, in true time; at most about the limit."""
    begun = world.network.now_ns
    server = world.servers[index]
    while not (server.leads and server.serving and server.holds_identity):
        assert world.network.now_ns - begun <= limit_ns, "it does not take over in time"
        world.decide(Decision("calm", number=1, flag=True))
    return world.network.now_ns - begun


@pytest.mark.parametrize("setup", SETUPS, ids=Setup.text)
@pytest.mark.parametrize("after_ms", [0, 40, 90, 130])
@pytest.mark.parametrize("away", ["crash", "stop"])
def test_it_takes_over_in_time(setup: Setup, after_ms: int, away: str) -> None:
    """The active gone, at any point of its beat: the passive is active within promise + lease + a few beats."""
    world = whole(setup, load=True)
    world.decide(Decision("calm", number=after_ms + 1, flag=True))
    world.decide(Decision(away, "0"))
    limit_ms = setup.promise + setup.lease + 3 * setup.beat
    calm_until_led(world, 1, limit_ms * MS)
    assert world.tally["takeover"] == 1


def test_it_takes_over_sooner_than_both_grants_together() -> None:
    """Promise and lease run side by side: with equal clocks and an idle link it takes the longer of them and a beat."""
    setup = Setup(drift=0, latency=0)
    world = whole(setup, load=False)
    world.decide(Decision("crash", "0"))
    assert calm_until_led(world, 1, 10_000 * MS) <= (max(setup.promise, setup.lease) + setup.beat) * MS


@pytest.mark.parametrize("setup", SETUPS, ids=Setup.text)
def test_the_old_active_is_resynchronised_and_eligible_again(setup: Setup) -> None:
    """After its restart it follows the new active, under load, and may succeed it in its turn."""
    world = whole(setup, load=True)
    world.replay(parse_run("default:crash/0,calm//4000/1,start/0,calm//3000/1")[1])
    assert (1, True) == (world.tally["rejoin"], world.witness.durable.eligible)
    world.replay(parse_run("default:crash/1,calm//4000/1,start/1,calm//3000/1,calm//500")[1])
    assert (2, True) == (world.tally["takeover"], world.witness.durable.eligible)
    assert 3 == world.servers[0].leads
    assert world.servers[0].image.data == world.servers[1].image.data


def test_a_passive_server_that_was_away_catches_up_under_load() -> None:
    """It was declared not eligible, missed updates, and is eligible again while applications go on writing."""
    world = whole(Setup(latency=30_000), load=True)
    world.replay(parse_run("default:crash/1,calm//1500/1")[1])
    assert not world.witness.durable.eligible
    assert world.tally["acknowledged alone"] > 0
    world.replay(parse_run("default:start/1,calm//3000/1")[1])
    assert world.witness.durable.eligible


@pytest.mark.parametrize("shell", SOUND)
def test_nobody_is_silent_for_good(shell: int) -> None:
    """Every run of a campaign ends whole, or waits for a person where the rules leave it no choice (REJOIN-3)."""
    ends = [run(seed, 60) for seed in range(100 * shell, 100 * shell + 12)]
    assert [None] * len(ends) == [end.finding for end in ends]
    assert sum(end.tally["recovered"] + end.tally["waits for a person"] for end in ends) == len(ends)
    assert sum(end.tally["recovered"] for end in ends) >= 3


def test_a_pair_that_does_not_recover_is_a_finding() -> None:
    """A follower that is never heard of again by the witness, though all is mended: the check can fail."""
    world = whole(Setup(), load=True)
    server = world.servers[1]
    server.resume = lambda: False  # type: ignore[method-assign]  # a process that nobody can wake
    with pytest.raises(NoProgress, match="eligible"):
        world.replay(parse_run("default:stop/1,recover")[1])
