"""The observer, as the lab that started it sees it: what it said so far, and in the end its observation."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from takeover.errors import EnvironmentFault
from takeover.lab.looking import Looked
from takeover.lab.machines import starved_processor
from takeover.lab.priority import start_ahead
from takeover.lab.probes import Asked
from takeover.lab.wire import Plug

END_TIMEOUT_S = 15.0


class Watch:
    """An observer process. `start` it, and `stop` it."""

    def __init__(self, asked: Asked, watched: Sequence[Plug]) -> None:
        """It will watch these machines; all must be on the network of the public address."""
        self._argv = [sys.executable, "-P", "-m", "takeover.lab.observer"]
        self._argv += [
            "--address",
            str(asked.address),
            "--port",
            str(asked.port),
            "--asker",
            str(asked.asker),
        ]
        if asked.address_ipv6 is not None:
            self._argv += ["--ipv6", str(asked.address_ipv6), "--asker-ipv6", str(asked.asker_ipv6)]
        for plug in watched:
            self._argv += ["--plug", f"{plug.port}={plug.machine},{plug.mac}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._began = asyncio.Event()
        self.holder = ""
        """The machine that last began to answer for the public address; empty before any did."""
        self.saw_two = False
        """Whether two holders were seen at once so far."""
        self.observation: Looked | None = None
        """What was seen; None before `stop`."""

    async def start(self) -> None:
        """Begin; on return it observes. Raises EnvironmentFault."""
        self._process = start_ahead(self._argv)
        others = os.sched_getaffinity(0) - {starved_processor()}
        if others:
            os.sched_setaffinity(self._process.pid, others)
        assert self._process.stdout is not None
        said = asyncio.StreamReader(limit=1 << 26)
        protocol = asyncio.StreamReaderProtocol(said)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, self._process.stdout)
        self._reader = asyncio.create_task(self._listen(said))
        began = asyncio.create_task(self._began.wait())
        await asyncio.wait({began, self._reader}, return_when=asyncio.FIRST_COMPLETED)
        if not began.done():
            began.cancel()
            raise EnvironmentFault(f"the observer ended with {self._process.wait()}")

    async def stop(self) -> None:
        """End it; its observation is there on return. Without effect when it was not started."""
        if self._process is None or self._reader is None or self.observation is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._reader
        except TimeoutError:
            self._process.kill()
        self._process.wait()
        if self.observation is None:
            raise EnvironmentFault("the observer ended without an observation")

    async def _listen(self, said: asyncio.StreamReader) -> None:
        async for line in said:
            said_now: dict[str, Any] = json.loads(line)
            match said_now:
                case {"event": "began"}:
                    self._began.set()
                case {"event": "answers", "machine": machine}:
                    self.holder = machine
                case {"event": "two"}:
                    self.saw_two = True
                case {"event": "ended", **seen}:
                    changes = tuple((at, holders) for at, holders in seen["changes"])
                    self.observation = Looked(
                        seen["samples"],
                        seen["holders_max"],
                        changes,
                        seen["gap_ns_max"],
                        tuple((at, to) for at, to in seen["gaps"]),
                        tuple(seen["per_second"]),
                    )
