"""Failover in the lab: from the loss of the active server to the client's first write, and where the time goes.

What the grants ask for is not counted: the time is that beyond the end of the grants of the server that failed.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.pair import MS, Failover, LabPair
from tests.bench.report import Report
from tests.bench.timings import Timings

LIMIT_MS = 100.0
"""What a failover may take beyond the end of the grants, with the application's own start."""

STAGES = (
    ("of it, until the lease is there", "granted_until_ns", "leased_ns"),
    ("of it, the rest of the drain", "leased_ns", "role_ns"),
    ("of it, role taken and identity enabled, until it answers", "role_ns", "answered_ns"),
    ("of it, the application's start, until it accepts", "answered_ns", "accepted_ns"),
    ("of it, until the write is answered", "accepted_ns", "written_ns"),
)
APPLICATION = STAGES[3]


async def failover(report: Report, timings: Timings, runs: int, seed: int) -> None:
    """Kill the active server's process again and again, at any time between two beats."""
    phases = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="takeover-bench-") as folder:
        pair = LabPair(Path(folder), timings.of_the_pair)
        seen: list[Failover] = []
        try:
            await pair.open()
            for _ in range(runs):
                await pair.in_sync()
                await asyncio.sleep(phases.random() * timings.of_the_pair.beat_ms / 1000)
                seen.append(await pair.kill())
        finally:
            await pair.close()
    _tell(report, timings.name, seen)


def _tell(report: Report, name: str, seen: Sequence[Failover]) -> None:
    whole = spans_ms(seen, "granted_until_ns", "written_ns")
    own = spans_ms(seen, *APPLICATION[1:])
    rest = [all_ms - own_ms for all_ms, own_ms in zip(whole, own, strict=True)]
    stages = [(stage, spans_ms(seen, begin, end)) for stage, begin, end in STAGES]
    for what, values in (
        ("end of the grants to a write", whole),
        ("the same without the application's start", rest),
        *stages,
    ):
        report.spread("failover", f"{name}: {what}", values, "ms", LIMIT_MS, "the limit")
    loss = spans_ms(seen, "failed_ns", "written_ns")
    granted = max(spans_ms(seen, "failed_ns", "granted_until_ns"))
    report.spread(
        "failover", f"{name}: loss to a write", loss, "ms", granted, "the longest grant that was left"
    )


def spans_ms(seen: Sequence[Failover], begin: str, end: str) -> list[float]:
    """How long it took from one event to the other, each time."""
    return [(getattr(each, end) - getattr(each, begin)) / MS for each in seen]
