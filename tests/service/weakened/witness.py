"""A witness that grants at once after a restart, whatever it granted before: LEASE-3 without its wait.

    witness.py --config FILE

It does not hide it: its trace says when it begins to grant. All else is the witness as it is.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import takeover.witness.service
from takeover.cli import main
from takeover.core.witness import Witness, WitnessEffect, begin_witness
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import Constants

HARDLY_NS = 1_000_000


def begin_at_once(
    constants: Constants, found: WitnessKnowledge, now: int, leased_ns: int = 0
) -> tuple[Witness, tuple[WitnessEffect, ...]]:
    """Begin as if a lease lasted hardly any time."""
    witness, effects = begin_witness(replace(constants, lease_ns=HARDLY_NS), found, now)
    return replace(witness, constants=constants), effects


if __name__ == "__main__":
    vars(takeover.witness.service)["begin_witness"] = begin_at_once
    sys.exit(main(["witness", *sys.argv[1:]]))
