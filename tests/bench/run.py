"""The benchmarks: each figure as a ratio to a limit, or to a peer that is measured in the same run.

    python -m tests.bench.run [queues] [drain] [copies] [failover] [rival] [writes] [idle] [steady] [address]
                              [exchanges] [conform] [matrix] [verify] [--runs N] [--seed S] [--json FILE]

Nothing here is a test: machines differ and are busy. A figure says how far the code is from what the machine allows at
that moment; the load of the machine is told at the beginning and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.conformance import conform, matrix
from tests.bench.copies import copies
from tests.bench.drain import drain
from tests.bench.exchanges import exchanges
from tests.bench.queues import queues
from tests.bench.report import Figure, Report, seconds_of

from takeover.lab.entrance import refusal

ROOT = Path(__file__).parents[2]

IN_THE_LAB = ("failover", "rival", "writes", "idle", "steady")
ON_A_STAGE = ("renewing", "idle", "loaded")

RUNS = 50
"""How many failovers."""

VERIFY_S = 60
"""How long the proofs may take."""


def address(report: Report) -> None:
    """The address on an interface: what a renewal costs, its first answer, and its last one against the grant's end."""
    program, scenarios = (
        ROOT / "tests" / "reference" / "address" / "run.py",
        Path(__file__).with_name("address.py"),
    )
    for scenario in ON_A_STAGE:
        command = [sys.executable, str(program), str(ROOT), str(scenarios), scenario]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for line in ended.stdout.splitlines():
            report.add(Figure("address", **json.loads(line)))


def verify(report: Report) -> None:
    """The time of the proofs."""
    command = [sys.executable, "-m", "takeover", "verify"]
    seconds = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))
    report.add(Figure("verify", "all proofs", seconds, "s", VERIFY_S, "the limit"))


def in_the_lab(report: Report, name: str, runs: int, seed: int) -> None:
    """What needs machines, in namespaces."""
    if refused := refusal():
        report.remark(f"{name}: there can be no lab on this machine: {refused}")
        return
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-P", "-m", "takeover.lab.namespaces", "--", sys.executable]
        command += [
            "-m",
            "tests.bench.inside",
            name,
            "--runs",
            str(runs),
            "--seed",
            str(seed),
            "--json",
            str(found),
        ]
        subprocess.run(command, check=True, cwd=ROOT)
        report.take(json.loads(found.read_text()))


ALONE = {
    "queues": queues,
    "drain": drain,
    "copies": copies,
    "address": address,
    "exchanges": exchanges,
    "conform": conform,
    "matrix": matrix,
    "verify": verify,
}
NAMES = ("queues", "drain", "copies", *IN_THE_LAB, "address", "exchanges", "conform", "matrix", "verify")


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many failovers (default {RUNS})")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1 << 32), help="when between two beats they come"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    report = Report()
    report.remark(f"seed {options.seed}; {_load()}")
    for name in options.names or NAMES:
        if name in ALONE:
            ALONE[name](report)
        else:
            in_the_lab(report, name, options.runs, options.seed)
    report.remark(_load())
    if options.json:
        options.json.write_text(json.dumps(report.as_values(), indent=1) + "\n")


def _load() -> str:
    """How busy the machine is."""
    one, five, _ = os.getloadavg()
    return f"{os.cpu_count()} processors; load {one:.2f} in the last minute, {five:.2f} in the last five"


if __name__ == "__main__":
    main()
