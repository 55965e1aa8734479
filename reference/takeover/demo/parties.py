"""A server or a witness of a demonstration: its files, and its process when it runs, on whatever host.

A *host* is where a process is started: this machine (`LocalHost`), or a machine of the lab. Whatever it is, nothing
that it started outlives the program that asked for it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from takeover.errors import EnvironmentFault

STOP_TIMEOUT_S = 15.0
"""How long a party may take to stop when it is asked to, in seconds."""

_LOG_TAIL_BYTES = 2_000


class Started(Protocol):
    """A process that was started; the standard library's asynchronous ones are like this."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def send_signal(self, signal: int) -> None: ...
    async def wait(self) -> int: ...


class Host(Protocol):
    """Where processes are started."""

    async def start(self, name: str, argv: Sequence[str], log: Path) -> Started:
        """Start a program; what it prints is appended to `log`. Raises EnvironmentFault."""


class LocalHost:
    """This machine. The kernel kills what was started here when this program ends (`launch`)."""

    async def start(self, name: str, argv: Sequence[str], log: Path) -> Started:
        """See Host."""
        launch = [sys.executable, "-P", "-m", "takeover.demo.launch", str(os.getpid()), "--"]
        try:
            with log.open("ab") as output:
                return await asyncio.create_subprocess_exec(
                    *launch,
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as cause:
            raise EnvironmentFault(f"the {name} cannot be started: {cause}") from cause


def service(name: str) -> list[str]:
    """The command of a party's service, but for its configuration."""
    return [sys.executable, "-P", "-m", "takeover", "witness" if name == "witness" else "node"]


class Party:
    """A server or the witness: its files, and its process when it runs."""

    def __init__(
        self,
        name: str,
        directory: Path,
        host: Host | None = None,
        command: Sequence[str] | None = None,
        *,
        configured: bool = True,
    ) -> None:
        """Its configuration is `directory`/NAME.toml, its data directory `directory`/NAME, its log NAME.log.

        It runs `command --config FILE`, by default the service of takeover, on `host`, by default this machine; and
        `command` alone unless `configured`.
        """
        self.name = name
        self.config = directory / f"{name}.toml"
        self.data_directory = directory / name
        self.traces = self.data_directory / "trace"
        """Where its traces are, a file for each run."""
        self.keys = directory / "keys" / name / "keys"
        """Its keys, as they are made for every demonstration anew."""
        self.log = directory / f"{name}.log"
        self._host: Host = LocalHost() if host is None else host
        self._command = service(name) if command is None else list(command)
        self._configured = configured
        self._process: Started | None = None
        self._killed: Started | None = None
        """The process that `kill` ended last."""

    @property
    def argv(self) -> list[str]:
        """What it runs."""
        return [*self._command, "--config", str(self.config)] if self._configured else self._command

    @property
    def pid(self) -> int:
        """The id of its process, which runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def ended(self) -> str:
        """How its process ended by itself; empty while it runs, and when it was not started or was ended by us."""
        if self._process is None or self._process.returncode is None:
            return ""
        return (
            f"the {self.name} ended with {self._process.returncode}; the end of its log:\n{self._log_tail()}"
        )

    async def start(self) -> None:
        """Start its process. Raises EnvironmentFault when that cannot be."""
        assert self._process is None
        self._process = await self._host.start(self.name, self.argv, self.log)

    async def kill(self) -> None:
        """Kill its process as a failure would, and nothing else of it; return when it is gone."""
        process = self._process
        if process is not None:
            self._killed = process
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
            if self._process is process:
                self._process = None

    async def stop(self) -> str:
        """Ask its process to stop, and kill it when it does not; what was wrong with its end, if anything."""
        process = self._process
        if process is None:
            return ""
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            await self.kill()
            return (
                f"the {self.name} did not stop within {STOP_TIMEOUT_S:g} s of being asked to, and was killed"
            )
        if self._killed is process:
            return ""
        problem = self.ended if process.returncode else ""
        self._process = None
        return problem

    def _log_tail(self) -> str:
        return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
