"""The witness of a lab, of either kind: its program, its disk, and telling it what it is.

The built-in one is the service that an operator would run. The other is an etcd of one member, a real one, which
keeps the record while the servers carry the witness out themselves. Both are one process on the witness's machine,
so whatever a campaign does to that machine means the same for both.

What complicates it:
- A disk that is wiped begins another *life* of the witness. What was on it is kept aside, for it is evidence.
- etcd writes no trace. Every change of a record is in its history, though; so in the end each life's etcd is started
  once more and asked for it (`reading_record`).
- There is no TLS between the servers and etcd here, and no user: nobody else is on the lab's network.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from takeover.cli import Exit
from takeover.demo.configurations import WITNESSES
from takeover.demo.parties import Party, service
from takeover.endpoint import Endpoint
from takeover.errors import ConfigurationError, EnvironmentFault
from takeover.lab.machines import Machine
from takeover.linux import boottime_ns

BUILT_IN, ETCD = WITNESSES

TOLD_TIMEOUT_S = 30.0
"""How long it may take until a witness that has just been started can be told what it is, in seconds."""

_PEER_PORT = 2380
_AGAIN_S = 0.2


class LabWitness(Party, ABC):
    """The witness's process and its disk."""

    kind: str
    """Which of `WITNESSES` it is."""
    untold: bool
    """Whether it grants nothing because a person has to tell it what it is."""

    def __init__(
        self, directory: Path, machine: Machine, command: Sequence[str], *, configured: bool = True
    ) -> None:
        """Nothing is started."""
        super().__init__("witness", directory, machine, command, configured=configured)
        self._lives: list[Path] = []

    @property
    def lives(self) -> list[Path]:
        """The disk of each life, the present one last."""
        return [*self._lives, self.data_directory]

    def wipe(self) -> None:
        """Its disk is empty from now on. It does not run."""
        assert not self.runs
        kept = self.data_directory.with_name(f"{self.name}-life-{len(self.lives)}")
        self.data_directory.rename(kept)
        self.data_directory.mkdir()
        self._lives.append(kept)
        self.untold = True

    @abstractmethod
    async def tell(self, *words: str) -> bool:
        """Tell it what it is, as a person would; False if it has a record, though nobody has told it.

        It runs on return. Raises EnvironmentFault.
        """

    @abstractmethod
    async def write_traces(self) -> None:
        """See to it that each life has its traces, in its disk's `trace`. It does not run. Raises EnvironmentFault."""

    async def _told(self, machine: Machine, config: Path, words: Sequence[str]) -> bool | None:
        """Whether it took what it was told; None if it was not reached."""
        status = await self._run_there(
            machine, "telling", ["takeover", "witness", "--config", str(config), *words]
        )
        if status not in (Exit.HOLDS, Exit.USAGE):
            return None
        self.untold = False
        return status == Exit.HOLDS

    async def _run_there(self, machine: Machine, name: str, words: Sequence[str]) -> int:
        program = await machine.start(name, [sys.executable, "-P", "-m", *words], self.log)
        return await program.wait()


class BuiltIn(LabWitness):
    """The witness that is part of takeover. It was told when its configuration was written."""

    def __init__(self, directory: Path, machine: Machine, command: Sequence[str] | None = None) -> None:
        super().__init__(directory, machine, service("witness") if command is None else command)
        self._machine = machine
        self.kind, self.untold = BUILT_IN, False
        self._logged_bytes = 0

    async def tell(self, *words: str) -> bool:
        """See LabWitness."""
        until_ns = boottime_ns() + int(TOLD_TIMEOUT_S * 1e9)
        while not self._has_begun() and boottime_ns() < until_ns:
            await asyncio.sleep(_AGAIN_S)
        await self.kill()
        told = await self._told(self._machine, self.config, words)
        await self.start()
        if told is None:
            raise EnvironmentFault(f"the witness cannot be told {' '.join(words)}; see {self.log}")
        return told

    def wipe(self) -> None:
        """See LabWitness."""
        super().wipe()
        self._logged_bytes = self.log.stat().st_size

    def _has_begun(self) -> bool:
        """Whether it was seen since the wipe that it refuses every lease; or that it does not, and keeps a trace."""
        said = self.log.read_bytes()[self._logged_bytes :]
        return b"has no record" in said or any(self.traces.glob("*.ndjson"))

    async def write_traces(self) -> None:
        """See LabWitness. It wrote them itself."""


class InEtcd(LabWitness):
    """A witness whose record is in etcd. It is told that the pair is new after the first start."""

    def __init__(self, directory: Path, machine: Machine, listen: Endpoint, client: Machine) -> None:
        """`client` is a machine from which it can be reached. Raises ConfigurationError where there is no etcd."""
        program = shutil.which("etcd")
        if program is None:
            raise ConfigurationError("--witness etcd: etcd is not installed here (Debian: etcd-server)")
        peer = f"http://127.0.0.1:{_PEER_PORT}"
        self.url = f"http://{listen}"
        """Where it is reached."""
        self._etcd = [
            program, "--name", "witness", "--listen-client-urls", f"http://0.0.0.0:{listen.port}",
            "--advertise-client-urls", self.url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"witness={peer}", "--heartbeat-interval", "50", "--election-timeout", "500",
        ]  # fmt: skip
        super().__init__(directory, machine, self._argv(directory / "witness"), configured=False)
        self._machine = machine
        self._client = client
        self._teller = directory / "primary.toml"
        self.kind, self.untold = ETCD, True

    def _argv(self, disk: Path) -> list[str]:
        return [*self._etcd, "--data-dir", str(disk / "etcd")]

    async def tell(self, *words: str) -> bool:
        """See LabWitness. Any node's configuration says where it is."""
        until_ns = boottime_ns() + int(TOLD_TIMEOUT_S * 1e9)
        while (told := await self._told(self._client, self._teller, words)) is None:
            if boottime_ns() > until_ns:
                raise EnvironmentFault(f"the witness cannot be told {' '.join(words)}; see {self.log}")
            await asyncio.sleep(_AGAIN_S)  # etcd has just been started
        return told

    async def stop(self) -> str:
        """See Party. That etcd ends by the signal that asked it to is in order."""
        process = self._process
        problem = await super().stop()
        return "" if process is not None and process.returncode == -signal.SIGTERM else problem

    async def write_traces(self) -> None:
        """See LabWitness."""
        for number, disk in enumerate(self.lives):
            if not (disk / "etcd").exists():
                continue  # it was wiped again before it had started
            etcd = await self._machine.start(f"etcd-{number}", self._argv(disk), self.log)
            words = ["takeover.lab.reading_record", "--config", str(self._teller), str(disk / "trace")]
            status = await self._run_there(self._client, "reading", words)
            etcd.send_signal(signal.SIGKILL)
            await etcd.wait()
            if status:
                raise EnvironmentFault(f"the history of {disk} cannot be read; see {self.log}")
