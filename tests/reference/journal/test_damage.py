"""Damage to what was durable is told apart from a torn tail, named, and left as it is."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.errors import JournalDamaged
from takeover.journal.journal import Journal
from takeover.storage.disk import OsDisk
from takeover_models.disk import CutDisk
from takeover_models.journal_belief import Belief, Step, read
from takeover_models.journal_machine import open_small


def reopened(directory: Path, disk: CutDisk) -> Belief:
    """What the journal holds after a restart."""
    return read(open_small(directory, disk))


def fresh(tmp_path: Path, name: str) -> Path:
    """An empty directory."""
    directory = tmp_path / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def segments(directory: Path) -> list[Path]:
    """The journal's segment files in order."""
    return sorted(directory.glob("*.segment"))


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Change bytes of a file."""
    whole = bytearray(path.read_bytes())
    whole[offset : offset + len(content)] = content
    path.write_bytes(whole)


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file's content."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def make_synced(directory: Path) -> Belief:
    """A journal of several segments, all of it synced, left behind by a killed process."""
    journal = open_small(directory, CutDisk(directory))
    belief = Belief()
    for step in (
        *(Step("append", b"%d" % number * 30) for number in range(8)),
        Step("sync"),
        Step("drop", percent=20),
    ):
        belief.perform(step, journal)
        belief = belief.after(step)
    return belief


def opened_or_damaged(directory: Path) -> tuple[Belief | None, JournalDamaged | None]:
    """What the journal holds, or why it does not open."""
    try:
        return reopened(directory, CutDisk(directory)), None
    except JournalDamaged as damage:
        return None, damage


def test_a_tail_torn_out_of_order_is_not_damage(tmp_path: Path) -> None:
    """A power cut may keep a later unsynced entry and lose an earlier one: both count as never written."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    journal.append(b"synced")
    journal.sync()
    start = segments(tmp_path)[-1].stat().st_size
    journal.append(b"torn")
    journal.append(b"whole")
    overwrite(segments(tmp_path)[-1], start, bytes(24))
    journal = Journal.open(tmp_path, disk=OsDisk())
    assert Belief(0, (b"synced",), 1) == read(journal)
    assert 1 == journal.append(b"instead")
    journal.close()


