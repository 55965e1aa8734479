"""The copies of the data that go over the link to the peer, one way or the other, each in a task of its own.

Nothing here decides anything: the core says when a copy is due and what a received one is for. What goes wrong with a
copy ends the copy, and then, after a while where trying at once would be of no use, the connection: both sides say anew
where they stand, and another copy is made.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from takeover.channel.channel import Connection
from takeover.copies.incoming import IncomingCopy
from takeover.copies.outgoing import OutgoingCopy
from takeover.copies.snapshot import Snapshot
from takeover.core import events as ev
from takeover.errors import CopyRefused, EnvironmentFault, PeerError
from takeover.storage.store import remove
from takeover_spec import wire

if TYPE_CHECKING:
    from takeover.channel.links import PeerLink
    from takeover.node import Node

log = logging.getLogger("takeover.copies")

COPY_RETRY_S = 5.0
"""How long after this machine failed a copy another is tried, in seconds."""

PIECES_MAX = 32
"""How many pieces may wait to be added before the link stops reading."""

Piece = wire.CopyListing | wire.CopyPart | wire.CopyEnd


class SentCopies:
    """The copies that this server sends. There is one at a time."""

    def __init__(self, node: Node, link: PeerLink) -> None:
        self._node = node
        self._link = link
        self._copy: OutgoingCopy | None = None
        self._task: asyncio.Task[None] | None = None

    def take(self, upto: int) -> ev.CopyTaken:
        """Take a copy of the data as it is at this moment: an instant, for it is a snapshot."""
        self.stop()
        try:
            self._node.store.open_snapshot()
        except OSError as error:
            log.error("no copy can be taken for the peer: %s", error)
            self._node.start_task(self._link.reconnect(COPY_RETRY_S))
            return ev.CopyTaken(-1)
        return ev.CopyTaken(upto)

    def send(self, connection: Connection, epoch: int, begun: int, upto: int) -> None:
        """Send the copy that was taken."""
        snapshot = self._node.store.snapshot
        assert snapshot is not None, "a copy was taken"
        self._copy = OutgoingCopy(connection, snapshot, epoch, begun, upto)
        self._task = self._node.start_task(self._send(self._copy, snapshot, upto))

    def close_unsent(self) -> None:
        """If a copy was taken and is not being sent, nobody wants it."""
        if self._task is None:
            self._close(self._node.store.snapshot)

    def answer(self, message: wire.CopyLacking) -> None:
        """The peer says what it lacks. Raises `PeerError` if it was not asked."""
        if self._copy:
            self._copy.answer(message)

    def stop(self) -> None:
        """Send no more."""
        self._copy = None
        if self._task:
            self._task.cancel()
            self._task = None
        self._close(self._node.store.snapshot)

    async def _send(self, copy: OutgoingCopy, snapshot: Snapshot, upto: int) -> None:
        try:
            await copy.send()
        except (ConnectionError, TimeoutError):
            pass  # that it broke is known elsewhere
        except (OSError, EnvironmentFault) as error:
            log.error("the copy for the peer is given up: %s", error)
            self._close(snapshot)
            await self._link.reconnect(COPY_RETRY_S)
        else:
            fields = {"upto": upto, "blocks": copy.listed_blocks, "sent": copy.sent_blocks}
            log.info("a copy was sent", extra={"fields": fields})
        finally:
            self._close(snapshot)

    def _close(self, snapshot: Snapshot | None) -> None:
        if snapshot:
            aside = self._node.store.close_snapshot(snapshot)
            self._node.start_task(asyncio.to_thread(remove, [aside]))


class ReceivedCopies:
    """The copies that this server gets. There is one at a time."""

    def __init__(self, node: Node, link: PeerLink) -> None:
        self._node = node
        self._link = link
        self._pieces: asyncio.Queue[Piece] | None = None
        self._copy: IncomingCopy | None = None
        self._task: asyncio.Task[None] | None = None
        self._received: Path | None = None
        self._distrusts_data = False  # the last copy, made with the help of the old data, was refused

    def begin(self, message: wire.CopyBegin, connection: Connection) -> None:
        """A copy begins; one that was not complete is given up."""
        self.stop()
        store = self._node.store
        if self._node.core.know.active:
            return
        try:
            directory = store.incoming()
        except OSError as error:
            log.error("no copy can be received from the peer: %s", error)
            self._node.start_task(self._link.reconnect(COPY_RETRY_S))
            return
        old = None if self._distrusts_data else store.data
        self._copy = IncomingCopy(message, directory, old, linking=not store.follows)
        self._pieces = asyncio.Queue(PIECES_MAX)
        self._task = self._node.start_task(self._receive(self._copy, self._pieces, connection))

    async def add(self, piece: Piece) -> None:
        """A piece of it arrives; waits while many others wait."""
        if self._pieces:
            await self._pieces.put(piece)

    def take_received(self) -> Path:
        """Where the copy is that was received last; it is for the caller from here on."""
        assert self._received is not None, "no copy was received"
        received, self._received = self._received, None
        self._distrusts_data = False
        return received

    def stop(self) -> None:
        """Give up what is not complete, or was received and not wanted."""
        pieces, self._pieces = self._pieces, None
        while pieces and not pieces.empty():
            pieces.get_nowait()  # whoever waits to add one goes on
        if self._task:
            self._task.cancel()
            self._task = None
        if self._copy:
            self._node.start_task(asyncio.to_thread(self._copy.remove))
            self._copy = None

    async def _receive(
        self, copy: IncomingCopy, pieces: asyncio.Queue[Piece], connection: Connection
    ) -> None:
        try:
            await self._add_all(copy, pieces, connection)
            return
        except (ConnectionError, TimeoutError):
            pass  # that it broke is known elsewhere
        except CopyRefused as error:
            log.error("the copy is refused, and the next one takes nothing from the old data: %s", error)
            self._distrusts_data = True
            self._link.hang_up()
        except PeerError as error:
            self._link.break_off(connection, str(error))
        except EnvironmentFault as error:
            log.error("the copy from the peer is given up: %s", error)
            self._node.start_task(asyncio.to_thread(copy.remove))
            self._node.start_task(self._link.reconnect(COPY_RETRY_S))
        while True:  # what still comes of it must not hold the link up
            await pieces.get()

    async def _add_all(
        self, copy: IncomingCopy, pieces: asyncio.Queue[Piece], connection: Connection
    ) -> None:
        while True:
            piece = await pieces.get()
            if isinstance(piece, wire.CopyEnd):
                break
            lacking = await asyncio.to_thread(copy.add, piece)
            if lacking:
                await connection.send(lacking)
        await asyncio.to_thread(copy.end, piece)
        fields = {"upto": copy.upto, "blocks": copy.listed_blocks, "lacking": copy.lacking_blocks}
        log.info("a copy was received", extra={"fields": fields})
        know = self._node.core.know
        if know.unsafe and not know.active:  # what it makes void: there may be much to state
            kept = min(copy.begun, know.logged)
            await asyncio.to_thread(self._node.store.state_rejoin_loss, kept, know.logged)
        self._pieces = self._copy = None
        if self._received:  # and not wanted
            remove([self._received])
        self._received = copy.directory
        self._node.tell(ev.CopyReceived(copy.epoch, copy.begun, copy.upto))
