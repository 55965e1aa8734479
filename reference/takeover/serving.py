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

from takeover.applications import ApplicationFailure, ApplicationNotStarted, Applications
from takeover.config import NodeConfig
from takeover.errors import CallerError

log = logging.getLogger("takeover.serving")

_RESTART_S = 1.0
"""How long after its failure an application is started again, in seconds."""


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

    def start(self, data: Path) -> None:
        """Start them, on this copy of the protected data."""
        environment = {"TAKEOVER_SOCKET": str(self._socket), "TAKEOVER_DATA": str(data)}
        configs = [replace(c, environment={**environment, **c.environment}) for c in self._configs]
        self._applications = Applications(configs, self._failed)
        self._start_task(self._start(self._applications))

    async def stop(self) -> None:
        """Stop them all; none runs when this returns."""
        applications, self._applications = self._applications, None
        if applications:
            await applications.stop_all()

    def _failed(self, failure: ApplicationFailure) -> None:
        log.error("an application failed: %s", failure)
        if self._applications:
            self._start_task(self._restart(self._applications))

    async def _restart(self, applications: Applications) -> None:
        await applications.stop_all()
        await asyncio.sleep(_RESTART_S)
        if applications is self._applications:  # still in the role
            await self._start(applications)

    async def _start(self, applications: Applications) -> None:
        if applications is not self._applications:
            return  # the role was lost before this had its turn
        try:
            await applications.start_all()
        except ApplicationNotStarted as error:
            log.error("an application did not start: %s", error)
            if applications is self._applications:
                self._start_task(self._restart(applications))
        except CallerError as error:
            log.info("the applications were stopped while they started: %s", error)
