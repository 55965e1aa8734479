"""Cases: what a server is put through, as data with names that never change.

A case is a line of JSON in a file of `cases/`. Two kinds there are. A *frame* case is of level 0: a frame, and the
message that it is of, or `null` if it is of none. A *run* is of a higher level: steps in a virtual world, each of them

- a decision of the world, as in a line that `takeover simulate` replays: `"calm//2500/1"`;
- something that the peer says and that no server said: `{"from": "peer", "message": {…}}`, or `"frame"` in base64,
  or nothing but `from` for a new connection. What a message leaves out is taken from the tested server's last
  question of the kind that it answers;
- a check of what the tested server did or said since the check before: `{"must": {"do": "take-role", "epoch": 2}}`,
  `{"never": {"say": "promised"}}`, `{"must": {"close": "peer"}}`, `{"must": {"accept": false}}` of an operator's order;
  with `"who"` it is about that server, whosever it is.

Whatever a run checks, the rules judge every action, what a frame says has to be so, and the properties are looked at
all the time. So where the rules leave a choice, every choice passes.

Case names never reach an adapter, and neither do expectations.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from takeover_models.decisions import Decision, parse_decision
from takeover_models.setup import Setup, parse_setup
from takeover_spec.codec import Malformed, parse_json, shown

FORMAT = 1
"""The version of the format; the first line of a file says it."""

LEVELS = {
    0: "frames",
    1: "one server, its peer scripted",
    2: "a pair without faults",
    3: "a pair under faults",
}

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


Step = Decision | Tell | Check


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


@dataclass(frozen=True, slots=True)
class RunCase:
    """A run."""

    name: str
    level: int
    clauses: tuple[str, ...]
    why: str
    """Which mistake it hunts."""
    origin: str
    """Where it comes from: `spec`, `mutant NAME`, `without CLAUSE`, `seed N`, or the address of a bug."""
    setup: Setup
    tested: tuple[str, ...]
    """As which of `ROLES` it is played."""
    steps: tuple[Step, ...]


Case = FrameCase | RunCase


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
    return [_case(parse_json(line, f"{name}:{n}"), f"{name}:{n}") for n, line in enumerate(lines[1:], 2)]


def _case(values: dict[str, Any], where: str) -> Case:
    try:
        clauses = tuple(values["clauses"])
        if "frame" in values:
            frame = base64.b64decode(values["frame"], validate=True)
            return FrameCase(values["name"], clauses, values["why"], frame, values["message"])
        tested = tuple(values["tested"])
        if values["level"] not in LEVELS or not set(tested) <= set(ROLES):
            raise ValueError("its level or who is tested is unknown")
        return RunCase(
            values["name"],
            values["level"],
            clauses,
            values["why"],
            values["origin"],
            parse_setup(values["setup"]),
            tested,
            tuple(_steps(values["steps"])),
        )
    except KeyError as missing:
        raise Malformed(where, f"{missing} is missing") from None
    except (ValueError, TypeError) as problem:
        raise Malformed(where, str(problem)) from None


def _steps(steps: list[Any]) -> Iterator[Step]:
    for step in steps:
        match step:
            case str():
                yield parse_decision(step)
            case {"must": dict() as pattern}:
                yield Check(True, pattern)
            case {"never": dict() as pattern}:
                yield Check(False, pattern)
            case {"from": "peer" | "witness" as sender, "frame": str() as frame}:
                try:
                    yield Tell(sender, None, base64.b64decode(frame, validate=True))
                except binascii.Error:
                    raise ValueError(f"{shown(frame)} is not base64") from None
            case {"from": "peer" | "witness" as sender}:
                yield Tell(sender, step.get("message"))
            case _:
                raise ValueError(f"{shown(step)} is no step")
