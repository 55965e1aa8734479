"""A Hypothesis machine: a pair of two machines, without a witness, whose assumptions are true.

Processes stop, die and start at any point, in the middle of a step too; clocks drift; disks lose what was not synced.
But nobody is silent who lives: no link is cut or delays anything for long, and a channel that breaks comes up again
at once. And the person who gives orders is right: the server that led last goes on, when the other one is down, or
when both have been passive for a while. Under this nothing is lost and nobody holds the identity beside another.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from takeover_models.decisions import Decision
from takeover_models.machines import WorldMachine
from takeover_models.setup import Setup
from takeover_models.shells import SOUND

SETUPS = st.builds(
    Setup,
    promise=st.sampled_from((700, 1500)),
    patience=st.sampled_from((400, 2500)),
    drift=st.sampled_from((0, 20_000)),
    shell=st.sampled_from(SOUND),
    arbiter=st.sampled_from((1, 1, 2)),
)
SERVERS = st.sampled_from("01")
FLAGS = st.booleans()
COUNTS = st.integers(0, 8)
LONG_MS = 4000
"""In so long a calm whoever can take over does."""


class OwnMachine(WorldMachine):
    """See the module."""

    @initialize(setup=SETUPS, pick=st.sampled_from("01"))
    def start_pair(self, setup: Setup, pick: str) -> None:
        """A new pair, and a person's order."""
        self.begin(setup, 0)
        self.decide(Decision("promote", pick))
        self.decide(Decision("calm", number=2500, flag=True))

    starts = ("off and on",)

    @rule(length_ms=st.sampled_from((5, 100, 800, 2500)), load=FLAGS)
    def calm(self, length_ms: int, load: bool) -> None:
        """A stretch of calm."""
        self.decide(Decision("calm", number=length_ms, flag=load))

    @rule(who=SERVERS, keep=COUNTS, machine=FLAGS, length_ms=st.sampled_from((0, 100, 900, LONG_MS)))
    def crash(self, who: str, keep: int, machine: bool, length_ms: int) -> None:
        """A server dies."""
        self.decide(Decision("crash", who, keep, machine))
        self.decide(Decision("calm", number=length_ms, flag=True))

    @rule(who=SERVERS, length_ms=st.sampled_from((0, 100, 2500)))
    def start(self, who: str, length_ms: int) -> None:
        """A server starts."""
        self.decide(Decision("start", who))
        self.decide(Decision("calm", number=length_ms, flag=True))

    @rule(who=SERVERS, length_ms=st.sampled_from((20, 300, 1100, LONG_MS)))
    def held_up(self, who: str, length_ms: int) -> None:
        """A server's process is stopped, and goes on later."""
        self.decide(Decision("stop", who))
        self.decide(Decision("calm", number=length_ms, flag=True))
        self.decide(Decision("resume", who))

    @rule(who=SERVERS, effects=st.integers(0, 16), length_ms=st.sampled_from((100, LONG_MS)), dies=FLAGS)
    def interrupt(self, who: str, effects: int, length_ms: int, dies: bool) -> None:
        """A server's process stops in the middle of something, and goes on there later, or dies there."""
        self.decide(Decision("interrupt", who, effects))
        self.decide(Decision("calm", number=length_ms, flag=True))
        self.decide(Decision("crash" if dies else "resume", who))

    @rule(who=SERVERS, within_ms=st.sampled_from((50, 1000)), effects=st.integers(0, 20), victim=SERVERS)
    def switchover(self, who: str, within_ms: int, effects: int, victim: str) -> None:
        """An operator orders a switchover, in which a server may stop."""
        self.decide(Decision("interrupt", victim, effects))
        self.decide(Decision("switch", who, within_ms))
        self.decide(Decision("calm", number=300, flag=True))

    @rule()
    def handed_over(self) -> None:
        """An operator orders a switchover, and nothing comes between."""
        self.decide(Decision("calm", number=2500))
        for who in "01":
            self.decide(Decision("switch", who, 1000))
        self.decide(Decision("calm", number=2500, flag=True))

    @rule(who=SERVERS, number=st.integers(0, 8), doomed=FLAGS)
    def offer(self, who: str, number: int, doomed: bool) -> None:
        """An application wants something, and its server begins to deal with it."""
        self.decide(Decision("offer", who, number, doomed))
        self.decide(Decision("work", who, 1))

    @rule(lose=FLAGS)
    def reconnect(self, lose: bool) -> None:
        """The channel breaks, and is there again at once."""
        self.decide(Decision("disconnect", flag=lose))
        self.decide(Decision("connect"))

    @rule(who=st.sampled_from("01"), rate_ppm=st.sampled_from((-20_000, 20_000)))
    def rate(self, who: str, rate_ppm: int) -> None:
        """A clock goes from one extreme to the other."""
        self.decide(Decision("rate", who, rate_ppm))

    @rule(both=FLAGS)
    def person(self, both: bool) -> None:
        """If nobody leads, a person has the server go on that led last; the other is down, or both have been idle."""
        assert self.world is not None
        if both:
            self.decide(Decision("heal"))
            self.decide(Decision("calm", number=LONG_MS))
        servers, leaders = self.world.servers, self.world.truth.leaders
        last = leaders[max(leaders)] if leaders else 0
        idle = not any(server.leads for server in servers) and (both or not servers[1 - last].running)
        if idle:
            self.decide(Decision("promote", str(last)))
            self.decide(Decision("calm", number=LONG_MS, flag=True))
