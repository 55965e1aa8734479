"""The measurements that need a lab, as the program that runs inside its namespaces.

python -m tests.bench.inside NAME --runs N --seed S --json FILE
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tests.bench.failover import failover
from tests.bench.idle import idle
from tests.bench.report import Report
from tests.bench.rival import rival
from tests.bench.steady import steady
from tests.bench.timings import DEFAULT, LAB, SHORT
from tests.bench.writes import writes


async def _failover(report: Report, runs: int, seed: int) -> None:
    for timings, count in ((LAB, runs), (SHORT, runs), (DEFAULT, max(1, runs // 5))):
        await failover(report, timings, count, seed)


async def _rival(report: Report, runs: int, seed: int) -> None:
    await rival(report, max(1, runs * 2 // 5), seed)


async def _idle(report: Report, runs: int, seed: int) -> None:
    for timings in (DEFAULT, LAB, SHORT):
        await idle(report, timings)


async def _writes(report: Report, runs: int, seed: int) -> None:
    await writes(report)


async def _steady(report: Report, runs: int, seed: int) -> None:
    await steady(report, SHORT)


MEASUREMENTS = {"failover": _failover, "rival": _rival, "writes": _writes, "idle": _idle, "steady": _steady}


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    report = Report()
    asyncio.run(MEASUREMENTS[options.name](report, options.runs, options.seed))
    options.json.write_text(json.dumps(report.as_values()))


if __name__ == "__main__":
    main()
