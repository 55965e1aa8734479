"""The decisions that drive a virtual world, and their text.

A world does nothing by chance: a run is its setup and the list of decisions, and the same list gives the same run.
Every decision is possible at any time; where there is nothing to decide it does nothing. So any part of a run is a
run, which is what shrinking needs.

A run is written in one word, to be given to `takeover simulate --replay`: the setup, a colon, and the decisions, each
as `verb/who/number/flag` with what is at its end and empty left out: `shell=1:calm//2000/1,crash/0,calm//3000`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from takeover_models.network import LINKS
from takeover_models.setup import Setup, parse_setup

HOSTS = ("0", "1", "w")
SERVERS = ("0", "1")
_NOBODY = ("",)

VERBS: dict[str, tuple[tuple[str, ...], str]] = {
    "pass": (_NOBODY, "true time passes, in microseconds; nobody does anything"),
    "reach": (
        HOSTS,
        "true time passes to the next of a host's edges: its waking, its address's end, its grants' ends",
    ),
    "rate": (HOSTS, "a host's clock runs at another rate, in parts in a million"),
    "wake": (SERVERS, "a host is woken"),
    "deliver": (LINKS, "a message under way on a link arrives; flag: and stays under way"),
    "lose": (LINKS, "a message under way on a link is lost"),
    "delay": (
        LINKS,
        "what is under way on a link comes so many milliseconds later, and what is sent after it overtakes it",
    ),
    "slow": (LINKS, "from now on a link takes so many milliseconds longer"),
    "cut": (LINKS, "a link loses all that is sent"),
    "mend": (LINKS, "a link carries again"),
    "disconnect": (_NOBODY, "the channel breaks; flag: what is under way is lost"),
    "connect": (_NOBODY, "the channel is there again, if it can be"),
    "offer": (
        SERVERS,
        "an application of a server wants something done; the number says what; flag: it will fail",
    ),
    "work": (
        SERVERS,
        "a server's shell does one thing: copy, intercept, carry out, ship, apply, looking from the number on",
    ),
    "idle": (SERVERS, "a server finds nothing to do"),
    "busy": (SERVERS, "a server's shell is too busy to apply anything for so many milliseconds"),
    "sync": (HOSTS, "a host makes what it wrote durable"),
    "interrupt": (HOSTS, "a host's process stops after so many more effects"),
    "stop": (HOSTS, "a host's process stops"),
    "resume": (HOSTS, "a host's stopped process goes on"),
    "crash": (HOSTS, "a host's process dies, keeping so many unsynced writes; flag: its machine dies too"),
    "start": (HOSTS, "a host's process starts"),
    "bye": (SERVERS, "a server is shut down by its operator"),
    "switch": (SERVERS, "an operator orders a server to hand its role over, within so many milliseconds"),
    "promote": (SERVERS, "an operator orders a server to take over with the data it has"),
    "resync": (SERVERS, "an operator orders a server to get a new copy of the data"),
    "calm": (_NOBODY, "so many milliseconds without new faults; flag: applications write all the time"),
    "heal": (_NOBODY, "everything is mended, started and resumed"),
    "recover": (
        _NOBODY,
        "the channel breaks, everything is mended, and after some seconds of calm the pair has to be whole",
    ),
}
"""By verb, whom or what it may be about, and what it does: servers 0 and 1, the witness w, a link such as `0w`."""


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
    if who not in VERBS[verb][0]:
        raise ValueError(f"{text!r}: {verb} is about one of {', '.join(VERBS[verb][0])}, and not {who!r}")
    return Decision(verb, who, int(number or 0), flag == "1")


def run_text(setup: Setup, decisions: Iterable[Decision]) -> str:
    """A run in one word."""
    return setup.text() + ":" + ",".join(decision.text() for decision in decisions)


def parse_run(text: str) -> tuple[Setup, list[Decision]]:
    """The run that this word is of; raises `ValueError`."""
    setup, _, decisions = text.partition(":")
    return parse_setup(setup), [parse_decision(word) for word in decisions.split(",") if word]
