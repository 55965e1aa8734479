"""The decisions that drive a virtual world, and their text.

A world does nothing by chance: a run is its setup and the list of decisions, and the same list gives the same run. Every
decision is possible at any time; where there is nothing to decide it does nothing. So any part of a run is a run,
which is what shrinking needs.

A run is written in one word, to be given to `takeover simulate --replay`: the setup, a colon, and the decisions, each
as `verb/who/number/flag` with what is at its end and empty left out: `lazy=1:calm//2000/1,crash/0,calm//3000`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from takeover_models.setup import Setup, parse_setup

VERBS = {
    "pass": "true time passes, in microseconds; nobody does anything",
    "reach": "true time passes to the next of a host's edges: its waking, its address's end, its grants' ends",
    "rate": "a host's clock runs at another rate, in parts in a million",
    "wake": "a host is woken",
    "deliver": "a message under way on a link arrives; flag: and stays under way",
    "lose": "a message under way on a link is lost",
    "delay": "what is under way on a link comes so many milliseconds later, and what is sent after it overtakes it",
    "cut": "a link loses all that is sent",
    "mend": "a link carries again",
    "disconnect": "the channel breaks; flag: what is under way is lost",
    "connect": "the channel is there again, if it can be",
    "offer": "an application of a server wants something done; the number says what; flag: it will fail",
    "work": "a server's shell does one thing: copy, intercept, carry out, ship, apply, looking from the number on",
    "idle": "a server finds nothing to do",
    "busy": "a server's shell is too busy to apply anything for so many milliseconds",
    "sync": "a host makes what it wrote durable",
    "interrupt": "a host's process stops after so many effects of its next list",
    "stop": "a host's process stops",
    "resume": "a host's stopped process goes on",
    "crash": "a host's process dies, keeping so many unsynced writes; flag: its machine dies too",
    "start": "a host's process starts",
    "bye": "a server is shut down by its operator",
    "calm": "so many milliseconds without new faults; flag: applications write all the time",
    "heal": "everything is mended, started and resumed",
}
"""What each does. `who` is `0`, `1` or `w`, or a link such as `0w`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision."""

    verb: str
    who: str = ""
    number: int = 0
    flag: bool = False

    def text(self) -> str:
        """As in the line that replays a run."""
        words = [self.verb, self.who, str(self.number or ""), "1" if self.flag else ""]
        while not words[-1]:
            words.pop()
        return "/".join(words)


def parse_decision(text: str) -> Decision:
    """The decision that this is the text of; raises `ValueError`."""
    verb, who, number, flag = [*text.split("/"), "", "", ""][:4]
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is not one of {', '.join(VERBS)}")
    return Decision(verb, who, int(number or 0), flag == "1")


def run_text(setup: Setup, decisions: Iterable[Decision]) -> str:
    """A run in one word."""
    return setup.text() + ":" + ",".join(decision.text() for decision in decisions)


def parse_run(text: str) -> tuple[Setup, list[Decision]]:
    """The run that this word is of; raises `ValueError`."""
    setup, _, decisions = text.partition(":")
    return parse_setup(setup), [parse_decision(word) for word in decisions.split(",") if word]
