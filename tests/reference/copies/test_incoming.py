"""Copies between two servers: exactly the snapshot, whatever the receiver had, and only what it lacks is sent."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import tempfile
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from takeover.copies import outgoing as outgoing_copy
from takeover.copies import rebuilt_file, snapshot_reader
from takeover.copies.blocks import BLOCK_BYTES, TreeDigest, digest, directory_digest
from takeover.copies.incoming import IncomingCopy
from takeover.copies.outgoing import OutgoingCopy
from takeover.copies.snapshot import Snapshot
from takeover.errors import CopyRefused, DiskFull, PeerError
from takeover.operations import Create, MakeDirectory, Operation, Truncate, Write, encode
from takeover.storage.carrying_out import carry_out
from takeover_models.trees import operations, tree, trees
from takeover_spec import wire

SETTINGS = settings(max_examples=80, deadline=None, database=None, derandomize=True)
BEGIN = wire.CopyBegin(2, 3, 5)
NOISE = random.Random(1)


@dataclass
class Channel:
    """What the active server sends, in frames as on a real connection, and how many bytes."""

    frames: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(2))
    sent_bytes: int = 0
    cut_after: int = -1
    """The connection breaks after so many frames."""

    async def send(self, message: wire.Message) -> None:
        """As `Connection.send`."""
        if self.cut_after == 0:
            raise ConnectionResetError
        self.cut_after -= 1
        frame = wire.encode(message)
        self.sent_bytes += len(frame)
        await self.frames.put(frame[wire.LENGTH_BYTES :])


class Copying:
    """An active server's data, a passive server's old data, and copies from one to the other."""

    def __init__(self, folder: Path, active: Sequence[Operation], passive: Sequence[Operation]) -> None:
        self.folder = folder
        self.data, self.old = folder / "data", folder / "old"
        for root, made in ((self.data, active), (self.old, passive)):
            root.mkdir()
            for operation in made:
                carry_out(root, operation)
        self.copies = 0
        self.channel = Channel()
        self.answered_bytes = 0

    def copy(self, meanwhile: Sequence[Operation] = (), *, linking: bool = True, old: bool = True) -> Path:
        """Make one, with an operation after each frame that is received; where it is. The old data stays as it is."""
        self.copies += 1
        aside, new = self.folder / f"aside {self.copies}", self.folder / f"new {self.copies}"
        aside.mkdir()
        new.mkdir()
        snapshot = Snapshot(self.data, aside, room_bytes_min=0)
        incoming = IncomingCopy(BEGIN, new, self.old if old else None, linking=linking)
        try:
            asyncio.run(self._copy(snapshot, incoming, list(meanwhile)))
        finally:
            snapshot.close()
        self.listed, self.lacking = incoming.listed_blocks, incoming.lacking_blocks
        return new

    async def _copy(self, snapshot: Snapshot, incoming: IncomingCopy, meanwhile: list[Operation]) -> None:
        self.channel = Channel(cut_after=self.channel.cut_after)
        outgoing = OutgoingCopy(self.channel, snapshot, BEGIN.epoch, BEGIN.begun, BEGIN.upto)  # type: ignore[arg-type]
        sending = asyncio.create_task(outgoing.send())
        try:
            while True:
                receiving = asyncio.create_task(self.channel.frames.get())
                await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
                if not receiving.done():
                    receiving.cancel()
                    await sending
                if meanwhile:
                    snapshot.carry_out(self.data, meanwhile.pop(0))
                piece = wire.decode(receiving.result())
                if isinstance(piece, wire.CopyListing | wire.CopyPart):
                    lacking = incoming.add(piece)
                    if lacking:
                        self.answered_bytes += len(wire.encode(lacking))
                        outgoing.answer(lacking)
                elif isinstance(piece, wire.CopyEnd):
                    incoming.end(piece)
                    return
        except BaseException:
            incoming.remove()
            raise
        finally:
            sending.cancel()


def filled(*sizes: int) -> list[Operation]:
    """Files of random bytes, of these sizes."""
    made: list[Operation] = []
    for number, size in enumerate(sizes):
        made += [Create(f"{number}"), Write(f"{number}", 0, NOISE.randbytes(size))]
    return made


# --- the same, whatever happens -------------------------------------------------------------------


def test_a_copy_is_the_snapshot_whatever_the_receiver_had() -> None:
    """Random data here, related or unrelated data there, operations in the middle: the result is the plain twin."""

    @SETTINGS
    @given(trees(), st.booleans(), trees(), st.lists(operations), st.lists(operations), st.booleans())
    def check(
        active: list[Operation],
        related: bool,
        passive: list[Operation],
        diverged: list[Operation],
        meanwhile: list[Operation],
        linking: bool,
    ) -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(outgoing_copy, "LISTING_BLOCKS_MAX", 3)
            scene = Copying(Path(folder), active, [*(active if related else passive), *diverged])
            twin, before = tree(scene.data), tree(scene.old)
            new = scene.copy(meanwhile, linking=linking)
            assert twin == tree(new)
            assert before == tree(scene.old)

    check()


def test_the_digest_is_of_everything() -> None:
    """Two trees have the same digest if and only if they are the same."""

    @SETTINGS
    @given(trees(), st.lists(operations, max_size=3))
    def check(made: list[Operation], changes: list[Operation]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            scene = Copying(Path(folder), made, [*made, *changes])
            same = tree(scene.data) == tree(scene.old)
            assert same == (directory_digest(scene.data) == directory_digest(scene.old))

    check()


def test_the_receiver_is_asked_for_what_it_has_only_once(tmp_path: Path) -> None:
    """A second copy over the first one lacks nothing, and every file is the same file as before."""
    scene = Copying(tmp_path, filled(1, 3 * BLOCK_BYTES, 200_000), [])
    scene.old = scene.copy()
    new = scene.copy()
    assert 0 == scene.lacking
    assert [(path.name, path.stat().st_ino) for path in sorted(scene.old.iterdir())] == [
        (path.name, path.stat().st_ino) for path in sorted(new.iterdir())
    ]


def test_without_linking_nothing_is_shared(tmp_path: Path) -> None:
    """The old data may go on being written to."""
    made = filled(BLOCK_BYTES + 1)
    scene = Copying(tmp_path, made, made)
    new = scene.copy(linking=False)
    carry_out(scene.old, Write("0", 0, b"changed"))
    assert tree(scene.data) == tree(new)
    assert 0 == scene.lacking


# --- how much is sent -----------------------------------------------------------------------------


def test_equal_data_costs_next_to_nothing(tmp_path: Path) -> None:
    """Digests only: less than a thousandth of the data in large files."""
    made = filled(16 << 20)
    scene = Copying(tmp_path, made, made)
    scene.copy()
    assert scene.channel.sent_bytes + scene.answered_bytes < (16 << 20) / 1000


def test_small_files_that_are_equal_cost_little(tmp_path: Path) -> None:
    """Names and a digest each: some 150 bytes a file."""
    made = filled(*[2_000] * 1_000)
    scene = Copying(tmp_path, made, made)
    scene.copy()
    assert scene.channel.sent_bytes < 150 * 1_000


def test_only_the_blocks_that_differ_are_sent(tmp_path: Path) -> None:
    """Three blocks of 256 were changed there, and a tail is longer here: little more than these is sent."""
    made = filled(16 << 20)
    diverged = [Write("0", number * BLOCK_BYTES + 77, b"diverged") for number in (0, 100, 255)]
    scene = Copying(tmp_path, [*made, Write("0", 16 << 20, b"grown")], [*made, *diverged])
    new = scene.copy()
    assert tree(scene.data) == tree(new)
    assert 4 == scene.lacking
    assert scene.channel.sent_bytes < 1.5 * 4 * BLOCK_BYTES


def test_a_sparse_file_is_as_cheap_as_its_data(tmp_path: Path) -> None:
    """A tebibyte with one block at either end: two blocks are read, sent and stored."""
    made: list[Operation] = [Create("s"), Write("s", 0, b"begin"), Write("s", (1 << 40) - 3, b"end")]
    scene = Copying(tmp_path, made, [])
    new = scene.copy() / "s"
    assert (1 << 40, 2) == (new.stat().st_size, scene.lacking)
    assert new.stat().st_blocks * 512 <= 4 * BLOCK_BYTES
    assert directory_digest(scene.data) == directory_digest(new.parent)


def test_memory_does_not_grow_with_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many files, and four times as long a file, need no more memory."""
    monkeypatch.setattr(outgoing_copy, "LISTING_BLOCKS_MAX", 16)
    monkeypatch.setattr(outgoing_copy, "LISTING_BYTES_MAX", 16_000)
    monkeypatch.setattr(snapshot_reader, "SPOOLED_BYTES_MAX", 4_000)
    peaks = []
    for scale in (1, 4):
        (tmp_path / str(scale)).mkdir()
        many: list[Operation] = [Create(f"a long name of a file, number {n}") for n in range(500 * scale)]
        scene = Copying(tmp_path / str(scale), [*many, *filled((8 << 20) * scale)], [])
        tracemalloc.start()
        scene.copy()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0], peaks


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_mistaken_block_never_goes_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If blocks that differ are taken for the same, the copy is refused; made without the old data, it is right."""
    made = filled(4 * BLOCK_BYTES)
    scene = Copying(tmp_path, made, [*made, Write("0", BLOCK_BYTES, b"x")])
    monkeypatch.setattr(rebuilt_file, "_agree", lambda content, listed: True)
    for linking in (True, False):
        with pytest.raises(CopyRefused, match="its digest is"):
            scene.copy(linking=linking)
        assert not (tmp_path / f"new {scene.copies}").exists()
    assert tree(scene.data) == tree(scene.copy(old=False))
    assert 4 == scene.lacking


def test_a_broken_link_leaves_the_old_data(tmp_path: Path) -> None:
    """Cut after any frame: nothing of the copy is left; the next one is whole."""
    made = filled(*[3 * BLOCK_BYTES] * 5)
    scene = Copying(tmp_path, made, made[:4])
    before = tree(scene.old)
    for frames in range(1, 12):
        scene.channel.cut_after = frames
        with pytest.raises(ConnectionError):
            scene.copy()
        assert not (tmp_path / f"new {scene.copies}").exists()
        assert before == tree(scene.old)
    scene.channel.cut_after = -1
    assert tree(scene.data) == tree(scene.copy())


def test_a_full_disk_is_named_and_leaves_the_old_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever there is no room: for a block of the old data, or for one that was sent."""
    made = filled(3 * BLOCK_BYTES)
    for passive in ([], [*made, Write("0", 0, b"x")]):
        (tmp_path / str(len(passive))).mkdir()
        scene = Copying(tmp_path / str(len(passive)), made, passive)
        before = tree(scene.old)

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "full")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(DiskFull, match=r"copy.add failed: No space left on device"):
                scene.copy()
        assert before == tree(scene.old)


