"""A program and everything that descends from it, as one thing that is started, stopped, and known to be gone.

The intuition: the node starts a keeper (`supervise`), and the keeper's exit means that nothing of the program
lives.

A keeper is a Python program, and takes 50 ms to start, which a takeover should not wait for. So one can be made ready
ahead (`Keeper`): it has started nothing, and knows nothing of the data.

What complicates it: the keeper can be killed or stopped by somebody else. A keeper that was killed took the
program's first process with it; what is left is found by its session, which the keeper founded, and killed
here. A keeper that does not answer is killed, which leads to the same.

Refused: `preexec_fn` (not safe once there are threads) and holding the program directly, see `supervise`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from takeover.applications.supervise import KILL_SIGNAL, STOP_SIGNAL
from takeover.errors import EnvironmentFault
from takeover.linux import processes

KILL_MS_MAX = 3_000
"""How long a SIGKILL may take to do its work before the machine is taken to be at fault, in ms."""

PREPARED_MS_MAX = 1_000
"""How long a keeper that was made ready may take to do what it is told, in ms, before another one is started."""

_ROUND_SECONDS = 0.01


class Keeper:
    """A keeper that has started nothing yet. Hand it to `KeptProcess.start`, or have it `leave`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, argv: Sequence[str], directory: Path = Path("/")) -> Keeper:
        """Start the keeper of `argv`, which will work in `directory`. Raises EnvironmentFault."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-P",
                    "-m",
                    "takeover.applications.supervise",
                    str(os.getpid()),
                    "--",
                    *argv,
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
                cwd=directory,
            )
        except OSError as cause:
            raise EnvironmentFault(f"{argv[0]}, in {directory}: {cause}") from cause
        return cls(process)

    def order(self, order: Mapping[str, object]) -> None:
        """Tell it what `supervise` says; it is the first and last thing that it is told so."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.close()

    async def leave(self) -> None:
        """It is not needed; on return it is gone."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(PREPARED_MS_MAX / 1000):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class KeptProcess:
    """One program under its keeper. Await `stop` or `kill` at the end, unless `ended` has returned."""

    def __init__(self, argv: Sequence[str], keeper: Keeper) -> None:
        self._argv = argv
        self._keeper = keeper
        self._process = keeper.process
        self._first_report: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._end = asyncio.create_task(self._follow())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        directory: Path = Path("/"),
        keeper: Keeper | None = None,
    ) -> KeptProcess:
        """Start `argv` in `directory`; on return it is running. Its output and error are appended to the file `output`.

        `environment` is added to the node's own. A `keeper` was made ready for this program and directory; if it does
        not answer, or there is none, another one is started. Raises EnvironmentFault when the program or the file
        cannot be had.
        """
        order = {"environment": dict(environment), "output": str(output)}
        if keeper is not None:
            kept = cls(argv, keeper)
            if report := await kept._obey(order, PREPARED_MS_MAX / 1000):
                return await kept._started(report, output)
            kept._signal(signal.SIGKILL)
            await kept.ended()
        kept = cls(argv, await Keeper.start(argv, directory))
        return await kept._started(await kept._obey(order), output)

    async def _obey(self, order: Mapping[str, object], timeout_s: float | None = None) -> str:
        """Have the keeper start the program; what it says of it, empty if it says nothing in time, or ended."""
        self._keeper.order(order)
        try:
            await asyncio.wait({self._first_report}, timeout=timeout_s)
        except asyncio.CancelledError:
            await self.kill()
            raise
        return self._first_report.result() if self._first_report.done() else ""

    async def _started(self, report: str, output: Path) -> KeptProcess:
        if not report.startswith("started "):
            await self.kill()
            raise EnvironmentFault(
                report or f"{self._argv[0]}: its keeper ended before it was started, output to {output}"
            )
        return self

    async def ends_within(self, timeout_ms: int) -> bool:
        """Wait for the end, but for no longer than `timeout_ms`; whether it has come."""
        return bool((await asyncio.wait({self._end}, timeout=timeout_ms / 1000))[0])

    async def ended(self) -> str:
        """Wait until nothing of it lives; how its first process ended: `exited CODE` or `killed by SIGNAL`.

        Raises EnvironmentFault when something of it cannot be killed.
        """
        await asyncio.wait({self._end})
        return self._end.result()

    async def stop(self, timeout_ms: int) -> str:
        """Send a SIGTERM to its process group, kill what is left after `timeout_ms`, and return like `ended`."""
        self._signal(STOP_SIGNAL)
        await self.ends_within(timeout_ms)
        return await self.kill()

    async def kill(self) -> str:
        """Kill everything of it, and return like `ended`."""
        for number in (KILL_SIGNAL, signal.SIGKILL):
            self._signal(number)
            if await self.ends_within(KILL_MS_MAX):
                return self._end.result()
        raise EnvironmentFault(
            f"{self._argv[0]}: its keeper {self._process.pid} is alive {KILL_MS_MAX} ms after a SIGKILL"
        )

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _follow(self) -> str:
        """Listen to the keeper until its end, and do its work when it could not."""
        assert self._process.stdout is not None
        first = os.fsdecode(await self._process.stdout.readline()).strip()
        self._first_report.set_result(first)
        last = os.fsdecode(await self._process.stdout.read()).strip()
        code = await self._process.wait()
        if code != 0:
            await _kill_session(self._process.pid)
        return last or f"its keeper ended with {code}"


async def _kill_session(session: int) -> None:
    """Kill every process of `session`; on return none lives. Raises EnvironmentFault when one cannot be killed."""
    try:
        async with asyncio.timeout(KILL_MS_MAX / 1000):
            while members := [process.pid for process in processes() if process.session == session]:
                for pid in members:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(_ROUND_SECONDS)
    except (TimeoutError, PermissionError) as cause:
        raise EnvironmentFault(f"processes {members} of session {session} cannot be killed") from cause
