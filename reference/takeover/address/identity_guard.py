"""The guard process that holds the public identity as a listener, and passes connections on to the application.

    python -m takeover.address.identity_guard --parent PID --listen HOST:PORT --forward HOST:PORT

The intuition: what must end on time is put into a process of its own, and that process leaves the order to be
killed with the kernel *before* it listens (`guard_commands`). Dying is the one way in which it lets go: the kernel then
closes the listening socket and resets every connection, whatever state the process, or its node, was in.

What complicates it:
- A process that is killed closes its sockets itself, and needs the processor for that. From the
  deadline to the end of a stopped guard, on two processors, it was 2 to 6 ms when idle; with eight busy
  loops, 2 to 15 ms at the highest ordinary priority, 2 to 44 ms at the default one, and up to 2.2 s at the lowest.
  That is part of σ.
- SO_REUSEPORT is set so that a second holder on this machine is *not* hidden by the kernel's own exclusion:
  an observer has to be able to see two.

Refused: closing the socket from a signal handler (a stopped process runs none).
"""

import argparse
import asyncio
import socket

from takeover.address.guard_commands import run_guard
from takeover.address.guard_process import GuardProgram
from takeover.address.relay import RESET_ON_CLOSE, relay
from takeover.endpoint import Endpoint

_BACKLOG = 128


def listener_guard(listen: Endpoint, forward: Endpoint) -> GuardProgram:
    """The program that holds `listen`, for the application at `forward`."""
    options = ("--listen", str(listen), "--forward", str(forward))
    return GuardProgram(str(listen), "takeover.address.identity_guard", options)


class Listener:
    """One public address, listened on from the first `hold` to the end of this process."""

    def __init__(self, listen: Endpoint, forward: Endpoint) -> None:
        """Hold nothing yet."""
        self._listen = listen
        self._forward = forward
        self._server: asyncio.Server

    async def prepare(self) -> None:
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

    def look(self) -> None:
        """Nothing takes time."""

    async def hold(self, until_ns: int) -> str:
        """Listen. Nothing speaks against it. Raises OSError when the kernel refuses."""
        await self._server.start_serving()  # without effect while it listens already
        return ""

    def leave(self) -> None:
        """There is nothing that would outlive the process."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, self._forward)


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="takeover.address.identity_guard")
    parser.add_argument("--parent", type=int, required=True, help="pid of the node; the guard ends with it")
    parser.add_argument("--listen", type=Endpoint.parse, required=True)
    parser.add_argument("--forward", type=Endpoint.parse, required=True)
    options = parser.parse_args()
    run_guard(Listener(options.listen, options.forward), options.parent, str(options.listen))


if __name__ == "__main__":
    main()
