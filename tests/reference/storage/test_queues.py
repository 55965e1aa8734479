"""A queue's two journals prove each other: lost updates are told from updates that were never synced."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from takeover.errors import JournalDamaged
from takeover.journal.journal import Journal
from takeover.operations import Outcome, Write, encode
from takeover.storage.disk import OsDisk
from takeover.storage.queues import Queue

UPDATES = 20


def opened(directory: Path) -> Queue:
    """The queue of epoch 1 in this directory."""
    return Queue.open(directory, 1, 1, disk=OsDisk())


def filled(directory: Path, *, synced: bool) -> Path:
    """A queue with settled updates; its process was killed. Returns the updates' only segment."""
    queue = opened(directory)
    for seq in range(1, UPDATES + 1):
        queue.store(seq, encode(Write("file", seq, b"x" * 100)))
        queue.store_status(seq, Outcome(True, 100))
    if synced:
        queue.sync()
    (segment,) = (directory / "updates").glob("*.segment")
    return segment


def halved(file: Path) -> None:
    """Cut a file in half."""
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size // 2)


def everything(directory: Path) -> dict[Path, bytes]:
    """Every file and what is in it."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_updates_that_the_statuses_prove_are_not_a_torn_tail(tmp_path: Path) -> None:
    """Half of the updates' file is gone: damage, with its place, and nothing is written over."""
    segment = filled(tmp_path, synced=True)
    halved(segment)
    before = everything(tmp_path)
    with pytest.raises(
        JournalDamaged, match=r"the statuses in .* prove that entries before 21 were"
    ) as damage:
        opened(tmp_path)
    assert segment == damage.value.path
    assert 0 < damage.value.offset <= segment.stat().st_size
    assert before == everything(tmp_path)


def test_all_updates_gone_is_damage(tmp_path: Path) -> None:
    """Not a new queue."""
    filled(tmp_path, synced=True)
    for file in (tmp_path / "updates").iterdir():
        file.unlink()
    with pytest.raises(JournalDamaged, match="prove"):
        opened(tmp_path)


def test_a_power_cut_may_keep_statuses_of_updates_that_were_not_synced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are dropped with the torn tail, which is logged, and at the next start all is well too."""
    halved(filled(tmp_path, synced=False))
    with caplog.at_level(logging.WARNING):
        queue = opened(tmp_path)
    assert 0 < queue.last_update == queue.last_status < UPDATES
    assert "were being written at a crash, and are dropped" in caplog.text
    assert queue.last_update == opened(tmp_path).last_update


def test_a_kill_while_that_is_mended_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statuses were made durable, and are longer than the updates still: they prove nothing."""
    halved(filled(tmp_path, synced=False))

    def killed(journal: Journal, index: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "truncate_from", killed)
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path)
    queue = opened(tmp_path)
    assert queue.last_update == queue.last_status < UPDATES


def test_a_new_segment_of_the_statuses_proves_nothing_of_the_updates(tmp_path: Path) -> None:
    """Its birth syncs the statuses, and not the updates."""
    opened(tmp_path).close()
    statuses = Journal.open(tmp_path / "statuses", disk=OsDisk(), segment_bytes=200)
    updates = Journal.open(tmp_path / "updates", disk=OsDisk())
    queue = Queue(updates, statuses, 1)
    for seq in range(1, UPDATES + 1):
        queue.store(seq, encode(Write("file", seq, b"x" * 100)))
        queue.store_status(seq, Outcome(True, 100))
    assert len(list((tmp_path / "statuses").glob("*.segment"))) > 1
    (segment,) = (tmp_path / "updates").glob("*.segment")
    halved(segment)
    queue = opened(tmp_path)
    assert queue.last_update == queue.last_status < UPDATES


@pytest.mark.parametrize("change", ["drop", "discard"])
def test_letting_go_of_updates_syncs_the_others_first(tmp_path: Path, change: str) -> None:
    """What `drop_through` and `discard_after` prove of the statuses is so of the updates."""
    queue = opened(tmp_path)
    for seq in range(1, UPDATES + 1):
        queue.store(seq, encode(Write("file", seq, b"x" * 100)))
        queue.store_status(seq, Outcome(True, 100))
    if change == "drop":
        queue.drop_through(5)
    else:
        queue.discard_after(15)
    kept = queue.last_update
    assert kept + 1 == queue.updates.durable_index == queue.statuses.durable_index
    assert kept == opened(tmp_path).last_update
