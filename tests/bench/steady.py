"""Whether a pair with short timings stays as it is: on an idle machine for a minute, and under how much load.

The load is processes that never rest, each in a session of its own, as the kernel is fair between sessions. A takeover
that nobody asked for is a failure of the timings, not of the rules: there is still one holder, but an outage.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.pair import LabPair
from tests.bench.report import Figure, Report
from tests.bench.timings import Timings

from takeover.demo.statuses import statuses_of

CALM_S = 60.0
LOADED_S = 20.0
_BURN = """
import os
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # or else it has the priority that this may be run with
while True:
    pass
"""

BURNERS = (1, 2, 4, 8, 16)


async def steady(report: Report, timings: Timings) -> None:
    """Count the takeovers, without load and with ever more."""
    with tempfile.TemporaryDirectory(prefix="takeover-bench-") as folder:
        pair = LabPair(Path(folder), timings.of_the_pair)
        try:
            await pair.open()
            for count in (0, *BURNERS):
                await pair.in_sync()
                seconds = LOADED_S if count else CALM_S
                takeovers = await _takeovers(pair, count, seconds)
                what = f"{timings.name}: takeovers in {seconds:.0f} s with {count} processes that never rest"
                report.add(Figure("steady", what, takeovers, "", 1, "one too many"))
        finally:
            await pair.close()


async def _takeovers(pair: LabPair, burners: int, seconds: float) -> int:
    before = await _epoch(pair)
    burning = [
        subprocess.Popen([sys.executable, "-c", _BURN], start_new_session=True) for _ in range(burners)
    ]
    try:
        await asyncio.sleep(seconds)
    finally:
        for process in burning:
            process.kill()
            process.wait()
    await pair.in_sync()
    return await _epoch(pair) - before


async def _epoch(pair: LabPair) -> int:
    while not (statuses := await statuses_of(pair.scene.parties)):
        await asyncio.sleep(0.05)
    return max(int(status["epoch"]) for status in statuses.values())
