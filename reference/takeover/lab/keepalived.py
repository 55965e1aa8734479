"""The same campaign against keepalived, where it is installed: the same machines, faults and observer.

keepalived moves an address and nothing else: there is no data, no witness and no application here, so what is
compared is who holds the address. It has two servers in VRRP version 3 with adverts as often as the pair's beat,
and no script. A fault that is aimed at something that keepalived does not have is left out and counted: the witness,
the guard, the application and its keeper. Nobody orders a switchover.

Who answers for the address on its own cable holds it, here as there; also a machine that is cut off from the others,
for it would serve whoever is on its side of the cut.

What complicates it: a round has no end that keepalived would tell of, so after each everything is mended and left
alone for a while. And keepalived is several processes of one program. Together they are the service, here as in
`injection`. Its files of process numbers are taken away before each start, as a machine that comes up does.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from takeover.demo.configurations import SERVERS, Timing
from takeover.demo.parties import Party
from takeover.lab.faults import Fault, Kill, Role, Round, Stop, Target
from takeover.lab.holding import Played
from takeover.lab.injection import Injector, described
from takeover.lab.report import figures
from takeover.lab.scene import PUBLIC_ADDRESS, LabScene
from takeover.linux import boottime_ns

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
            machine = self._scene.machines[name]
            self._scene.parties[name] = Party(name, directory, machine, run, configured=False)
        del self._scene.parties["witness"]

    async def run(self, rounds: Iterable[Round]) -> dict[str, Any]:
        """Play the rounds; the report. Raises EnvironmentFault when keepalived cannot be kept running."""
        scene, done = self._scene, list[Played]()
        try:
            await scene.open()
            for party in scene.parties.values():
                await party.start()
            await asyncio.sleep(2 * self._settled_s)
            for drawn in rounds:
                active = scene.watch.holder if scene.watch.holder in SERVERS else SERVERS[0]
                played = Played(active, boottime_ns())
                done.append(played)
                there = tuple(fault for fault in drawn.faults if has(fault))
                at_servers = replace(drawn, faults=there, switchover=None)
                self._tell(
                    f"keepalived, round {len(done)}: {described(at_servers, active) or 'nothing for it'}"
                )
                hit = await self._injector.inject(at_servers.faults, active)
                played.hit = [fault for fault, was in zip(at_servers.faults, hit, strict=True) if was]
                played.missed = [fault for fault, was in zip(at_servers.faults, hit, strict=True) if not was]
                played.absent = [fault for fault in drawn.faults if not has(fault)]
                await self._injector.mend()
                await asyncio.sleep(self._settled_s)
                played.ended_ns = boottime_ns()
        finally:
            await scene.close()
        return report_of_rival(figures(done, scene.observation))


def has(fault: Fault) -> bool:
    """Whether keepalived has what a fault is aimed at."""
    whole = not isinstance(fault, Kill | Stop) or fault.role in (Role.SERVICE, Role.ALL)
    return whole and fault.target is not Target.WITNESS


def report_of_rival(seen: dict[str, Any]) -> dict[str, Any]:
    """What a campaign's report says, as far as it can be said of a program that moves an address and nothing else."""
    looked = seen["faults"] and seen["holders_max"]
    verdict = "incomplete" if not looked else "violated" if seen["holders_max"] > 1 else "holds"
    nothing = {"acknowledged": None, "acknowledged_lost": None, "traces_checked": 0, "traces_broken": 0}
    return {"verdict": verdict, **seen, **nothing}


def _configuration(priority: int, beat_ms: int) -> str:
    return (
        "global_defs {\n    vrrp_version 3\n}\n"
        "vrrp_instance public {\n"
        f"    state BACKUP\n    interface public0\n    virtual_router_id 77\n    priority {priority}\n"
        f"    advert_int {beat_ms / 1000:g}\n"
        f"    virtual_ipaddress {{\n        {PUBLIC_ADDRESS}/24\n    }}\n"
        "}\n"
    )
