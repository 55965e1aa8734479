"""How a virtual world carries a decision out: a function for each, by its verb.

Every one is possible at any time. Where there is nothing to decide, it does nothing and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from takeover.core import events as ev
from takeover_models import work
from takeover_models.clocks import QUANTUM_NS, in_quanta
from takeover_models.decisions import Decision
from takeover_models.network import LINKS
from takeover_models.progress import RECOVERY_MS, REST_MS, wholly_recovered
from takeover_models.server_host import ServerHost
from takeover_models.setup import MS
from takeover_models.witness_host import WitnessHost

if TYPE_CHECKING:
    from takeover_models.world import World


def _pass(world: World, decision: Decision) -> bool:
    world.advance(in_quanta(abs(decision.number) * 1000))
    return decision.number != 0


def _reach(world: World, decision: Decision) -> bool:
    """With the flag, stop one quantum short of the edge."""
    edges = world.edges(decision.who)
    if not edges:
        return False
    clock = world.hosts[decision.who].clock
    true_ns = clock.true_ns_until(edges[decision.number % len(edges)]) - QUANTUM_NS * decision.flag
    world.advance(true_ns)
    return true_ns > 0


def _rate(world: World, decision: Decision) -> bool:
    world.hosts[decision.who].clock.run_at(decision.number, world.setup.drift)
    return True


def _wake(world: World, decision: Decision) -> bool:
    host = world.hosts[decision.who]
    return isinstance(host, ServerHost) and host.ready and host.step(ev.Woke())


def _deliver(world: World, decision: Decision) -> bool:
    return world.deliver(decision.who, decision.number, keep=decision.flag)


def _lose(world: World, decision: Decision) -> bool:
    return world.network.take(decision.who, decision.number, keep=False) is not None


def _delay(world: World, decision: Decision) -> bool:
    return world.network.delay(decision.who, abs(decision.number) * MS)


def _slow(world: World, decision: Decision) -> bool:
    world.network.links[decision.who].slower_ns = abs(decision.number) * MS
    return True


def _cut(world: World, decision: Decision) -> bool:
    changed = world.network.links[decision.who].up
    world.network.links[decision.who].up = False
    return changed


def _mend(world: World, decision: Decision) -> bool:
    changed = not world.network.links[decision.who].up
    world.network.links[decision.who].up = True
    return changed


def _disconnect(world: World, decision: Decision) -> bool:
    changed = world.network.connected
    world.network.disconnect(lose=decision.flag)
    return changed


def _connect(world: World, decision: Decision) -> bool:
    return world.connect()


def _offer(world: World, decision: Decision) -> bool:
    return world.offer(world.server(decision.who), decision.number, doomed=decision.flag)


def _work(world: World, decision: Decision) -> bool:
    return work.next_work(world.server(decision.who), decision.number)


def _idle(world: World, decision: Decision) -> bool:
    return work.idle(world.server(decision.who))


def _busy(world: World, decision: Decision) -> bool:
    world.server(decision.who).busy_until_ns = world.network.now_ns + abs(decision.number) * MS
    return True


def _sync(world: World, decision: Decision) -> bool:
    host = world.hosts[decision.who]
    if isinstance(host, ServerHost | WitnessHost) and host.running:
        host.sync()
        return True
    return False


def _interrupt(world: World, decision: Decision) -> bool:
    world.hosts[decision.who].interrupt = decision.number
    return True


def _stop(world: World, decision: Decision) -> bool:
    host = world.hosts[decision.who]
    changed = host.running and not host.stopped
    host.stopped = host.running
    return changed


def _resume(world: World, decision: Decision) -> bool:
    return world.hosts[decision.who].resume()


def _crash(world: World, decision: Decision) -> bool:
    changed = world.hosts[decision.who].running
    world.hosts[decision.who].crash(decision.number, machine=decision.flag)
    return changed


def _start(world: World, decision: Decision) -> bool:
    changed = not world.hosts[decision.who].running
    world.hosts[decision.who].start()
    return changed


def _bye(world: World, decision: Decision) -> bool:
    server = world.server(decision.who)
    if not server.ready:
        return False
    server.shut_down()
    return True


def _switch(world: World, decision: Decision) -> bool:
    within_ns = abs(decision.number) * MS
    return _order(world, decision.who, ev.SwitchoverAsked(len(world.decisions), within_ns))


def _promote(world: World, decision: Decision) -> bool:
    return _order(world, decision.who, ev.PromoteAsked(len(world.decisions)))


def _resync(world: World, decision: Decision) -> bool:
    return _order(world, decision.who, ev.ResyncAsked(len(world.decisions)))


def _order(world: World, who: str, order: ev.SwitchoverAsked | ev.PromoteAsked | ev.ResyncAsked) -> bool:
    """Give a server an order; whether somebody was there to hear it."""
    server = world.server(who)
    return server.ready and server.step(order)


def _calm_down(world: World, decision: Decision) -> bool:
    world.calm.last(decision.number * MS, load=decision.flag)
    return True


def _heal(world: World, decision: Decision) -> bool:
    for name in LINKS:
        world.network.links[name].up = True
        world.network.links[name].slower_ns = 0
    for host in world.hosts.values():
        host.interrupt = None
        host.resume()
        host.start()
    world.connect()
    return True


def _recover(world: World, decision: Decision) -> bool:
    world.network.disconnect(lose=True)
    _heal(world, decision)
    world.calm.last(RECOVERY_MS * MS, load=True)
    world.calm.last(REST_MS * MS, load=False)
    whole = wholly_recovered(world.servers, world.witness)
    world.tally["recovered" if whole else "waits for a person"] += 1
    return True


DECIDED: dict[str, Callable[[World, Decision], bool]] = {
    "pass": _pass,
    "reach": _reach,
    "rate": _rate,
    "wake": _wake,
    "deliver": _deliver,
    "lose": _lose,
    "delay": _delay,
    "slow": _slow,
    "cut": _cut,
    "mend": _mend,
    "disconnect": _disconnect,
    "connect": _connect,
    "offer": _offer,
    "work": _work,
    "idle": _idle,
    "busy": _busy,
    "sync": _sync,
    "interrupt": _interrupt,
    "stop": _stop,
    "resume": _resume,
    "crash": _crash,
    "start": _start,
    "bye": _bye,
    "switch": _switch,
    "promote": _promote,
    "resync": _resync,
    "calm": _calm_down,
    "heal": _heal,
    "recover": _recover,
}
"""How each decision is carried out; whether it made a difference."""
