"""A pair in the lab, as the speed measurements use it: one lab and one pair for all runs, killed and mended in turn.

The servers alternate: whoever is killed comes back, is resynchronised, and takes over the next time.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takeover.demo.configurations import Timing
from takeover.demo.parties import Party
from takeover.demo.statuses import in_sync, other_server, statuses_of
from takeover.lab.machines import Machine
from takeover.lab.scene import PORT, PUBLIC_ADDRESS, LabScene
from takeover.linux import boottime_ns

MS = 1_000_000
PROBER = Path(__file__).with_name("prober.py")

SYNC_TIMEOUT_S = 60.0
"""How long a pair may take to be in sync again."""

LAST_WORDS_NS = 100 * MS
"""For so long after a failure an answer may be the last of the server that failed."""

_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Failover:
    """When what happened (CLOCK_BOOTTIME)."""

    failed_ns: int
    granted_until_ns: int
    """The end of the grants of the server that failed: the later of the lease and the promise."""
    leased_ns: int
    """The other one had the lease."""
    role_ns: int
    """It had drained, and taken the role (the beginning of the step that does both)."""
    answered_ns: int
    """The address first answered the client."""
    accepted_ns: int
    """The application first accepted a connection."""
    written_ns: int
    """The first write was answered."""


class Prober:
    """The client's side of the measurements, on its machine."""

    def __init__(self, scene: LabScene) -> None:
        self._scene = scene
        self._socket = scene.directory / "prober.sock"
        self._count = 0
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def start(self) -> None:
        """Start it. The client's machine must be on."""
        argv = [sys.executable, "-P", str(PROBER), "probe", str(self._socket), str(PUBLIC_ADDRESS), str(PORT)]
        await self._scene.machines["client"].start("prober", argv, self._scene.directory / "prober.log")
        while not self._socket.exists():
            await asyncio.sleep(_LOOK_S)
        self._reader, self._writer = await asyncio.open_unix_connection(self._socket)

    async def first(self, after_ns: int) -> dict[str, int]:
        """When the address, the application and a write were first answered after that time."""
        self._count += 1
        order = {"key": f"probe-{self._count}", "after_ns": after_ns}
        self._writer.write(json.dumps(order).encode() + b"\n")
        found: dict[str, int] = json.loads(await self._reader.readline())
        return found


class LabPair:
    """A pair, its witness and a prober. `open` it, and `close` it whatever happened."""

    def __init__(self, directory: Path, timing: Timing, *, observed: bool = False) -> None:
        """`directory` exists and is empty. Watching for holders costs the machine a good part of a processor."""
        self.scene = LabScene(directory, True, timing)
        self._observed = observed
        self._prober = Prober(self.scene)

    async def open(self) -> None:
        """Start everything, and wait until a first write is answered."""
        scene = self.scene
        await scene.wire.open()
        for machine in scene.machines.values():
            await machine.power_on()
        if self._observed:
            await scene.watch.start()
        for party in scene.parties.values():
            await party.start()
        await self._prober.start()
        await self.in_sync()
        await self._prober.first(0)

    async def close(self) -> None:
        """End everything."""
        await self.scene.close()

    async def in_sync(self) -> str:
        """Wait until one may take over from the other; the active one."""
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            while True:
                active = in_sync(await statuses_of(self.scene.parties))
                if active is not None:
                    return active
                for party in self.scene.parties.values():
                    assert not party.ended, party.ended
                await asyncio.sleep(_LOOK_S)

    async def kill(self) -> Failover:
        """Kill the active server's process, and mend it after the failover."""
        party = self.scene.parties[await self.in_sync()]
        failed_ns = boottime_ns()
        os.kill(party.pid, signal.SIGKILL)
        first = await self._prober.first(failed_ns + LAST_WORDS_NS)
        await party.kill()
        found = self._found(party, failed_ns, first)
        await party.start()
        return found

    async def cut_power(self) -> Failover:
        """Cut the power of the active server's machine, and mend it after the failover."""
        name = await self.in_sync()
        machine, party = self.scene.machines[name], self.scene.parties[name]
        failed_ns, cutting = lose(machine)
        first = await self._prober.first(failed_ns + LAST_WORDS_NS)
        await cutting
        await party.kill()
        found = self._found(party, failed_ns, first)
        await machine.power_on()
        await party.start()
        return found

    def _found(self, failed: Party, failed_ns: int, first: dict[str, int]) -> Failover:
        parties = self.scene.parties
        promised, leased, role = _taken_over(actions_of(parties[other_server(failed.name)]))
        return Failover(
            failed_ns,
            max(promised, _leased_before(actions_of(parties["witness"]))),
            leased,
            role,
            *(first[what] for what in ("answered", "accepted", "written")),
        )


def lose(machine: Machine) -> tuple[int, asyncio.Task[None]]:
    """Have a machine fail, all at once; when that was, and what ends when nothing is left of it.

    A power cut pulls one cable after the other, which takes some of the time that is measured here. So everything in
    the machine is dead before.
    """
    failed_ns = boottime_ns()
    machine.signal(signal.SIGKILL, machine.processes())
    return failed_ns, asyncio.create_task(machine.power_cut())


def actions_of(party: Party) -> list[dict[str, Any]]:
    """What the present run of a party wrote in its trace so far."""
    *lines, last = max(party.traces.glob("*.ndjson")).read_text().split("\n")
    assert last == "" or not last.endswith("}")
    return [json.loads(line) for line in lines]


def _taken_over(actions: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Of the last takeover: the end of its own promise, when it had the lease, when it took the role."""
    promised = leased = role = 0
    for action in actions:
        match action.get("do"):
            case "promise":
                promised, leased, role = action["until"], 0, 0
            case "count-lease" if not leased:
                leased = action["t"]
            case "take-role":
                role = action["t"]
    return promised, leased, role


def _leased_before(actions: list[dict[str, Any]]) -> int:
    """The end of the last lease of the epoch before the present one."""
    until: dict[int, int] = {}
    for action in actions:
        if action.get("do") == "grant":
            until[action["epoch"]] = action["until"]
    return until[max(until) - 1]
