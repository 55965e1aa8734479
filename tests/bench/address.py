"""An address on an interface, on the stage of its tests: how soon it answers, and when the last answer comes.

Each run holds the addresses for one grant under a guard that is stopped at once, so that what ends it is the kernel.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from tests.reference.address.judge import Judge
from tests.reference.address.stage import MS, Guard, Stage, sleep_until

from takeover.linux import boottime_ns

RUNS = 50
BURNERS = 8
PROBE_MS = 30
SLACK_MS = 200
"""The default of `expiry_slack_ms`."""


def idle(stage: Stage) -> None:
    """Nothing else runs, as far as this process can see to it."""
    _measure(stage, 500, "idle")


def loaded(stage: Stage) -> None:
    """The processors are busy all over."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BURNERS)]
    try:
        _measure(stage, 1_500, f"{BURNERS} busy loops")
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def renewing(stage: Stage) -> None:
    """The processor time of a renewal, the guard's and its part of the kernel's."""
    count = 2_000
    guard = Guard(stage.host()).ready()
    guard.enable_for(60_000)
    begun, begun_ns = _processor_seconds(guard.process.pid), boottime_ns()
    for _ in range(count):
        guard.enable_for(60_000)
    each_ms = (boottime_ns() - begun_ns) / MS / count
    processor_ms = (_processor_seconds(guard.process.pid) - begun) * 1_000 / count
    _tell("a renewal", each_ms, PROBE_MS, "the probe")
    _tell("a renewal: processor time", processor_ms, each_ms, "the renewal")


def _measure(stage: Stage, grant_ms: int, how: str) -> None:
    holder, client = stage.host(), stage.host()
    stage.keep(holder.listen())
    first, last, gone = [], [], []
    for _ in range(RUNS):
        guard = Guard(holder, probe_ms=PROBE_MS).ready()
        judge = Judge(client, [holder]).start()
        asked_ns = boottime_ns()
        until_ns = guard.enable_for(grant_ms)
        os.kill(guard.process.pid, signal.SIGSTOP)
        guard.process.wait()
        gone.append((boottime_ns() - until_ns) / MS)
        sleep_until(until_ns + 100 * MS)
        verdict = judge.stop()
        first.append((verdict.first_ns(holder) - asked_ns) / MS)
        last.append((verdict.last_ns(holder) - until_ns) / MS)
    for name, times, limit_ms, against in (
        ("from the call to the first answer", first, PROBE_MS, "the probe"),
        ("from the end of the grant to the last answer", last, SLACK_MS, "the slack"),
        ("from the end of the grant to the end of the guard", gone, SLACK_MS, "the slack"),
    ):
        _tell(f"{how}: {name}", statistics.median(times), limit_ms, against, max(times), RUNS)


def _tell(
    what: str, value: float, limit: float, against: str, worst: float | None = None, runs: int = 1
) -> None:
    """A figure, for whoever started this."""
    figure = {"what": what, "value": value, "unit": "ms", "limit": limit, "against": against}
    print(json.dumps({**figure, "worst": worst, "runs": runs}))


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
