"""The process that holds the public identity, and that the kernel ends when the grant does.

    python -m takeover.identity_guard --parent PID --listen HOST:PORT --forward HOST:PORT

The intuition: what must end on time is put into a process of its own, and that process leaves the order to be
killed with the kernel *before* it listens. Dying is the one way in which it lets go: the kernel then closes
the listening socket and resets every connection, whatever state the process, or its node, was in.

It talks to its node over two pipes. It writes `ready` once it could bind the address. It then reads lines
from its standard input and answers each with one line on its standard output:

    enable UNTIL_NS   listen, or go on listening, until UNTIL_NS (CLOCK_BOOTTIME)
                      -> `enabled UNTIL_NS`, or `refused REASON` (and what held before, holds)

The end of its input, and the end of its parent, end it. To disable the identity is to end the guard: a
disable that the guard had to carry out itself would not work on one that is stopped.

What complicates it:
- A command may be read long after it was sent. So the clock is read after the deadline is armed and before
  listening, and from the arming on a time that runs out kills, wherever the process stands.
- A deadline only ever moves away. A shorter one is refused: it would be a sign of commands that overtook each
  other.
- A wall-clock time mistaken for CLOCK_BOOTTIME would be a deadline decades away; GRANT_NS_MAX catches it.
- A process that is killed closes its sockets itself, and needs the processor for that. On a machine that is
  busy all over it has to wait for it, so the guard takes the highest ordinary priority where it may. From the
  deadline to the end of a stopped guard, on two processors, it was 2 to 6 ms when idle; with eight busy
  loops, 2 to 15 ms at that priority, 2 to 44 ms at the default one, and up to 2.2 s at the lowest. That is
  part of σ.
- SO_REUSEPORT is set so that a second holder on this machine is *not* hidden by the kernel's own exclusion:
  an observer has to be able to see two.

Refused: a watchdog thread or a second process that kills this one (both can be stopped or starved), and
closing the socket from a signal handler (a stopped process runs none).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys

from takeover.endpoint import Endpoint
from takeover.linux import Deadline, boottime_ns, signal_when_parent_dies
from takeover.relay import RESET_ON_CLOSE, relay

GRANT_NS_MAX = 3_600 * 1_000_000_000
"""A grant that ends further away than this, in ns, is taken for a mistaken clock."""

_BACKLOG = 128
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


class Guard:
    """One public address, held from the first `enable` to the end of this process."""

    def __init__(self, listen: Endpoint, forward: Endpoint) -> None:
        """Hold nothing yet. Call `bind` next."""
        self._listen = listen
        self._forward = forward
        self._deadline = Deadline()
        self._until_ns = 0
        self._server: asyncio.Server

    async def bind(self) -> None:
        """Claim the address without listening on it. Raises OSError when it is not this machine's or not free."""
        family = socket.AF_INET6 if self._listen.is_ipv6 else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Connections inherit it, those that nobody has accepted yet included.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        listener.bind((self._listen.host, self._listen.port))
        self._server = await asyncio.start_server(
            self._serve, sock=listener, backlog=_BACKLOG, start_serving=False
        )

    async def enable(self, until_ns: int) -> str:
        """Listen until `until_ns` (CLOCK_BOOTTIME), when the kernel kills this process.

        Returns what speaks against it, and then nothing has changed; empty when it was done. Raises OSError
        when the kernel refuses to listen.
        """
        if flaw := grant_flaw(until_ns, self._until_ns, boottime_ns()):
            return flaw
        # ADDR-2: from here on the kernel ends the process on time.
        self._deadline.arm(until_ns)
        if boottime_ns() >= until_ns:
            os.kill(os.getpid(), signal.SIGKILL)  # the timer is about to; never listen in the meantime
        self._until_ns = until_ns
        await self._server.start_serving()  # without effect while it listens already
        return ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, self._forward)


async def answer(guard: Guard, line: str) -> str:
    """Carry out one command line and return the line that answers it."""
    match line.split():
        case ["enable", until_ns] if until_ns.isascii() and until_ns.isdigit():
            flaw = await guard.enable(int(until_ns))
            return f"refused {flaw}" if flaw else f"enabled {until_ns}"
        case _:
            return f"refused {line.strip()!r} is not a command"


async def run(listen: Endpoint, forward: Endpoint) -> None:
    """Bind, report `ready`, and answer commands until the input ends. Raises OSError when the address cannot be had."""
    guard = Guard(listen, forward)
    await guard.bind()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    print("ready", flush=True)
    while line := await commands.readline():
        print(await answer(guard, line.decode()), flush=True)


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="takeover.identity_guard")
    parser.add_argument("--parent", type=int, required=True, help="pid of the node; the guard ends with it")
    parser.add_argument("--listen", type=Endpoint.parse, required=True)
    parser.add_argument("--forward", type=Endpoint.parse, required=True)
    options = parser.parse_args()
    signal_when_parent_dies(options.parent, signal.SIGKILL)
    with contextlib.suppress(PermissionError):  # only a privileged node can have its guard go first
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    try:
        asyncio.run(run(options.listen, options.forward))
    except OSError as cause:
        print(f"refused {options.listen}: {cause}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
