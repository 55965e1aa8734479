"""A connection on which framed messages go both ways: between the servers, and to the witness.

It is TLS 1.3, and each side shows a certificate; `keys` says whose is believed. Then each side says `Hello`, and goes
on only if the other says it is who its certificate names, and was told the same constants. From then on every frame is
one message, parsed at this edge and nowhere else. Anything malformed ends the connection with the reason; nothing of it
reaches the core.

A connection that ends without TLS's own goodbye ends like any other: in the middle of a frame it was cut off, and
between two frames nothing follows from it, for any message may be lost.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from takeover.channel.keys import Keys, refusal_of
from takeover.endpoint import Endpoint
from takeover.errors import PeerError
from takeover_spec.codec import Malformed
from takeover_spec.wire import LENGTH_BYTES, Hello, Message, agree, decode, encode, frame_length

HELLO_TIMEOUT_S = 5.0
"""How long the other side may take to make a session, and then to say who it is, in seconds."""

DIAL_TIMEOUT_S = 2.0
"""How long a connection and its session may take to be made, in seconds; the kernel would try for minutes."""

SILENCE_S = 4
"""After how many seconds without a sign of life from the other machine's kernel a connection is given up."""

BACKLOG_BYTES_MAX = 8 * 1024 * 1024
"""How much may wait to be sent before messages are lost rather than queued, in bytes."""


class Connection:
    """One open connection, after both sides said `Hello`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, theirs: Hello) -> None:
        self._reader = reader
        self._writer = writer
        self.theirs = theirs
        """What the other side said it is."""

    @property
    def party(self) -> str:
        """Who is at the other end."""
        return self.theirs.party

    def say(self, message: Message) -> None:
        """Send a message, or lose it: when the connection is closing, or the other side reads too slowly."""
        transport: Any = self._writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() < BACKLOG_BYTES_MAX:
            self._writer.write(encode(message))

    async def send(self, message: Message) -> None:
        """Send a message, at the other side's pace. Raises `ConnectionError` when the connection is gone."""
        self._writer.write(encode(message))
        await self._writer.drain()

    async def messages(self) -> AsyncIterator[Message]:
        """The messages, until the connection ends. Raises `PeerError` on anything malformed."""
        while (message := await _read(self._reader)) is not None:
            if isinstance(message, Hello):
                raise PeerError("a second hello")
            yield message

    def close(self) -> None:
        """Close the connection, at once."""
        self._writer.transport.abort()


def _instruct(writer: asyncio.StreamWriter) -> None:
    """Have the kernel send what is small at once, and end the connection when the other machine is gone without a word.

    It would hold a small frame back until the one before it was confirmed, and confirm that one 40 ms later: an update
    and its status are two. asyncio sees to it for whoever dials, and not for a socket that was accepted.
    """
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 1),  # seconds of silence before the first question
        (socket.TCP_KEEPINTVL, 1),  # seconds between questions
        (socket.TCP_KEEPCNT, SILENCE_S - 1),  # unanswered questions
        (socket.TCP_USER_TIMEOUT, SILENCE_S * 1000),  # milliseconds that what was sent may stay unconfirmed
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


async def greet(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    keys: Keys,
    expected: tuple[str, ...],
    mine: Hello,
) -> Connection:
    """Look at who is there, say hello, and hear it.

    Raises `PeerError` when the other side is not one of `expected`, or disagrees; then it was told nothing.
    """
    party = identify(writer, keys, expected)
    _instruct(writer)
    writer.write(encode(mine))
    try:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            theirs = await _read(reader)
    except TimeoutError:
        raise PeerError(f"no hello within {HELLO_TIMEOUT_S:g} s") from None
    if not isinstance(theirs, Hello):
        raise PeerError(
            "closed before its hello" if theirs is None else f"a {type(theirs).__name__} before its hello"
        )
    problem = agree(mine, theirs, (party,))
    if problem:
        raise PeerError(f"{problem}; its certificate is that of the {party}")
    return Connection(reader, writer, theirs)


async def dial(endpoint: Endpoint, keys: Keys, mine: Hello, expected: tuple[str, ...]) -> Connection:
    """Connect, and say hello. Raises `PeerError`, with the address, when that cannot be."""
    try:
        async with asyncio.timeout(DIAL_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                endpoint.host,
                endpoint.port,
                ssl=keys.client,
                server_hostname="",  # no name is sent, or looked at
            )
    except OSError as error:
        raise PeerError(f"{endpoint}: {refusal_of(error)}") from error
    try:
        return await greet(reader, writer, keys, expected, mine)
    except PeerError as error:
        writer.transport.abort()
        raise PeerError(f"{endpoint}: {error}") from error
    except BaseException:
        writer.transport.abort()
        raise


def identify(writer: asyncio.StreamWriter, keys: Keys, expected: tuple[str, ...]) -> str:
    """Who the certificate of the other side names, which OpenSSL verified. Raises `PeerError` if none of `expected`."""
    session = writer.get_extra_info("ssl_object")
    return keys.identify(session.getpeercert(), session.getpeercert(binary_form=True), expected)


async def _read(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None at the end of the connection."""
    try:
        prefix = await reader.readexactly(LENGTH_BYTES)
        body = await reader.readexactly(frame_length(prefix))
        return decode(body)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise PeerError(f"ended in the middle of a frame, after {len(error.partial)} bytes") from None
        return None
    except ssl.SSLError as error:
        raise PeerError(refusal_of(error)) from None
    except OSError:
        return None
    except Malformed as error:
        raise PeerError(str(error)) from None
