"""What an idle pair costs: processor time of each party, and bytes on its two networks.

A party is everything that runs for it: a server with its guards and the keepers and applications, the witness. The
bytes are those of whole frames, both ways.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from tests.bench.pair import LabPair
from tests.bench.report import Figure, Report
from tests.bench.timings import Timings

from takeover.demo.configurations import PARTIES
from takeover.demo.statuses import other_server
from takeover.lab.machines import Machine
from takeover.lab.networks import Network
from takeover.lab.scene import plugs
from takeover.linux import boottime_ns

SECONDS = 20.0
SLOW_LINK_BYTES_S = 125_000


async def idle(report: Report, timings: Timings) -> None:
    """Look at a pair in sync that has nothing to do."""
    with tempfile.TemporaryDirectory(prefix="takeover-bench-") as folder:
        pair = LabPair(Path(folder), timings.of_the_pair)
        try:
            await pair.open()
            active = await pair.in_sync()
            begun_ns, before, carried = boottime_ns(), _used(pair), _carried()
            await asyncio.sleep(SECONDS)
            seconds = (boottime_ns() - begun_ns) / 1e9
            after, carried_after = _used(pair), _carried()
        finally:
            await pair.close()
    names = {active: "active server", other_server(active): "passive server", "witness": "witness"}
    for party, name in names.items():
        share = (after[party] - before[party]) / seconds * 100
        report.add(Figure("idle", f"{timings.name}: processor, {name}", share, "%", 100, "one core"))
    for whose, machine, network in (
        ("channel", active, Network.CHANNEL),
        ("witness", "witness", Network.PUBLIC),
    ):
        port = next(plug.port for plug in plugs(machine) if plug.network is network)
        bytes_s = (carried_after[port] - carried[port]) / seconds
        what = f"{timings.name}: network of the {whose}, both ways"
        report.add(Figure("idle", what, bytes_s, "B/s", SLOW_LINK_BYTES_S, "a link of 1 Mbit/s"))


def _used(pair: LabPair) -> dict[str, float]:
    """The processor time of each party so far, its dead children's included, in seconds."""
    return {name: _used_by(pair.scene.machines[name]) for name in PARTIES}


def _used_by(machine: Machine) -> float:
    ticks = 0
    for process in machine.processes():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _carried() -> dict[str, int]:
    """How many bytes went over each port so far, both ways."""
    carried = {}
    for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, _, fields = line.partition(":")
        numbers = fields.split()
        carried[name.strip()] = int(numbers[0]) + int(numbers[8])
    return carried