def entry(path: bytes, size: int = 0, first: int = 0, count: int = 0) -> wire.CopyEntry:
    """An entry of a file, with some digests."""
    return wire.CopyEntry(path, False, size, first, b"d" * 16 * count)


def listing(index: int, *entries: wire.CopyEntry) -> wire.CopyListing:
    """A listing of the copy that is expected."""
    return wire.CopyListing(2, 5, index, entries)


def part(index: int, operation: Operation) -> wire.CopyPart:
    """A part of it."""
    return wire.CopyPart(2, 5, index, encode(operation))


DIRECTORY = wire.CopyEntry(b"d", True, 0, 0, b"")
ALIKE = wire.CopyEntry(b"old", False, 3, 0, digest(b"old")[:16])


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([listing(1)], "piece 1 of 2/5 where 0 was due"),
        ([listing(0), listing(0)], "piece 0 of 2/5 where 1 was due"),
        ([replace(listing(0), epoch=3)], "piece 0 of 3/5 where 0 was due"),
        ([replace(listing(0), upto=4)], "piece 0 of 2/4 where 0 was due"),
        ([listing(0, entry(b"../escape"))], "has the part '..'"),
        ([listing(0, entry(b"/etc"))], "is not relative"),
        ([listing(0, replace(DIRECTORY, path=b"a/../b"))], "has the part '..'"),
        ([listing(0, entry(b"no/f"))], "does not fit those before: .*No such file"),
        ([listing(0, DIRECTORY, DIRECTORY)], "does not fit those before: .*EEXIST"),
        ([listing(0, entry(b"a"), entry(b"b"), entry(b"a"))], "does not fit those before: .*File exists"),
        ([listing(0, entry(b"a", 1), entry(b"a", 2))], "'a' has 1 bytes, and then 2"),
        ([listing(0, entry(b"a", 1 << 20, 3, 2), entry(b"a", 1 << 20, 4, 1))], "block 4 is listed where 5 was"),
        ([listing(0, ALIKE, entry(b"a")), part(1, Write("old", 0, b"new"))], "which was taken over as it is"),
        ([listing(0, ALIKE, entry(b"a")), part(1, Truncate("old", 0))], "which was taken over as it is"),
        ([part(0, Write("a", 0, b"x"))], "does not fit those before: .*ENOENT"),
        ([replace(part(0, Create("a")), operation=b"{}\n")], "encoded operation: op"),
    ],
)  # fmt: skip
def test_pieces_that_do_not_fit_change_nothing(tmp_path: Path, pieces: list[Any], problem: str) -> None:
    """Each is the peer's fault, and named; the old data is as it was."""
    scene = Copying(tmp_path, [], [Create("old"), Write("old", 0, b"old")])
    (tmp_path / "new").mkdir()
    incoming = IncomingCopy(BEGIN, tmp_path / "new", scene.old, linking=True)
    for piece in pieces[:-1]:
        incoming.add(piece)
    with pytest.raises(PeerError, match=problem):
        incoming.add(pieces[-1])
    incoming.remove()
    assert {b"old": b"old"} == tree(scene.old)
    assert ["data", "old"] == sorted(os.listdir(tmp_path))


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (wire.CopyEnd(2, 5, 0, b""), "ends after 0 pieces, and 1 are here"),
        (wire.CopyEnd(2, 5, 2, b""), "ends after 2 pieces, and 1 are here"),
        (wire.CopyEnd(1, 5, 1, b""), "ends after 1 pieces, and 1 are here"),
        (wire.CopyEnd(2, 5, 1, b"x"), "its digest is .*, and that of the active server's 78"),
        (wire.CopyEnd(2, 5, 1, TreeDigest().digest()), "its digest is "),
    ],
)
def test_an_end_that_does_not_fit(tmp_path: Path, end: wire.CopyEnd, problem: str) -> None:
    """Pieces or bytes are missing: it is refused."""
    (tmp_path / "new").mkdir()
    incoming = IncomingCopy(BEGIN, tmp_path / "new", None, linking=True)
    incoming.add(listing(0, entry(b"a", 5, 0, 1)))
    with pytest.raises(PeerError, match=problem):
        incoming.end(end)


