"""Sending a copy of a snapshot: first what it consists of, and then only the blocks that the peer lacks.

The peer gets listings: names, sizes, and the digest of each block. It answers each with the blocks that it has not, and
gets those. A few listings may be on their way; the blocks they speak of stay in memory until the answer, so what is
sent is what was listed, and the memory is bounded whatever the data is. Answers and listings both wait for the
connection, so neither side can flood the other.

Refused: that the peer lists what it has, for the active server to compare. Both would have to go through their
directories in one order, and sort them; this way the peer looks for each file at its path.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from takeover.channel.channel import Connection
from takeover.copies.blocks import Block, FileDigest, TreeDigest, digest
from takeover.copies.snapshot import Snapshot
from takeover.copies.snapshot_reader import SnapshotReader
from takeover.errors import PeerError
from takeover.operations import Write, encode, path_text
from takeover_spec import wire
from takeover_spec.wire import COPY_DIGEST_BYTES

LISTING_BLOCKS_MAX = 128
"""How many blocks are listed together: 8 MiB of data."""

LISTING_BYTES_MAX = 256 * 1024
"""About how many bytes of names are listed together."""

ENTRY_BYTES = 100
"""What an entry takes beside its path."""

UNANSWERED_MAX = 4
"""How many listings may wait for their answer."""


Listed = list[tuple[bytes, Block]]
"""The blocks that a listing speaks of, each with the path of its file."""


class Listing:
    """What is listed together, and the blocks that it speaks of."""

    def __init__(self) -> None:
        self.entries: list[wire.CopyEntry] = []
        self.blocks: Listed = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time for another one."""
        return len(self.blocks) >= LISTING_BLOCKS_MAX or self._bytes >= LISTING_BYTES_MAX

    def add_directory(self, path: bytes) -> None:
        """A directory."""
        self._add(wire.CopyEntry(path, True, 0, 0, b""))

    def add_file(self, path: bytes, size: int) -> None:
        """A file, of which blocks may follow."""
        self._add(wire.CopyEntry(path, False, size, 0, b""))

    def add_block(self, path: bytes, size: int, block: Block, whole: bytes) -> None:
        """The next block of a file, with its digest."""
        last = self.entries[-1] if self.entries else None
        count = len(last.digests) // COPY_DIGEST_BYTES if last else 0
        listed = whole[:COPY_DIGEST_BYTES]
        if last is None or last.path != path or (count and last.first + count != block.number):
            self._add(wire.CopyEntry(path, False, size, block.number, listed))
        else:
            first = last.first if count else block.number
            self.entries[-1] = wire.CopyEntry(path, False, size, first, last.digests + listed)
        self.blocks.append((path, block))

    def _add(self, entry: wire.CopyEntry) -> None:
        self.entries.append(entry)
        self._bytes += len(entry.path) + ENTRY_BYTES


def listings(snapshot: Snapshot, tree: TreeDigest) -> Iterator[Listing]:
    """Everything in a snapshot, and its digest into `tree`. Raises what `SnapshotReader.entries` does."""
    listing = Listing()
    for entry in SnapshotReader(snapshot).entries():
        if isinstance(entry, bytes):
            tree.add_directory(entry)
            listing.add_directory(entry)
        else:
            file = FileDigest(entry.path, entry.size)
            listing.add_file(entry.path, entry.size)
            for block in entry.blocks():
                whole = digest(block.content)
                file.add(block.number, whole)
                listing.add_block(entry.path, entry.size, block, whole)
                if listing.is_full:
                    yield listing
                    listing = Listing()
            tree.add_file(file)
        if listing.is_full:
            yield listing
            listing = Listing()
    if listing.entries:
        yield listing


class OutgoingCopy:
    """A copy on its way to the peer."""

    def __init__(self, connection: Connection, snapshot: Snapshot, epoch: int, begun: int, upto: int) -> None:
        self.sent_blocks = 0
        """How many blocks the peer lacked."""
        self.listed_blocks = 0
        """How many blocks there are, but for those of zeros."""
        self._connection = connection
        self._tree = TreeDigest()
        self._listings = listings(snapshot, self._tree)
        self._epoch = epoch
        self._begun = begun
        self._upto = upto
        self._pieces = 0
        self._waiting: deque[tuple[int, Listed]] = deque()  # for the answer, by their index
        self._answered: asyncio.Queue[tuple[Listed, tuple[int, ...]]] = asyncio.Queue()
        self._open = 0  # of both: its limit is that of the memory

    async def send(self) -> None:
        """Send it all. Raises `ConnectionError`, and what the snapshot raises when it cannot be read."""
        await self._connection.send(wire.CopyBegin(self._epoch, self._begun, self._upto))
        more = True
        while more or self._open:
            while more and self._open < UNANSWERED_MAX:
                more = await self._send_listing()
            if self._open:
                await self._send_lacking(*await self._answered.get())
                self._open -= 1
        await self._connection.send(wire.CopyEnd(self._epoch, self._upto, self._pieces, self._tree.digest()))

    def answer(self, message: wire.CopyLacking) -> None:
        """The peer answers a listing. Raises `PeerError` if that is not the one that waits for it."""
        if (message.epoch, message.upto) != (self._epoch, self._upto):
            return  # of a copy before this one
        if not self._waiting or self._waiting[0][0] != message.index:
            raise PeerError(f"copy: an answer to piece {message.index}, which waits for none")
        _, listed = self._waiting.popleft()
        last = -1
        for number in message.blocks:
            if not last < number < len(listed):
                raise PeerError(f"copy: block {number} after {last} of a listing of {len(listed)}")
            last = number
        self._answered.put_nowait((listed, message.blocks))

    async def _send_listing(self) -> bool:
        """Send the next listing; False if there is none."""
        listing = await asyncio.to_thread(next, self._listings, None)
        if listing is None:
            return False
        self._waiting.append((self._pieces, listing.blocks))
        self._open += 1
        self.listed_blocks += len(listing.blocks)
        index, self._pieces = self._pieces, self._pieces + 1
        await self._connection.send(wire.CopyListing(self._epoch, self._upto, index, tuple(listing.entries)))
        return True

    async def _send_lacking(self, listed: Listed, lacking: tuple[int, ...]) -> None:
        """Send the blocks of a listing that the peer lacks."""
        for number in lacking:
            path, block = listed[number]
            operation = encode(Write(path_text(path), block.offset, block.content))
            index, self._pieces = self._pieces, self._pieces + 1
            await self._connection.send(wire.CopyPart(self._epoch, self._upto, index, operation))
        self.sent_blocks += len(lacking)
