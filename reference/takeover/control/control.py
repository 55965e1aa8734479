"""The operator's socket: a word in, a line of JSON out.

`status` is answered at once. An order (`switchover MS`, `promote`, `resync`) goes to the core like anything else that
happens, and is answered when the core does. Only the server's own user and root are listened to; the kernel says who is
there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from takeover.control.client import SOCKET_NAME
from takeover.control.credentials import Credentials, credentials_of, may_operate
from takeover.core import events as ev
from takeover.core.effects import Answer

log = logging.getLogger("takeover.control")

LINE_BYTES_MAX = 256

WITHIN_MS_MAX = 24 * 3600 * 1000
"""How long an operator may let a switchover take, in milliseconds."""


class Orders:
    """The orders that wait for the core's answer."""

    def __init__(self, tell: Callable[[ev.Event], None]) -> None:
        """`tell` hands an event to the core."""
        self._tell = tell
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def give(self, make: Callable[[int], ev.Event]) -> Answer:
        """Give the order that `make` makes of its number. Returns with the answer; cancelled if the server ends."""
        order = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[order] = answer
        self._tell(make(order))
        try:
            return await answer
        finally:
            del self._waiting[order]

    def answered(self, answer: Answer) -> None:
        """The core has answered."""
        waiting = self._waiting.get(answer.order)
        if waiting and not waiting.done():
            waiting.set_result(answer)


def parse_order(line: bytes) -> Callable[[int], ev.Event] | None:
    """What a line orders; None if it is no order."""
    match line.split():
        case [b"switchover", within] if within.isdigit() and 1 <= int(within) <= WITHIN_MS_MAX:
            return lambda order: ev.SwitchoverAsked(order, int(within) * 1_000_000)
        case [b"promote"]:
            return ev.PromoteAsked
        case [b"resync"]:
            return ev.ResyncAsked
    return None


class ControlServer:
    """Answers on the operator's socket."""

    def __init__(self, data_directory: Path, status: Callable[[], dict[str, Any]], orders: Orders) -> None:
        self._path = data_directory / SOCKET_NAME
        self._status = status
        self._orders = orders
        self._server: asyncio.Server | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; a socket that an earlier process left is replaced."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, self._path, limit=LINE_BYTES_MAX)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Listen no more; whoever waits for an answer gets none."""
        if self._server:
            self._server.close()
        for task in list(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._asked(reader, writer))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            refusal = _refusal(credentials_of(writer.get_extra_info("socket")))
            writer.write(_told({"error": refusal}) if refusal else await self.answer(line))
            await writer.drain()
        except (ConnectionError, ValueError):
            pass  # whoever asked is gone, or sent no line
        finally:
            writer.close()

    async def answer(self, line: bytes) -> bytes:
        """The line that answers a line, for somebody who may operate this server."""
        line = line.strip()
        if line == b"status":
            return _told(self._status())
        order = parse_order(line)
        if order is None:
            return _told({"error": f"{line!r} is not known; known: status, switchover MS, promote, resync"})
        answer = await self._orders.give(order)
        return _told({"accepted": answer.accepted, "clause": answer.clause, "reason": answer.reason})


def _told(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _refusal(who: Credentials) -> str:
    """Why this user may not ask; empty for one who may."""
    if may_operate(who):
        return ""
    fields = {"pid": who.pid, "uid": who.uid}
    log.warning("an operator is refused: user %d is not this server's", who.uid, extra={"fields": fields})
    return f"user {who.uid} may not operate this server: only root and user {os.geteuid()} may"
