"""Accepting connections: whoever dials has to show by its certificate, and then by what it says first, that it may.

Everybody else is refused, and the reason logged: who dialled, and why it was turned away. Nothing of what a stranger
sends is looked at before that, and strangers cannot use the server up: only so many may be on their way in at once,
each for a limited time, and a reason that comes again and again is logged once a second, with a count.

Refused: `asyncio.start_server` with a TLS context. When a handshake fails it tells nobody.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from takeover.channel.channel import HELLO_TIMEOUT_S
from takeover.channel.keys import Keys, refusal_of
from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault, PeerError
from takeover.logs import Repeats

log = logging.getLogger("takeover.accepting")

GREETED_MAX = 64
"""How many connections may be on their way in at once; more have to wait."""

REPEAT_S = 1.0
"""After how long the same refusal of the same host is logged again, in seconds, with how often it came."""

_ACCEPT_RETRY_S = 0.1
"""How long after no connection could be accepted (too many open files, say) another is tried, in seconds."""


class Known(Protocol):
    """Somebody who was let in."""

    @property
    def party(self) -> str:
        """Who it is."""


K = TypeVar("K", bound=Known)

Greet = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Keys, tuple[str, ...]], Awaitable[K]]
"""Looks at who is there, and hears what it says first. Raises `PeerError` unless it is one of the parties expected."""


class Acceptor(Generic[K]):
    """Listens for some of the parties of a pair. `start` it once, and `close` it at the end."""

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Keys,
        expected: tuple[str, ...],
        greet: Greet[K],
        serve: Callable[[K], Awaitable[None]],
        start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`serve` has every connection that is let in until it returns; what it raises of `PeerError` is logged.

        `start_task` starts what runs beside the caller, who has to know when a defect ends it.
        """
        self._endpoint = endpoint
        self._keys = keys
        self._expected = expected
        self._greet = greet
        self._serve = serve
        self._start_task = start_task
        self._room = asyncio.Semaphore(GREETED_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._repeats = Repeats()
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen. Raises EnvironmentFault when that cannot be."""
        family = socket.AF_INET6 if self._endpoint.is_ipv6 else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._endpoint.host, self._endpoint.port))
            listening.listen()
        except OSError as error:
            listening.close()
            raise EnvironmentFault(f"cannot listen on {self._endpoint}: {error.strerror}") from error
        self._socket = listening
        self._start(self._accept(listening))

    async def close(self) -> None:
        """Listen no more, and end what is being served."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._socket:
            self._socket.close()
            self._socket = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._start_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:
                self._room.release()
                self._complain("no connection can be accepted", str(self._endpoint), str(error.strerror))
                await asyncio.sleep(_ACCEPT_RETRY_S)
            else:
                self._start(self._let_in(connection, str(address[0])))

    async def _let_in(self, accepted: socket.socket, host: str) -> None:
        writer: asyncio.StreamWriter | None = None
        what = "a connection is refused"
        try:
            try:
                reader, writer = await _secure(accepted, self._keys)
                known = await self._greet(reader, writer, self._keys, self._expected)
            finally:
                self._room.release()
            what = f"the connection of the {known.party} is broken"
            await self._serve(known)
        except PeerError as error:
            self._complain(what, host, str(error))
        finally:
            if writer:
                writer.transport.abort()

    def _complain(self, what: str, who: str, reason: str) -> None:
        """Log what went wrong with whom, unless the same was logged a moment ago."""
        count = self._repeats.count((what, who, reason), REPEAT_S)
        if count == 0:
            return
        fields = {"from": who, "expected": " or ".join(self._expected), "times": count}
        log.warning("%s: %s: %s", what, who, reason, extra={"fields": fields})


async def _secure(accepted: socket.socket, keys: Keys) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Make a TLS session on a connection that was accepted. Raises PeerError."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, accepted, ssl=keys.server, ssl_handshake_timeout=HELLO_TIMEOUT_S
        )
    except OSError as error:
        raise PeerError(refusal_of(error)) from error
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
