"""The demo's client: it writes numbered values through the public identity all the time, and keeps exact account.

The intuition: several writers, each with keys of its own that it never uses twice. So what is found at the end can be
held against what was written, write by write: a value is there or it is not.

What complicates it: a write has three ends, not two. It is *acknowledged*; or it was *refused*, and must not be there;
or the connection broke while it was on its way, and then it may or may not be there (*unknown*). Only the first kind is
a promise. A writer never repeats a write: a second try that succeeds would hide what became of the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault
from takeover.linux import boottime_ns

CONNECT_TIMEOUT_S = 0.2
"""How long a connection may take, in seconds. A SYN that is lost is repeated by the kernel only after a second."""

QUESTION_TIMEOUT_S = 1.0
"""How long the application may take to show that it is there, in seconds."""

ANSWER_TIMEOUT_S = 10.0
"""How long a writer waits for the answer to a write before it gives up the connection, in seconds."""

READ_TIMEOUT_S = 30.0
_RECONNECT_S = 0.02
_QUESTION = "GET 0"
"""Any answer to it says that the application is there; a write would be lost on one that is not."""
_ANSWER_BYTES_MAX = 1 << 16


class End(Enum):
    """How a write ended."""

    ACKNOWLEDGED = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """One write."""

    key: str
    value: str
    sent_ns: int
    """When it was sent (CLOCK_BOOTTIME)."""
    ended_ns: int
    """When its end was known (CLOCK_BOOTTIME)."""
    end: End


@dataclass(slots=True)
class Load:
    """Writers that write until they are told to stop. `run` it as a task."""

    address: Endpoint
    """The public identity."""
    writers: int
    writes_per_second: int
    """All writers together, at the most."""
    answer_timeout_s: float = ANSWER_TIMEOUT_S
    on_end: Callable[[WriteRecord], None] = lambda write: None
    """Told of every write when it has ended."""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Write until `stop`; on return every write has ended."""
        async with asyncio.TaskGroup() as writers:
            for number in range(self.writers):
                writers.create_task(self._write_for_ever(number))

    def stop(self) -> None:
        """Begin no more writes."""
        self._stopping.set()

    async def _write_for_ever(self, writer_number: int) -> None:
        connection: _Connection | None = None
        count = 0
        try:
            while not await self._stopped_within(self.writers / self.writes_per_second):
                if connection is None:
                    connection = await _Connection.open(self.address)
                    if connection is None:
                        await self._stopped_within(_RECONNECT_S)
                        continue
                count += 1
                write = await _write(
                    connection, f"{writer_number}-{count}", str(count), self.answer_timeout_s
                )
                self.on_end(write)
                if write.end is End.UNKNOWN:
                    connection.close()
                    connection = None
        finally:
            if connection is not None:
                connection.close()

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait, but no longer than until `stop`; whether that has come."""
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False


async def read_all(address: Endpoint) -> dict[str, str]:
    """Every key and its value, as the application answers now. Raises EnvironmentFault when it does not."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            connection = await _Connection.open(address)
            if connection is None:
                raise EnvironmentFault(f"{address}: nobody answers there")
            try:
                return await _read_all(connection)
            finally:
                connection.close()
    except OSError as error:
        raise EnvironmentFault(f"{address}: the values could not be read: {error!r}") from error


async def _read_all(connection: _Connection) -> dict[str, str]:
    line = await connection.ask("ALL")
    found: dict[str, str] = {}
    while line != "END":
        key, _, value = line.partition(" ")
        found[key] = value
        line = await connection.line()
    return found


async def _write(connection: _Connection, key: str, value: str, timeout_s: float) -> WriteRecord:
    sent_ns = boottime_ns()
    try:
        async with asyncio.timeout(timeout_s):
            answer = await connection.ask(f"PUT {key} {value}")
    except OSError:  # broken, timed out, unreachable
        return WriteRecord(key, value, sent_ns, boottime_ns(), End.UNKNOWN)
    end = End.ACKNOWLEDGED if answer == "OK" else End.REFUSED
    return WriteRecord(key, value, sent_ns, boottime_ns(), end)


class _Connection:
    """One connection to the application."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: Endpoint) -> _Connection | None:
        """A new connection on which the application answers; None when there is none to be had now."""
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                streams = await asyncio.open_connection(address.host, address.port, limit=_ANSWER_BYTES_MAX)
            connection = cls(*streams)
            async with asyncio.timeout(QUESTION_TIMEOUT_S):
                await connection.ask(_QUESTION)
            return connection
        except OSError:  # a time-out is one of them
            if connection is not None:
                connection.close()
            return None

    async def ask(self, request: str) -> str:
        """Send a line and return the first line that answers it. Raises ConnectionError."""
        self._writer.write(f"{request}\n".encode())
        await self._writer.drain()
        return await self.line()

    async def line(self) -> str:
        """The next line. Raises ConnectionError, also at the end of the connection."""
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the connection ended before the line did")
        return line.decode().rstrip("\n")

    def close(self) -> None:
        """Close it, at once."""
        self._writer.transport.abort()
