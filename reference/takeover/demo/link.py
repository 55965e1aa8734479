"""The network between the demo's two servers: a link that takes its time, and that can be cut.

On one machine a link has no length, and an asynchronous pair loses next to nothing when its active server is killed.
This one holds every byte for as long as a real one would. Cutting it loses what is on its way, as when a machine fails
together with its network card.

Refused: the kernel's traffic shaping, which does this better, and needs privileges.
"""

from __future__ import annotations

import asyncio
import contextlib

from takeover.endpoint import Endpoint

CHUNK_BYTES = 65_536
CHUNKS_ON_THEIR_WAY_MAX = 1_000


class Link:
    """Carries connections from `listen` to `target`, each byte `delay_ms` after it came in. `mend` it to start it."""

    def __init__(self, listen: Endpoint, target: Endpoint, delay_ms: float) -> None:
        self._listen = listen
        self._target = target
        self._delay_s = delay_ms / 1000
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        """Carry from now on."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, self._listen.host, self._listen.port)

    async def cut(self) -> None:
        """Carry nothing any more; what is on its way is lost."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one of its sides ends it."""
        writers = [writer]
        try:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(self._target.host, self._target.port)
                writers.append(far_writer)
                await self._both_ways((reader, far_writer), (far_reader, writer))
        finally:
            for each in writers:
                each.transport.abort()

    async def _both_ways(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        tasks = [asyncio.create_task(self._one_way(*way)) for way in ways]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the sending side ends, and all that it sent has arrived."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THEIR_WAY_MAX)
        arriving = asyncio.create_task(self._arrive(on_its_way, writer))
        try:
            clock = asyncio.get_running_loop().time
            chunk = b"."
            while chunk:
                chunk = await reader.read(CHUNK_BYTES)
                await on_its_way.put((clock() + self._delay_s, chunk))
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(
        self, on_its_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, chunk = await on_its_way.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not chunk:
                return
            writer.write(chunk)
            await writer.drain()
