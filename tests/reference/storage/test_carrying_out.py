"""Carrying out on the active, applying on the passive, repeating, and never leaving the protected data."""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.errors import CallerError, CopyDiverged, DiskFault, DiskFull, PeerError
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
from takeover.storage import carrying_out
from takeover.storage.carrying_out import apply, carry_out, sync_tree

DONE = Outcome(True)

Tree = dict[str, bytes | None]


def tree(root: Path) -> Tree:
    """Every path below a directory, with its content; None for a directory."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Protected data: a file, a directory with a file, an empty directory."""
    root = tmp_path / "data"
    (root / "d").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "file").write_bytes(b"content")
    (root / "d" / "file").write_bytes(b"below")
    return root


START: Tree = {"d": None, "d/file": b"below", "empty": None, "file": b"content"}

EFFECTS: list[tuple[Operation, Outcome, Tree]] = [
    (Create("d/new"), DONE, {**START, "d/new": b""}),
    (Write("file", 2, b"XY"), Outcome(True, 2), {**START, "file": b"coXYent"}),
    (Write("file", 9, b"!"), Outcome(True, 1), {**START, "file": b"content\0\0!"}),
    (Write("file", 0, b""), Outcome(True, 0), START),
    (Truncate("file", 3), DONE, {**START, "file": b"con"}),
    (Truncate("file", 8), DONE, {**START, "file": b"content\0"}),
    (Rename("file", "d/moved"), DONE, {"d": None, "d/file": b"below", "d/moved": b"content", "empty": None}),
    (Rename("file", "d/file"), DONE, {"d": None, "d/file": b"content", "empty": None}),
    (Rename("d", "empty"), DONE, {"empty": None, "empty/file": b"below", "file": b"content"}),
    (Rename("file", "file"), DONE, START),
    (Remove("d/file"), DONE, {"d": None, "empty": None, "file": b"content"}),
    (MakeDirectory("d/new"), DONE, {**START, "d/new": None}),
    (RemoveDirectory("empty"), DONE, {"d": None, "d/file": b"below", "file": b"content"}),
]


@pytest.mark.parametrize(("operation", "outcome", "after"), EFFECTS, ids=lambda value: type(value).__name__)
def test_every_operation_has_its_effect(
    root: Path, operation: Operation, outcome: Outcome, after: Tree
) -> None:
    """On the active, with the outcome that says so."""
    assert START == tree(root)
    assert outcome == carry_out(root, operation)
    assert after == tree(root)


@pytest.mark.parametrize(("operation", "outcome", "after"), EFFECTS, ids=lambda value: type(value).__name__)
def test_applying_once_or_twice_is_the_same(
    root: Path, operation: Operation, outcome: Outcome, after: Tree
) -> None:
    """A passive that was killed before it could say "applied" applies the last update again."""
    apply(root, operation, outcome)
    assert after == tree(root)
    apply(root, operation, outcome)
    assert after == tree(root)


FAILURES: list[tuple[Operation, str]] = [
    (Create("file"), "EEXIST"),
    (Create("d"), "EEXIST"),
    (Create("none/new"), "ENOENT"),
    (Create("file/new"), "ENOTDIR"),
    (Create("x" * 256), "ENAMETOOLONG"),
    (Write("none", 0, b"x"), "ENOENT"),
    (Write("d", 0, b"x"), "EISDIR"),
    (Truncate("none", 0), "ENOENT"),
    (Rename("none", "other"), "ENOENT"),
    (Rename("file", "none/other"), "ENOENT"),
    (Rename("file", "d"), "EISDIR"),
    (Rename("empty", "file"), "ENOTDIR"),
    (Rename("empty", "d"), "ENOTEMPTY"),
    (Rename("d", "d/below"), "EINVAL"),
    (Remove("none"), "ENOENT"),
    (Remove("d"), "EISDIR"),
    (MakeDirectory("file"), "EEXIST"),
    (MakeDirectory("d"), "EEXIST"),
    (RemoveDirectory("d"), "ENOTEMPTY"),
    (RemoveDirectory("file"), "ENOTDIR"),
    (RemoveDirectory("none"), "ENOENT"),
]


@pytest.mark.parametrize(("operation", "error"), FAILURES, ids=str)
def test_what_the_kernel_refuses_is_an_outcome(root: Path, operation: Operation, error: str) -> None:
    """It changes nothing on the active, and applying it changes nothing on the passive (APPLY-3)."""
    outcome = carry_out(root, operation)
    assert Outcome(False, 0, error) == outcome
    apply(root, operation, outcome)
    assert START == tree(root)


