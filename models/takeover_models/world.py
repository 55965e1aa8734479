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
from takeover_spec.words import Identity

from takeover_models import work
from takeover_models.calm import Calm
from takeover_models.clocks import QUANTUM_NS, in_quanta
from takeover_models.cores import REAL, Cores
from takeover_models.data import KEYS, KINDS, Operation
from takeover_models.decisions import Decision
from takeover_models.host import Host, Surroundings
from takeover_models.images import Queued
from takeover_models.network import LINKS, Network
from takeover_models.server_host import ServerHost
from takeover_models.setup import MS, Setup
from takeover_models.truth import Truth
from takeover_models.witness_host import WitnessHost

FIRST_CLOCKS_MS = (10_000, 77_000, 3_000)
"""What the clocks of the servers and the witness show at first: nothing may depend on their agreeing."""


class World:
    """See the module. `decide` raises a `Finding` as soon as there is one; the world is of no use after that."""

    def __init__(self, setup: Setup = Setup(), cores: Cores = REAL, *, judged: bool = True) -> None:  # noqa: B008
        self.setup = setup
        self.decisions: list[Decision] = []
        """What was decided so far, `decide` by `decide`."""
        self.network = Network(setup.latency * 1000)
        self.around = Surroundings(setup, cores, judged, self.network)
        self.tally = self.around.tally
        self.truth = Truth(synchronous=bool(setup.synchronous))
        zero, one, w = (shows * MS for shows in FIRST_CLOCKS_MS)
        self.servers = (
            ServerHost(self.around, self.truth, Identity.PRIMARY, zero),
            ServerHost(self.around, self.truth, Identity.SECONDARY, one),
        )
        self.truth.servers = self.servers
        self.witness = WitnessHost(self.around, w)
        self.hosts: dict[str, Host] = {"0": self.servers[0], "1": self.servers[1], "w": self.witness}
        self.offered = 0
        self._calm = Calm(self)

    def decide(self, decision: Decision) -> bool:
        """Carry a decision out; whether it made a difference."""
        self.decisions.append(decision)
        done = _DECIDED[decision.verb](self, decision)
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
        message = self.network.take(link, index, keep=keep)
        if message is None:
            return False
        if isinstance(receiver, WitnessHost):
            receiver.hear(Identity(int(link[0])), message)
        elif link[0] == "w":
            self.server(link[1]).step(ev.WitnessSaid(message))
        else:
            self.server(link[1]).hear(message)
        return True

    def connect(self) -> bool:
        """The channel comes up, if it is down, both servers run and neither direction is cut."""
        if not (self.network.can_connect() and all(server.ready for server in self.servers)):
            return False
        self.network.connected = True
        for server in self.servers:
            server.step(ev.Connected())
        return True

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
        found: list[int | None] = [host.wakes_at()]
        if isinstance(host, ServerHost):
            know = host.account.know
            found += [know.given_until, know.lease_until, know.promise_until]
            if host.kernel.until is not None:
                found += [host.kernel.until, host.kernel.until + host.kernel.slack_ns]
        else:
            found += [host.account.know.lease_until, host.account.know.wait_until]
        return sorted({edge for edge in found if edge is not None and edge > host.clock.shows})

    # --- decisions ----------------------------------------------------------------------------------

    def _pass(self, decision: Decision) -> bool:
        self.advance(in_quanta(abs(decision.number) * 1000))
        return decision.number != 0

    def _reach(self, decision: Decision) -> bool:
        """With the flag, stop one quantum short of the edge."""
        edges = self.edges(decision.who)
        if not edges:
            return False
        clock = self.hosts[decision.who].clock
        true_ns = clock.true_ns_until(edges[decision.number % len(edges)]) - QUANTUM_NS * decision.flag
        self.advance(true_ns)
        return true_ns > 0

    def _rate(self, decision: Decision) -> bool:
        self.hosts[decision.who].clock.run_at(decision.number, self.setup.drift)
        return True

    def _wake(self, decision: Decision) -> bool:
        host = self.hosts[decision.who]
        return isinstance(host, ServerHost) and host.ready and host.step(ev.Woke())

    def _deliver(self, decision: Decision) -> bool:
        return self.deliver(decision.who, decision.number, keep=decision.flag)

    def _lose(self, decision: Decision) -> bool:
        return self.network.take(decision.who, decision.number, keep=False) is not None

    def _delay(self, decision: Decision) -> bool:
        return self.network.delay(decision.who, abs(decision.number) * MS)

    def _cut(self, decision: Decision) -> bool:
        changed = self.network.links[decision.who].up
        self.network.links[decision.who].up = False
        return changed

    def _mend(self, decision: Decision) -> bool:
        changed = not self.network.links[decision.who].up
        self.network.links[decision.who].up = True
        return changed

    def _disconnect(self, decision: Decision) -> bool:
        changed = self.network.connected
        self.network.disconnect(lose=decision.flag)
        return changed

    def _connect(self, decision: Decision) -> bool:
        return self.connect()

    def _offer(self, decision: Decision) -> bool:
        return self.offer(self.server(decision.who), decision.number, doomed=decision.flag)

    def _work(self, decision: Decision) -> bool:
        return work.next_work(self.server(decision.who), decision.number)

    def _idle(self, decision: Decision) -> bool:
        return work.idle(self.server(decision.who))

    def _busy(self, decision: Decision) -> bool:
        self.server(decision.who).busy_until_ns = self.network.now_ns + abs(decision.number) * MS
        return True

    def _sync(self, decision: Decision) -> bool:
        host = self.hosts[decision.who]
        if isinstance(host, ServerHost | WitnessHost) and host.running:
            host.sync()
            return True
        return False

    def _interrupt(self, decision: Decision) -> bool:
        self.hosts[decision.who].interrupt = decision.number
        return True

    def _stop(self, decision: Decision) -> bool:
        host = self.hosts[decision.who]
        changed = host.running and not host.stopped
        host.stopped = host.running
        return changed

    def _resume(self, decision: Decision) -> bool:
        return self.hosts[decision.who].resume()

    def _crash(self, decision: Decision) -> bool:
        changed = self.hosts[decision.who].running
        self.hosts[decision.who].crash(decision.number, machine=decision.flag)
        return changed

    def _start(self, decision: Decision) -> bool:
        changed = not self.hosts[decision.who].running
        self.hosts[decision.who].start()
        return changed

    def _bye(self, decision: Decision) -> bool:
        server = self.server(decision.who)
        if not server.ready:
            return False
        server.step(ev.Stopping())
        if server.ready:
            server.sync()
            server.crash(0, machine=False)
        return True

    def _calm_down(self, decision: Decision) -> bool:
        self._calm.last(decision.number * MS, load=decision.flag)
        return True

    def _heal(self, decision: Decision) -> bool:
        for name in LINKS:
            self.network.links[name].up = True
        for host in self.hosts.values():
            host.interrupt = None
            host.resume()
            host.start()
        self.connect()
        return True


_DECIDED: dict[str, Callable[[World, Decision], bool]] = {
    "pass": World._pass,
    "reach": World._reach,
    "rate": World._rate,
    "wake": World._wake,
    "deliver": World._deliver,
    "lose": World._lose,
    "delay": World._delay,
    "cut": World._cut,
    "mend": World._mend,
    "disconnect": World._disconnect,
    "connect": World._connect,
    "offer": World._offer,
    "work": World._work,
    "idle": World._idle,
    "busy": World._busy,
    "sync": World._sync,
    "interrupt": World._interrupt,
    "stop": World._stop,
    "resume": World._resume,
    "crash": World._crash,
    "start": World._start,
    "bye": World._bye,
    "calm": World._calm_down,
    "heal": World._heal,
}
