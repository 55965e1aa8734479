"""A pair with a lease of three beats beside keepalived with adverts as often as the beat, in the same lab and run.

Both lose the whole machine; and a few times only their own processes. keepalived moves an address to where a service
runs already; the pair starts its application as well, after its data is whole. So two things are compared: when the
address answers, and when a client is connected. An observer counts the holders, of each.

What complicates it: keepalived's primary takes the address back when it returns. So it is always the one that fails.
"""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.failover import spans_ms
from tests.bench.pair import LAST_WORDS_NS, MS, PROBER, Failover, LabPair, Prober, lose
from tests.bench.report import Figure, Report
from tests.bench.timings import SHORT

from takeover.demo.configurations import SERVERS
from takeover.lab.keepalived import Rival, program
from takeover.lab.scene import PORT

KILLS = 3
"""How often each loses its own processes only."""

SETTLED_S = 2.0
"""How long keepalived is left alone after its primary is back, in seconds; it needs about 0.4."""

ISSUED_MS = 361.0
"""What keepalived waits at an advert interval of 100 ms: three adverts, and 61 ms for a priority of 100."""


async def rival(report: Report, runs: int, seed: int) -> None:
    """Cut the power of the active machine again and again, of either."""
    phases = random.Random(seed)
    ours, our_holders = await _pair(runs, phases)
    address = spans_ms(ours, "failed_ns", "answered_ns")
    connected = spans_ms(ours, "failed_ns", "accepted_ns")
    keepalived = program()
    if keepalived is None:
        report.remark("rival     keepalived is not installed: its place is taken by what its timers say")
        theirs, against = ISSUED_MS, "keepalived's timers"
    else:
        found, their_holders = await _keepalived(keepalived, runs, phases)
        theirs, against = statistics.median(found), "keepalived's median"
        report.spread(
            "rival",
            "keepalived, adverts each 100 ms: loss to the next connection",
            found,
            "ms",
            theirs,
            against,
        )
        report.add(
            Figure(
                "rival",
                f"keepalived: most holders at once, with {KILLS} SIGKILLs",
                their_holders,
                "",
                1,
                "one",
            )
        )
    name = f"the pair, {SHORT.name}: loss to"
    report.spread("rival", f"{name} the address's first answer", address, "ms", theirs, against)
    report.spread(
        "rival", f"{name} the next connection, application started", connected, "ms", theirs, against
    )
    report.add(
        Figure("rival", f"the pair: most holders at once, with {KILLS} SIGKILLs", our_holders, "", 1, "one")
    )


async def _pair(runs: int, phases: random.Random) -> tuple[list[Failover], int]:
    with tempfile.TemporaryDirectory(prefix="takeover-bench-") as folder:
        pair = LabPair(Path(folder), SHORT.of_the_pair, observed=True)
        seen = []
        try:
            await pair.open()
            for _ in range(runs):
                await pair.in_sync()
                await asyncio.sleep(phases.random() * SHORT.of_the_pair.beat_ms / 1000)
                seen.append(await pair.cut_power())
            for _ in range(KILLS):
                await pair.kill()
            await pair.in_sync()
        finally:
            await pair.close()
    assert pair.scene.observation is not None
    return seen, pair.scene.observation.holders_max


async def _keepalived(keepalived: str, runs: int, phases: random.Random) -> tuple[list[float], int]:
    """From each loss of the primary's machine to a new connection, in ms; and the most holders that were seen."""
    with tempfile.TemporaryDirectory(prefix="takeover-bench-") as folder:
        theirs = Rival(Path(folder), SHORT.of_the_pair, keepalived, lambda _: None)
        scene = theirs._scene
        prober = Prober(scene)
        found = []

        async def start(name: str) -> None:
            argv = [sys.executable, "-P", str(PROBER), "answer", str(PORT)]
            await scene.machines[name].start("answer", argv, scene.directory / f"{name}-answer.log")
            await scene.parties[name].start()

        try:
            await scene.open()
            for name in SERVERS:
                await start(name)
            await prober.start()
            await prober.first(0)
            primary = scene.machines[SERVERS[0]]
            for _ in range(runs):
                await asyncio.sleep(SETTLED_S + phases.random() * SHORT.of_the_pair.beat_ms / 1000)
                failed_ns, cutting = lose(primary)
                first = await prober.first(failed_ns + LAST_WORDS_NS)
                await cutting
                found.append((first["accepted"] - failed_ns) / MS)
                await scene.parties[SERVERS[0]].kill()
                await primary.power_on()
                await start(SERVERS[0])
            for _ in range(KILLS):
                await asyncio.sleep(SETTLED_S)
                its_own = [process for process in primary.processes() if keepalived in process.argv]
                assert primary.signal(signal.SIGKILL, its_own) > 0
                await asyncio.sleep(SETTLED_S)
                await scene.parties[SERVERS[0]].kill()
                await scene.parties[SERVERS[0]].start()
        finally:
            await scene.close()
    assert scene.observation is not None
    return found, scene.observation.holders_max
