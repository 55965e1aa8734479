"""What one party did: its account by the specification's own bookkeeping, the rules' judgement, and its trace.

The account is folded over the actions as they are taken, on tables that hold every status, so it owes nothing to the
core's own shorter account. A line of the trace is written when what the action made durable is durable, as the
format asks: a lazy shell writes lines late, and a crash takes the lines of what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from takeover_models.findings import RuleBroken
from takeover_models.images import Image
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.logic import Sparse, Unbroken
from takeover_spec.trace import FOUND, Header, Line, action_line, header_line, judge
from takeover_spec.words import Constants, Status

PAIR = "model"
"""What the pair of every virtual world is called."""


@dataclass(slots=True)
class Run:
    """One run of a party."""

    header: Header
    lines: list[Line] = field(default_factory=list)
    ended: Knowledge | WitnessKnowledge | None = None
    """What the party knew when the last of these lines was written."""

    def text(self) -> str:
        """The trace of the run."""
        return header_line(self.header) + "".join(
            action_line(line.n, line.t, line.action) for line in self.lines
        )


class Account:
    """The account of one party over all its runs."""

    def __init__(self, party: str, constants: Constants, *, judged: bool) -> None:
        self.party = party
        self.constants = constants
        self.judged = judged
        """Whether an action that breaks a rule is a finding."""
        self.runs: list[Run] = []
        self.know: Any = None
        self._unwritten: list[Line] = []

    def begin(self, found: Knowledge | WitnessKnowledge) -> None:
        """A run begins, with this on the disk."""
        self.runs.append(Run(Header(self.party, PAIR, self.constants, found)))
        self.know = found

    def do(self, action: act.Action, now: int) -> Any:
        """The party acts at `now` on its clock; what it knows then. Raises `RuleBroken`."""
        run = self.runs[-1]
        line = Line(len(run.lines) + len(self._unwritten) + 1, now, action)
        self._unwritten.append(line)
        violation = judge(self.know, line, line.n + 1, self.constants) if self.judged else None
        if violation:
            self.write()
            raise RuleBroken(self.party, violation)
        self.know = party_after(self.know, action, now)
        return self.know

    def actions(self) -> list[act.Action]:
        """What it did in all its runs, as far as that is known to anybody."""
        return [line.action for run in self.runs for line in run.lines] + [
            line.action for line in self._unwritten
        ]

    def count(self) -> int:
        """How many actions that were."""
        return sum(len(run.lines) for run in self.runs) + len(self._unwritten)

    def write(self) -> None:
        """What was done is durable: write its lines."""
        if self.runs:
            self.runs[-1].lines += self._unwritten
            self.runs[-1].ended = self.know
        self._unwritten.clear()

    def lose(self) -> None:
        """The process is gone, and with it the lines that were not written."""
        self._unwritten.clear()


def found_by_a_server(image: Image) -> Knowledge:
    """The part of what a server knew that it finds again on its disk."""
    know, none = image.know, Sparse[int](Status.NONE)
    first, last = know.applied + 1, image.last_carried_out()
    carried = none if last < first else Unbroken(int(Status.DONE), first, last, none)
    durable = {name: getattr(know, name) for name in FOUND}
    return Knowledge(**durable, stored=know.stored, status=know.status, carried=carried)


def found_by_the_witness(know: WitnessKnowledge) -> WitnessKnowledge:
    """The part of what the witness knew that it finds again on its disk."""
    return WitnessKnowledge(know.epoch, know.holder, know.version, know.eligible, know.ended)
