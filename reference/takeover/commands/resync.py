"""`takeover resync --config FILE`: let this passive server's data be made anew after the active server's.

Only what differs is sent, and the active server goes on serving. `takeover status` says when it is over.
"""

from __future__ import annotations

import argparse

from takeover.cli import Exit
from takeover.commands import giving_orders
from takeover.commands.giving_orders import DONE, Outcome, configure
from takeover.config import Operated

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""

    def order(server: Operated) -> Outcome:
        refused = giving_orders.give(server, "resync")
        if refused is None:
            print("the active server is asked for a copy")
        return refused or Outcome(DONE)

    return giving_orders.carry(arguments, order)
