"""The same campaign against keepalived, where it is installed: the same machines, faults and observer.

keepalived moves an address and nothing else: there is no data, no witness and no application here, so what is
compared is who holds the address. It has two servers in VRRP version 3 with adverts as often as the pair's beat,
and no script. A fault that is aimed at something that keepalived does not have is missed.

What complicates it: keepalived is several processes of one program. Together they are the service, here as in
`injection`. Its files of process numbers are taken away before each start, as a machine that comes up does.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from takeover.demo.configurations import SERVERS, Timing
from takeover.demo.parties import Party
from takeover.lab.faults import Fault
from takeover.lab.injection import Injector, described
from takeover.lab.scene import PUBLIC_ADDRESS, LabScene
from takeover.observer import Observation

SETTLED_S = 1.0
"""After each round, and at the start, so long is waited beyond what keepalived needs to see a peer gone, in seconds."""

ADVERTS_MISSED = 4
"""A backup takes over after a little more than three adverts that did not come."""


def program() -> str | None:
    """Where keepalived is; None where it is not installed."""
    return shutil.which("keepalived") or shutil.which("keepalived", path="/usr/sbin:/usr/local/sbin")


class Rival:
    """keepalived on two machines of a lab, and nothing on the others. `run` it."""

    def __init__(self, directory: Path, timing: Timing, keepalived: str, tell: Callable[[str], None]) -> None:
        """Write its configuration into `directory`, which exists and is empty. Nothing is started."""
        self._scene = LabScene(directory, True, timing)
        self._settled_s = ADVERTS_MISSED * timing.beat_ms / 1000 + SETTLED_S
        self._tell = tell
        self._injector = Injector(self._scene)
        for priority, name in zip((150, 100), SERVERS, strict=True):
            config = directory / f"{name}.keepalived"
            config.write_text(_configuration(priority, timing.beat_ms))
            pids = [directory / f"{name}.{kind}" for kind in ("pid", "vrrp_pid")]
            run = ["/bin/sh", "-c", 'rm -f "$1" "$2"; shift 2; exec "$@"', "sh", *map(str, pids)]
            run += [keepalived, "--dont-fork", "--log-console", "--vrrp", "--use-file", str(config)]
            run += [f"--{pid.suffix[1:]}={pid}" for pid in pids]
            self._scene.parties[name] = self._party(name, run)
        self._scene.parties["witness"] = self._party("witness", ["sleep", "infinity"])

    def _party(self, name: str, command: Sequence[str]) -> Party:
        return Party(name, self._scene.directory, self._scene.machines[name], command, configured=False)

    async def run(self, rounds: Iterable[Sequence[Fault]]) -> dict[str, Any]:
        """Play the rounds; the report."""
        scene, hit, missed, count = self._scene, 0, 0, 0
        try:
            await scene.open()
            for party in scene.parties.values():
                await party.start()
            await asyncio.sleep(2 * self._settled_s)
            for faults in rounds:
                count += 1
                active = scene.watch.holder if scene.watch.holder in SERVERS else SERVERS[0]
                self._tell(
                    f"keepalived, round {count}: {'; '.join(described(fault, active) for fault in faults)}"
                )
                done = await self._injector.inject(faults, active)
                hit, missed = hit + len(done), missed + len(faults) - len(done)
                await self._injector.mend()
                await asyncio.sleep(self._settled_s)
        finally:
            await scene.close()
        seen = scene.observation
        assert seen is not None
        return {
            "faults": hit,
            "faults_missed": missed,
            "rounds": count,
            "holders_max": seen.holders_max,
            "two_holders_ms": _two_holders_ns(seen) / 1e6,
            "observer_gap_ms_max": seen.gap_ns_max / 1e6,
        }


def _two_holders_ns(seen: Observation) -> int:
    """For how long more than one machine answered."""
    spans = zip(seen.changes, seen.changes[1:], strict=False)
    return sum(end - begin for (begin, holders), (end, _) in spans if holders > 1)


def _configuration(priority: int, beat_ms: int) -> str:
    return (
        "global_defs {\n    vrrp_version 3\n}\n"
        "vrrp_instance public {\n"
        f"    state BACKUP\n    interface public0\n    virtual_router_id 77\n    priority {priority}\n"
        f"    advert_int {beat_ms / 1000:g}\n"
        f"    virtual_ipaddress {{\n        {PUBLIC_ADDRESS}/24\n    }}\n"
        "}\n"
    )