def test_a_copy_of_parts_alone(tmp_path: Path) -> None:
    """Another implementation may send it so; without a digest it is as good as its pieces."""
    (tmp_path / "new").mkdir()
    incoming = IncomingCopy(BEGIN, tmp_path / "new", None, linking=True)
    made: list[Operation] = [MakeDirectory("d"), Create("d/f"), Write("d/f", 0, b"content")]
    for index, operation in enumerate(made):
        assert None is incoming.add(part(index, operation))
    incoming.end(wire.CopyEnd(2, 5, 3, b""))
    assert {b"d": None, b"d/f": b"content"} == tree(tmp_path / "new")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (wire.CopyLacking(2, 5, 1, ()), "an answer to piece 1, which waits for none"),
        (wire.CopyLacking(2, 5, 0, (0, 0)), "block 0 after 0 of a listing of 3"),
        (wire.CopyLacking(2, 5, 0, (1, 0)), "block 0 after 1 of a listing of 3"),
        (wire.CopyLacking(2, 5, 0, (3,)), "block 3 after -1 of a listing of 3"),
    ],
)
def test_answers_that_do_not_fit(tmp_path: Path, answer: wire.CopyLacking, problem: str) -> None:
    """They are the peer's fault. One of an earlier copy is ignored."""
    scene = Copying(tmp_path, filled(3 * BLOCK_BYTES), [])
    (tmp_path / "aside").mkdir()

    async def play() -> None:
        snapshot = Snapshot(scene.data, tmp_path / "aside", room_bytes_min=0)
        outgoing = OutgoingCopy(scene.channel, snapshot, 2, 3, 5)  # type: ignore[arg-type]
        sending = asyncio.create_task(outgoing.send())
        for _ in range(2):
            await scene.channel.frames.get()
        outgoing.answer(replace(answer, epoch=1))
        with pytest.raises(PeerError, match=problem):
            outgoing.answer(answer)
        sending.cancel()
        snapshot.close()

    asyncio.run(play())
