"""The journal cut at every call and every byte, on full disks, and after failed syncs."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.errors import DiskFull, StorageRefused
from takeover.journal import frames as journal_frames
from takeover.journal.bounds import Bounds, BoundsFile, create_bounds
from takeover.journal.journal import Journal
from takeover.storage.disk import OsDisk
from takeover_models.disk import CutDisk, PowerCut
from takeover_models.journal_belief import Belief, Step, read
from takeover_models.journal_machine import open_small

STEPS = (
    *(Step("append", bytes([65 + number]) * 30) for number in range(7)),
    Step("sync"),
    Step("append", b"after a sync"),
    Step("drop", percent=50),
    Step("append", b""),
    Step("append", b"x" * 300),
    Step("truncate", percent=60),
    Step("append", b"another tail"),
    Step("sync"),
    Step("drop", percent=100),
    Step("append", b"unsynced"),
    Step("append", b"unsynced too"),
    Step("truncate", percent=50),
    Step("append", b"unsynced again"),
    Step("truncate", percent=0),
    Step("reset", percent=100),
    Step("append", b"after a reset"),
    Step("append", b"after a reset, longer" * 12),
    Step("reset", percent=0),
    Step("append", b"the last"),
)
"""Every operation in every position that matters: within a segment, across several, in a row."""


def run_steps(directory: Path, disk: CutDisk) -> tuple[Belief, Belief]:
    """Do all steps until the power fails; what the journal may hold then."""
    before = after = Belief()
    try:
        journal = open_small(directory, disk)
        for step in STEPS:
            after = before.after(step)
            before.perform(step, journal)
            before = after
        journal.close()
        before = after = before.after(Step("sync"))
    except PowerCut:
        pass
    return before, after


def reopened(directory: Path, disk: CutDisk) -> Belief:
    """What the journal holds after a restart."""
    return read(open_small(directory, disk))


def fresh(tmp_path: Path, name: str) -> Path:
    """An empty directory."""
    directory = tmp_path / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def test_cut_at_every_call(tmp_path: Path) -> None:
    """Whichever call the power fails at, and whatever survives: nothing synced is lost, nothing is invented."""
    whole = CutDisk(fresh(tmp_path, "whole"))
    run_steps(tmp_path / "whole", whole)
    for call in range(1, len(whole.labels) + 1):
        for seed in range(2):
            directory = fresh(tmp_path, "cut")
            disk = CutDisk(directory)
            disk.crash_at(call)
            candidates = run_steps(directory, disk)
            disk.cut(seed)
            found = reopened(directory, disk)
            assert any(belief.allows(found) for belief in candidates), (
                call,
                seed,
                whole.labels[call - 1],
                found,
            )


def test_cut_at_every_call_of_a_recovery(tmp_path: Path) -> None:
    """Opening after a crash may be cut as well, any number of times."""
    chance = random.Random(1)
    whole = CutDisk(fresh(tmp_path, "whole"))
    run_steps(tmp_path / "whole", whole)
    for call in range(1, len(whole.labels) + 1, 3):
        directory = fresh(tmp_path, "cut")
        disk = CutDisk(directory)
        disk.crash_at(call)
        candidates = run_steps(directory, disk)
        for again in range(1, 100):
            disk.kill() if chance.random() < 0.5 else disk.cut(chance.randrange(1 << 16))
            disk.crash_at(again)
            try:
                found = reopened(directory, disk)
            except PowerCut:
                continue
            assert any(belief.allows(found) for belief in candidates), (call, again, found)
            break
        else:
            raise AssertionError("opening takes more calls than were cut")


WRITER = """
import sys
from pathlib import Path
from takeover.storage.disk import OsDisk
from takeover.journal.journal import Journal
journal = Journal.open(Path(sys.argv[1]), disk=OsDisk(), segment_bytes=2000)
while True:
    journal.append(b"%d" % journal.next_index)
    if journal.next_index % 20 == 0:
        journal.sync()
        print(journal.durable_index, flush=True)
