"""A program and everything that descends from it, as one thing that is started, stopped, and known to be gone.

The intuition: the node starts a keeper (`supervise`), and the keeper's exit means that nothing of the program
lives.

What complicates it: the keeper can be killed or stopped by somebody else. A keeper that was killed took the
program's first process with it; what is left is found by its session, which the keeper founded, and killed
here. A keeper that does not answer is killed, which leads to the same.

Refused: `preexec_fn` (not safe once there are threads) and holding the program directly, see `supervise`.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from takeover.applications.supervise import ENVIRONMENT_VARIABLE, KILL_SIGNAL, STOP_SIGNAL
from takeover.errors import EnvironmentFault
from takeover.linux import processes

KILL_MS_MAX = 3_000
"""How long a SIGKILL may take to do its work before the machine is taken to be at fault, in ms."""

_ROUND_SECONDS = 0.01


class KeptProcess:
    """One program under its keeper. Await `stop` or `kill` at the end, unless `ended` has returned."""

    def __init__(self, argv: Sequence[str], keeper: asyncio.subprocess.Process) -> None:
        self._argv = argv
        self._keeper = keeper
        self._first_report: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._end = asyncio.create_task(self._follow())

    @classmethod
    async def start(
        cls, argv: Sequence[str], environment: Mapping[str, str], output: Path, directory: Path = Path("/")
    ) -> "KeptProcess":
        """Start `argv` in `directory`; on return it is running. Its output and error are appended to the file `output`.

        `environment` is added to the node's own. Raises EnvironmentFault when the program or the file cannot
        be had.
        """
        try:
            with output.open("ab") as log:
                keeper = await asyncio.create_subprocess_exec(
                    *(
                        sys.executable,
                        "-P",
                        "-m",
                        "takeover.applications.supervise",
                        str(os.getpid()),
                        "--",
                        *argv,
                    ),
                    env={**os.environ, ENVIRONMENT_VARIABLE: json.dumps(dict(environment))},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    cwd=directory,
                )
        except OSError as cause:
            raise EnvironmentFault(f"{argv[0]}, output to {output}: {cause}") from cause
        kept = cls(argv, keeper)
        try:
            report = await kept._first_report
        except asyncio.CancelledError:
            await kept.kill()
            raise
        if not report.startswith("started "):
            await kept.kill()
            raise EnvironmentFault(
                report or f"{argv[0]}: its keeper ended before it was started; see {output}"
            )
        return kept

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
            f"{self._argv[0]}: its keeper {self._keeper.pid} is alive {KILL_MS_MAX} ms after a SIGKILL"
        )

    def _signal(self, number: signal.Signals) -> None:
        if self._keeper.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._keeper.send_signal(number)

    async def _follow(self) -> str:
        """Listen to the keeper until its end, and do its work when it could not."""
        assert self._keeper.stdout is not None
        first = os.fsdecode(await self._keeper.stdout.readline()).strip()
        if not self._first_report.cancelled():
            self._first_report.set_result(first)
        last = os.fsdecode(await self._keeper.stdout.read()).strip()
        code = await self._keeper.wait()
        if code != 0:
            await _kill_session(self._keeper.pid)
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
