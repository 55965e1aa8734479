"""The operator's door for another machine: what the socket of `control` answers, over TLS, to the operator's key.

It is kept as the channel is: TLS 1.3, both sides show a certificate of the pair, and only the one that names the
operator is let in. Then he says his line, as on the socket. Whoever has that key may do what the server's own user may.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from takeover.channel.accepting import Acceptor
from takeover.channel.channel import HELLO_TIMEOUT_S, identify
from takeover.channel.keys import OPERATOR, Keys
from takeover.control.control import LINE_BYTES_MAX
from takeover.endpoint import Endpoint
from takeover.errors import PeerError


@dataclass(frozen=True, slots=True)
class _Asked:
    """An operator who was let in, and his line."""

    party: str
    line: bytes
    writer: asyncio.StreamWriter


class RemoteControl:
    """Answers operators on other machines. `start` it once, and `close` it at the end."""

    def __init__(
        self,
        listen: Endpoint,
        keys: Keys,
        answer: Callable[[bytes], Awaitable[bytes]],
        start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`answer` makes a line of an answer to a line."""
        self._answer = answer
        self._acceptor = Acceptor(listen, keys, (OPERATOR,), _hear, self._serve, start_task)

    def start(self) -> None:
        """Listen. Raises `EnvironmentFault` when that cannot be."""
        self._acceptor.start()

    async def close(self) -> None:
        """Listen no more; whoever waits for an answer gets none."""
        await self._acceptor.close()

    async def _serve(self, asked: _Asked) -> None:
        asked.writer.write(await self._answer(asked.line))
        asked.writer.close()
        with contextlib.suppress(OSError):  # he is gone, or does not take his answer
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                await asked.writer.wait_closed()


async def _hear(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: Keys, expected: tuple[str, ...]
) -> _Asked:
    party = identify(writer, keys, expected)
    try:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            line = await reader.readuntil()
    except asyncio.IncompleteReadError:
        raise PeerError(f"the {party} ended before he asked anything") from None
    except (OSError, asyncio.LimitOverrunError) as error:
        raise PeerError(f"the {party} did not ask within {HELLO_TIMEOUT_S:g} s: {error}") from error
    if len(line) > LINE_BYTES_MAX:
        raise PeerError(f"the {party} asked {len(line)} bytes; at most {LINE_BYTES_MAX}")
    return _Asked(party, line, writer)