def test_every_changed_byte_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    """Whichever byte of a synced journal rots: it is refused and left as it is, or everything is still there."""
    original = fresh(tmp_path, "original")
    belief = make_synced(original)
    noticed = 0
    for name, content in snapshot(original).items():
        for offset in range(len(content)):
            if name == "bounds" and 60 < offset < 4096:
                continue  # padding between the two slots
            directory = fresh(tmp_path, "changed")
            for other, unchanged in snapshot(original).items():
                (directory / other).write_bytes(unchanged)
            overwrite(directory / name, offset, bytes([content[offset] ^ 0x41]))
            before = snapshot(directory)
            found, damage = opened_or_damaged(directory)
            assert (found == belief) != (damage is not None), (name, offset)
            if damage is not None:
                noticed += 1
                assert directory == damage.path.parent
                assert before == snapshot(directory)
    assert noticed > 300


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda at: segments(at)[1].unlink(), "where entry . belongs"),
        (lambda at: segments(at)[0].unlink(), "there is no segment with entry 1"),
        (lambda at: segments(at)[-1].unlink(), "there is no segment from entry 6 on, and it was begun"),
        (lambda at: (at / "bounds").unlink(), "bounds: damaged at byte 0: missing, yet there is"),
        (lambda at: (at / "bounds").write_bytes(b""), "neither of the two slots"),
        (
            lambda at: overwrite(segments(at)[0], 36, bytes(4)),
            "segment: damaged at byte 36: entry 0 is not whole",
        ),
        (lambda at: segments(at)[0].write_bytes(segments(at)[0].read_bytes()[:-1]), "is not whole"),
        (lambda at: segments(at)[1].write_bytes(b""), "not a segment's header"),
        (lambda at: segments(at)[1].write_bytes(segments(at)[0].read_bytes()), "the file's name does not"),
    ],
)
def test_damage_names_the_place(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    """Missing, cut, exchanged and overwritten files are told apart from a torn tail, and left alone."""
    make_synced(tmp_path)
    damage(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(JournalDamaged, match=says):
        reopened(tmp_path, CutDisk(tmp_path))
    assert before == snapshot(tmp_path)


def test_a_durable_entry_that_was_taken_out_is_missed(tmp_path: Path) -> None:
    """A mark says how many entries there were in front of it."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    journal.append(b"entry")
    journal.append(b"entry")
    journal.close()
    whole = segments(tmp_path)[0].read_bytes()
    segments(tmp_path)[0].write_bytes(whole[: 36 + 25] + whole[36 + 50 :])
    with pytest.raises(
        JournalDamaged, match="at byte 61: entries before 2 were durable, entry 1 is not here"
    ):
        Journal.open(tmp_path, disk=OsDisk())


def test_an_entry_in_another_ones_place_is_damage(tmp_path: Path) -> None:
    """A whole entry with a wrong index was not torn there by any power cut."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    journal.append(b"entry")
    journal.append(b"entry")
    whole = segments(tmp_path)[0].read_bytes()
    segments(tmp_path)[0].write_bytes(whole[:36] + whole[36 + 25 :])
    with pytest.raises(JournalDamaged, match="at byte 36: entry 1 stands where entry 0 belongs"):
        Journal.open(tmp_path, disk=OsDisk())


def test_a_tail_that_ends_before_the_low_water_mark_is_damage(tmp_path: Path) -> None:
    """What was dropped had been durable, so an end in front of it is not a torn tail."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    for _ in range(5):
        journal.append(b"entry")
    journal.drop_before(4)
    journal.close()
    os.truncate(segments(tmp_path)[0], 36 + 2 * 25)
    with pytest.raises(JournalDamaged, match="ends before entry 2, and entries before 4 were durable"):
        Journal.open(tmp_path, disk=OsDisk())


def test_bounds_from_before_a_reset_are_damage(tmp_path: Path) -> None:
    """They would disown the entries since; a restored backup of one file must not do that."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    journal.append(b"old")
    journal.sync()
    bounds = (tmp_path / "bounds").read_bytes()
    journal.reset(7)
    journal.append(b"new")
    journal.close()
    (tmp_path / "bounds").write_bytes(bounds)
    before = snapshot(tmp_path)
    with pytest.raises(JournalDamaged, match=r"says generation 1, and 0+2-0+7\.segment holds entries"):
        Journal.open(tmp_path, disk=OsDisk())
    assert before == snapshot(tmp_path)


def test_a_cursor_notices_damage_after_opening(tmp_path: Path) -> None:
    """Every entry's checksum is looked at when it is read."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    journal.append(b"entry")
    journal.append(b"entry")
    journal.sync()
    overwrite(segments(tmp_path)[0], 36 + 25 + 22, b"X")
    with journal.cursor(0) as cursor:
        assert (0, b"entry") == cursor.next()
        with pytest.raises(JournalDamaged, match="damaged at byte 61: entry 1 is not whole"):
            cursor.next()
    journal.close()


def test_an_entry_may_contain_a_journal(tmp_path: Path) -> None:
    """A torn entry that holds a copy of another journal's marks is still a torn tail."""
    other = fresh(tmp_path, "other")
    journal = Journal.open(other, disk=OsDisk())
    for _ in range(3):
        journal.append(b"entry")
        journal.sync()
    journal.close()
    disk = CutDisk(directory := fresh(tmp_path, "journal"))
    journal = Journal.open(directory, disk=disk)
    journal.append(segments(other)[0].read_bytes())
    disk.cut_after(disk.unsynced_bytes - 1)
    assert Belief(0, (), 0) == reopened(directory, disk)
