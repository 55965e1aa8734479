"""Interception: the node's end of the sockets over which its applications change the protected data.

The intuition: a queue for each connection. What arrives is handed to the node at once, in the order of its arrival, so
that many operations can share one wait for the disk; the answers go back in that order. How the bytes look is in
`interception_frames`.

What complicates it:
- An application must be told apart what was not done from what may have been. So the node raises `NotAccepted` or
  `OutcomeUnknown`, and a connection that breaks says *unknown* by itself.
- A malformed request ends its connection: what follows it cannot be trusted to begin where it seems to. The requests
  before it are answered.
- An application that sends and does not read would fill the node's memory. So only so many operations of a connection
  are on their way at a time; then its socket fills, and it waits.

Refused: a file system in user space as the only door. It needs privileges or a device that many hosts deny; it can be
put in front of this one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from takeover.errors import CallerError, DiskFull, EnvironmentFault, PeerError
from takeover.interception_frames import (
    LENGTH_BYTES,
    OPERATION_BYTES_MAX,
    Answer,
    Done,
    Failed,
    Refused,
    Unknown,
    body_length,
    encode_answer,
)
from takeover.operations import Outcome, decode

log = logging.getLogger("takeover.interception")

ON_THEIR_WAY_MAX = 256
"""How many operations of one connection may wait for their answers."""


class NotAccepted(CallerError):
    """The operation was not begun, and never will be: this server is not active, or has no room."""

    def __init__(self, reason: str, error: str = "") -> None:
        """`error` is the errno's name, such as "ENOSPC", if there is one."""
        super().__init__(reason)
        self.error = error


class OutcomeUnknown(EnvironmentFault):
    """The operation was begun, and whether it will have been done is for a failover to decide."""


Submit = Callable[[bytes], Awaitable[Outcome]]
"""Takes an encoded operation, and returns when it is acknowledged. Raises NotAccepted, OutcomeUnknown or DiskFull."""


class Interception:
    """The socket that applications connect to. `start` it once, and `stop` it at the end."""

    def __init__(self, path: Path, submit: Submit) -> None:
        """The socket will be at `path`, whose directory must exist. Nothing is started yet."""
        self._path = path
        self._submit = submit
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._defects: list[BaseException] = []

    async def start(self) -> None:
        """Listen; a socket that a killed process left is replaced. Raises EnvironmentFault when that cannot be."""
        try:
            if self._path.is_socket():
                self._path.unlink()
            self._server = await asyncio.start_unix_server(self._connected, self._path)
            self._path.chmod(0o600)
        except OSError as cause:
            raise EnvironmentFault(f"{self._path}: cannot listen for applications: {cause}") from cause

    async def stop(self) -> None:
        """Close every connection, and the socket; what was on its way is *unknown* to its application.

        Raises what a `submit` raised beside the errors it may, if one did.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        if self._defects:
            raise self._defects[0]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()  # accepted while the server was closing
            return
        connection = asyncio.create_task(_Connection(self._submit, reader, writer).serve())
        self._connections.add(connection)
        connection.add_done_callback(self._ended)

    def _ended(self, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        if not connection.cancelled() and (defect := connection.exception()) is not None:
            log.critical("a connection of an application failed", exc_info=defect)
            self._defects.append(defect)


class _Gone(Exception):
    """The application has broken the connection."""


class _Connection:
    """One connection of an application."""

    def __init__(self, submit: Submit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._submit = submit
        self._reader = reader
        self._writer = writer
        self._answers: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue(ON_THEIR_WAY_MAX)

    async def serve(self) -> None:
        """Read, submit and answer until the application has no more to ask, or asks what makes no sense."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._read(both))
                both.create_task(self._write())
            self._writer.close()
        except* _Gone:
            pass  # nobody is left to be told
        finally:
            if not self._writer.transport.is_closing():
                self._writer.transport.abort()

    async def _read(self, both: asyncio.TaskGroup) -> None:
        try:
            while (body := await self._request()) is not None:
                await self._answers.put(both.create_task(self._answer(body)))
        except PeerError as error:
            log.warning("a connection of an application is closed: %s", error)
        await self._answers.put(None)

    async def _request(self) -> bytes | None:
        """The next encoded operation, checked; None at the end."""
        try:
            prefix = await self._reader.readexactly(LENGTH_BYTES)
            body = await self._reader.readexactly(body_length(prefix, OPERATION_BYTES_MAX))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise PeerError(
                    f"it ended in the middle of a request, after {len(error.partial)} bytes"
                ) from None
            return None
        except ConnectionError as error:
            raise _Gone from error
        decode(body)
        return body

    async def _answer(self, body: bytes) -> Answer:
        """Submit one operation, and say how it ended."""
        try:
            outcome = await self._submit(body)
        except NotAccepted as error:
            return Refused(str(error), error.error)
        except DiskFull as error:
            return Refused(str(error), "ENOSPC")
        except OutcomeUnknown as error:
            return Unknown(str(error))
        return Done(outcome.amount) if outcome.done else Failed(outcome.error)

    async def _write(self) -> None:
        while (answer := await self._answers.get()) is not None:
            self._writer.write(encode_answer(await answer))
            try:
                await self._writer.drain()
            except ConnectionError as error:
                raise _Gone from error
