"""`takeover node --config FILE`: run a server of a pair until it is told to stop (SIGTERM or SIGINT)."""

from __future__ import annotations

import argparse

from takeover.cli import Exit
from takeover.commands.service import configure, run_service
from takeover.config import load_node
from takeover.node import run_node

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    return run_service(arguments.config, load_node, run_node)
