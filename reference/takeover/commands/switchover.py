"""`takeover switchover --config FILE`: hand the role of this active server over to the other one; nothing is lost.

The applications are stopped here, everything that was written becomes safe on the other server, and the public identity
goes over. Until then it can be called off, and is if it takes longer than `--within`: the applications start again. The
same command, given on the server that is active then, reinstates the first one.
"""

from __future__ import annotations

import argparse

from takeover.cli import Exit
from takeover.commands import giving_orders
from takeover.commands.giving_orders import DONE, UNDECIDED, Outcome
from takeover.config import Operated
from takeover.control.control import WITHIN_MS_MAX

ANSWER_S = 30.0
"""How long stopping the applications may take beyond `--within`, in seconds."""

TAKEN_S = 60.0
"""How long the other server may take to be heard as active once the role is released, in seconds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    giving_orders.configure(parser)
    parser.add_argument(
        "--within",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long the queues may take to become empty, once the applications are stopped, before it is called off"
        " (default: %(default)g)",
    )


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0.001 <= seconds <= WITHIN_MS_MAX / 1000:
        raise argparse.ArgumentTypeError(f"{word} is not from 0.001 to {WITHIN_MS_MAX // 1000}")
    return seconds


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""

    def order(server: Operated) -> Outcome:
        epoch = giving_orders.status_of(server)["epoch"]
        words = f"switchover {int(arguments.within * 1000)}"
        refused = giving_orders.give(server, words, arguments.within + ANSWER_S)
        if refused:
            return refused
        print(f"the role of epoch {epoch} is released: nothing is lost")
        if not giving_orders.wait(server, lambda status: bool(status["seen"] > epoch), TAKEN_S):
            return Outcome(UNDECIDED, reason=f"the other server was not heard as active within {TAKEN_S:g} s")
        print(f"the other server is active in epoch {epoch + 1}")
        return Outcome(DONE)

    return giving_orders.carry(arguments, order)
