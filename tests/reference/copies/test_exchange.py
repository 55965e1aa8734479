"""What becomes of a copy that goes wrong: it ends, the link does not hang, and another one is made."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from takeover.copies.exchange import COPY_RETRY_S, PIECES_MAX, ReceivedCopies, SentCopies
from takeover.core import events as ev
from takeover.operations import Create, Write
from takeover.storage.carrying_out import carry_out
from takeover.storage.data_directory import DataDirectory
from takeover.storage.store import Store
from takeover_spec import wire

BEGIN = wire.CopyBegin(2, 0, 7)


class Side:
    """A server around its copies: a real store, and everything else only noted."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(DataDirectory.open(directory))
        self.core = SimpleNamespace(know=SimpleNamespace(active=False, unsafe=False))
        self.told: list[ev.Event] = []
        self.link: list[Any] = []
        """What was asked of the link."""
        self.sent: list[wire.Message] = []
        self.tell = self.told.append
        self._tasks: list[asyncio.Task[None]] = []
        link: Any = self
        self.copies = SimpleNamespace(sent=SentCopies(link, link), received=ReceivedCopies(link, link))

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._tasks.append(asyncio.create_task(work))
        return self._tasks[-1]

    def hang_up(self) -> None:
        self.link.append("hang up")

    def break_off(self, connection: object, problem: str) -> None:
        self.link.append(problem)

    async def reconnect(self, pause_s: float) -> None:
        self.link.append(pause_s)

    async def send(self, message: wire.Message) -> None:
        self.sent.append(message)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(30):
            while not holds():
                for task in self._tasks:
                    if task.done() and not task.cancelled():
                        task.result()
                await asyncio.sleep(0.001)

    def folders(self) -> list[str]:
        """What is beside the data."""
        data = self.store.directory.data
        return sorted(path.name.split(".")[-2] for path in data.iterdir() if path != self.store.data)


def play(tmp_path: Path, game: Callable[[Side], Coroutine[Any, Any, None]]) -> None:
    """Play something with a server that has a file."""

    async def whole() -> None:
        side = Side(tmp_path / "server")
        for operation in (Create("f"), Write("f", 0, b"content")):
            carry_out(side.store.data, operation)
        await game(side)
        side.copies.sent.stop()
        side.copies.received.stop()
        await side.until(lambda: not side.folders())

    asyncio.run(whole())


PIECE = wire.CopyListing(2, 7, 0, (wire.CopyEntry(b"f", False, 7, 0, b"d" * 16),))


async def receive(side: Side, *pieces: Any) -> None:
    """A copy begins, and these pieces arrive."""
    connection: Any = side
    side.copies.received.begin(BEGIN, connection)
    for piece in pieces:
        await side.copies.received.add(piece)
    await side.until(lambda: side.link or side.told)


def test_a_refused_copy_is_made_again_without_the_old_data(tmp_path: Path) -> None:
    """The second time everything is lacking, also what is the same; after that the old data is believed again."""

    async def game(side: Side) -> None:
        end = wire.CopyEnd(2, 7, 1, b"another digest")
        await receive(side, PIECE, end)
        assert ["hang up"] == side.link
        for believed in (False, True):
            side.copies.received.stop()
            side.link.clear()
            side.told.clear()
            await receive(side, wire.CopyEnd(2, 7, 0, b""))
            assert [ev.CopyReceived(2, 0, 7)] == side.told
            assert believed != side.copies.received._distrusts_data
            side.copies.received.take_received().rmdir()
            assert not side.copies.received._distrusts_data

    play(tmp_path, game)


def test_a_full_disk_gives_the_copy_up_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its room is given back, the link is read on, whatever still comes, and later another copy is asked for."""

    async def game(side: Side) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(os, "ftruncate", full)
        await receive(side, PIECE)
        assert [COPY_RETRY_S] == side.link
        await side.until(lambda: not side.folders())
        for _ in range(3 * PIECES_MAX):
            async with asyncio.timeout(30):
                await side.copies.received.add(PIECE)

    play(tmp_path, game)


def test_a_piece_that_does_not_fit_breaks_the_connection(tmp_path: Path) -> None:
    """The reason is handed to the link, which logs it."""

    async def game(side: Side) -> None:
        await receive(side, PIECE, PIECE)
        assert ["copy: piece 0 of 2/7 where 1 was due"] == side.link

    play(tmp_path, game)


def test_whoever_waits_to_add_a_piece_goes_on_when_the_copy_ends(tmp_path: Path) -> None:
    """A link that ends must not wait for a copy that nobody receives any more."""

    async def game(side: Side) -> None:
        connection: Any = side
        side.copies.received.begin(BEGIN, connection)
        side.copies.received._task.cancel()  # nobody takes pieces
        for _ in range(PIECES_MAX):
            await side.copies.received.add(PIECE)
        waiting = asyncio.create_task(side.copies.received.add(PIECE))
        await asyncio.sleep(0)
        assert not waiting.done()
        side.copies.received.stop()
        async with asyncio.timeout(30):
            await waiting

    play(tmp_path, game)


def test_an_active_server_receives_nothing(tmp_path: Path) -> None:
    """Not even a folder is made."""

    async def game(side: Side) -> None:
        connection: Any = side
        side.core.know.active = True
        side.copies.received.begin(BEGIN, connection)
        await side.copies.received.add(PIECE)
        assert [] == side.folders()

    play(tmp_path, game)


def test_a_snapshot_that_is_lost_ends_the_copy_for_a_while(tmp_path: Path) -> None:
    """The copy is given up, and the link broken later, so that another one is asked for."""

    async def game(side: Side) -> None:
        connection: Any = side
        assert ev.CopyTaken(7) == side.copies.sent.take(7)
        assert ["outgoing"] == side.folders()
        assert side.store.make_room(OSError(errno.ENOSPC, "full"))
        assert not side.store.make_room(OSError(errno.ENOSPC, "full"))
        side.copies.sent.send(connection, 2, 0, 7)
        await side.until(lambda: side.link)
        assert ([COPY_RETRY_S], None) == (side.link, side.store.snapshot)

    play(tmp_path, game)


def test_a_copy_that_is_not_sent_is_closed(tmp_path: Path) -> None:
    """The core did not want it: nothing is kept for it any more. One that is sent stays open until its end."""

    async def game(side: Side) -> None:
        connection: Any = side
        side.copies.sent.take(7)
        side.copies.sent.close_unsent()
        assert side.store.snapshot is None
        side.copies.sent.take(8)
        side.copies.sent.send(connection, 2, 0, 8)
        side.copies.sent.close_unsent()
        assert side.store.snapshot is not None
        await side.until(lambda: len(side.sent) == 2)
        side.copies.sent.answer(wire.CopyLacking(2, 8, 0, (0,)))
        await side.until(lambda: side.store.snapshot is None)
        assert [wire.CopyBegin, wire.CopyListing, wire.CopyPart, wire.CopyEnd] == [type(m) for m in side.sent]

    play(tmp_path, game)


def test_no_copy_can_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core is told, and goes on; another one is tried later."""

    async def game(side: Side) -> None:
        def failing(**_: object) -> str:
            raise OSError(errno.ENOSPC, "full")

        with monkeypatch.context() as patch:
            patch.setattr("tempfile.mkdtemp", failing)
            assert ev.CopyTaken(-1) == side.copies.sent.take(7)
        await side.until(lambda: side.link == [COPY_RETRY_S])

    play(tmp_path, game)
