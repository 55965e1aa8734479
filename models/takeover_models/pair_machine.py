"""A Hypothesis machine: a pair with its witness, and everything that may happen to them.

Hypothesis chooses the setup, the state to begin in, and what happens then, decision by decision. Weights are made by
having several rules for what should be frequent; without them nearly all runs end with both servers down.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from takeover_models.decisions import Decision
from takeover_models.machines import STARTS, WorldMachine
from takeover_models.network import LINKS
from takeover_models.setup import Setup
from takeover_models.shells import SOUND

SETUPS = st.builds(
    Setup,
    promise=st.sampled_from((700, 1500)),
    patience=st.sampled_from((400, 2500)),
    drift=st.sampled_from((0, 200_000)),
    latency=st.sampled_from((500, 30_000)),
    synchronous=st.sampled_from((1, 1, 0)),
    shell=st.sampled_from(SOUND),
)
HOSTS = st.sampled_from("01w")
SERVERS = st.sampled_from("01")
ANY_LINK = st.sampled_from(LINKS)
FLAGS = st.booleans()
COUNTS = st.integers(0, 8)


class PairMachine(WorldMachine):
    """See the module."""

    @initialize(setup=SETUPS, pick=st.integers(0, len(STARTS) - 1))
    def start_pair(self, setup: Setup, pick: int) -> None:
        """A pair in one of the states that are worth beginning in."""
        self.begin(setup, pick)

    @rule(length_ms=st.sampled_from((5, 100, 800, 2500)), load=FLAGS)
    def calm(self, length_ms: int, load: bool) -> None:
        """A stretch of calm."""
        self.decide(Decision("calm", number=length_ms, flag=load))

    @rule(length_ms=st.sampled_from((1500, 3500)))
    def mended(self, length_ms: int) -> None:
        """Everything is mended, and finds together."""
        self.decide(Decision("heal"))
        self.decide(Decision("calm", number=length_ms, flag=True))

    @rule(
        keep=COUNTS,
        machine=FLAGS,
        busy_ms=st.sampled_from((0, 2500)),
        length_ms=st.sampled_from((1500, 4000)),
    )
    def overtaken(self, keep: int, machine: bool, busy_ms: int, length_ms: int) -> None:
        """The active server goes, while its peer has something to apply or has not."""
        assert self.world is not None
        active = next((server.index for server in self.world.servers if server.leads), None)
        if active is not None:
            self.decide(Decision("busy", str(1 - active), busy_ms))
            self.decide(Decision("calm", number=300, flag=True))
            self.decide(Decision("crash", str(active), keep, machine))
            self.decide(Decision("calm", number=length_ms, flag=True))

    @rule(who=SERVERS, number=st.integers(0, 8), doomed=FLAGS)
    def offer(self, who: str, number: int, doomed: bool) -> None:
        """An application wants something, and its server begins to deal with it."""
        self.decide(Decision("offer", who, number, doomed))
        self.decide(Decision("work", who, 1))

    @rule(who=SERVERS, first=st.integers(0, 4))
    def work(self, who: str, first: int) -> None:
        """A shell does one thing."""
        self.decide(Decision("work", who, first))

    @rule(who=SERVERS)
    def idle(self, who: str) -> None:
        """A shell has nothing to do."""
        self.decide(Decision("idle", who))

    @rule(link=ANY_LINK, index=st.integers(0, 5), keep=FLAGS)
    def deliver(self, link: str, index: int, keep: bool) -> None:
        """A message arrives."""
        self.decide(Decision("deliver", link, index, keep))

    @rule(link=ANY_LINK, length_ms=st.sampled_from((100, 1500, 3000)))
    def delay(self, link: str, length_ms: int) -> None:
        """What is under way comes later."""
        self.decide(Decision("delay", link, length_ms))

    @rule(link=ANY_LINK, verb=st.sampled_from(("cut", "mend")))
    def link(self, link: str, verb: str) -> None:
        """A link carries, or does not."""
        self.decide(Decision(verb, link))

    @rule(verb=st.sampled_from(("disconnect", "connect")), lose=FLAGS)
    def channel(self, verb: str, lose: bool) -> None:
        """The channel breaks, or comes up."""
        self.decide(Decision(verb, flag=lose))

    @rule(who=HOSTS, keep=COUNTS, machine=FLAGS)
    def crash(self, who: str, keep: int, machine: bool) -> None:
        """A process dies, or a machine."""
        self.decide(Decision("crash", who, keep, machine))

    @rule(who=HOSTS, effects=COUNTS, keep=COUNTS, machine=FLAGS)
    def crash_within(self, who: str, effects: int, keep: int, machine: bool) -> None:
        """A process dies after so many effects of what it does next."""
        self.decide(Decision("interrupt", who, effects))
        self.decide(Decision("calm", number=800, flag=True))
        self.decide(Decision("crash", who, keep, machine))

    @rule(who=HOSTS, verb=st.sampled_from(("start", "stop", "resume")))
    def process(self, who: str, verb: str) -> None:
        """A process starts, stops or goes on."""
        self.decide(Decision(verb, who))

    @rule(who=HOSTS, number=st.integers(0, 5), short=FLAGS, wake=FLAGS)
    def reach(self, who: str, number: int, short: bool, wake: bool) -> None:
        """Time passes up to where something of a host begins or ends."""
        self.decide(Decision("reach", who, number, short))
        if wake:
            self.decide(Decision("wake", who))

    @rule(who=HOSTS, rate_ppm=st.sampled_from((-200_000, 0, 200_000)))
    def rate(self, who: str, rate_ppm: int) -> None:
        """A clock runs differently."""
        self.decide(Decision("rate", who, rate_ppm))

    @rule(who=SERVERS, length_ms=st.sampled_from((300, 2000)))
    def busy(self, who: str, length_ms: int) -> None:
        """A server does not get round to applying."""
        self.decide(Decision("busy", who, length_ms))

    @rule(who=SERVERS, within_ms=st.sampled_from((0, 50, 1000)), effects=st.none() | COUNTS, victim=HOSTS)
    def switchover(self, who: str, within_ms: int, effects: int | None, victim: str) -> None:
        """An operator orders a switchover, which may be cut."""
        if effects is not None:
            self.decide(Decision("interrupt", victim, effects))
        self.decide(Decision("switch", who, within_ms))
        self.decide(Decision("calm", number=300, flag=True))

    @rule(who=SERVERS, verb=st.sampled_from(("promote", "resync")), length_ms=st.sampled_from((1, 1500)))
    def order(self, who: str, verb: str, length_ms: int) -> None:
        """An operator orders a server to take over, or to get a new copy."""
        self.decide(Decision(verb, who))
        self.decide(Decision("calm", number=length_ms))

    @rule(who=SERVERS)
    def goodbye(self, who: str) -> None:
        """An operator shuts a server down."""
        self.decide(Decision("bye", who))
