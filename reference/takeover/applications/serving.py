"""The protected applications of an active server: started with the role, started again when they fail, stopped with it.

Starting takes long and may block, so it goes on beside the core; what was started for a role that is lost meanwhile is
stopped, never left over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from takeover.applications.applications import ApplicationFailure, ApplicationNotStarted, Applications
from takeover.applications.conditions import Conditions
from takeover.applications.spares import Spares
from takeover.config import NodeConfig
from takeover.errors import CallerError
from takeover.linux import NANOSECONDS, boottime_ns

log = logging.getLogger("takeover.serving")

_RESTART_S = 1.0
"""How long after the first failure the applications are started again, in seconds; it doubles with each."""

_RESTART_S_MAX = 30.0
"""The longest such time, in seconds."""

_WELL_S = 60.0
"""How long all must have been ready for a failure to count as the first again, in seconds."""


class Serving:
    """The applications, while this server has the role."""

    def __init__(
        self, config: NodeConfig, socket: Path, start_task: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        """`socket` is where their updates are intercepted; `start_task` runs something beside the core."""
        self._configs = config.applications
        self._socket = socket
        self._start_task = start_task
        self._applications: Applications | None = None
        self._ending: Applications | None = None  # they are being stopped
        self._spares = Spares(config.applications)
        self._restart_s = _RESTART_S
        self._ready_ns: int | None = None  # since when they are; None while they are not
        self.conditions = Conditions(application.name for application in config.applications)
        """How they are."""

    def get_ready(self) -> None:
        """The role may come: start what can be started ahead, beside the core."""
        self._start_task(self._spares.make())

    def start(self, data: Path) -> None:
        """Start them, on this copy of the protected data."""
        environment = {"TAKEOVER_SOCKET": str(self._socket), "TAKEOVER_DATA": str(data)}
        configs = [replace(c, environment={**environment, **c.environment}) for c in self._configs]
        self._applications = Applications(configs, self._failed, self.conditions, self._spares.take())
        self._restart_s = _RESTART_S
        self._start_task(self._start(self._applications))

    async def stop(self) -> None:
        """Stop them all; none runs when this returns. It may be called while it is being done."""
        applications, self._applications = self._applications or self._ending, None
        if applications:
            self._ending = applications
            await applications.stop_all()
            if self._ending is applications:
                self._ending = None
                self.conditions.are_stopped()
                self.get_ready()

    async def close(self) -> None:
        """Stop them all, for good."""
        await self._spares.close()
        await self.stop()

    def _failed(self, failure: ApplicationFailure) -> None:
        ready_ns, self._ready_ns = self._ready_ns, None
        if ready_ns is not None and boottime_ns() - ready_ns > _WELL_S * NANOSECONDS:
            self._restart_s = _RESTART_S
        self._restart_later("an application failed", failure, self._applications)

    def _restart_later(
        self, what: str, failure: ApplicationFailure, applications: Applications | None
    ) -> None:
        if applications is None or applications is not self._applications:
            log.info("%s when the role was lost: %s", what, failure)
            return
        pause_s, self._restart_s = self._restart_s, min(2 * self._restart_s, _RESTART_S_MAX)
        log.error("%s; all are started again in %g s: %s", what, pause_s, failure)
        self._start_task(self._restart(applications, pause_s))

    async def _restart(self, applications: Applications, pause_s: float) -> None:
        await applications.stop_all()
        await asyncio.sleep(pause_s)
        if applications is self._applications:  # still in the role
            await self._start(applications)

    async def _start(self, applications: Applications) -> None:
        if applications is not self._applications:
            return  # the role was lost before this had its turn
        self._ready_ns = None
        try:
            await applications.start_all()
            self._ready_ns = boottime_ns()
            log.info("all applications are ready")
        except ApplicationNotStarted as error:
            self._restart_later("an application did not start", error.failure, applications)
        except CallerError as error:
            log.info("the applications were stopped while they started: %s", error)
