"""Acknowledged writes of a pair in sync: how many a second, and how long one takes.

Beside a service on the active server's machine that answers when a line is durable there, and replicates nothing: what
a client pays for the second copy, and for what it is told of it.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.pair import PROBER, LabPair
from tests.bench.report import Figure, Report
from tests.bench.timings import LAB

from takeover.lab.scene import PORT, PUBLIC_ADDRESS, LabScene, plugs

SECONDS = 5.0
CONNECTIONS = (1, 16, 64)
BARE_PORT = PORT + 1


async def writes(report: Report) -> None:
    """Write to the application, and to the service, in turn."""
    with tempfile.TemporaryDirectory(prefix="takeover-bench-") as folder:
        pair = LabPair(Path(folder), LAB.of_the_pair)
        scene = pair.scene
        try:
            await pair.open()
            active = await pair.in_sync()
            argv = [sys.executable, "-P", str(PROBER), "store", str(BARE_PORT), str(scene.directory / "bare")]
            await scene.machines[active].start("store", argv, scene.directory / "store.log")
            own = plugs(active)[0].addresses[0].partition("/")[0]
            for count in CONNECTIONS:
                took = await _load(scene, str(PUBLIC_ADDRESS), PORT, count)
                bare = await _load(scene, own, BARE_PORT, count)
                what, against = f"{count} connections", "durable on one server only"
                rates = (len(each) / SECONDS for each in (took, bare))
                report.add(
                    Figure("writes", f"{what}: acknowledged writes", next(rates), "/s", next(rates), against)
                )
                middle_ms = statistics.median(bare) * 1e3
                report.spread("writes", f"{what}: a write", [s * 1e3 for s in took], "ms", middle_ms, against)
        finally:
            await pair.close()


async def _load(scene: LabScene, host: str, port: int, connections: int) -> list[float]:
    """How long each write took, in seconds."""
    found = scene.directory / "load.json"
    argv = [
        sys.executable,
        "-P",
        str(PROBER),
        "load",
        host,
        str(port),
        str(connections),
        str(SECONDS),
        str(found),
    ]
    program = await scene.machines["client"].start("load", argv, scene.directory / "load.log")
    status = await program.wait()
    assert status == 0, (scene.directory / "load.log").read_text()
    took: list[float] = json.loads(found.read_text())
    return took
