"""`takeover promote --config FILE`: make this passive server active with the data it has, and accept what that loses.

For when the server with the latest data is gone for good, or was active alone and has restarted. It still takes the
witness's lease, so the other server's grants are over first. Without `--accept-loss` it says what would be lost, or
that it would be refused, and does nothing.

Where there is no witness, this is a person's word that the other server is down, and it is believed.
"""

from __future__ import annotations

import argparse
from typing import Any

from takeover.cli import Exit
from takeover.commands import giving_orders
from takeover.commands.giving_orders import DONE, REFUSED, UNDECIDED, Outcome
from takeover.config import Operated
from takeover_spec.words import Arbiter

_WORD = """\
There is no witness. With --accept-loss you say: I have SEEN that the other server is down, or its status says that it
waits for a person too; and this one was active last, or has all that the other one wrote. If not so, both will be
active."""
"""What a person says with the order."""

_NOT_ACCEPTED = ("REJOIN-4", "nothing was done: say --accept-loss to do it")

SLACK_S = 30.0
"""How long the takeover may take beyond the longest grants, in seconds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    giving_orders.configure(parser)
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="do it; what is lost stays lost. Without a witness: the other server was seen to be down",
    )


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""

    def order(server: Operated) -> Outcome:
        status = giving_orders.status_of(server)
        against = status["promotion"]["refused"]
        if not against:
            _warn(status)
        if not arguments.accept_loss:
            clause, reason = (against["clause"], against["reason"]) if against else _NOT_ACCEPTED
            return Outcome(REFUSED, clause, reason)
        refused = giving_orders.give(server, "promote")
        if refused:
            return refused
        timeout_s = 2 * status["grants"]["longest_ms"] / 1e3 + SLACK_S
        if not giving_orders.wait(server, lambda status: bool(status["role"] == "active"), timeout_s):
            refrain = giving_orders.status_of(server)["last_refrain"]
            why = f": {refrain['clause']}: {refrain['reason']}" if refrain else ""
            return Outcome(
                UNDECIDED, reason=f"it is not active after {timeout_s:g} s, and goes on trying{why}"
            )
        print("this server is active")
        return Outcome(DONE)

    return giving_orders.carry(arguments, order)


def _warn(status: dict[str, Any]) -> None:
    """Say what would be lost."""
    kept, last = status["promotion"]["kept"], status["promotion"]["last"]
    print(f"kept: everything up to update {kept}")
    print(f"lost: {'nothing that is known here' if last <= kept else f'updates {kept + 1} to {last}'}")
    if not status["resynchronise"]:
        print("      and whatever the other server wrote that never reached this one, acknowledged or not")
    if status["arbiter"] != Arbiter.WITNESS:
        print(_WORD)
