"""Telling the service manager (systemd) how a service is: started, alive, stopping.

A message is a datagram to the socket that the manager names in the environment; without one nothing is told. A service
that the manager watches has to say *alive* within a given time, or it is killed and started again. It is said by the
loop that does the work, once a round, and by nothing else: a timer beside it would go on when the loop hangs. So a loop
that has nothing to do must still come round, which `wait` sees to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time


class ServiceManager:
    """The service manager that started this process, if one did."""

    def __init__(self) -> None:
        """Take the manager's wishes out of the environment: the programs we start are not meant."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watched = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        patience_us = int(os.environ.pop("WATCHDOG_USEC", "0"))
        self._interval_s = patience_us / 1e6 / 3 if watched and patience_us else None
        self._said_at = 0.0

    def ready(self) -> None:
        """The service does what it is there for, or stands by."""
        self._say("READY=1")

    def alive(self) -> None:
        """The loop came round."""
        now = time.monotonic()
        if self._interval_s is not None and now - self._said_at >= self._interval_s:
            self._said_at = now
            self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends."""
        self._say("STOPPING=1")

    async def wait(self, event: asyncio.Event, timeout_s: float | None = None) -> None:
        """Wait for an event, at most so long, and never so long that the manager takes the service to hang."""
        limits_s = [limit for limit in (timeout_s, self._interval_s) if limit is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(limits_s, default=None)):
                await event.wait()

    def _say(self, word: str) -> None:
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        # A manager that cannot be told restarts us; there is nobody else to complain to.
        with socket.socket(socket.AF_UNIX, kind) as out, contextlib.suppress(OSError):
            out.sendto(word.encode(), self._address)
