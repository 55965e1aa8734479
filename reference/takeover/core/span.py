"""A table that is true, or known, over one unbroken run of numbers: a queue of millions in two numbers.

The reference server stores updates and statuses in the order of their numbers, so what is in a queue is a run. How
each update ended is on the disk beside it, not here: inside the run the table has one value, which says *known*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from takeover_spec.logic import choose
from takeover_spec.records import replace

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Span(Generic[V]):
    """`inside` from `first` to `last`, both included, and `outside` elsewhere; empty if `last < first`."""

    inside: V
    outside: V
    first: int = 1
    last: int = 0

    def __getitem__(self, key: int) -> V:
        return choose((self.first <= key) & (key <= self.last), self.inside, self.outside)

    def put(self, key: int, value: V) -> Span[V]:
        """This run with `key` added at its end (any value but `outside`), or taken from its beginning (`outside`)."""
        if value is self.outside or value == self.outside:
            assert key == self.first, f"{key} leaves a run that begins with {self.first}"
            return replace(self, first=key + 1)
        if self.last < self.first:
            return replace(self, first=key, last=key)
        assert key == self.last + 1, f"{key} does not follow {self.last}"
        return replace(self, last=key)

    def emptied(self) -> Span[V]:
        """The empty run."""
        return replace(self, first=1, last=0)

    def unbroken(self, after: int) -> int:
        """The last of the keys from `after` + 1 on that are in the run; `after` if there is none."""
        return self.last if self.first <= after + 1 <= self.last else after
