"""`takeover node --config FILE`: run a server of a pair until it is told to stop (SIGTERM or SIGINT)."""

from __future__ import annotations

import argparse

from takeover.cli import Exit
from takeover.config import load_node
from takeover.node import run_node
from takeover.service_command import configure, run_service

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    return run_service(arguments.config, load_node, run_node)
