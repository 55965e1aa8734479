"""The machines of a lab, as the lab handles them: power, programs, signals.

The intuition: a machine is a network namespace and a process namespace with a first process in it
(`first_process`). The lab is outside, in a process namespace above, so it sees every process of every machine under
a number of its own, and can stop, continue and kill each, whatever the machine does.

What complicates it:
- A power cut must silence the machine at once. Killing the first process kills everything; but the kernel answers
  for the machine's addresses until it has taken the network apart. So the cables are pulled first.
- "All of a machine" is a moving target: processes start others while they are being stopped. So it is gone round
  until a look finds none that was not told. One that waits for a child to become a program stops when it need not
  wait any more.
- The disk of a machine is a directory here, and the kernel writes its pages whatever happens to the machine. **What
  was written and not synced before a power cut is not lost in this lab.** That loss is tried in the virtual world
  of `takeover_models`, not here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from takeover.errors import EnvironmentFault
from takeover.lab.wire import Plug, Wire

POWER_TIMEOUT_S = 15.0
"""How long a machine may take to come up, or a program to be started in it."""


def starved_processor() -> int:
    """The processor on which machines are starved; the observer keeps off it, where there is another."""
    return min(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A living process of a machine."""

    pid: int
    """Its number, as the lab sees it."""
    inner: int
    """Its number, as the machine sees it."""
    state: str
    """One letter, as in /proc; `T` is stopped."""
    argv: tuple[str, ...]


