"""A Hypothesis machine: the lease alone, on hostile clocks, with messages late without bound.

No data, no load. Clocks run at the extremes of the drift and nowhere between; time passes to exactly where a grant, a
wait or a beat ends, or one quantum short of it; messages arrive at any time, any number of times; processes stop, die
and start. It begins with an active server that has an eligible peer, whichever grants it lives by.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from takeover_models.decisions import Decision
from takeover_models.machines import WorldMachine
from takeover_models.network import LINKS
from takeover_models.setup import Setup
from takeover_models.shells import SOUND

SETUPS = st.builds(
    Setup,
    lease=st.sampled_from((1000, 400)),
    promise=st.sampled_from((700, 1500)),
    patience=st.just(100_000),  # nobody is declared not eligible: that has its own machine
    drift=st.sampled_from((1_000, 50_000, 200_000)),
    slack=st.sampled_from((0, 20)),
    latency=st.sampled_from((0, 500)),
    shell=st.sampled_from(SOUND),
)
HOSTS = st.sampled_from("01w")
SERVERS = st.sampled_from("01")
ANY_LINK = st.sampled_from(LINKS)
FLAGS = st.booleans()
EXTREMES = st.sampled_from((-200_000, 200_000))
"""Beyond what the setup allows a clock runs at the extreme that it does allow."""


class LeaseMachine(WorldMachine):
    """See the module."""

    starts = ("paired", "by promise", "slowly by promise", "by lease", "hesitant")

    @initialize(setup=SETUPS, pick=st.integers(0, 4), rates=st.tuples(EXTREMES, EXTREMES, EXTREMES))
    def start_pair(self, setup: Setup, pick: int, rates: tuple[int, int, int]) -> None:
        """A pair, and then clocks at their extremes."""
        self.begin(setup, pick)
        for who, rate_ppm in zip("01w", rates, strict=True):
            self.decide(Decision("rate", who, rate_ppm))

    @rule(who=HOSTS, rate_ppm=EXTREMES)
    def rate(self, who: str, rate_ppm: int) -> None:
        """A clock goes from one extreme to the other."""
        self.decide(Decision("rate", who, rate_ppm))

    @rule(who=HOSTS, number=st.integers(0, 5), short=FLAGS)
    def reach(self, who: str, number: int, short: bool) -> None:
        """Time passes up to where something of a host begins or ends; then the servers look at their clocks."""
        self.decide(Decision("reach", who, number, short))
        self.decide(Decision("wake", "0"))
        self.decide(Decision("wake", "1"))

    @rule(who=SERVERS)
    def wake(self, who: str) -> None:
        """A server looks at its clock."""
        self.decide(Decision("wake", who))

    @rule(length_us=st.sampled_from((1, 1_000, 50_000, 400_000)))
    def passing(self, length_us: int) -> None:
        """Time passes."""
        self.decide(Decision("pass", number=length_us))

    @rule(link=ANY_LINK, index=st.integers(0, 30), keep=FLAGS)
    def deliver(self, link: str, index: int, keep: bool) -> None:
        """A message arrives, however old."""
        self.decide(Decision("deliver", link, index, keep))

    @rule(who=SERVERS, index=st.integers(0, 30))
    def ask_witness(self, who: str, index: int) -> None:
        """A server's question reaches the witness, and an answer of the witness the server, at once."""
        self.decide(Decision("deliver", f"{who}w", index))
        self.decide(Decision("deliver", f"w{who}", index))

    @rule(link=ANY_LINK, verb=st.sampled_from(("cut", "mend")))
    def link(self, link: str, verb: str) -> None:
        """A link carries, or does not."""
        self.decide(Decision(verb, link))

    @rule(length_ms=st.sampled_from((100, 800)))
    def parted(self, length_ms: int) -> None:
        """The servers do not hear each other any more, but for what is under way."""
        self.decide(Decision("cut", "01"))
        self.decide(Decision("cut", "10"))
        self.decide(Decision("calm", number=length_ms))

    @rule(link=ANY_LINK, length_ms=st.sampled_from((0, 60, 400)))
    def slow(self, link: str, length_ms: int) -> None:
        """A link takes longer."""
        self.decide(Decision("slow", link, length_ms))

    @rule(who=HOSTS, machine=FLAGS, length_ms=st.sampled_from((0, 100)))
    def restart(self, who: str, machine: bool, length_ms: int) -> None:
        """A process dies and starts at once, and somebody may ask it before others do."""
        self.decide(Decision("crash", who, 0, machine))
        self.decide(Decision("start", who))
        self.decide(Decision("connect"))
        self.decide(Decision("calm", number=length_ms))

    @rule(who=HOSTS, verb=st.sampled_from(("stop", "resume")))
    def process(self, who: str, verb: str) -> None:
        """A process stops or goes on."""
        self.decide(Decision(verb, who))

    @rule(length_ms=st.sampled_from((5, 100, 500, 1500)))
    def calm(self, length_ms: int) -> None:
        """A stretch of calm."""
        self.decide(Decision("calm", number=length_ms))

    @rule()
    def mended(self) -> None:
        """Everything is mended."""
        self.decide(Decision("heal"))
        self.decide(Decision("calm", number=1500))
