"""What the operator's commands have in common: an order to a node, and what came of it.

Exit status: 0 it is done; 1 it was refused, and nothing was changed; 2 wrong usage or configuration; 3 not known yet.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from takeover.cli import Exit
from takeover.config import Operated, load_operated
from takeover.control.client import TIMEOUT_S, ask
from takeover.errors import ConfigurationError, TakeoverError

LOOK_S = 0.1
"""How often a node is asked what has become of an order, in seconds."""

DONE, REFUSED, UNDECIDED = "done", "refused", "undecided"

_STATUS = {DONE: Exit.HOLDS, REFUSED: Exit.VIOLATED, UNDECIDED: Exit.UNDECIDED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order."""

    verdict: str
    """`done`, `refused` or `undecided`."""
    clause: str = ""
    """Of a refusal: the clause that forbids it."""
    reason: str = ""
    """Why it is not done."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of every order."""
    said = "the node's configuration, or an operator's file for it"
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help=said)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it as JSON to FILE")


def carry(arguments: argparse.Namespace, order: Callable[[Operated], Outcome]) -> Exit:
    """Give the order, say what came of it, and give the exit status."""
    try:
        server = load_operated(arguments.config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return Exit.USAGE
    try:
        outcome = order(server)
    except TakeoverError as error:
        outcome = Outcome(UNDECIDED, reason=str(error))
    if outcome.verdict == REFUSED:
        print(f"refused: {outcome.clause}: {outcome.reason}", file=sys.stderr)
    elif outcome.verdict == UNDECIDED:
        print(outcome.reason, file=sys.stderr)
    if arguments.json:
        try:
            arguments.json.write_text(json.dumps(asdict(outcome)) + "\n")
        except OSError as error:
            print(f"{arguments.json} cannot be written: {error.strerror}", file=sys.stderr)
            return Exit.USAGE
    return _STATUS[outcome.verdict]


def status_of(server: Operated) -> dict[str, Any]:
    """What the node says of itself. Raises `TakeoverError`."""
    return ask(server, "status")


def give(server: Operated, words: str, timeout_s: float = TIMEOUT_S) -> Outcome | None:
    """Give the node an order: what came of it if it was refused, None if it was accepted. Raises `TakeoverError`."""
    answer = ask(server, words, timeout_s)
    if answer["accepted"]:
        return None
    return Outcome(REFUSED, answer["clause"], answer["reason"])


def wait(server: Operated, holds: Callable[[dict[str, Any]], bool], timeout_s: float) -> bool:
    """Whether the node's status comes to this in time. Raises `TakeoverError`."""
    deadline = time.monotonic() + timeout_s
    while not holds(status_of(server)):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_S)
    return True
