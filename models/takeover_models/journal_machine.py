"""A Hypothesis machine: any operations, crashes and disk faults, against a journal on a disk that forgets.

After every operation the journal must hold what its dumb twin holds (`journal_belief`); after every crash, what the
twin held before or after the operation that was under way, less at most what was not durable. Full disks must change
nothing; a failed sync must end the journal. A machine with another `open_journal` or `disk_class` judges another
journal or disk: that is how a test shows that it catches broken ones.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from takeover.errors import DiskFull, StorageRefused
from takeover.journal.cursor import Cursor
from takeover.journal.journal import Journal
from takeover_models.disk import CutDisk, PowerCut
from takeover_models.journal_belief import Belief, Step, read

PAYLOADS = st.one_of(st.binary(max_size=12), st.binary(min_size=40, max_size=120))
"""Several of the short ones fit a segment of the machine; one of the long ones fills it."""

STEPS = st.one_of(
    st.builds(Step, st.just("append"), PAYLOADS),
    st.builds(Step, st.just("append"), PAYLOADS),
    st.just(Step("sync")),
    st.builds(Step, st.sampled_from(["drop", "truncate", "reset"]), st.just(b""), st.integers(0, 100)),
)
CRASHES = st.none() | st.integers(0, 2**16)
"""None kills the process; a number cuts the power, and chooses what survives."""
CALLS = st.integers(1, 12)


def open_small(directory: Path, disk: CutDisk) -> Journal:
    """The journal as it is, with segments so small that they are used up often."""
    return Journal.open(directory, disk=disk, segment_bytes=200)


class JournalMachine(RuleBasedStateMachine):
    """See the module."""

    open_journal: Callable[[Path, CutDisk], Journal] = staticmethod(open_small)
    disk_class: type[CutDisk] = CutDisk

    @initialize()
    def begin(self) -> None:
        """An empty directory, whose own name is durable."""
        self.scratch = tempfile.TemporaryDirectory(prefix="journal-machine-")
        self.directory = Path(self.scratch.name)
        self.disk = self.disk_class(self.directory)
        self.journal = type(self).open_journal(self.directory, self.disk)
        self.belief = Belief()
        self.cursor: Cursor | None = None

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "scratch"):
            self.disk.kill()
            self.scratch.cleanup()

    @invariant()
    def counts(self) -> None:
        """The journal's own account of itself is right."""
        if hasattr(self, "belief"):
            assert self.belief.first == self.journal.first_index
            assert self.belief.next == self.journal.next_index
            assert self.belief.durable <= self.journal.durable_index <= self.journal.next_index

    @rule(payloads=st.lists(PAYLOADS, min_size=2, max_size=8), synced=st.booleans())
    def fill(self, payloads: list[bytes], synced: bool) -> None:
        """Several segments' worth."""
        for payload in payloads:
            self.operate(Step("append", payload))
        if synced:
            self.operate(Step("sync"))

    @rule(step=STEPS)
    def operate(self, step: Step) -> None:
        """An operation that nothing disturbs."""
        self.belief.perform(step, self.journal)
        self.belief = self.belief.after(step)

    @rule()
    def read_all(self) -> None:
        """Every entry is there."""
        assert self.belief.entries == read(self.journal).entries

    @rule(percent=st.integers(0, 100))
    def place_cursor(self, percent: int) -> None:
        """A cursor anywhere."""
        self.drop_cursor()
        self.cursor = self.journal.cursor(self.belief.first + len(self.belief.entries) * percent // 100)

    @precondition(lambda self: getattr(self, "cursor", None) is not None)
    @rule()
    def advance(self) -> None:
        """A cursor gives the entry it stands before, whatever happened since it was placed."""
        assert self.cursor is not None
        place = self.cursor.index - self.belief.first
        if 0 <= place < len(self.belief.entries):
            assert (self.cursor.index, self.belief.entries[place]) == self.cursor.next()
        elif place == len(self.belief.entries):
            assert self.cursor.next() is None
        else:
            self.drop_cursor()

    @rule()
    def close_and_open(self) -> None:
        """An orderly end makes everything durable."""
        self.drop_cursor()
        self.journal.close()
        self.belief = self.belief.after(Step("sync"))
        self.reopen(self.belief)

    @rule(crash=CRASHES)
    def crash_between(self, crash: int | None) -> None:
        """A crash between two operations; when only the process died, everything appended is there."""
        self.crash(crash)
        self.reopen(self.belief if crash is not None else self.belief.after(Step("sync")))

    @rule(step=STEPS, call=CALLS, crash=CRASHES, call_again=CALLS, crash_again=CRASHES)
    def crash_within(
        self, step: Step, call: int, crash: int | None, call_again: int, crash_again: int | None
    ) -> None:
        """A crash within an operation, and perhaps one more while the journal opens."""
        self.disk.crash_at(call)
        before, after = self.belief, self.belief.after(step)
        try:
            before.perform(step, self.journal)
            before = after
        except PowerCut:
            pass
        self.crash(crash)
        self.disk.crash_at(call_again)
        try:
            self.reopen(before, after)
        except PowerCut:
            self.crash(crash_again)
            self.reopen(before, after)

    @rule(step=STEPS, write=st.integers(1, 3), partial=st.integers(0, 40))
    def fill_within(self, step: Step, write: int, partial: int) -> None:
        """The disk is full at some write: the operation happens, or nothing does."""
        self.disk.full_at(write, partial=partial)
        before, after = self.belief, self.belief.after(step)
        try:
            before.perform(step, self.journal)
        except DiskFull:
            self.belief = before
        except StorageRefused:
            self.refused(before, after, None)
        else:
            self.belief = after
        self.disk.forget_faults()
        self.read_all()

    @rule(step=STEPS, sync=st.integers(1, 3), crash=CRASHES)
    def fail_sync_within(self, step: Step, sync: int, crash: int | None) -> None:
        """The disk fails at some sync: the journal refuses all use, and opens as after a crash."""
        self.disk.fail_at(sync, "sync")
        before, after = self.belief, self.belief.after(step)
        try:
            before.perform(step, self.journal)
        except StorageRefused:
            self.refused(before, after, crash)
        else:
            self.belief = after
        self.disk.forget_faults()

    def refused(self, before: Belief, after: Belief, crash: int | None) -> None:
        """Whatever is asked, the answer is no; then the process or the machine starts again."""
        for step in (Step("append"), Step("sync"), Step("reset")):
            try:
                before.perform(step, self.journal)
            except StorageRefused:
                continue
            raise AssertionError(f"{step.kind} was not refused after a failed sync")
        self.crash(crash)
        self.reopen(before, after)

    def crash(self, crash: int | None) -> None:
        """End the process, or cut the power."""
        if crash is None:
            self.disk.kill()
        else:
            self.disk.cut(crash)

    def reopen(self, *candidates: Belief) -> None:
        """The journal opens and holds one of these."""
        self.cursor = None
        self.journal = type(self).open_journal(self.directory, self.disk)
        self.disk.forget_faults()
        found = read(self.journal)
        assert any(belief.allows(found) for belief in candidates), (found, candidates)
        assert found.next == self.journal.durable_index
        self.belief = found

    def drop_cursor(self) -> None:
        """Close the cursor, if there is one."""
        if self.cursor is not None:
            self.cursor.close()
            self.cursor = None
