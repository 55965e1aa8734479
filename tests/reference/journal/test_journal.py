"""The journal: what it holds, its cursors, dropping, and what it refuses."""

import threading
from pathlib import Path

import pytest

from takeover.errors import CallerError
from takeover.journal.journal import Journal
from takeover.storage.disk import Handle, OsDisk
from takeover_models.disk import CutDisk
from takeover_models.journal_belief import Belief, read


def test_entries_come_back_in_order_with_their_indexes(tmp_path: Path) -> None:
    """What was appended is read, before and after a restart, across segments."""
    payloads = [bytes([number % 256]) * (number % 70) for number in range(300)]
    journal = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=500)
    assert list(range(300)) == [journal.append(payload) for payload in payloads]
    assert tuple(payloads) == read(journal).entries
    journal.close()
    again = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=500)
    assert Belief(0, tuple(payloads), 300) == read(again)
    assert 300 == again.append(b"next")
    again.close()


def test_sync_moves_the_durable_index_over_every_append_before_it(tmp_path: Path) -> None:
    """One sync serves all, and one with nothing to do asks nothing of the disk."""
    disk = CutDisk(tmp_path)
    journal = Journal.open(tmp_path, disk=disk)
    for _ in range(10):
        journal.append(b"entry")
    assert 0 == journal.durable_index
    calls = len(disk.labels)
    journal.sync()
    assert (10, ["journal.sync", "journal.mark"]) == (journal.durable_index, disk.labels[calls:])
    journal.sync()
    assert calls + 2 == len(disk.labels)


def test_appends_go_on_while_another_thread_syncs(tmp_path: Path) -> None:
    """A sync covers what was appended before it began, and not what came during the wait."""
    waiting, go_on = threading.Event(), threading.Event()

    class SlowDisk(OsDisk):
        def sync(self, handle: Handle, *, label: str) -> None:
            super().sync(handle, label=label)
            if label == "journal.sync" and not go_on.is_set():
                waiting.set()
                assert go_on.wait(10)

    journal = Journal.open(tmp_path, disk=SlowDisk())
    journal.append(b"before")
    thread = threading.Thread(target=journal.sync)
    thread.start()
    assert waiting.wait(10)
    journal.append(b"during")
    go_on.set()
    thread.join(10)
    assert (1, 2) == (journal.durable_index, journal.next_index)
    journal.append(b"afterwards")
    journal.close()
    journal = Journal.open(tmp_path, disk=OsDisk())
    assert Belief(0, (b"before", b"during", b"afterwards"), 3) == read(journal)
    journal.close()


def test_a_cursor_follows_a_growing_journal(tmp_path: Path) -> None:
    """It answers None at the end, and goes on when there is more, into later segments too."""
    journal = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=100)
    cursor = journal.cursor(0)
    for number in range(50):
        assert cursor.next() is None
        journal.append(b"%d" % number)
        assert (number, b"%d" % number) == cursor.next()
    cursor.close()
    journal.close()


def test_a_cursor_reads_what_replaced_a_discarded_tail(tmp_path: Path) -> None:
    """What was read ahead and then discarded is not given."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    for number in range(5):
        journal.append(b"old %d" % number)
    cursor = journal.cursor(0)
    assert (0, b"old 0") == cursor.next()
    journal.truncate_from(1)
    journal.append(b"new 1")
    assert (1, b"new 1") == cursor.next()
    assert cursor.next() is None
    journal.reset(2)
    journal.append(b"newest")
    assert (2, b"newest") == cursor.next()
    cursor.close()
    journal.close()


def test_a_cursor_refuses_an_entry_that_is_gone(tmp_path: Path) -> None:
    """Dropped in front of it, or discarded behind it."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    for number in range(4):
        journal.append(b"%d" % number)
    early, late = journal.cursor(0), journal.cursor(4)
    journal.drop_before(2)
    journal.truncate_from(3)
    with pytest.raises(CallerError, match="entry 0 is no longer in the journal: it has 2 to before 3"):
        early.next()
    with pytest.raises(CallerError, match="entry 4 is no longer"):
        late.next()
    journal.close()


def test_a_cursor_holds_one_buffer_however_long_the_queue(tmp_path: Path) -> None:
    """Reading 20 MB takes less than 2 MB of memory."""
    tracemalloc = pytest.importorskip("tracemalloc")
    journal = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=1 << 20)
    for _ in range(2000):
        journal.append(bytes(10_000))
    tracemalloc.start()
    with journal.cursor(0) as cursor:
        while cursor.next() is not None:
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20
    journal.close()


def test_dropping_removes_whole_segments_and_is_remembered(tmp_path: Path) -> None:
    """The space comes back, and the low-water mark holds within a segment too."""
    journal = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=100)
    for number in range(40):
        journal.append(b"%d" % number)
    before = len(list(tmp_path.glob("*.segment")))
    journal.drop_before(31)
    journal.drop_before(10)  # long gone
    assert (31, 40) == (journal.first_index, journal.next_index)
    assert len(list(tmp_path.glob("*.segment"))) < before / 2
    journal.close()
    journal = Journal.open(tmp_path, disk=OsDisk(), segment_bytes=100)
    assert Belief(31, tuple(b"%d" % number for number in range(31, 40)), 40) == read(journal)
    journal.close()


def test_indexes_outside_the_journal_are_refused(tmp_path: Path) -> None:
    """Nothing is changed by asking for what cannot be."""
    journal = Journal.open(tmp_path, disk=OsDisk())
    journal.append(b"only")
    for wrong in (journal.cursor, journal.drop_before, journal.truncate_from):
        with pytest.raises(CallerError, match="no entry 2 in the journal: it has 0 to before 1"):
            wrong(2)
    with pytest.raises(CallerError, match="cannot number from -1"):
        journal.reset(-1)
    assert Belief(0, (b"only",), 0) == read(journal)
    journal.close()
    with pytest.raises(CallerError, match="is closed"):
        journal.append(b"late")
    journal.close()
