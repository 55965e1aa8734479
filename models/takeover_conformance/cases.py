"""Cases: what a server is put through, as data with names that never change.

A *frame* case is of level 0: a frame, and the message that it is of, or `None` if it is of none. A *run* is of a higher
level: steps in a virtual world. A *moment* is a run of one server, in two parts that many share: a situation, and an
event. `models/CASES.md` is the format of the files.

Whatever a run checks, the rules judge every action, what a frame says has to be so, and the properties are looked at
all the time. So where the rules leave a choice, every choice passes.

Case names never reach an adapter, and neither do expectations.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from takeover_models.decisions import Decision, parse_decision
from takeover_models.setup import Setup, parse_setup
from takeover_spec.codec import Malformed, parse_json, plain, shown
from takeover_spec.knowledge import Knowledge
from takeover_spec.trace import parse_header

FORMAT = 1
"""The version of the format; the first line of a file says it."""

LEVELS = {
    0: "frames",
    1: "one server, its peer scripted",
    2: "a pair without faults",
    3: "a pair under faults",
    4: "the service itself, on machines of a lab",
    5: "a pair with another implementation",
}

ADAPTER_LEVEL = 3
"""The highest level for which an adapter is enough."""

SERVICE_LEVEL = 4
PAIRED_LEVEL = 5
"""Its runs are those of levels 2 and 3, with somebody else's server as the other one."""

UNTESTED = {
    "LEASE-3": "a rule of the witness, which is the runner's",
}
"""Clauses that no case is about, and why."""

ROLES = ("primary", "secondary", "both")
"""Which of the two servers of a pair is the tested one; the other is the reference's."""


@dataclass(frozen=True, slots=True)
class Tell:
    """The peer says something that no server said."""

    sender: str
    message: dict[str, Any] | None = None
    frame: bytes | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What the tested server must have done since the check before, or must not."""

    must: bool
    pattern: dict[str, Any]
    clause: str = ""
    """Which clause it belongs to; empty for the case's first."""


Step = Decision | Tell | Check


