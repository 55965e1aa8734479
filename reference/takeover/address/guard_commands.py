"""What every guard process has in common: the pipe to its node, the end of its grants, and dying with the node.

A guard is a process that holds the public identity and that the kernel ends when the grant does. It talks to its node
over two pipes. It writes `ready` once it could hold the identity. It then reads lines from its standard input and
answers with one line on its standard output:

    enable UNTIL_NS   hold the identity, or go on holding it, until UNTIL_NS (CLOCK_BOOTTIME)
                      -> `enabled UNTIL_NS`, or `refused REASON` (and what held before, holds)
    look              find out already now whether anything speaks against it: `enable` may come soon; no answer

One that cannot get ready writes `refused REASON`, or, when the operator has to mend something first, `unfit REASON`.
The end of its input, and the end of its parent, end it. To disable the identity is to end the guard: a disable that
the guard had to carry out itself would not work on one that is stopped.

What complicates it:
- A command may be read long after it was sent. So the clock is read after the deadline is armed and before anything
  is enabled, and from the arming on a time that runs out kills, wherever the process stands.
- A deadline only ever moves away. A shorter one is refused: it would be a sign of commands that overtook each other.
- A wall-clock time mistaken for CLOCK_BOOTTIME would be a deadline decades away; GRANT_NS_MAX catches it.
- A process that is killed lets go of things itself, and needs the processor for that. On a machine that is busy all
  over it has to wait for it, so a guard takes the highest ordinary priority where it may.

Refused: a watchdog thread or a second process that kills this one. Both can be stopped or starved.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import Protocol

from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import Deadline, boottime_ns, signal_when_parent_dies

GRANT_NS_MAX = 3_600 * 1_000_000_000
"""A grant that ends further away than this, in ns, is taken for a mistaken clock."""

READY, REFUSED, UNFIT = "ready", "refused", "unfit"
"""The first words of a guard's lines, beside `enabled`."""

_NICENESS = -20


def grant_flaw(until_ns: int, held_until_ns: int, now_ns: int) -> str:
    """Why `until_ns` cannot be the end of a grant, the present one ending at `held_until_ns`; empty when it can."""
    if until_ns <= now_ns:
        return f"the grant ended at {until_ns}, it is {now_ns}"
    if until_ns > now_ns + GRANT_NS_MAX:
        return f"the grant ends at {until_ns}, more than {GRANT_NS_MAX} ns after {now_ns}"
    if until_ns < held_until_ns:
        return f"the grant ends at {until_ns}, before the present one at {held_until_ns}"
    return ""


class Holding(Protocol):
    """What a guard holds: nothing before the first `hold`."""

    async def prepare(self) -> None:
        """Make sure that it can be held. Raises OSError or EnvironmentFault; CallerError: the operator has to act."""

    def look(self) -> None:
        """Begin to find out what speaks against it, if that takes time; `hold` will want to know."""

    async def hold(self, until_ns: int) -> str:
        """Hold it, until the process is killed at `until_ns`; that is arranged. What speaks against it, or nothing.

        Called again with a later time, it prolongs. Raises OSError when the kernel refuses.
        """

    def leave(self) -> None:
        """The node has no use for it any more. What is held goes with the process."""


class Guard:
    """A guard process's side of the pipes."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._deadline = Deadline()
        self._until_ns = 0

    async def enable(self, until_ns: int) -> str:
        """Hold until `until_ns` (CLOCK_BOOTTIME), when the kernel kills this process.

        Returns what speaks against it, and then what was held before, still is; empty when it was done. Raises OSError
        when the kernel refuses.
        """
        if flaw := grant_flaw(until_ns, self._until_ns, boottime_ns()):
            return flaw
        # ADDR-2: from here on the kernel ends the process on time.
        self._deadline.arm(until_ns)
        if boottime_ns() >= until_ns:
            os.kill(os.getpid(), signal.SIGKILL)  # the timer is about to; hold nothing in the meantime
        self._until_ns = until_ns
        return await self._holding.hold(until_ns)

    async def answer(self, line: str) -> str:
        """Carry out one command line and return the line that answers it; empty when none does."""
        match line.split():
            case ["enable", until_ns] if until_ns.isascii() and until_ns.isdigit():
                flaw = await self.enable(int(until_ns))
                return f"{REFUSED} {flaw}" if flaw else f"enabled {until_ns}"
            case ["look"]:
                self._holding.look()
                return ""
            case _:
                return f"{REFUSED} {line.strip()!r} is not a command"

    async def serve(self) -> None:
        """Report `ready`, and answer commands until the input ends. Raises as `Holding` does."""
        await self._holding.prepare()
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
        )
        print(READY, flush=True)
        while line := await commands.readline():
            if answer := await self.answer(line.decode()):
                print(answer, flush=True)
        self._holding.leave()


def run_guard(holding: Holding, parent: int, name: str) -> None:
    """Be a guard of the node `parent`, holding what `name` says, until the input ends. Exits with 1 when it cannot."""
    signal_when_parent_dies(parent, signal.SIGKILL)
    with contextlib.suppress(PermissionError):  # only a privileged node can have its guard go first
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    try:
        asyncio.run(Guard(holding).serve())
    except CallerError as cause:
        print(f"{UNFIT} {cause}", flush=True)
        sys.exit(1)
    except (OSError, EnvironmentFault) as cause:
        print(f"{REFUSED} {name}: {cause}", flush=True)
        sys.exit(1)
