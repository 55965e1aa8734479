"""The disk port, and the double that forgets: it must lose what a machine may lose, or its tests prove nothing."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.errors import DiskFault, DiskFull
from takeover.storage.disk import Disk, OsDisk, replace_content
from takeover_models.disk import CutDisk, Fault, PowerCut

SEEDS = range(40)


def both(root: Path) -> list[Disk]:
    """The real one and the double."""
    return [OsDisk(), CutDisk(root)]


def test_every_call_does_what_it_says(tmp_path: Path) -> None:
    """On the real disk and on the double alike."""
    for number, disk in enumerate(both(tmp_path)):
        directory = tmp_path / str(number)
        disk.make_directory(directory, label="x")
        file = disk.create(directory / "b", label="x")
        disk.write(file, 2, b"content", label="x")
        assert b"\0\0cont" == disk.read(file, 0, 6, label="x")
        assert b"tent" == disk.read(file, 5, 100, label="x")
        assert b"" == disk.read(file, 100, 1, label="x")
        disk.truncate(file, 4, label="x")
        assert 4 == disk.size(file, label="x")
        disk.sync(file, label="x")
        disk.close(file, label="x")
        disk.replace(directory / "b", directory / "a", label="x")
        file = disk.create(directory / "c", label="x")
        disk.close(file, label="x")
        disk.sync_directory(directory, label="x")
        assert ["a", "c"] == disk.list_directory(directory, label="x")
        disk.unlink(directory / "c", label="x")
        file = disk.open(directory / "a", writable=False, label="x")
        assert b"\0\0co" == disk.read(file, 0, 10, label="x")
        with pytest.raises(DiskFault, match="EBADF"):
            disk.write(file, 0, b"x", label="x")
        disk.close(file, label="x")


def test_a_failure_names_the_call_and_the_place(tmp_path: Path) -> None:
    """With the errno, which is what decided."""
    for disk in (OsDisk(), CutDisk(tmp_path)):
        (tmp_path / "there").touch()
        with pytest.raises(DiskFault, match=r"there: some.label failed: File exists \(EEXIST\)") as fault:
            disk.create(tmp_path / "there", label="some.label")
        assert ("some.label", tmp_path / "there", errno.EEXIST) == (
            fault.value.label,
            fault.value.path,
            fault.value.number,
        )
        with pytest.raises(DiskFault, match="ENOENT"):
            disk.unlink(tmp_path / "missing", label="x")


def test_a_write_that_the_kernel_cuts_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads too; a full disk in the middle is `DiskFull`."""
    write, read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda file, content, offset: write(file, bytes(content)[:3], offset))
    monkeypatch.setattr(os, "pread", lambda file, length, offset: read(file, min(length, 2), offset))
    disk = OsDisk()
    file = disk.create(tmp_path / "file", label="x")
    disk.write(file, 0, b"0123456789", label="x")
    assert b"123456789" == disk.read(file, 1, 20, label="x")

    def full(file: int, content: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DiskFull, match=r"file: label failed: No space left on device \(ENOSPC\)"):
        disk.write(file, 0, b"0123456789", label="label")
    disk.close(file, label="x")


