"""`takeover witness --config FILE`: run the witness of a pair until it is told to stop (SIGTERM or SIGINT)."""

from __future__ import annotations

import argparse

from takeover.cli import Exit
from takeover.config import load_witness
from takeover.service_command import configure, run_service
from takeover.witness_service import run_witness

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    return run_service(arguments.config, load_witness, run_witness)