"""


def test_a_real_process_is_really_killed(tmp_path: Path) -> None:
    """Everything that it had reported durable is there, and everything that is there was appended."""
    first = 0
    for reports in (1, 7, 30):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            durable = max(int(writer.stdout.readline()) for _ in range(reports))
            writer.kill()
        journal = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=2000)
        found = read(journal)
        assert tuple(b"%d" % index for index in range(first, found.next)) == found.entries
        assert durable <= found.next
        first = durable // 2
        journal.drop_before(first)
        journal.close()


def test_every_byte_of_the_tail_may_be_the_last(tmp_path: Path) -> None:
    """A torn tail counts as never written: whole entries before the tear are kept, the torn one is not."""
    payloads = [b"one", b"", b"three" * 9, b"\xf0REC\xf0MRK", b"five"]
    total = sum(journal_frames.RECORD_BYTES + len(payload) for payload in payloads)
    for kept_bytes in range(total + 1):
        directory = fresh(tmp_path, "cut")
        disk = CutDisk(directory)
        journal = Journal.open(directory, disk=disk)
        journal.append(b"synced")
        journal.sync()
        marked = disk.unsynced_bytes
        for payload in payloads:
            journal.append(payload)
        disk.cut_after(marked + kept_bytes)
        found = reopened(directory, disk)
        whole, room = [b"synced"], kept_bytes
        for payload in payloads:
            room -= journal_frames.RECORD_BYTES + len(payload)
            if room >= 0:
                whole.append(payload)
        assert Belief(0, tuple(whole), len(whole)) == found
        assert found == reopened(directory, disk)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    """Whichever write finds no room, after however many bytes: the operation happened, or nothing did."""
    for step in (Step("append", b"y" * 50), Step("sync"), Step("drop", percent=50), Step("reset")):
        for write in range(1, 5):
            for partial in (0, 1, 20, 60):
                directory = fresh(tmp_path, "full")
                disk = CutDisk(directory)
                journal = open_small(directory, disk)
                before = Belief()
                for append in (Step("append", b"x" * 50), Step("append", b"x" * 50)):
                    before.perform(append, journal)
                    before = before.after(append)
                disk.full_at(write, partial=partial)
                expected = before.after(step)
                try:
                    before.perform(step, journal)
                except DiskFull:
                    expected = before
                disk.forget_faults()
                found = read(journal)
                assert (expected.first, expected.entries) == (found.first, found.entries)
                assert expected.next == journal.append(b"room again")
                journal.sync()
                disk.cut(0)
                assert (*expected.entries, b"room again") == reopened(directory, disk).entries


def test_a_segment_that_found_no_room_stays_away(tmp_path: Path) -> None:
    """The former one is written to again, so a power cut must not bring the undone one back behind it."""
    for write in (1, 2):  # its header, its entry in the bounds
        for call in range(1, 12):
            for seed in range(6):
                directory = fresh(tmp_path, "cut")
                disk = CutDisk(directory)
                journal = open_small(directory, disk)
                journal.append(b"x" * 100)
                journal.append(b"")
                disk.full_at(write)
                with pytest.raises(DiskFull):
                    journal.append(b"too long for what is left")
                disk.crash_at(call)
                after = Belief(0, (b"x" * 100, b"", b"", b"y" * 150), 2)  # the attempt synced what was there
                try:
                    journal.append(b"")
                    journal.append(b"y" * 150)
                except PowerCut:
                    pass
                disk.cut(seed)
                assert after.allows(reopened(directory, disk)), (write, call, seed)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """The error says what failed, where and why."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    disk.full_at(1, partial=5)
    with pytest.raises(
        DiskFull, match=r"\.segment: journal\.append failed: No space left on device \(ENOSPC\)"
    ):
        journal.append(b"entry")


def test_a_full_disk_can_still_drop(tmp_path: Path) -> None:
    """Making room needs no room: dropping only overwrites in place."""
    disk = CutDisk(tmp_path)
    journal = open_small(tmp_path, disk)
    for _ in range(10):
        journal.append(b"x" * 50)
    journal.sync()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    journal.drop_before(9)
    assert all(sizes[path.name] >= path.stat().st_size for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) < len(sizes)


