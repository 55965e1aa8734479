"""What a service tells systemd, over a socket of the test's own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from takeover.service_manager import ServiceManager


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The manager's end; the environment names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


def received(manager: socket.socket) -> list[bytes]:
    words = []
    try:
        while True:
            words.append(manager.recv(100))
    except BlockingIOError:
        return words


def test_it_is_told_of_the_start_and_the_end(told: socket.socket) -> None:
    """And nothing in between unless it watches; and what we start does not inherit the socket."""
    service = ServiceManager()
    service.ready()
    service.alive()
    service.stopping()
    assert [b"READY=1", b"STOPPING=1"] == received(told)
    assert "NOTIFY_SOCKET" not in os.environ


def test_a_watching_manager_is_fed_by_the_rounds_and_by_nothing_else(
    told: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that has nothing to do comes round in time; without a round nothing is said, whatever time goes by."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    async def play() -> None:
        service = ServiceManager()
        for _ in range(3):
            await service.wait(asyncio.Event())  # returns in time although nothing ever happens
            service.alive()
        assert [b"WATCHDOG=1"] * 3 == received(told)
        await asyncio.sleep(0.1)  # a loop that hangs: longer than the manager's patience
        assert [] == received(told)

    asyncio.run(play())


def test_many_rounds_are_one_word(told: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy loop does not flood the manager."""
    monkeypatch.setenv("WATCHDOG_USEC", "600000000")
    service = ServiceManager()
    for _ in range(100):
        service.alive()
    assert [b"WATCHDOG=1"] == received(told)


def test_a_watch_that_is_meant_for_another_process_is_none(
    told: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment may be somebody else's."""
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    ServiceManager().alive()
    assert [] == received(told)


def test_without_a_manager_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when there is none, nor when it is gone; an event ends the wait."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "@takeover-nobody-listens-here")
    ServiceManager().ready()

    async def play() -> None:
        event = asyncio.Event()
        event.set()
        await ServiceManager().wait(event)
        await ServiceManager().wait(asyncio.Event(), 0.001)

    asyncio.run(play())
