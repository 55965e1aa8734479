"""What may be applied between two syncs ends the same when it is applied again after any power cut."""

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from takeover.errors import CopyDiverged, OwnFault
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
from takeover.storage.carrying_out import apply, carry_out
from takeover.storage.replay_window import ReplayWindow

FEW = ("a", "b", "c")
MANY = ("a", "b", "d/a", "d/b", "e/a", "d", "e", "d/e", "d/e/a")


def some_operations(paths: tuple[str, ...], chance: random.Random) -> list[Operation]:
    """Any operations on these paths; most of them are not possible, and the active leaves those out."""

    def any_path() -> str:
        return chance.choice(paths)

    makers: list[Callable[[], Operation]] = [
        lambda: Create(any_path()),
        lambda: Write(any_path(), chance.randrange(5), b"%d" % chance.randrange(1000)),
        lambda: Truncate(any_path(), chance.randrange(6)),
        lambda: Rename(any_path(), any_path()),
        lambda: Remove(any_path()),
        lambda: MakeDirectory(any_path()),
        lambda: RemoveDirectory(any_path()),
    ]
    return [chance.choice(makers)() for _ in range(chance.randrange(60))]


Tree = dict[str, bytes | None]


def tree(root: Path) -> Tree:
    """Every path below a directory, with its content; None for a directory."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def build(root: Path, content: Tree) -> None:
    """A directory with this content."""
    root.mkdir()
    for path, data in sorted(content.items()):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


@dataclass(eq=False)
class Inode:
    """A file or directory apart from its name."""

    content: bytearray | None


def crashed(before: Tree, window: list[Operation], names_kept: int, chance: random.Random) -> Tree:
    """The tree after a power cut: the first so many changes of names, and any of the changes of content."""
    live, kept = inodes(before), {}
    for place, operation in enumerate(window):
        if place == names_kept:
            kept = dict(live)
        path = operation.path
        match operation:
            case Create():
                live[path] = Inode(bytearray())
            case MakeDirectory():
                live[path] = Inode(None)
            case Remove() | RemoveDirectory():
                del live[path]
            case Rename(target=target):
                moved = {name: live.pop(name) for name in list(live) if (name + "/").startswith(path + "/")}
                if target != path:
                    live = {
                        name: inode
                        for name, inode in live.items()
                        if not (name + "/").startswith(target + "/")
                    }
                live.update({target + name.removeprefix(path): inode for name, inode in moved.items()})
            case Write(offset=offset, data=data):
                change(live[path], offset, data, chance)
            case Truncate(size=size):
                change(live[path], size, None, chance)
    if names_kept >= len(window):
        kept = dict(live)
    return {name: None if inode.content is None else bytes(inode.content) for name, inode in kept.items()}


def inodes(content: Tree) -> dict[str, Inode]:
    """The tree with files that may change their names."""
    return {path: Inode(None if data is None else bytearray(data)) for path, data in content.items()}


def change(inode: Inode, offset: int, data: bytes | None, chance: random.Random) -> None:
    """Perhaps change a file's content."""
    assert inode.content is not None
    if chance.random() < 0.5:
        return
    if data is None:
        del inode.content[offset:]
    inode.content.extend(bytes(max(0, offset - len(inode.content))))
    if data is not None:
        inode.content[offset : offset + len(data)] = data


@dataclass(frozen=True)
class Run:
    """The updates of one window."""

    before: Tree
    operations: list[Operation]
    after: Tree


def runs(root: Path, operations: list[Operation], window: ReplayWindow) -> Iterator[Run]:
    """Carry operations out, and cut what was done into windows."""
    before = now = tree(root)
    done: list[Operation] = []
    for operation in operations:
        if not carry_out(root, operation).done:
            continue
        if not window.admits(operation):
            yield Run(before, done, now)
            window.clear()
            before, done = now, []
        window.add(operation)
        done.append(operation)
        now = tree(root)
    yield Run(before, done, now)


def check(paths: tuple[str, ...], seed: int, window: ReplayWindow) -> None:
    """Every window of a run, cut anywhere and applied again, ends where it ended."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        active = Path(scratch) / "active"
        build(active, {"a": b"old a", "b": b"old b", "d": None, "d/a": b"old d/a", "e": None})
        for number, run in enumerate(runs(active, some_operations(paths, chance), window)):
            copy = Path(scratch) / str(number)
            build(copy, crashed(run.before, run.operations, chance.randint(0, len(run.operations)), chance))
            for operation in run.operations:
                amount = len(operation.data) if isinstance(operation, Write) else 0
                apply(copy, operation, Outcome(True, amount))
            assert run.after == tree(copy), (seed, run)


@pytest.mark.parametrize("paths", [FEW, MANY], ids=["few", "many"])
def test_what_was_admitted_repeats(paths: tuple[str, ...]) -> None:
    """Whatever of a window survived a power cut, applying it again gives the active's data."""
    for seed in range(80):
        check(paths, seed, ReplayWindow())


class AdmitsAll(ReplayWindow):
    """No window at all: as if every sequence could be repeated."""

    def admits(self, operation: Operation) -> bool:
        return True

    def add(self, operation: Operation) -> None:
        pass


def test_without_the_window_it_does_not_repeat() -> None:
    """The check above notices when updates are repeated that must not be."""
    noticed = 0
    for seed in range(60):
        try:
            check(FEW, seed, AdmitsAll())
        except (AssertionError, CopyDiverged):
            noticed += 1
    assert noticed > 10


@pytest.mark.parametrize(
    "operations",
    [
        [Rename("a", "b"), Create("a")],
        [Rename("d", "f"), Write("f/a", 0, b"new")],
        [Write("a", 0, b"new"), Remove("a")],
        [Write("a", 0, b"new"), Rename("a", "b")],
        [Write("d/a", 0, b"new"), Rename("d", "f")],
        [Remove("b"), Rename("a", "b")],
        [Remove("d/a"), RemoveDirectory("d")],
        [RemoveDirectory("e"), Create("e")],
        [Create("c"), Remove("c"), MakeDirectory("c")],
        [Write("b", 0, b"new"), Create("c"), Rename("c", "b"), Remove("b")],
    ],
    ids=str,
)
def test_the_last_of_these_needs_a_sync_first(operations: list[Operation]) -> None:
    """Each would be repeated on top of its own successors; after a sync it is admitted."""
    window = ReplayWindow()
    for operation in operations[:-1]:
        window.add(operation)
    assert not window.admits(operations[-1])
    with pytest.raises(OwnFault, match="would not repeat"):
        window.add(operations[-1])
    window.clear()
    window.add(operations[-1])


@pytest.mark.parametrize(
    "operations",
    [
        [Write("a", 0, b"x"), Truncate("a", 0), Write("a", 0, b"y")],
        [
            Create("c"),
            Write("c", 0, b"x"),
            Rename("c", "a"),
            Create("c"),
            Write("c", 0, b"y"),
            Rename("c", "a"),
        ],
        [Create("c"), Write("c", 0, b"x"), Remove("c"), Create("c"), Write("c", 0, b"y"), Remove("c")],
        [MakeDirectory("c"), Create("c/a"), Write("c/a", 0, b"x"), Rename("a", "c/b"), Write("b", 0, b"x")],
    ],
    ids=str,
)
def test_what_applications_do_all_the_time_needs_no_sync(operations: list[Operation]) -> None:
    """Overwriting, saving through a new file, journals that come and go."""
    window = ReplayWindow()
    for operation in operations:
        window.add(operation)
