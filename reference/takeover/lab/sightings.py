"""Who held the public address when, and was it ever two? The judgement on an observer's answers, as plain arithmetic.

The intuition: an answer to a probe that was sent at *s* and came back at *r* shows that this machine held the
address at some instant from *s* to *r*, and no more. Two answers to probes in a row are taken to show that it held
it all the time in between. So an unbroken *run* of answers is a time during which it surely held, from the first
answer's arrival to the last probe's sending, with a little doubt at either end.

Two machines are called holders at once only when that is sure: their sure times overlap, or one of them answered at
an instant, wherever in its doubt that was, that lies in the other's sure time. So a takeover between two probes, or
even between the question to one machine and the question to the other, is never a false accusation, and neither is
an answer that was late.

What complicates it: **resolution.** A second holder is sure to be caught if both hold for two rounds; while one
holds all the time, a second that answers a single probe is caught. What is shorter than a round may be missed. And
an address that a machine lost and got back within one round counts as held meanwhile: for that to accuse a good
pair, its peer would have to hold it in that time, and give it back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Run:
    """Answers of one machine to one kind of probe, one round after the other without a gap. Times are
    CLOCK_BOOTTIME ns."""

    machine: str
    kind: str
    round: int
    """The last round that was answered."""
    first_sent: int
    first_heard: int
    last_sent: int
    last_heard: int

    @property
    def is_sure(self) -> bool:
        """Whether there is any time at which it surely held."""
        return self.first_heard < self.last_sent

    @property
    def doubts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The two spans in each of which it held at some instant."""
        return (self.first_sent, self.first_heard), (self.last_sent, self.last_heard)


@dataclass(slots=True)
class Sightings:
    """Every answer so far, as runs."""

    runs: list[Run] = field(default_factory=list)
    _latest: dict[tuple[str, str], Run] = field(default_factory=dict)

    def add(self, machine: str, kind: str, round_number: int, sent: int, heard: int) -> bool:
        """A machine answered the probe of a round; whether that begins a run. A second answer to it is ignored."""
        latest = self._latest.get((machine, kind))
        if latest is not None and round_number <= latest.round:
            return False
        if latest is not None and round_number == latest.round + 1:
            latest.round, latest.last_sent, latest.last_heard = round_number, sent, heard
            return False
        run = Run(machine, kind, round_number, sent, heard, sent, heard)
        self._latest[machine, kind] = run
        self.runs.append(run)
        return True


def holders_max(runs: Sequence[Run]) -> tuple[int, int]:
    """The most machines that surely held at one instant, and the first instant at which they did."""
    if not runs:
        return 0, 0
    most, when = 1, min(run.first_heard for run in runs)
    held = {machine: _sure_spans(runs, machine) for machine in {run.machine for run in runs}}
    for run in runs:
        moments = [*run.doubts, (run.first_heard, run.first_heard)] if run.is_sure else run.doubts
        for begin, end in moments:
            others = sum(
                _covers(spans, begin, end) for machine, spans in held.items() if machine != run.machine
            )
            if 1 + others > most or (1 + others == most > 1 and begin < when):
                most, when = 1 + others, begin
    return most, when


def _sure_spans(runs: Sequence[Run], machine: str) -> list[tuple[int, int]]:
    """The times during which a machine surely held, in order and apart from each other."""
    spans: list[tuple[int, int]] = []
    mine = (run for run in runs if run.machine == machine and run.is_sure)
    for run in sorted(mine, key=lambda run: run.first_heard):
        if spans and run.first_heard <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], run.last_sent))
        else:
            spans.append((run.first_heard, run.last_sent))
    return spans


def _covers(spans: Sequence[tuple[int, int]], begin: int, end: int) -> bool:
    """Whether one span contains all of a time, and more than an instant."""
    at = bisect_right(spans, begin, key=lambda span: span[0]) - 1
    return at >= 0 and end <= spans[at][1] and spans[at][0] < spans[at][1] and begin < spans[at][1]


def changes(runs: Sequence[Run], began: int, blink: int) -> list[tuple[int, int]]:
    """(time, number of holders) at the beginning and after each change. A silence shorter than `blink` ns is none."""
    spans: dict[str, list[list[int]]] = {}
    for run in sorted(runs, key=lambda run: run.first_heard):
        of_machine = spans.setdefault(run.machine, [])
        if of_machine and run.first_heard - of_machine[-1][1] < blink:
            of_machine[-1][1] = max(of_machine[-1][1], run.last_heard)
        else:
            of_machine.append([run.first_heard, run.last_heard])
    edges = sorted(
        edge for of_machine in spans.values() for begin, end in of_machine for edge in ((begin, 1), (end, -1))
    )
    told, holders = [(began, 0)], 0
    for at, step in edges:
        holders += step
        told.append((at, holders))
    return told
