"""The dumb twin of a journal: a list, and how far it is durable.

A `Belief` is one content that a journal may have. An operation gives the next belief; a crash in the middle of one
leaves two of them open, before and after, and nothing else. What comes back after a crash must fit one: the same first
entry, the same entries in the same order, and none missing that was durable.
"""

from dataclasses import dataclass
from typing import Literal

from takeover.journal.journal import Journal

Kind = Literal["append", "sync", "drop", "truncate", "reset"]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on a journal, said without knowing its content, so that it can be generated."""

    kind: Kind
    payload: bytes = b""
    """For an append."""
    percent: int = 0
    """For a drop, a truncation and a reset: how far through the entries, 0 to 100."""


@dataclass(frozen=True, slots=True)
class Belief:
    """A content that a journal may have."""

    first: int = 0
    entries: tuple[bytes, ...] = ()
    durable: int = 0
    """Entries before this index survive everything."""

    @property
    def next(self) -> int:
        """The index of the next append."""
        return self.first + len(self.entries)

    def after(self, step: Step) -> "Belief":
        """What the journal must hold when the operation has returned."""
        index = self._index(step)
        match step.kind:
            case "append":
                return Belief(self.first, (*self.entries, step.payload), self.durable)
            case "sync":
                return Belief(self.first, self.entries, self.next)
            case "drop":
                return (
                    self
                    if index == self.first
                    else Belief(index, self.entries[index - self.first :], self.next)
                )
            case "truncate":
                return (
                    self
                    if index == self.next
                    else Belief(self.first, self.entries[: index - self.first], index)
                )
            case "reset":
                return Belief(index, (), index)

    def perform(self, step: Step, journal: Journal) -> None:
        """Carry the operation out on a journal that holds this."""
        match step.kind:
            case "append":
                assert self.next == journal.append(step.payload)
            case "sync":
                journal.sync()
            case "drop":
                journal.drop_before(self._index(step))
            case "truncate":
                journal.truncate_from(self._index(step))
            case "reset":
                journal.reset(self._index(step))

    def allows(self, found: "Belief") -> bool:
        """Whether a journal that was opened after a crash, and holds `found`, may have held this before it."""
        kept = self.entries[: len(found.entries)]
        return self.first == found.first and kept == found.entries and self.durable <= found.next <= self.next

    def _index(self, step: Step) -> int:
        at = self.first + len(self.entries) * step.percent // 100
        return max(0, at - 3) if step.kind == "reset" else at


def read(journal: Journal) -> Belief:
    """What a journal holds, by its own account and read from beginning to end."""
    entries: list[bytes] = []
    with journal.cursor(journal.first_index) as cursor:
        while (entry := cursor.next()) is not None:
            assert journal.first_index + len(entries) == entry[0]
            entries.append(entry[1])
    assert journal.next_index == journal.first_index + len(entries)
    return Belief(journal.first_index, tuple(entries), journal.durable_index)