def test_a_partial_entry_that_cannot_be_cut_off_ends_the_journal(tmp_path: Path) -> None:
    """Then all further appends are refused, and the next opening cuts it off."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    journal.append(b"first")
    disk.full_at(1, partial=10)
    disk.fail_at(1, "truncate")
    with pytest.raises(
        StorageRefused, match=r"could not be cut off again: .*append.undo failed: Input/output error"
    ):
        journal.append(b"second")
    with pytest.raises(StorageRefused, match="could not be cut off again"):
        journal.append(b"third")
    disk.kill()
    assert Belief(0, (b"first",), 1) == reopened(tmp_path, disk)


def test_a_failed_sync_ends_the_journal(tmp_path: Path) -> None:
    """After it the page cache cannot be trusted: a second sync would lie, so all use is refused."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    journal.append(b"first")
    cursor = journal.cursor(0)
    disk.fail_at(1, "sync")
    with pytest.raises(StorageRefused, match=r"may be lost: .*journal.sync failed: Input/output error"):
        journal.sync()
    uses: list[Callable[[], object]] = [
        journal.sync,
        cursor.next,
        lambda: journal.append(b"second"),
        lambda: journal.cursor(0),
        lambda: journal.drop_before(1),
        lambda: journal.truncate_from(0),
        lambda: journal.reset(0),
    ]
    for use in uses:
        with pytest.raises(StorageRefused, match="refuses further use"):
            use()
    cursor.close()
    journal.close()


def test_what_a_failed_sync_left_is_written_again(tmp_path: Path) -> None:
    """A restarted process reads it from the page cache, where no sync tries it again: opening rewrites it."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    journal.append(b"first")
    disk.fail_at(1, "sync")
    with pytest.raises(StorageRefused):
        journal.sync()
    disk.kill()
    assert Belief(0, (b"first",), 1) == reopened(tmp_path, disk)
    disk.cut(0)
    assert Belief(0, (b"first",), 1) == reopened(tmp_path, disk)


def test_a_mark_that_a_failed_sync_left_is_written_again_too(tmp_path: Path) -> None:
    """The mark of the sync before was lost with it: a hole there would look like damage later."""
    for seed in range(10):
        directory = fresh(tmp_path, "cut")
        disk = CutDisk(directory)
        journal = Journal.open(directory, disk=disk)
        journal.append(b"first")
        journal.sync()
        journal.append(b"second")
        disk.fail_at(1, "sync")
        with pytest.raises(StorageRefused):
            journal.sync()
        disk.kill()
        journal = Journal.open(directory, disk=disk)
        journal.append(b"third")
        journal.sync()
        disk.cut(seed)
        assert (b"first", b"second", b"third") == reopened(directory, disk).entries


def test_closing_makes_everything_durable(tmp_path: Path) -> None:
    """An orderly end loses nothing, not even in a power cut right after it."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    journal.append(b"last words")
    journal.close()
    disk.cut_after(0)
    assert Belief(0, (b"last words",), 1) == reopened(tmp_path, disk)


def test_no_room_for_a_mark_does_not_fail_a_sync(tmp_path: Path) -> None:
    """The entries are durable, which is what was asked; a part of the mark is cut off again."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    journal.append(b"entry")
    disk.full_at(1, partial=7, label="mark")
    journal.sync()
    assert journal.durable_index == 1
    journal.append(b"next")
    assert (b"entry", b"next") == read(journal).entries


def test_bounds_that_a_failed_sync_left_are_written_again(tmp_path: Path) -> None:
    """The same for the low-water mark: once an opening has reported it, no power cut takes it back."""
    for seed in range(40):
        directory = fresh(tmp_path, "cut")
        disk = CutDisk(directory)
        journal = Journal.open(directory, disk=disk)
        for _ in range(600):
            journal.append(b"")
        journal.drop_before(255)
        disk.fail_at(1, "sync", label="bounds")
        with pytest.raises(StorageRefused, match="the bounds may be the old or the new ones"):
            journal.drop_before(513)
        disk.kill()
        assert reopened(directory, disk).first == 513
        disk.cut(seed)
        assert reopened(directory, disk).first == 513


def test_bounds_survive_any_two_saves(tmp_path: Path) -> None:
    """Cut at every call of two saves, with many ways to tear them: one slot is always whole."""
    saves = (Bounds(1, 0, 0), Bounds(1, 255, 255), Bounds(2, 256, 256, 511))
    for call in range(1, 8):
        for seed in range(60):
            directory = tmp_path / "bounds"
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            disk = CutDisk(directory)
            create_bounds(disk, directory)
            bounds = BoundsFile(disk, directory)
            bounds.settle()
            bounds.save(saves[0])
            disk.crash_at(call)
            saved = 0
            try:
                for saved in (0, 1):
                    bounds.save(saves[saved + 1])
                saved = 2
            except PowerCut:
                pass
            disk.cut(seed)
            assert BoundsFile(disk, directory).bounds in saves[saved : saved + 2]
