"""How long the conformance suite takes: for one adapter, and for the whole kill matrix."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.report import Figure, Report, seconds_of

from takeover_conformance.cases import shipped
from takeover_conformance.making.matrix import names

CONFORM_S = 30
"""How long levels 0 to 3 may take for one adapter, on two processors."""

MATRIX_S = 360
"""How long the kill matrix may take, on two processors."""

CASES = 5000
"""How many cases there should be."""


def conform(report: Report) -> None:
    """The reference adapter, through pipes."""
    cases = shipped()
    counting = sum(case.counts for case in cases)
    report.add(
        Figure("conform", f"cases, {counting} of which count", len(cases), "", CASES, "what is wanted")
    )
    adapter = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]
    command = [sys.executable, "-m", "takeover", "conform", "--level", "3", "--", *adapter]
    seconds = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))
    report.add(
        Figure("conform", "levels 0 to 3 for the reference adapter", seconds, "s", CONFORM_S, "the limit")
    )


def matrix(report: Report) -> None:
    """Every wrong adapter, every legal variant and every blank, in processes of its own."""
    command = [sys.executable, "-m", "takeover_conformance.making", "--compare", "making/kills.ndjson"]
    seconds = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))
    told = f"the kill matrix of {len(names())} adapters"
    report.add(Figure("matrix", told, seconds, "s", MATRIX_S, "the limit"))