class Program:
    """A program that was started in a machine; it may have ended since."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid
        """Its number, as the lab sees it; 0 if it ended at once."""
        self.returncode: int | None = None
        """Its exit status, or the negative number of the signal that ended it; None while it lives."""
        self._ended = asyncio.Event()

    def send_signal(self, number: int) -> None:
        """Send a signal; to one that has ended, nothing is sent."""
        if self.returncode is None and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def end(self, status: int) -> None:
        """It has ended."""
        if self.returncode is None:
            self.returncode = status
            self._ended.set()


class Machine:
    """One machine. It is off until `power_on`."""

    def __init__(self, name: str, plugs: Sequence[Plug], wire: Wire) -> None:
        self.name = name
        self._plugs = tuple(plugs)
        self._wire = wire
        self._launcher: asyncio.subprocess.Process | None = None
        self._first = 0
        self._listener: asyncio.Task[None] | None = None
        self._configured: asyncio.Future[str] | None = None
        self._programs: dict[str, Program] = {}
        self._starting: dict[str, asyncio.Future[Program]] = {}

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self._launcher is not None

    async def power_on(self) -> None:
        """Start it, with nothing running, and connect it. Raises EnvironmentFault."""
        assert not self.is_on
        launcher = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "takeover.lab.first_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._launcher = launcher
        assert launcher.stdout is not None
        try:
            async with asyncio.timeout(POWER_TIMEOUT_S):
                line = await launcher.stdout.readline()
                self._first = int(json.loads(line)["machine"]) if line else 0
        except TimeoutError:
            self._first = 0
        if not self._first:
            await self.power_cut()
            raise EnvironmentFault(f"machine {self.name} did not start")
        self._listener = asyncio.create_task(self._listen(launcher.stdout))
        for plug in self._plugs:
            await self._wire.plug_in(plug, self._first)
        await self._configure()

    async def _configure(self) -> None:
        assert self._launcher is not None
        assert self._launcher.stdin is not None
        self._configured = asyncio.get_running_loop().create_future()
        wanted = {plug.interface: list(plug.addresses) for plug in self._plugs}
        self._launcher.stdin.write(json.dumps({"configure": wanted}).encode() + b"\n")
        try:
            async with asyncio.timeout(POWER_TIMEOUT_S):
                problem = await self._configured
        except TimeoutError:
            problem = f"it took more than {POWER_TIMEOUT_S:g} s"
        if problem:
            raise EnvironmentFault(f"the interfaces of {self.name}: {problem}")

    async def power_cut(self) -> None:
        """Everything in it dies at once, and its interfaces with it; on return it is off."""
        launcher, self._launcher = self._launcher, None
        if launcher is None:
            return
        for plug in self._plugs:
            await self._wire.unplug(plug)
        with contextlib.suppress(ProcessLookupError):
            if self._first:
                os.kill(self._first, signal.SIGKILL)
            else:
                launcher.kill()
        await launcher.wait()
        self._first = 0
        if self._listener is not None:
            await self._listener
        for starting in self._starting.values():
            if not starting.done():
                starting.set_exception(EnvironmentFault(f"the power of {self.name} was cut"))
        for program in self._programs.values():
            program.end(-signal.SIGKILL)
        self._programs.clear()

    async def start(self, name: str, argv: Sequence[str], log: Path) -> Program:
        """Start a program under a name that no living one has. Raises EnvironmentFault."""
        if self._launcher is None:
            raise EnvironmentFault(f"{name} cannot be started: machine {self.name} is off")
        assert self._launcher.stdin is not None
        assert name not in self._programs, f"{name} runs in {self.name}"
        self._starting[name] = asyncio.get_running_loop().create_future()
        command = {"start": name, "argv": list(argv), "log": str(log)}
        self._launcher.stdin.write(json.dumps(command).encode() + b"\n")
        try:
            async with asyncio.timeout(POWER_TIMEOUT_S):
                return await self._starting[name]
        except TimeoutError:
            raise EnvironmentFault(f"{self.name} did not start {name} in {POWER_TIMEOUT_S:g} s") from None
        finally:
            del self._starting[name]

    def processes(self) -> list[ForeignProcess]:
        """Every living process of it, but for the first."""
        if not self._first:
            return []
        return [process for process in _all_processes(self._first) if process.pid != self._first]

    def signal(self, number: signal.Signals, processes: Iterable[ForeignProcess]) -> int:
        """Send a signal to processes; how many were still there."""
        reached = 0
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
                reached += 1
        return reached

    def stop_all(self) -> None:
        """Stop every process of it, as a machine stops whose processor is taken away. Its kernel goes on."""
        told: set[int] = set()
        while untold := [process for process in self.processes() if process.pid not in told]:
            self.signal(signal.SIGSTOP, untold)
            told.update(process.pid for process in untold)

    def continue_all(self) -> None:
        """Let every process of it go on."""
        self.signal(signal.SIGCONT, self.processes())

    def _outer(self, inner: int) -> int:
        """A process's number here. One that has ended by now has none, and 0 stands for it."""
        return next((p.pid for p in _all_processes(self._first) if p.inner == inner), 0)

    async def _listen(self, said: asyncio.StreamReader) -> None:
        async for line in said:
            match json.loads(line):
                case {"started": name, "pid": pid}:
                    program = self._programs[name] = Program(name, self._outer(pid))
                    if name in self._starting and not self._starting[name].done():
                        self._starting[name].set_result(program)
                case {"configured": problem}:
                    if self._configured is not None and not self._configured.done():
                        self._configured.set_result(problem)
                case {"failed": name, "why": why}:
                    if name in self._starting:
                        self._starting[name].set_exception(EnvironmentFault(f"{self.name}: {name}: {why}"))
                case {"ended": name, "status": status}:
                    if name in self._programs:
                        self._programs.pop(name).end(status)


def _all_processes(first: int) -> list[ForeignProcess]:
    """The living processes in the process namespace of `first`."""
    try:
        namespace = os.readlink(f"/proc/{first}/ns/pid")
    except OSError:
        return []
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/pid") != namespace:
                continue
            status = Path(f"/proc/{name}/status").read_text()
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")[:-1]
        except OSError:
            continue  # it has ended
        values = dict(line.partition(":\t")[::2] for line in status.splitlines())
        argv = tuple(os.fsdecode(word) for word in words)
        found.append(ForeignProcess(int(name), int(values["NSpid"].split()[-1]), values["State"][0], argv))
    return found
