"""Carry one client's connection to the application's local address, both ways, until both sides have said the end.

The intuition: two one-way copies. The end of one direction is passed on and leaves the other open
(half-close); anything else than two orderly ends is passed on as a reset.

What complicates it: the public identity must be silent from the instant its holder is killed (ADDR-2), and a
kernel that closes a socket in the ordinary way goes on sending what it has buffered, long after the process
is gone. So every socket here is set to be *reset* when it is closed (`SO_LINGER` of zero), and after two
orderly ends it is kept open until the kernel reports that the other side has everything; only then is closing
it harmless.

Refused: leaving the default close and calling the rest "already sent". The bytes would leave under an address
that the other server may hold by then.
"""

import asyncio
import socket
import struct

from takeover.endpoint import Endpoint

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that turns every close, and the end of the process, into a reset."""

_CHUNK_BYTES = 65_536
_SETTLE_POLL_SECONDS = 0.005
_TCP_CLOSE = 7  # the first byte of TCP_INFO: both ends said and confirmed, or the connection reset


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: Endpoint) -> None:
    """Connect the client (`reader`, `writer`) to `backend`; return when the connection is over and closed.

    A backend that does not answer, or a reset on either side, resets the other; neither is an error of ours.
    Cancelling resets both sides.
    """
    try:
        _instruct(writer)
        backend_reader, backend_writer = await asyncio.open_connection(backend.host, backend.port)
        try:
            _instruct(backend_writer)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_copy(reader, backend_writer))
                directions.create_task(_copy(backend_reader, writer))
            await _settled(backend_writer)
            await _settled(writer)
        finally:
            backend_writer.transport.abort()
    except* OSError:
        pass  # the connection's own end, which the client has seen or is about to see
    finally:
        writer.transport.abort()


def _instruct(writer: asyncio.StreamWriter) -> None:
    """Reset on close; and pass on what is small at once, which asyncio sees to only for whoever dials."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _settled(writer: asyncio.StreamWriter) -> None:
    """Wait until the kernel has nothing left to send or to confirm on a connection whose two ends were said."""
    connection = writer.get_extra_info("socket")
    while not writer.transport.is_closing():
        if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE:
            return
        await asyncio.sleep(_SETTLE_POLL_SECONDS)
