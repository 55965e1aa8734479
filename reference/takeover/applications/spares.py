"""Keepers that are ready for the applications, so that a takeover need not wait for them.

They are there while this server is passive. Nobody looks after them: one that has died meanwhile is noticed when it is
needed, and then the start takes as long as it would have without it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from takeover.applications.applications import ApplicationConfig
from takeover.applications.kept_process import Keeper
from takeover.errors import EnvironmentFault

log = logging.getLogger("takeover.serving")


class Spares:
    """A ready keeper for each application. `make` them, `take` them; `close` at the end."""

    def __init__(self, configs: Sequence[ApplicationConfig]) -> None:
        """None is there yet."""
        self._configs = tuple(configs)
        self._keepers: dict[str, Keeper] = {}
        self._closed = False

    async def make(self) -> None:
        """Have one for each application."""
        for config in self._configs:
            if self._closed or config.name in self._keepers:
                continue
            try:
                keeper = await Keeper.start(config.argv, config.directory)
            except EnvironmentFault as fault:
                log.warning("nothing could be made ready for application %s: %s", config.name, fault)
                return
            if self._closed:
                await keeper.leave()
            else:
                self._keepers[config.name] = keeper

    def take(self) -> dict[str, Keeper]:
        """Those that are there, by the name of their application; they are the caller's from here on."""
        taken, self._keepers = self._keepers, {}
        return taken

    async def close(self) -> None:
        """Have none, from now on."""
        self._closed = True
        for keeper in self.take().values():
            await keeper.leave()
