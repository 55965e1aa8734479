"""Carrying faults out in a lab, and mending everything afterwards.

What complicates it:
- A process may be gone when its fault's time comes: another fault took it. Such a fault is *missed*, and does not
  count.
- Faults of a round may undo each other. `mend` therefore does not keep books; it goes through everything there is.
- A service that ended although nobody killed it is told of (`ended_unasked`), and started again, as a service
  manager would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from itertools import product

from takeover.demo.configurations import PARTIES
from takeover.demo.statuses import other_server
from takeover.errors import EnvironmentFault
from takeover.lab.faults import Cut, Fault, Kill, PowerCut, Restart, Role, Round, Starve, Stop, Target, Wipe
from takeover.lab.machines import ForeignProcess, Machine, starved_processor
from takeover.lab.networks import Direction, Network
from takeover.lab.scene import LabScene

_KEEPER = "takeover.applications.supervise"
"""What it keeps is on its command line too."""

_MODULES = {
    Role.GUARD: ("takeover.address.identity_guard", "takeover.address.address_guard"),
    Role.APPLICATION: ("takeover.demo.application",),
    Role.KEEPER: (_KEEPER,),
}
"""How a process is recognised on its command line."""

_STARVE = """
import os, sys
for _ in range(int(sys.argv[1]) - 1):
    if os.fork() == 0:
        os.setsid()  # the kernel is fair between sessions
        break
while True:
    pass
