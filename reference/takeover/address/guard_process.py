"""One guard process (`guard_commands`) and the two pipes to it, as the node sees them.

The intuition: a command is a line to it, and the answer is a line from it or its death.

What complicates it: an answer that nobody waited for would be taken for the answer to the next command. So
whoever gives up waiting ends the guard: better no identity than one whose end is not known.

Refused: taking the end of the guard's output for its death. The kernel closes the output before the sockets;
only the exit of the process says that all of them are closed.
"""

import asyncio
import os
import sys
from dataclasses import dataclass

from takeover.address.guard_commands import READY, UNFIT
from takeover.address.netlink import Netlink
from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import NANOSECONDS, boottime_ns

LEAVE_TIMEOUT_S = 1.0
"""How long a guard that is not needed any more may take to leave, in seconds, before it is killed."""


@dataclass(frozen=True, slots=True)
class GuardProgram:
    """How to start a guard."""

    name: str
    """What it holds, for messages: an address and a port, or addresses."""
    module: str
    """The program."""
    options: tuple[str, ...]
    """Its command line, but for the node's own number."""
    look_ms: int = 0
    """How long before it is to hold something it is best told to look, in ms; 0 when there is nothing to look for."""
    owns_rules: bool = False
    """Whether it makes rules in the kernel that are nobody else's until the node ends. It is handed a line of netlink
    for that, which the node has open as well (`--line`)."""


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
    async def start(cls, program: GuardProgram, line: Netlink | None = None) -> "GuardProcess":
        """Start a guard and wait until it is ready; the `line` is for what it owns.

        Raises EnvironmentFault when it cannot have the identity, CallerError when the operator has to mend something.
        """
        lines = () if line is None else (line.fileno(),)
        more = [word for number in lines for word in ("--line", str(number))]
        try:
            process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-P",
                    "-m",
                    program.module,
                    "--parent",
                    str(os.getpid()),
                    *program.options,
                    *more,
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=lines,
                start_new_session=True,  # a signal from the node's terminal is for the node
            )
        except OSError as cause:
            raise EnvironmentFault(f"identity guard for {program.name}: {cause}") from cause
        guard = cls(process)
        answer = await guard._answer()
        if answer == READY:
            return guard
        guard.kill()
        await guard.ended()
        if answer.startswith(UNFIT):
            raise CallerError(f"identity guard for {program.name}: {answer.removeprefix(UNFIT).strip()}")
        raise EnvironmentFault(
            f"identity guard for {program.name}: {answer or 'it ended before it was ready'}"
        )

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

    def look(self) -> None:
        """Have it find out what speaks against enabling; if it is gone, the next `enable` will tell."""
        self._commands.write(b"look\n")

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

    async def leave(self) -> None:
        """Have it leave in an orderly way, as it can while it holds nothing; on return it is gone."""
        self._commands.close()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self.ended()

    async def ended(self) -> None:
        """Wait until the process is gone: from then on its sockets are closed."""
        await self._process.wait()
        self._commands.close()
