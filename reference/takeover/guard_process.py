"""One guard process (`identity_guard`) and the two pipes to it, as the node sees them.

The intuition: a command is a line to it, and the answer is a line from it or its death.

What complicates it: an answer that nobody waited for would be taken for the answer to the next command. So
whoever gives up waiting ends the guard: better no identity than one whose end is not known.

Refused: taking the end of the guard's output for its death. The kernel closes the output before the sockets;
only the exit of the process says that all of them are closed.
"""

import asyncio
import os
import sys

from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault
from takeover.linux import NANOSECONDS, boottime_ns


class GuardProcess:
    """One guard process and its two pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._commands = process.stdin
        self._answers = process.stdout
        self.until_ns = 0
        """The last deadline that the guard confirmed; 0 when it confirmed none."""

    @classmethod
    async def start(cls, listen: Endpoint, forward: Endpoint) -> "GuardProcess":
        """Start a guard and wait until it is ready. Raises EnvironmentFault when it cannot have the address."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "takeover.identity_guard", "--parent", str(os.getpid())),
                *("--listen", str(listen), "--forward", str(forward)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # a signal from the node's terminal is for the node
            )
        except OSError as cause:
            raise EnvironmentFault(f"identity guard for {listen}: {cause}") from cause
        guard = cls(process)
        answer = await guard._answer()
        if answer != "ready":
            guard.kill()
            await guard.ended()
            raise EnvironmentFault(f"identity guard for {listen}: {answer or 'it ended before it was ready'}")
        return guard

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def enable(self, until_ns: int) -> str:
        """Pass a deadline on and return the answer; empty when the guard ended, or did not answer before that time."""
        try:
            async with asyncio.timeout((until_ns - boottime_ns()) / NANOSECONDS):
                self._commands.write(f"enable {until_ns}\n".encode())
                await self._commands.drain()
                answer = await self._answer()
        except (TimeoutError, ConnectionError):
            self.kill()
            return ""
        if answer == f"enabled {until_ns}":
            self.until_ns = until_ns
        return answer

    async def _answer(self) -> str:
        try:
            return (await self._answers.readline()).decode().strip()
        except asyncio.CancelledError:
            self.kill()  # the answer would be taken for the next command's
            raise

    def kill(self) -> None:
        """End it, in whatever state it is. Await `ended` next."""
        if self.alive:
            self._process.kill()

    async def ended(self) -> None:
        """Wait until the process is gone: from then on its sockets are closed."""
        await self._process.wait()
        self._commands.close()
