"""The journal's machine passes, and fails when the journal is broken."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from takeover.errors import JournalDamaged
from takeover.journal import frames as journal_frames
from takeover.storage.disk import Handle
from takeover_models.disk import CutDisk
from takeover_models.journal_machine import JournalMachine

SETTINGS = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def test_the_journal_machine() -> None:
    """Any operations, crashes and faults in any order, against a list."""
    run_state_machine_as_test(JournalMachine, settings=SETTINGS)


class NeverSyncs(CutDisk):
    """A disk that says it synced a file, and did nothing."""

    def sync(self, handle: Handle, *, label: str) -> None:
        if label != "journal.sync":
            super().sync(handle, label=label)


class KeepsTornTails(CutDisk):
    """A disk on which a journal's tail is never cut off."""

    def truncate(self, handle: Handle, size: int, *, label: str) -> None:
        if label != "journal.tail.truncate":
            super().truncate(handle, size, label=label)


class NeverSyncsNames(CutDisk):
    """A disk that never makes names durable."""

    def sync_directory(self, path: Path, *, label: str) -> None:
        pass


@pytest.mark.parametrize("disk_class", [NeverSyncs, KeepsTornTails, NeverSyncsNames])
def test_the_machine_catches_a_journal_that_skips_a_call(disk_class: type[CutDisk]) -> None:
    """Without an fsync, without cutting off a torn tail, without syncing names, the machine fails."""
    machine = type("Broken", (JournalMachine,), {"disk_class": disk_class})
    with pytest.raises((AssertionError, JournalDamaged)):
        run_state_machine_as_test(
            machine, settings=settings(SETTINGS, max_examples=2000, phases=[Phase.generate])
        )


def test_the_machine_catches_a_journal_that_skips_the_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the checksum of an entry, torn ones come back as if they had been written."""
    monkeypatch.setattr(journal_frames, "crc32", lambda content, start=0: 0)
    with pytest.raises((AssertionError, JournalDamaged)):
        run_state_machine_as_test(
            JournalMachine, settings=settings(SETTINGS, max_examples=2000, phases=[Phase.generate])
        )