def test_a_sync_without_room_is_not_nothing_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that allocates late reports ENOSPC from a sync: then nobody knows what is durable."""

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fdatasync", full)
    monkeypatch.setattr(os, "fsync", full)
    disk = OsDisk()
    file = disk.create(tmp_path / "file", label="x")
    syncs: list[Callable[[], None]] = [
        lambda: disk.sync(file, label="x"),
        lambda: disk.sync_directory(tmp_path, label="x"),
    ]
    for sync in syncs:
        with pytest.raises(DiskFault, match="ENOSPC") as fault:
            sync()
        assert not isinstance(fault.value, DiskFull)
    disk.close(file, label="x")


def test_content_is_replaced_in_one_step(tmp_path: Path) -> None:
    """Whatever was left by an attempt before."""
    (tmp_path / "file.new").write_bytes(b"left behind")
    (tmp_path / "file").write_bytes(b"old")
    replace_content(OsDisk(), tmp_path / "file", b"new", label="x")
    assert {"file": b"new"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def written(root: Path) -> CutDisk:
    """A disk with a durable file of ten letters, five of them overwritten by digits and not synced."""
    disk = CutDisk(root)
    file = disk.create(root / "file", label="x")
    disk.write(file, 0, b"abcdefghij", label="x")
    disk.sync(file, label="x")
    disk.sync_directory(root, label="x")
    disk.write(file, 8, b"01234", label="x")
    return disk


def test_a_cut_takes_any_of_what_is_not_synced(tmp_path: Path) -> None:
    """All, nothing, a first part, or a later part without the first; never what was synced."""
    found = set()
    for seed in SEEDS:
        (tmp_path / "file").unlink(missing_ok=True)
        disk = written(tmp_path)
        disk.cut(seed)
        found.add((tmp_path / "file").read_bytes())
    assert {content[:8] for content in found} == {b"abcdefgh"}
    assert {b"abcdefghij", b"abcdefgh01234"} <= found
    assert any(
        content[8:10] != b"01" and b"4" in content for content in found
    )  # a later part without the first


def test_a_cut_can_keep_a_first_part(tmp_path: Path) -> None:
    """To the byte."""
    for kept_bytes, content in (
        (0, b"abcdefghij"),
        (1, b"abcdefgh0j"),
        (4, b"abcdefgh0123"),
        (9, b"abcdefgh01234"),
    ):
        (tmp_path / "file").unlink(missing_ok=True)
        disk = written(tmp_path)
        assert disk.unsynced_bytes == 5
        disk.cut_after(kept_bytes)
        assert content == (tmp_path / "file").read_bytes()


def test_a_cut_takes_names_that_are_not_synced(tmp_path: Path) -> None:
    """Created, replaced and removed ones, in any combination; the content may be durable all the same."""
    found = set()
    for seed in SEEDS:
        directory = tmp_path / str(seed)
        directory.mkdir()
        for name in ("old", "replaced"):
            (directory / name).write_bytes(name.encode())
        disk = CutDisk(directory)
        file = disk.create(directory / "new", label="x")
        disk.write(file, 0, b"new", label="x")
        disk.sync(file, label="x")
        disk.unlink(directory / "old", label="x")
        disk.replace(directory / "new", directory / "replaced", label="x")
        disk.cut(seed)
        found.add(tuple((path.name, path.read_bytes()) for path in sorted(directory.iterdir())))
    assert {
        (("old", b"old"), ("replaced", b"replaced")),
        (("replaced", b"replaced"),),
        (("replaced", b"new"),),
        (("new", b"new"), ("old", b"old"), ("replaced", b"replaced")),
    } <= found


def test_a_kill_takes_nothing_and_a_later_cut_does(tmp_path: Path) -> None:
    """A killed process's writes can be read, and are not durable for that."""
    found = set()
    for seed in SEEDS:
        (tmp_path / "file").unlink(missing_ok=True)
        disk = written(tmp_path)
        disk.kill()
        assert b"abcdefgh01234" == (tmp_path / "file").read_bytes()
        disk.cut(seed)
        found.add((tmp_path / "file").read_bytes())
    assert len(found) > 2


def test_what_a_failed_sync_lost_is_not_saved_by_the_next(tmp_path: Path) -> None:
    """It can be read, and it is gone after a cut; written again, it is durable."""
    for again in (False, True):
        (tmp_path / "file").unlink(missing_ok=True)
        disk = written(tmp_path)
        disk.fail_at(1, "sync")
        file = disk.open(tmp_path / "file", writable=True, label="x")
        with pytest.raises(DiskFault, match="EIO"):
            disk.sync(file, label="x")
        assert b"01234" == disk.read(file, 8, 5, label="x")
        if again:
            disk.write(file, 8, b"01234", label="x")
        disk.sync(file, label="x")
        disk.cut(0)
        assert (b"abcdefgh01234" if again else b"abcdefghij") == (tmp_path / "file").read_bytes()


def test_a_dead_machine_runs_no_clean_up(tmp_path: Path) -> None:
    """Every call after the crash raises again, until the test chooses what the crash was."""
    disk = CutDisk(tmp_path)
    disk.crash_at(2, label="here")
    file = disk.create(tmp_path / "file", label="here")
    disk.write(file, 0, b"x", label="other")
    for _ in range(2):
        with pytest.raises(PowerCut):
            disk.write(file, 1, b"y", label="here")
    with pytest.raises(PowerCut):
        disk.close(file, label="other")
    disk.kill()
    assert b"xy" == (tmp_path / "file").read_bytes()
    assert not isinstance(PowerCut(), Exception)


def test_one_chosen_call_fails_once(tmp_path: Path) -> None:
    """Counted among the calls of that name and label; a full disk takes a part of the write."""
    disk = CutDisk(tmp_path)
    disk.full_at(2, partial=3, label="journal")
    disk.plan(Fault(1, "truncate", number=errno.EIO))
    file = disk.create(tmp_path / "file", label="journal")
    disk.write(file, 0, b"first ", label="journal")
    disk.write(file, 6, b"other ", label="state")
    with pytest.raises(DiskFull):
        disk.write(file, 12, b"second", label="journal")
    with pytest.raises(DiskFault, match="EIO"):
        disk.truncate(file, 0, label="x")
    disk.write(file, 15, b"!", label="journal")
    assert b"first other sec!" == (tmp_path / "file").read_bytes()
