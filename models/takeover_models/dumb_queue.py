"""The dumb twin of a passive server's safe queue: three lists and a flag.

It knows nothing of epochs beyond the one it follows, of runs of numbers, or of spans. What it does is so plain that one
look shows it right, and slow, and that is all it is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from takeover_spec.words import Status


@dataclass(slots=True)
class DumbQueue:
    """What a passive server of `epoch` should have."""

    epoch: int
    begun: int
    """The last update of the data it began with."""
    applied: list[bool] = field(default_factory=list)
    """Of each update applied since then, whether it changed the data."""
    updates: list[int] = field(default_factory=list)
    """The numbers of the updates that wait."""
    statuses: list[Status] = field(default_factory=list)
    """How the first of them ended, as far as that is known."""
    open: bool = True
    """It has not been drained."""

    @property
    def last_applied(self) -> int:
        """The number of the last update applied."""
        return self.begun + len(self.applied)

    @property
    def newest(self) -> int:
        """The number of the last update stored or applied."""
        return self.last_applied + len(self.updates)

    @property
    def settled(self) -> int:
        """Up to here every update is here with its status, or applied."""
        return self.last_applied + len(self.statuses)

    def store(self, epoch: int, seq: int) -> bool:
        """An update arrives; whether it is the next one, and kept."""
        if self.open and epoch == self.epoch and seq == self.newest + 1:
            self.updates.append(seq)
            return True
        return False

    def store_status(self, epoch: int, seq: int, status: Status) -> bool:
        """A status arrives; whether it is the next one, of an update that is here, and kept."""
        wanted = self.open and epoch == self.epoch and seq == self.settled + 1 and seq <= self.newest
        if wanted and status is not Status.NONE:
            self.statuses.append(status)
            return True
        return False

    def apply(self, seq: int) -> bool | None:
        """Apply an update if that can be; whether it changes the data, or None if it cannot be applied."""
        if not self.open or not self.statuses or self.updates[0] != seq:
            return None
        del self.updates[0]
        changed = self.statuses.pop(0) is Status.DONE
        self.applied.append(changed)
        return changed

    def discard(self) -> tuple[int, int]:
        """The drain has ended: what is kept, and the last that was here."""
        statement = self.last_applied, self.newest
        self.updates, self.statuses, self.open = [], [], False
        return statement
