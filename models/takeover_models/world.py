"""The virtual world: two real servers' cores and a real witness's, and everything they run on.

Whoever drives it makes decisions, one at a time (`decisions.py`); the world carries each out and looks whether
something is there that must never be. Messages arrive, time passes, processes stop, die and start only by decision.
`calm` is the one large decision: a stretch of time in which everything works as it should, as far as it is not cut,
stopped or dead already. It is what brings a pair to interesting states in few decisions. A new world is off: the first
decision starts it (`heal`).

Refused: threads, or the real shell on a simulated system. Neither could be stopped between two effects, nor replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from takeover.core import events as ev
from takeover_models import work
from takeover_models.calm import Calm
from takeover_models.cores import REAL, Cores
from takeover_models.data import KEYS, KINDS, Operation
from takeover_models.deciding import DECIDED
from takeover_models.decisions import Decision
from takeover_models.host import Host, Surroundings
from takeover_models.images import Queued
from takeover_models.network import Network
from takeover_models.server_host import ServerHost
from takeover_models.setup import MS, Setup
from takeover_models.truth import Truth
from takeover_models.witness_host import WitnessHost
from takeover_spec.words import Identity

FIRST_CLOCKS_MS = (10_000, 77_000, 3_000)
"""What the clocks of the servers and the witness show at first: nothing may depend on their agreeing."""


ServerMaker = Callable[[Surroundings, Truth, Identity, int], ServerHost]
"""Makes a server of a world; the last is what its clock shows at first."""


class World:
    """See the module. `decide` raises a `Finding` as soon as there is one; the world is of no use after that."""

    def __init__(
        self,
        setup: Setup = Setup(),
        cores: Cores = REAL,
        *,
        judged: bool = True,
        makers: tuple[ServerMaker, ServerMaker] = (ServerHost, ServerHost),
    ) -> None:
        """`makers` make the two servers."""
        self.setup = setup
        self.decisions: list[Decision] = []
        """What was decided so far, `decide` by `decide`."""
        self.network = Network(setup.latency * 1000)
        self.around = Surroundings(setup, cores, judged, self.network)
        self.tally = self.around.tally
        self.truth = Truth(synchronous=bool(setup.synchronous))
        zero, one, w = (shows * MS for shows in FIRST_CLOCKS_MS)
        self.servers = (
            makers[0](self.around, self.truth, Identity.PRIMARY, zero),
            makers[1](self.around, self.truth, Identity.SECONDARY, one),
        )
        self.truth.servers = self.servers
        self.witness = WitnessHost(self.around, w)
        self.hosts: dict[str, Host] = {"0": self.servers[0], "1": self.servers[1], "w": self.witness}
        self.offered = 0
        self.calm = Calm(self)

    def decide(self, decision: Decision) -> bool:
        """Carry a decision out; whether it made a difference."""
        self.decisions.append(decision)
        done = DECIDED[decision.verb](self, decision)
        self.truth.look()
        return done

    def replay(self, decisions: Iterable[Decision]) -> None:
        """Carry decisions out, one after the other."""
        for decision in decisions:
            self.decide(decision)

    # --- what decisions are made of, for `calm` too -------------------------------------------------

    def advance(self, true_ns: int) -> None:
        """True time passes."""
        self.network.now_ns += true_ns
        for host in self.hosts.values():
            host.clock.advance(true_ns)
        self.truth.look()

    def deliver(self, link: str, index: int, *, keep: bool) -> bool:
        """A message arrives, if there is one and somebody to hear it."""
        receiver = self.hosts[link[1]]
        if not receiver.ready:
            return False
        letter = self.network.take(link, index, keep=keep)
        if letter is None:
            return False
        if isinstance(receiver, WitnessHost):
            receiver.hear(Identity(int(link[0])), letter.message)
        elif link[0] == "w":
            self.server(link[1]).hear_witness(letter)
        else:
            self.server(link[1]).hear(letter)
        return True

    def connect(self) -> bool:
        """The channel comes up, if it is down, both servers run and neither direction is cut."""
        if not (self.network.can_connect() and all(server.ready for server in self.servers)):
            return False
        self.network.connected = True
        for server in self.servers:
            server.step(ev.Connected())
        return True

    def meet(self, index: int) -> None:
        """The channel comes up for one server alone, whose peer is played by somebody else."""
        self.network.connected = True
        self.servers[index].step(ev.Connected())

    def offer(self, server: ServerHost, number: int, *, doomed: bool) -> bool:
        """An application offers an operation, whose kind and key the number says."""
        self.offered += 1
        kind, key = KINDS[number % len(KINDS)], KEYS[number // len(KINDS) % len(KEYS)]
        return work.offer(server, Queued(Operation(self.offered, kind, key), doomed=doomed))

    def server(self, who: str) -> ServerHost:
        """Server `0` or `1`."""
        return self.servers[int(who)]

    def edges(self, who: str) -> list[int]:
        """The readings of a host's clock at which something of it begins or ends, in the future, soonest first."""
        host = self.hosts[who]
        if not host.account.runs:
            return []  # it was never on
        found: list[int | None] = [host.wakes_at()]
        if isinstance(host, ServerHost):
            know = host.account.know
            found += [know.given_until, know.lease_until, know.promise_until]
            if host.kernel.until is not None:
                found += [host.kernel.until, host.kernel.until + host.kernel.slack_ns]
        else:
            found += [host.account.know.lease_until, host.account.know.wait_until]
        return sorted({edge for edge in found if edge is not None and edge > host.clock.shows})