def test_a_short_write_is_applied_as_short_as_it_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The active reports how many bytes went down, and the copy gets no more."""
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: real(file, bytes(data)[:3], offset))
    outcome = carry_out(root, Write("file", 0, b"ABCDEFG"))
    assert Outcome(True, 3) == outcome
    assert b"ABCtent" == (root / "file").read_bytes()
    (root / "file").write_bytes(b"content")
    apply(root, Write("file", 0, b"ABCDEFG"), outcome)
    assert b"ABCtent" == (root / "file").read_bytes()
    apply(root, Write("file", 0, b"abcdefg"), Outcome(True, 7))  # in three pieces
    assert b"abcdefg" == (root / "file").read_bytes()


@pytest.mark.parametrize("amount", [-1, 4])
def test_an_amount_that_cannot_be_is_the_peers_fault(root: Path, amount: int) -> None:
    """More was not given, and less than nothing was not written."""
    with pytest.raises(PeerError, match=f"amount: {amount} of 3 bytes written"):
        apply(root, Write("file", 0, b"abc"), Outcome(True, amount))
    assert START == tree(root)


@pytest.mark.parametrize(
    "operation",
    [
        Create("d"),
        Create("none/new"),
        Write("none", 0, b"x"),
        Truncate("d", 0),
        Rename("none", "other"),
        Rename("empty", "file"),
        Remove("d"),
        MakeDirectory("file"),
        RemoveDirectory("d"),
        RemoveDirectory("file"),
    ],
    ids=str,
)
def test_a_copy_that_differs_stops_the_passive(root: Path, operation: Operation) -> None:
    """What was done on the active and cannot be done here means that the copy is another."""
    outcome = Outcome(True, 1 if isinstance(operation, Write) else 0)
    with pytest.raises(CopyDiverged, match=r"was done on the active and fails here: E"):
        apply(root, operation, outcome)
    assert START == tree(root)


def test_a_full_disk_on_the_passive_may_be_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same call after there is room again has the whole effect."""
    operation, outcome = Write("file", 0, b"ABCDEFG"), Outcome(True, 7)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", failing(errno.ENOSPC))
        with pytest.raises(DiskFull, match=r"file: apply.write failed: No space left on device"):
            apply(root, operation, outcome)
        patch.setattr(os, "pwrite", failing(errno.EIO))
        with pytest.raises(DiskFault, match="EIO"):
            apply(root, operation, outcome)
        assert Outcome(False, 0, "EIO") == carry_out(root, operation)
    apply(root, operation, outcome)
    assert b"ABCDEFG" == (root / "file").read_bytes()


def failing(number: int) -> Callable[..., int]:
    """A system call that fails."""

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(
    "operation",
    [
        Create("out/new"),
        Create("link"),
        Write("out/secret", 0, b"x"),
        Write("link", 0, b"x"),
        Truncate("link", 0),
        Truncate("out/secret", 0),
        Rename("out/secret", "mine"),
        Rename("file", "out/secret"),
        Remove("out/secret"),
        MakeDirectory("out/new"),
        RemoveDirectory("out/directory"),
        Create("d/inside/new"),
    ],
    ids=str,
)
def test_no_symbolic_link_is_followed(root: Path, tmp_path: Path, operation: Operation) -> None:
    """Neither out of the protected data nor within; and nothing is touched on the other side."""
    outside = tmp_path / "outside"
    (outside / "directory").mkdir(parents=True)
    (outside / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(outside)
    (root / "link").symlink_to(outside / "secret")
    (root / "d" / "inside").symlink_to(root / "empty")
    before = tree(outside)
    if operation == Create("link"):  # the name is taken, and the link is not followed
        assert Outcome(False, 0, "EEXIST") == carry_out(root, operation)
    else:
        with pytest.raises(CallerError, match="is a symbolic link"):
            carry_out(root, operation)
    with pytest.raises(CallerError, match="is a symbolic link"):
        apply(root, operation, Outcome(True, 1 if isinstance(operation, Write) else 0))
    assert before == tree(outside)
    assert [] == list((root / "empty").iterdir())


def test_a_fifo_does_not_stop_the_server(root: Path) -> None:
    """Opening one without a reader fails at once instead of waiting for one."""
    os.mkfifo(root / "fifo")
    assert Outcome(False, 0, "ENXIO") == carry_out(root, Write("fifo", 0, b"x"))


def test_names_that_are_no_text_work(root: Path) -> None:
    """File names are bytes."""
    name = b"\xff\xfe".decode("utf-8", "surrogateescape")
    assert DONE == carry_out(root, Create(name))
    assert b"\xff\xfe" in os.listdir(os.fsencode(root))


def test_no_file_stays_open(root: Path) -> None:
    """Not after what succeeds, nor after what fails."""
    before = len(os.listdir("/proc/self/fd"))
    for operation, _, _ in EFFECTS:
        carry_out(root, operation)
    for operation, _ in FAILURES:
        carry_out(root, operation)
    sync_tree(root)
    assert before == len(os.listdir("/proc/self/fd"))


def test_sync_tree_asks_the_kernel_for_that_file_system(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a failure is raised: nobody knows then what is durable."""
    sync_tree(root)

    class Libc:
        def syncfs(self, directory: int) -> int:
            assert os.fstat(directory).st_ino == root.stat().st_ino
            ctypes.set_errno(errno.ENOSPC)
            return -1

    monkeypatch.setattr(carrying_out, "_libc", Libc)
    with pytest.raises(DiskFault, match=r"data: sync_tree failed: No space left") as fault:
        sync_tree(root)
    assert not isinstance(fault.value, DiskFull)
