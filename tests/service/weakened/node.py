"""A node whose public identity is held in one of the ways that this project exists to avoid.

    node.py no-expiry|re-enables --config FILE

`no-expiry`: the node itself puts the address on its interface and takes it off. Nothing ends it when the node
cannot. `re-enables`: the kernel ends the address, in whole seconds; but a thread of the node renews it as long as
the node believes that it holds it, and so puts it back when a stopped node goes on.

Neither tells the neighbours where the address is now. All else is the node as it is, which takes the address off as
soon as it notices: so what `re-enables` does may last for a few milliseconds only, and is played more than once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyroute2 import IPRoute, NetlinkError

import takeover.node
from takeover.address.identity import Lapse
from takeover.address.interface import AddressConfig
from takeover.cli import main
from takeover.config import ListenerConfig
from takeover.linux import NANOSECONDS, boottime_ns

RENEWED_EVERY_S = 0.02


class HeldByTheNode:
    """An address that comes and goes when the node says so."""

    def __init__(self, config: AddressConfig | ListenerConfig, *, expires: bool) -> None:
        assert isinstance(config, AddressConfig)
        self._interface = config.interface
        self._address, _, length = str(config.addresses[0]).partition("/")
        self._length = int(length)
        self._expires = expires
        self._until_ns = 0
        self._links: Any = None
        self._index = 0
        self._worker = ThreadPoolExecutor(1)

    async def start(self) -> None:
        """Open the line to the kernel, and begin to renew."""
        await self._call(self._open)
        if self._expires:
            threading.Thread(target=self._renew_for_ever, daemon=True).start()

    async def close(self) -> None:
        """Let go."""
        await self.disable()

    look_ns = 0

    def look(self) -> None:
        """It never looks."""

    async def enable(self, until_ns: int) -> None:
        """Hold it."""
        self._until_ns = until_ns
        await self._call(self._add)

    async def disable(self) -> None:
        """Let go."""
        self._until_ns = 0
        await self._call(self._remove)

    async def lapsed(self) -> Lapse:
        """Nobody notices."""
        never: asyncio.Future[Lapse] = asyncio.get_running_loop().create_future()
        return await never

    async def _call(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _open(self) -> None:
        self._links = IPRoute()
        (self._index,) = self._links.link_lookup(ifname=self._interface)

    def _add(self) -> None:
        times = {}
        if self._expires:
            left_s = max(1, (self._until_ns - boottime_ns()) // NANOSECONDS)
            times = {"IFA_CACHEINFO": {"ifa_preferred": left_s, "ifa_valid": left_s}}
        self._links.addr("replace", index=self._index, address=self._address, prefixlen=self._length, **times)

    def _remove(self) -> None:
        with contextlib.suppress(NetlinkError):  # it may not be there
            self._links.addr("del", index=self._index, address=self._address, prefixlen=self._length)

    def _renew_for_ever(self) -> None:
        while True:
            time.sleep(RENEWED_EVERY_S)
            if self._until_ns:
                self._worker.submit(self._add).result()


def run(words: list[str]) -> int:
    """Be a node."""
    kind, *rest = words
    expires = {"no-expiry": False, "re-enables": True}[kind]
    vars(takeover.node)["public_identity"] = lambda config: HeldByTheNode(config, expires=expires)
    return main(["node", *rest])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
