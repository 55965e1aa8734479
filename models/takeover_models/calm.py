"""A stretch of calm: messages arrive in order after a latency, shells work as they should, and nobody is cut off anew.

What is cut, stopped or dead stays so. Time jumps from one instant at which something is due to the next; at each, the
hosts go on until none has anything to do. A pair that never comes to rest at an instant is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from takeover.core import events as ev
from takeover_models import work
from takeover_models.clocks import in_quanta
from takeover_models.findings import Stuck
from takeover_models.network import LINKS
from takeover_models.setup import MS

if TYPE_CHECKING:
    from takeover_models.server_host import ServerHost
    from takeover_models.world import World

OFFER_EVERY_NS = 110 * MS
"""How often applications write while there is load."""

ROUNDS_MAX = 2_000


class Calm:
    """See the module."""

    def __init__(self, world: World) -> None:
        self.world = world

    def last(self, length_ns: int, *, load: bool) -> None:
        """Let so much true time pass."""
        world = self.world
        now = world.network.now_ns
        end = now + in_quanta(length_ns)
        offer_at = now if load else end + 1
        while True:
            if world.network.now_ns >= offer_at:
                offer_at += OFFER_EVERY_NS
                self._offer()
            self._come_to_rest()
            if world.network.now_ns >= end:
                return
            due = min([end, offer_at, *self._due()])
            world.advance(max(due - world.network.now_ns, 0))

    def _offer(self) -> None:
        world = self.world
        for server in world.servers:
            world.offer(server, world.offered, doomed=world.offered % 7 == 3)

    def _come_to_rest(self) -> None:
        for _ in range(ROUNDS_MAX):
            if not self._round():
                return
        raise Stuck(ROUNDS_MAX)

    def _round(self) -> bool:
        """Everybody does what there is to do; whether there was anything."""
        world = self.world
        busy = world.connect()
        for name, link in world.network.links.items():
            busy |= bool(link.letters) and _all_of(partial(self._deliver_one, name))
        for server in world.servers:
            busy |= server.ready and self._has_done(server)
        return busy

    def _has_done(self, server: ServerHost) -> bool:
        """Let a server that is ready do what there is to do; whether there was anything."""
        wakes_at = server.wakes_at()
        woken = wakes_at is not None and wakes_at <= server.clock.shows
        if woken:
            server.step(ev.Woke())
        worked = _all_of(partial(work.next_work, server))
        return woken | worked | (server.restless and _all_of(partial(work.idle, server)))

    def _deliver_one(self, name: str) -> bool:
        network = self.world.network
        first = network.first_due(name)
        if first is None or network.links[name].letters[first].due_ns > network.now_ns:
            return False
        return self.world.deliver(name, first, keep=False)

    def _due(self) -> list[int]:
        """When, in true time, something is due next."""
        now = self.world.network.now_ns
        found = []
        for server in self.world.servers:
            wakes_at = server.wakes_at()
            if server.ready and wakes_at is not None:
                found.append(now + server.clock.true_ns_until(wakes_at))
                found.append(in_quanta(server.busy_until_ns))
        for name in LINKS:
            first = self.world.network.first_due(name)
            if first is not None and self.world.hosts[name[1]].ready:
                found.append(in_quanta(self.world.network.links[name].letters[first].due_ns))
        return [due for due in found if due > now]


def _all_of(do: Callable[[], bool]) -> bool:
    """Do it for as long as there is something to do; whether there was. Raises `Stuck`."""
    for count in range(ROUNDS_MAX):
        if not do():
            return count > 0
    raise Stuck(ROUNDS_MAX)