@dataclass(frozen=True, slots=True)
class Situation:
    """What many runs of one server begin with."""

    told: str
    """Where it is, after *a server that…*."""
    tested: str
    setup: Setup
    finds: Knowledge
    """What is on its disk."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class FrameCase:
    """A frame, and what it says."""

    name: str
    clauses: tuple[str, ...]
    why: str
    """Which mistake it hunts."""
    frame: bytes
    message: dict[str, Any] | None
    level: int = 0
    counts: bool = True
    """Whoever does nothing does not pass it."""


@dataclass(frozen=True, slots=True)
class RunCase:
    """A run."""

    name: str
    level: int
    clauses: tuple[str, ...]
    why: str
    """Which mistake it hunts."""
    origin: str
    """Where it comes from: `spec`, `moment`, `mistake NAME, seed N`, `seed N`, `verify --without ENTRY`, or the address
    of a bug."""
    setup: Setup
    tested: tuple[str, ...]
    """As which of `ROLES` it is played."""
    steps: tuple[Step, ...]
    situation: Situation | None = None
    """What comes before the steps, if it is of a server that is alone."""

    @property
    def counts(self) -> bool:
        """Whether it asks for something to be done: safety alone whoever does nothing has."""
        return any(step.must if isinstance(step, Check) else step == RECOVER for step in self.steps)


Case = FrameCase | RunCase

RECOVER = Decision("recover")
"""After it the pair has to be whole again."""


def shipped() -> list[Case]:
    """The cases that come with the suite. Raises `Malformed`."""
    return [case for name, content in files_of_cases() for case in read(name, content)]


def files_of_cases() -> list[tuple[str, bytes]]:
    """The files of cases that come with the suite: their names and what is in them."""
    folder = files("takeover_conformance").joinpath("cases")
    return sorted(
        (file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".ndjson")
    )


def read(name: str, text: bytes) -> list[Case]:
    """The cases in a file. Raises `Malformed`, with the file and the line."""
    lines = text.splitlines()
    header = parse_json(lines[0], f"{name}:1") if lines else {}
    if header.get("cases") != FORMAT:
        raise Malformed(f"{name}:1", f"this is no file of cases in format {FORMAT}")
    reader = _Reader()
    found = (
        reader.case(parse_json(line, f"{name}:{n}"), f"{name}:{n}") for n, line in enumerate(lines[1:], 2)
    )
    return [case for case in found if case is not None]


class _Reader:
    """Reads the lines of a file, and knows what those before have said."""

    def __init__(self) -> None:
        self.situations: dict[str, Situation] = {}
        self.events: dict[str, str] = {}

    def case(self, values: dict[str, Any], where: str) -> Case | None:
        """The case of a line; None if it only says what others are made of."""
        try:
            if "frame" in values:
                frame = base64.b64decode(values["frame"], validate=True)
                clauses = tuple(values["clauses"])
                return FrameCase(values["name"], clauses, values["why"], frame, values["message"])
            if "situation" in values:
                self.situations[values["situation"]] = situation_of(values, where)
                return None
            if "event" in values:
                self.events[values["event"]] = values["why"]
                return None
            return self._moment(values) if "in" in values else _run(values, where)
        except KeyError as missing:
            raise Malformed(where, f"{missing} is missing") from None
        except (ValueError, TypeError) as problem:
            raise Malformed(where, str(problem)) from None

    def _moment(self, values: dict[str, Any]) -> RunCase:
        situation = self.situations[values["in"]]
        why = f"{self.events[values['meets']]}, at a server that {situation.told}"
        return RunCase(
            f"{values['in']}-meets-{values['meets']}",
            1,
            tuple(values["clauses"]),
            why,
            "moment",
            situation.setup,
            (situation.tested,),
            tuple(steps_of(values["steps"])),
            situation,
        )


def situation_of(values: dict[str, Any], where: str) -> Situation:
    """The situation of a line. Raises `Malformed`, and what a missing value raises."""
    setup = parse_setup(values["setup"])
    header = {"trace": 1, "party": values["as"], "pair": "model", "constants": plain(setup.constants())}
    found = parse_header(json.dumps(header | {"found": values["finds"]}), where).found
    assert isinstance(found, Knowledge)
    return Situation(values["why"], values["as"], setup, found, tuple(steps_of(values["steps"])))


def _run(values: dict[str, Any], where: str) -> RunCase:
    clauses, tested = tuple(values["clauses"]), tuple(values["tested"])
    if not 0 < values["level"] <= ADAPTER_LEVEL or not set(tested) <= set(ROLES):
        raise ValueError("its level or who is tested is unknown")
    alone = None
    if "finds" in values:
        if tested not in {("primary",), ("secondary",)}:
            raise ValueError("a server that finds this is alone, and is the primary or the secondary")
        alone = situation_of(values | {"as": tested[0], "steps": []}, where)
    return RunCase(
        values["name"],
        values["level"],
        clauses,
        values["why"],
        values["origin"],
        parse_setup(values["setup"]),
        tested,
        tuple(steps_of(values["steps"])),
        alone,
    )


def steps_of(steps: list[Any]) -> Iterator[Step]:
    """Steps, as they are in a line. Raises `ValueError`."""
    for step in steps:
        match step:
            case str():
                yield parse_decision(step)
            case {"must": dict() as pattern}:
                yield Check(True, pattern, step.get("clause", ""))
            case {"never": dict() as pattern}:
                yield Check(False, pattern, step.get("clause", ""))
            case {"from": "peer" | "witness" as sender, "frame": str() as frame}:
                try:
                    yield Tell(sender, None, base64.b64decode(frame, validate=True))
                except binascii.Error:
                    raise ValueError(f"{shown(frame)} is not base64") from None
            case {"from": "peer" | "witness" as sender}:
                yield Tell(sender, step.get("message"))
            case _:
                raise ValueError(f"{shown(step)} is no step")