"""


class Injector:
    """Breaks and mends one scene. `inject` a round, then `mend`."""

    def __init__(self, scene: LabScene) -> None:
        self._scene = scene
        self._names: dict[Target, str] = {}
        self._began = 0.0
        self._power = {name: asyncio.Lock() for name in PARTIES}
        """Who switches a machine, or starts its service, holds this."""
        self._starved = 0
        self.held: list[Fault] = []
        """The faults of the last round whose machine had begun to answer for the address last when their time came."""
        self.ended_unasked: list[str] = []
        """How services ended that nobody had killed."""

    async def inject(self, faults: Sequence[Fault], active: str) -> list[bool]:
        """Carry out a round's faults, and say of each whether there was anything to hit.

        On return every fault is over, but not all is mended.
        """
        self._names, self.held = names(active), []
        self._began = asyncio.get_running_loop().time()
        return await asyncio.gather(*(self._carry_out(fault) for fault in faults))

    async def mend(self) -> None:
        """Everything is on, connected, running and unhindered again."""
        scene = self._scene
        for name, network, direction in product(scene.machines, Network, Direction):
            await scene.wire.mend(name, network, direction)
        for name, party in scene.parties.items():
            machine = scene.machines[name]
            if not machine.is_on:
                await party.kill()
                await machine.power_on()
            machine.continue_all()
        await self.revive()

    async def revive(self) -> None:
        """Start every service that does not run."""
        for party in self._scene.parties.values():
            if party.ended:
                self.ended_unasked.append(party.ended)
            if not party.runs:
                await party.kill()
                await party.start()

    # --- one fault ------------------------------------------------------------------------------

    async def _carry_out(self, fault: Fault) -> bool:
        """Wait for its time, break, wait, and mend; whether there was anything to break."""
        await self._until(fault.at_ms)
        name = self._names[fault.target]
        if name == self._scene.watch.holder:
            self.held.append(fault)
        match fault:
            case Kill():
                return await self._kill(name, fault)
            case Stop():
                return await self._stop(name, fault)
            case Cut():
                return await self._cut(name, fault)
            case PowerCut():
                names = [name, other_server(name)] if fault.also_peer else [name]
                return any(await asyncio.gather(*(self._cut_power(each, fault) for each in names)))
            case Restart():
                return await self._restart(name, fault)
            case Starve():
                return await self._starve(name, fault)
            case Wipe():
                return await self._wipe(name, fault)
        raise AssertionError(fault)

    async def _kill(self, name: str, fault: Kill) -> bool:
        machine = self._scene.machines[name]
        if fault.role is not Role.SERVICE:
            return machine.signal(signal.SIGKILL, self._processes(name, fault.role)) > 0
        party = self._scene.parties[name]
        if not party.runs:
            return False
        machine.signal(signal.SIGKILL, self._processes(name, Role.SERVICE))
        await party.kill()
        await self._over(fault)
        await self._start(name)
        return True

    async def _stop(self, name: str, fault: Stop) -> bool:
        machine = self._scene.machines[name]
        if fault.role is Role.ALL:
            stopped = machine.is_on
            machine.stop_all()
            await self._over(fault)
            machine.continue_all()
            return stopped
        processes = self._processes(name, fault.role)
        reached = machine.signal(signal.SIGSTOP, processes)
        await self._over(fault)
        there = {process.pid for process in machine.processes()}
        machine.signal(signal.SIGCONT, [process for process in processes if process.pid in there])
        return reached > 0

    async def _cut(self, name: str, fault: Cut) -> bool:
        for direction in fault.directions:
            await self._scene.wire.cut(name, fault.network, direction)
        await self._over(fault)
        for direction in fault.directions:
            await self._scene.wire.mend(name, fault.network, direction)
        return True

    async def _cut_power(self, name: str, fault: PowerCut) -> bool:
        machine, party = self._scene.machines[name], self._scene.parties[name]
        async with self._power[name]:
            if not machine.is_on:
                return False
            await machine.power_cut()
            await party.kill()
        await self._over(fault)
        async with self._power[name]:
            await machine.power_on()
        await self._start(name)
        return True

    async def _restart(self, name: str, fault: Restart) -> bool:
        party = self._scene.parties[name]
        if not party.runs:
            return False
        stopping = asyncio.create_task(party.stop())
        await self._over(fault)
        self._scene.machines[name].continue_all()  # or else one that another fault stopped could not stop
        problem = await stopping
        if problem:
            self.ended_unasked.append(problem)
        await self._start(name)
        return True

    async def _starve(self, name: str, fault: Starve) -> bool:
        machine = self._scene.machines[name]
        if not machine.is_on:
            return False
        everywhere = os.sched_getaffinity(0)
        self._starved += 1
        log = self._scene.directory / "starve.log"
        with contextlib.suppress(EnvironmentFault):  # the power was cut meanwhile, which is worse
            await machine.start(
                f"starve-{self._starved}", [sys.executable, "-c", _STARVE, str(fault.beside)], log
            )
        self._pin(machine, {starved_processor()})
        await self._over(fault)
        machine.signal(
            signal.SIGKILL, [process for process in machine.processes() if _STARVE in process.argv]
        )
        self._pin(machine, everywhere)
        return True

    async def _wipe(self, name: str, fault: Wipe) -> bool:
        witness = self._scene.witness
        if not witness.runs:
            return False
        self._scene.machines[name].signal(signal.SIGKILL, self._processes(name, Role.SERVICE))
        await witness.kill()
        witness.wipe()
        await self._over(fault)
        await self._start(name)
        return True

    # --- what they share ------------------------------------------------------------------------

    async def _until(self, at_ms: int) -> None:
        await asyncio.sleep(max(0.0, self._began + at_ms / 1000 - asyncio.get_running_loop().time()))

    async def _over(self, fault: Fault) -> None:
        await self._until(fault.at_ms + fault.lasts_ms)

    async def _start(self, name: str) -> None:
        """Start a service, if its machine is on and nobody else has started it."""
        party = self._scene.parties[name]
        async with self._power[name]:
            if self._scene.machines[name].is_on and not party.runs:
                await party.kill()
                await party.start()

    def _processes(self, name: str, role: Role) -> list[ForeignProcess]:
        processes = self._scene.machines[name].processes()
        if role is Role.SERVICE:
            party = self._scene.parties[name]
            argv = next((p.argv for p in processes if party.runs and p.pid == party.pid), None)
            return [process for process in processes if process.argv == argv]
        return [
            process
            for process in processes
            if set(_MODULES[role]) & set(process.argv) and (_KEEPER in process.argv) == (role is Role.KEEPER)
        ]

    def _pin(self, machine: Machine, processors: set[int]) -> None:
        for process in machine.processes():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(process.pid, processors)


def described(drawn: Round, active: str) -> str:
    """What a round does, in words, if it begins with this active server."""
    words = [(fault.at_ms, _described(fault, active)) for fault in drawn.faults]
    if drawn.switchover is not None:
        back = ", and back" if drawn.switchover.back else ""
        words.append((drawn.switchover.at_ms, f"a switchover of the active {active}{back}"))
    return "; ".join(f"at {at_ms} ms {what}" for at_ms, what in sorted(words))


def _described(fault: Fault, active: str) -> str:
    role = f"{fault.target.value} " if fault.target in (Target.ACTIVE, Target.PASSIVE) else ""
    return f"{fault.kind} of the {role}{names(active)[fault.target]} for {fault.lasts_ms} ms"


def names(active: str) -> dict[Target, str]:
    """Who is aimed at while this server is active."""
    others = {Target.WITNESS: "witness", Target.CLIENT: "client"}
    return {Target.ACTIVE: active, Target.PASSIVE: other_server(active), **others}
