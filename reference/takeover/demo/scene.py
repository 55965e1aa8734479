"""The demo's scene: everything on this machine.

The network is the loopback interface, with a link between the servers that takes its time, and the public identity
is a listener. Every address belongs to this demo alone: the host follows from the process id, so that demos beside
each other do not meet. Nothing that is started here outlives the demo.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from takeover.demo.client_process import Client
from takeover.demo.configurations import PARTIES, Places, Timing, write_configurations
from takeover.demo.link import Link
from takeover.demo.parties import LocalHost, Party
from takeover.demo.stage import Stage
from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault
from takeover.observer import Observation, Observer

WRITERS = 8
WRITES_PER_SECOND = 400

LINK_MS = 5
"""How long the link between the servers takes each way, in ms."""

FAR_LINK_MS = 50
"""The same for an asynchronous pair: that mode is for servers that are far apart."""

_PORTS = range(20_000, 30_000)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who listens where."""

    public: Endpoint
    witness: Endpoint
    channel: Endpoint
    """The primary's end of the channel."""
    link: Endpoint
    """The secondary's end of the link that leads there."""
    applications: dict[str, Endpoint]
    """Where the application of each server listens."""


class Scene(Stage):
    """A stage on the loopback interface."""

    def __init__(self, directory: Path, synchronous: bool, timing: Timing | None = None) -> None:
        """Write configurations and keys into `directory`, which exists and is empty. Nothing is started."""
        self.directory = directory
        self.timing = Timing() if timing is None else timing
        self.parties = {name: Party(name, directory) for name in PARTIES}
        self.addresses = at = _addresses()
        link_ms = LINK_MS if synchronous else FAR_LINK_MS
        self.link = Link(at.link, at.channel, link_ms)
        self.description = (
            f"everything on this machine: the public address is a listener on {at.public}, and the link between the"
            f" servers takes {link_ms} ms each way"
        )
        self.client = Client(
            LocalHost(), directory, at.public, writers=WRITERS, writes_per_second=WRITES_PER_SECOND
        )
        self._observer: Observer | None = None
        self._observation: Observation | None = None
        identity = {
            name: f'listen = "{at.public}"\nforward = "{forward}"\n'
            for name, forward in at.applications.items()
        }
        places = Places(at.witness, at.channel, at.link, at.applications, identity)
        write_configurations(directory, self.parties, self.timing, places, synchronous=synchronous)

    async def open(self) -> None:
        """See Stage."""
        self._observer = Observer(self.addresses.public.host, self.addresses.public.port)
        self._observer.start()
        await self.link.mend()

    async def close(self) -> None:
        """See Stage."""
        await self.client.kill()
        await self.clean_up()
        observer, self._observer = self._observer, None
        if observer is not None:
            self._observation = observer.stop()

    async def clean_up(self) -> None:
        """Kill whatever still runs of the pair and its witness."""
        for party in self.parties.values():
            await party.kill()
        await self.link.cut()

    async def cut_off(self) -> None:
        """See Stage."""
        await self.link.cut()

    async def reconnect(self) -> None:
        """See Stage."""
        await self.link.mend()

    @property
    def observation(self) -> Observation | None:
        """See Stage."""
        return self._observation


def _addresses() -> Addresses:
    """Six free addresses. Raises EnvironmentFault when there are none."""
    pid = os.getpid()
    host = f"127.{pid >> 16 & 63 | 192}.{pid >> 8 & 255}.{pid & 255}"
    free: list[Endpoint] = []
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        free.append(Endpoint(host, port))
        if len(free) == 6:
            public, witness, channel, link, primary, secondary = free
            return Addresses(public, witness, channel, link, {"primary": primary, "secondary": secondary})
    raise EnvironmentFault(f"no free ports on {host}")
