"""A snapshot is the data as it was, whatever happens to it meanwhile, and never costs the application anything."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from takeover.copies import snapshot as snapshot_module
from takeover.copies.blocks import BLOCK_BYTES
from takeover.copies.kept_blocks import KeptBlocks
from takeover.copies.snapshot import Snapshot, SnapshotLost
from takeover.copies.snapshot_reader import SnapshotReader
from takeover.errors import EnvironmentFault
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Outcome,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
)
from takeover.storage.carrying_out import carry_out
from takeover_models.trees import Tree, operations, tree, trees

SETTINGS = settings(max_examples=250, deadline=None, database=None, derandomize=True)


class Scene:
    """Some data, a snapshot of it, and what a plain copy was at that moment."""

    def __init__(
        self, folder: Path, made: Sequence[Operation], *, room_bytes_min: int = 0, plain: bool = True
    ) -> None:
        self.data, aside = folder / "data", folder / "aside"
        self.data.mkdir()
        aside.mkdir()
        for operation in made:
            carry_out(self.data, operation)
        self.twin = tree(self.data) if plain else {}
        self.snapshot = Snapshot(self.data, aside, room_bytes_min=room_bytes_min)

    def do(self, *many: Operation) -> list[Outcome]:
        """Carry operations out, as the server does."""
        return [self.snapshot.carry_out(self.data, operation) for operation in many]

    def read(self) -> Tree:
        """All of the snapshot."""
        found: Tree = {}
        for _ in reading(self.snapshot, found):
            pass
        return found


def reading(snapshot: Snapshot, found: Tree) -> Iterator[None]:
    """Read a snapshot into a tree, in small steps."""
    for entry in SnapshotReader(snapshot).entries():
        path = entry if isinstance(entry, bytes) else entry.path
        assert path not in found, f"{path!r} twice"
        found[path] = None
        yield
        if not isinstance(entry, bytes):
            content = bytearray(entry.size)
            for block in entry.blocks():
                content[block.offset : block.offset + len(block.content)] = block.content
                yield
            assert len(content) == entry.size
            found[path] = bytes(content)


def test_it_is_what_a_copy_would_have_been() -> None:
    """Random data, and random operations while the snapshot is read bit by bit: the same as a plain copy before."""

    @SETTINGS
    @given(
        trees(), st.lists(operations, max_size=8), st.lists(st.one_of(st.just(None), operations), max_size=30)
    )
    def check(
        made: Sequence[Operation], before: Sequence[Operation], mixed: Sequence[Operation | None]
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert_twin(Path(folder), made, before, mixed)

    check()


def assert_twin(
    folder: Path, made: Sequence[Operation], before: Sequence[Operation], mixed: Sequence[Operation | None]
) -> None:
    """Read the snapshot, a step for each None, with these operations in between, and hold it against the twin."""
    scene, plain = Scene(folder, made), folder / "plain"
    plain.mkdir()
    for operation in made:
        carry_out(plain, operation)
    found: Tree = {}
    steps = reading(scene.snapshot, found)
    for step in [*before, *mixed]:
        if step is None:
            next(steps, None)
        else:
            assert [carry_out(plain, step)] == scene.do(step)
    for _ in steps:
        pass
    scene.snapshot.close()
    assert scene.twin == found
    assert tree(plain) == tree(scene.data), "the operations did something else than without a snapshot"


FILE: list[Operation] = [Create("f"), Write("f", 0, b"old" * BLOCK_BYTES)]
NESTED: list[Operation] = [
    MakeDirectory("d"),
    MakeDirectory("d/e"),
    Create("d/e/f"),
    Write("d/e/f", 0, b"old"),
    MakeDirectory("x"),
]


@pytest.mark.parametrize(
    ("made", "changes"),
    [
        (FILE, [Write("f", BLOCK_BYTES, b"new")]),
        (FILE, [Truncate("f", 0), Write("f", 0, b"new")]),
        (FILE, [Truncate("f", BLOCK_BYTES + 1), Truncate("f", 9 * BLOCK_BYTES)]),
        (FILE, [Remove("f")]),
        (FILE, [Remove("f"), Create("f"), Write("f", 0, b"new")]),
        (FILE, [Rename("f", "g"), Write("g", 0, b"new"), Create("f")]),
        (FILE, [Create("g"), Rename("g", "f")]),
        (NESTED, [Rename("d", "g"), Write("g/e/f", 0, b"new"), MakeDirectory("d"), Create("d/e")]),
        (NESTED, [Rename("d/e", "x/e"), Rename("x", "d/x"), Remove("d/x/e/f"), RemoveDirectory("d/x/e")]),
        (NESTED, [Remove("d/e/f"), RemoveDirectory("d/e"), RemoveDirectory("d"), MakeDirectory("n"), Create("n/f")]),
        (NESTED, [Rename("d/e", "x")]),
    ],
)  # fmt: skip
def test_changes_before_it_is_read(
    tmp_path: Path, made: Sequence[Operation], changes: Sequence[Operation]
) -> None:
    """Each of these was done, and nothing of it is seen."""
    scene = Scene(tmp_path, made)
    assert all(outcome.done for outcome in scene.do(*changes))
    assert scene.twin != tree(scene.data)
    assert scene.twin == scene.read()


@pytest.mark.parametrize(
    ("owner", "name", "broken", "changes"),
    [
        (KeptBlocks, "keep", lambda *_: iter(()), [Write("f", BLOCK_BYTES, b"new")]),
        (KeptBlocks, "keep_from", lambda *_: iter(()), [Truncate("f", 0), Write("f", 0, b"n" * 3 * BLOCK_BYTES)]),
        (Snapshot, "_note", lambda *_: None, [Rename("f", "g")]),
        (Snapshot, "_note_gone", lambda *_: None, [RemoveDirectory("d")]),
    ],
)  # fmt: skip
def test_without_keeping_it_is_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    broken: Callable[..., object],
    changes: Sequence[Operation],
) -> None:
    """The twin notices when the old bytes, the old names or the directories that are gone are not kept."""
    made: list[Operation] = [*FILE, MakeDirectory("d")]
    scene = Scene(tmp_path, made)
    monkeypatch.setattr(owner, name, broken)
    scene.do(*changes)
    with suppress(EnvironmentFault, LookupError):  # the reading may notice
        assert scene.twin != scene.read()


def test_a_change_while_a_directory_is_listed(tmp_path: Path) -> None:
    """Names that change before the listing has come to them are there, once; new ones are not."""
    scene = Scene(tmp_path, [Create(f"{n}") for n in range(50)])
    found: Tree = {}
    listed = os.scandir

    def slow(directory: int) -> object:
        scene.do(*(Rename(f"{n}", f"new {n}") for n in range(0, 50, 3)), Remove("1"), Create("1"))
        return listed(directory)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", slow)
        for _ in reading(scene.snapshot, found):
            pass
    assert scene.twin == found


def test_a_long_file_is_kept_in_steps(tmp_path: Path) -> None:
    """Cutting off a long file has pauses, so that a server can keep its grants meanwhile; a sparse one is quick."""
    made: list[Operation] = [
        Create("f"),
        Write("f", 0, b"x" * (100 * BLOCK_BYTES)),
        Create("s"),
        Truncate("s", 1 << 40),
    ]
    scene = Scene(tmp_path, made, plain=False)
    assert len(list(scene.snapshot.keeping(Truncate("f", 0)))) >= 3
    scene.do(Truncate("f", 0), Truncate("s", 0))
    found = {e.path: e.size for e in SnapshotReader(scene.snapshot).entries() if not isinstance(e, bytes)}
    assert {b"f": 100 * BLOCK_BYTES, b"s": 1 << 40} == found


def test_a_sparse_file_is_quickly_read(tmp_path: Path) -> None:
    """Of a tebibyte with two blocks there are two blocks, before and after it changes."""
    far = (1 << 40) - 5
    made: list[Operation] = [Create("s"), Write("s", 0, b"begin"), Write("s", far, b"end")]
    scene = Scene(tmp_path, made, plain=False)
    for changes in ([], [Write("s", 1 << 39, b"middle")], [Write("s", far, b"END")], [Truncate("s", 1)]):
        scene.do(*changes)
        (file,) = (
            list(e.blocks()) for e in SnapshotReader(scene.snapshot).entries() if not isinstance(e, bytes)
        )
        assert [(0, b"begin"), (far // BLOCK_BYTES, b"end")] == [
            (b.number, b.content.strip(b"\0")) for b in file
        ]


# --- giving up ------------------------------------------------------------------------------------


def assert_given_up(scene: Scene, reason: str) -> None:
    """It says so, has given its room back, and the next reading says so as well."""
    assert reason in scene.snapshot.lost
    assert not scene.snapshot.aside.exists()
    with pytest.raises(SnapshotLost, match=reason):
        scene.read()


@pytest.mark.parametrize("change", [Write("f", 0, b"new"), Truncate("f", 1), Remove("f"), Rename("f", "g")])
def test_a_full_disk_ends_the_snapshot_and_not_the_write(tmp_path: Path, change: Operation) -> None:
    """Without room to keep anything, the operation is carried out all the same."""
    scene = Scene(tmp_path, FILE, room_bytes_min=1 << 62)
    assert scene.do(change)[0].done
    assert_given_up(scene, "bytes of room are left")


def test_room_that_the_application_needs_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that finds no room, or not for all of it, is done again without the snapshot, and succeeds."""
    for number, first in enumerate((Outcome(False, 0, "ENOSPC"), Outcome(True, 2))):
        (tmp_path / str(number)).mkdir()
        scene = Scene(tmp_path / str(number), FILE)
        answers = iter([first])
        monkeypatch.setattr(
            snapshot_module, "carry_out", lambda root, op, a=answers: next(a, None) or carry_out(root, op)
        )
        assert [Outcome(True, 3)] == scene.do(Write("f", 0, b"new"))
        assert_given_up(scene, "no room for the application")


