"""The relay between a client and a backend, both played by the test in one event loop."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from takeover.address.relay import relay
from takeover.endpoint import Endpoint

LARGE = os.urandom(4_000_000)
"""More than the kernel's buffers and the relay's own hold together."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Backend = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Setting:
    """A relay in front of a backend; `over` resolves when the relay's first connection is over."""

    def __init__(self, backend: Endpoint) -> None:
        self.backend = backend
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self.client: socket.socket
        """The relay's end of its connection with the client."""
        self.endpoint: Endpoint

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.client = writer.get_extra_info("socket")
        self.task = asyncio.create_task(relay(reader, writer, self.backend))
        await asyncio.wait({self.task})
        self.over.set_result(None)

    async def connect(self) -> Stream:
        return await asyncio.open_connection(self.endpoint.host, self.endpoint.port)


@contextlib.asynccontextmanager
async def relayed(backend: Backend) -> AsyncIterator[Setting]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await backend(reader, writer)
        writer.close()

    behind = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with behind, in_front_of(endpoint_of(behind)) as setting:
        yield setting


@contextlib.asynccontextmanager
async def in_front_of(backend: Endpoint) -> AsyncIterator[Setting]:
    setting = Setting(backend)
    front = await asyncio.start_server(setting.serve, sock=socket.create_server(("127.0.0.1", 0)))
    setting.endpoint = endpoint_of(front)
    async with front:
        yield setting


def endpoint_of(server: asyncio.Server) -> Endpoint:
    return Endpoint(*server.sockets[0].getsockname())


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario

    asyncio.run(bounded())


async def echo_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    await writer.drain()


async def talk_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"all I have to say")
    writer.write_eof()
    assert b"and now me" == await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def never_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"welcome")
    with contextlib.suppress(ConnectionResetError):
        await reader.read()


def test_a_client_that_said_its_end_still_gets_the_whole_answer() -> None:
    """Half-close from the client's side, with more data each way than any buffer holds, and nothing is cut off."""

    async def scenario() -> None:
        async with relayed(echo_after_the_end) as setting:
            reader, writer = await setting.connect()
            writer.write(LARGE)
            writer.write_eof()
            assert LARGE == await reader.read()
            await setting.over
            writer.close()

    run(scenario())


def test_a_backend_that_said_its_end_still_hears_the_client() -> None:
    """Half-close from the backend's side."""

    async def scenario() -> None:
        async with relayed(talk_first) as setting:
            reader, writer = await setting.connect()
            assert b"all I have to say" == await reader.read()
            writer.write(b"and now me")
            writer.write_eof()
            await setting.over
            writer.close()

    run(scenario())


def test_a_slow_client_gets_everything() -> None:
    """The relay ends its sockets by a reset, but only once the client's kernel has confirmed every byte."""
    payload = LARGE[:300_000]  # fits into the relay's socket, and not at all into the client's

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with relayed(echo_after_the_end) as setting:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                client.setblocking(False)
                await loop.sock_connect(client, (setting.endpoint.host, setting.endpoint.port))
                await loop.sock_sendall(client, payload)
                client.shutdown(socket.SHUT_WR)
                received = b""
                while chunk := await loop.sock_recv(client, 10_000):
                    received += chunk
                    await asyncio.sleep(0.001)  # the client's own slowness is what is tried here
                assert payload == received
                await setting.over

    run(scenario())


def test_small_answers_are_not_held_back() -> None:
    """The kernel would wait 40 ms with each second one, and asyncio does not forbid it for an accepted socket."""

    async def scenario() -> None:
        async with relayed(never_end) as setting:
            reader, writer = await setting.connect()
            assert b"welcome" == await reader.readexactly(7)
            assert setting.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.transport.abort()
            await setting.over

    run(scenario())


def test_without_a_backend_the_connection_is_closed() -> None:
    """A backend that is not up yet is no error of the relay's."""

    async def scenario() -> None:
        async with in_front_of(Endpoint("127.0.0.1", 1)) as setting:
            reader, writer = await setting.connect()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await setting.over
            writer.close()

    run(scenario())


def test_a_reset_of_the_backend_reaches_the_client() -> None:
    """A client must not take a broken answer for a whole one."""

    async def scenario() -> None:
        async with relayed(reset) as setting:
            reader, writer = await setting.connect()
            writer.write(b"?")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await setting.over
            writer.close()

    run(scenario())


def test_cancelling_resets_the_client() -> None:
    """A guard that ends leaves no connection behind."""

    async def scenario() -> None:
        async with relayed(never_end) as setting:
            reader, writer = await setting.connect()
            assert b"welcome" == await reader.readexactly(7)
            assert setting.task is not None
            setting.task.cancel()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await setting.over
            writer.close()

    run(scenario())
