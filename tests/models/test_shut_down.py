"""A server that is shut down ends, also when its process was stopped in the middle of it."""

from takeover_models.decisions import parse_run
from takeover_models.world import World


def test_one_that_is_stopped_meanwhile_ends_when_it_goes_on() -> None:
    """It does not stay for good as one that only says goodbye."""
    setup, decisions = parse_run("promise=1500.latency=0.shell=2:heal,calm//2000,interrupt/0/1,bye/0")
    world = World(setup)
    world.replay(decisions)
    server = world.servers[0]
    assert (True, True) == (server.running, server.stopped)
    server.resume()
    assert not server.running
    _, (recover,) = parse_run("default:recover")
    world.decide(recover)
