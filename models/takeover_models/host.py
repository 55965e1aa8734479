"""A machine of the virtual world: a clock, and one process that may be stopped, or die, between any two effects.

Both kinds of process, the server's and the witness's, carry a list of effects out one by one. `interrupt` stops the
process after so many more effects; it may go on there later, or crash there. A stopped process hears
nothing and does nothing, while its clock runs on; so does the kernel of its machine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from takeover_models.account import Account
from takeover_models.clocks import Clock
from takeover_models.cores import Cores
from takeover_models.network import Network
from takeover_models.setup import Setup


@dataclass(slots=True)
class Surroundings:
    """What all hosts of a world share."""

    setup: Setup
    cores: Cores
    judged: bool
    network: Network
    tally: Counter[str] = field(default_factory=Counter)
    """How often what happened: a campaign that never saw a thing says nothing about it."""
    runs: int = 0
    """How many runs of any process there were, which names them."""


class Host(ABC):
    """See the module. A subclass carries out one effect, and knows what a crash takes."""

    def __init__(self, around: Surroundings, party: str, shows: int) -> None:
        self.around = around
        self.party = party
        self.clock = Clock(shows)
        self.account = Account(party, around.setup.constants(), judged=around.judged)
        self.running = False
        self.stopped = False
        self.interrupt: int | None = None
        """After how many more effects the process is to stop."""
        self.now = 0
        """The clock as it was when the present list of effects was decided."""
        self._effects: list[Any] = []

    @property
    def ready(self) -> bool:
        """Whether the process runs, and can be told of an event."""
        return self.running and not self.stopped and not self._effects

    def carry_out(self, effects: Iterable[Any]) -> None:
        """Begin a list of effects."""
        self._effects = list(effects)
        self.go_on()

    def go_on(self) -> None:
        """Carry out what is left of the list, or as much of it as there is until the interruption."""
        while self._effects:
            if self.interrupt is not None:
                self.interrupt -= 1
                if self.interrupt < 0:
                    self.interrupt = None
                    self.stopped = True
                    return
            self.perform(self._effects.pop(0))

    def resume(self) -> bool:
        """A stopped process goes on; whether there was one."""
        if not (self.running and self.stopped):
            return False
        self.stopped = False
        self.go_on()
        return True

    def end(self) -> None:
        """The process is gone; what it had in hand is forgotten."""
        if self._effects:
            self.around.tally["crash within a step"] += 1
        self.running = self.stopped = False
        self.interrupt = None
        self._effects = []
        self.account.lose()

    @abstractmethod
    def perform(self, effect: Any) -> None:
        """Carry one effect out."""

    @abstractmethod
    def crash(self, keep: int, *, machine: bool) -> None:
        """The process dies, and its machine with it or not; `keep` says how much of what was not synced is left."""

    @abstractmethod
    def start(self) -> None:
        """The process starts."""

    def wakes_at(self) -> int | None:
        """What its clock shows when the process wants to be woken next; None if it does not."""
        return None
