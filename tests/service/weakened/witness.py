"""A witness that is weakened in one of two ways that LEASE-3 forbids. It hides neither in its trace.

    witness.py no-wait|guesses --config FILE

`no-wait`: it grants at once after a restart, whatever it granted before. `guesses`: without a record it takes it that
the pair is new, and asks nobody. All else is the witness as it is.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import takeover.witness.service
from takeover.cli import main
from takeover.core.witness import NEW_PAIR, Witness, WitnessEffect, begin_witness
from takeover.storage.data_directory import DataDirectory
from takeover.witness.record import read_record, write_first_record
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import Constants

HARDLY_NS = 1_000_000


def begin_at_once(
    constants: Constants, found: WitnessKnowledge, now: int, leased_ns: int = 0
) -> tuple[Witness, tuple[WitnessEffect, ...]]:
    """Begin as if a lease lasted hardly any time."""
    witness, effects = begin_witness(replace(constants, lease_ns=HARDLY_NS), found, now)
    return replace(witness, constants=constants), effects


def read_or_guess(directory: DataDirectory) -> WitnessKnowledge | None:
    """The record, or that the pair is new."""
    if read_record(directory) is None:
        write_first_record(directory, NEW_PAIR)
    return read_record(directory)


def run(words: list[str]) -> int:
    """Be a witness."""
    kind, *rest = words
    weakened: dict[str, Any] = (
        {"begin_witness": begin_at_once} if kind == "no-wait" else {"read_record": read_or_guess}
    )
    vars(takeover.witness.service).update(weakened)
    return main(["witness", *rest])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
