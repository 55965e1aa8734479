"""A message is lost, and the channel stays up: it is said again, and the pair is whole without a reconnection."""

from dataclasses import replace

import pytest

from takeover.core import events as ev
from takeover.core import step
from takeover.core.effects import Effect
from takeover.core.state import Core
from takeover_models.cores import REAL, Cores
from takeover_models.decisions import parse_run
from takeover_models.findings import NoProgress
from takeover_models.progress import wholly_recovered
from takeover_models.setup import Setup
from takeover_models.world import World
from takeover_spec import wire


class Losing:
    """A world whose network loses messages of a kind that is sent on a link; the channel stays up."""

    def __init__(self, cores: Cores = REAL, setup: Setup = Setup()) -> None:
        self.world = World(setup, cores)
        self._carry = self.world.network.carry
        self.world.network.carry = self._lose  # type: ignore[method-assign]
        self._next: tuple[str, type, int] | None = None
        self.lost = 0

    def lose(self, link: str, kind: type, count: int = 1) -> None:
        """Lose the next so many of them."""
        self._next = (link, kind, count)

    def _lose(self, name: str, frame: bytes) -> wire.Message:
        message = wire.decode_frame(frame)
        if self._next and name == self._next[0] and isinstance(message, self._next[1]):
            self._next = (name, self._next[1], self._next[2] - 1) if self._next[2] > 1 else None
            self.lost += 1
            return message
        return self._carry(name, frame)

    def replay(self, run: str) -> None:
        """Carry decisions out; the channel must not break meanwhile."""
        self.world.replay(parse_run(f"default:{run}")[1])

    def is_whole(self) -> bool:
        """Whether the pair serves and is whole."""
        try:
            return wholly_recovered(self.world.servers, self.world.witness)
        except NoProgress:
            return False


MESSAGES = [
    ("10", wire.Position),
    ("10", wire.Safe),
    ("10", wire.Promised),
    ("01", wire.AskPromise),
    ("01", wire.Update),
    ("01", wire.UpdateStatus),
    ("0w", wire.DeclareEligible),
    ("w0", wire.Recorded),
]


@pytest.mark.parametrize(("link", "kind"), MESSAGES, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("first", ["new", "under load"])
def test_a_lost_message_is_said_again(link: str, kind: type, first: str) -> None:
    """The first of its kind in a new pair, or one while applications write: the pair becomes whole."""
    pair = Losing()
    if first == "new" or kind is wire.Position:  # which is said under no load
        pair.lose(link, kind)
        pair.replay("heal,calm//4000/1,calm//800")
    else:
        pair.replay("heal,calm//4000/1")
        pair.lose(link, kind)
        if link in ("0w", "w0"):
            pair.replay("stop/1,calm//900/1,resume/1")  # or else there is nothing to declare
        pair.replay("calm//3000/1,calm//800")
    assert (1, True) == (pair.lost, pair.is_whole())


def test_a_copy_that_is_needed_is_asked_for_again() -> None:
    """REJOIN-2: the word of a server that it needs a copy is lost, the first and the next; it has one all the same."""
    pair = Losing()
    pair.replay("heal,calm//4000/1,crash/0,calm//3000/1")
    pair.lose("01", wire.Position, 3)
    pair.replay("start/0,calm//4000/1,calm//800")
    assert (3, True) == (pair.lost, pair.is_whole())


def test_a_quiet_pair_becomes_eligible_again() -> None:
    """§8.5: a passive server was silent for longer than patience, nothing is written, and it may succeed again."""
    pair = Losing()
    pair.replay("heal,calm//4000/1,calm//500,stop/1,calm//900")
    assert not pair.world.witness.durable.eligible
    pair.replay("resume/1,calm//800")
    assert pair.world.witness.durable.eligible


def test_a_passive_server_that_does_not_get_on_is_waited_for_once() -> None:
    """Its reports say nothing new: it is declared not eligible, and stays so, and nobody waits for it any more."""
    pair = Losing()
    pair.replay("heal,calm//4000/1")
    pair.lose("01", wire.Update, 1_000_000)
    pair.replay("calm//3000/1")
    active = pair.world.servers[0]
    assert not pair.world.witness.durable.eligible
    assert 2 == active.account.know.version
    assert active.account.know.acknowledged >= active.image.logged - 1


def silent(core: Core, event: ev.Event, now: int) -> tuple[Core, tuple[Effect, ...]]:
    """A server that says nothing twice."""
    core, effects = step(core, event, now)
    return replace(core, asked=False), effects


@pytest.mark.parametrize("kind", [wire.Position, wire.Safe])
def test_it_can_fail(kind: type) -> None:
    """A pair that says nothing twice is not whole after a loss."""
    pair = Losing(Cores(step=silent))
    pair.lose("10", kind, 2)  # a position is said when the channel comes up, and when the epoch is heard of
    pair.replay("heal,calm//4000")
    assert pair.lost >= 1
    assert not pair.is_whole()