def test_a_disk_that_fails_ends_the_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of the keeping."""
    scene = Scene(tmp_path, FILE)

    def failing(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", failing)
        list(scene.snapshot.keeping(Write("f", 0, b"new")))
    assert scene.do(Write("f", 0, b"new"))[0].done
    assert_given_up(scene, "broken")


def test_too_many_moved_directories_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept open, and there is a limit to that; removing any number needs none."""
    monkeypatch.setattr(snapshot_module, "MOVED_MAX", 2)
    scene = Scene(tmp_path, [MakeDirectory(f"{n}") for n in range(8)])
    scene.do(
        *(RemoveDirectory(f"{n}") for n in range(4)), Rename("4", "a"), Rename("5", "a"), Rename("6", "a/6")
    )
    assert scene.twin == scene.read()
    assert scene.do(Rename("7", "b"))[0].done
    assert_given_up(scene, "2 directories were moved")


def test_operations_that_fail_keep_nothing(tmp_path: Path) -> None:
    """They fail as without a snapshot, and no descriptor is left open."""
    made: list[Operation] = [Create("f"), MakeDirectory("d"), Create("d/f")]
    scene = Scene(tmp_path, made)
    before = len(os.listdir("/proc/self/fd"))
    failing: list[Operation] = [
        Create("f"), Create("no/f"), Create("n" * 300), MakeDirectory("d"),
        Remove("no"), Remove("d"), RemoveDirectory("d"), RemoveDirectory("f"),
        Rename("d", "d/x"), Rename("d", "f"), Rename("no", "f"),
        Write("no", 0, b""), Write("d", 0, b"x"), Truncate("f/g", 1),
    ]  # fmt: skip
    assert [False] * len(failing) == [outcome.done for outcome in scene.do(*failing)]
    assert before == len(os.listdir("/proc/self/fd"))
    assert "" == scene.snapshot.lost
    assert scene.twin == scene.read()


def test_what_is_neither_file_nor_directory_is_named(tmp_path: Path) -> None:
    """Nothing of ours makes such a thing; it is not silently left out."""
    scene = Scene(tmp_path, FILE)
    (scene.data / "link").symlink_to("f")
    with pytest.raises(EnvironmentFault, match="b'link' is neither a file nor a directory"):
        scene.read()
