"""The demo's scene: two servers and a witness with their configurations and addresses, each a real process.

Every address is on the loopback network and belongs to this demo alone: the host follows from the process id, so that
demos beside each other do not meet. Each party runs under `launch`, so that nothing of it outlives the demo.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from takeover.core.witness import NEW_PAIR
from takeover.demo.link import Link
from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault
from takeover.key_making import make_keys
from takeover.witness_record import write_record

PARTIES = ("witness", "primary", "secondary")

GRANT_MS = 1_000
"""How long leases and promises last in the demo, in ms."""

BEAT_MS = 200
DRIFT_PPM = 1_000
SLACK_MS = 100
PATIENCE_MS = 2_000
LINK_MS = 5
"""How long the link between the servers takes each way, in ms."""

FAR_LINK_MS = 50
"""The same for an asynchronous pair: that mode is for servers that are far apart."""

STOP_TIMEOUT_S = 15.0
"""How long a party may take to stop when it is asked to, in seconds."""

_PORTS = range(20_000, 30_000)
_LOG_TAIL_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who listens where."""

    public: Endpoint
    witness: Endpoint
    channel: Endpoint
    """The primary's end of the channel."""
    link: Endpoint
    """The secondary's end of the link that leads there."""
    applications: dict[str, Endpoint]
    """Where the application of each server listens."""


class Party:
    """A server or the witness: its files, and its process when it runs."""

    def __init__(self, name: str, directory: Path) -> None:
        """Its configuration is `directory`/NAME.toml, its data directory `directory`/NAME, its log NAME.log."""
        self.name = name
        self.config = directory / f"{name}.toml"
        self.data_directory = directory / name
        self.traces = self.data_directory / "trace"
        """Where its traces are, a file for each run."""
        self.keys = directory / "keys" / name / "keys"
        """Its keys, as they are made for every demo anew."""
        self.log = directory / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The id of its process, which runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> str:
        """How its process ended by itself; empty while it runs, and when it was not started or was ended by us."""
        if self._process is None or self._process.returncode is None:
            return ""
        return (
            f"the {self.name} ended with {self._process.returncode}; the end of its log:\n{self._log_tail()}"
        )

    async def start(self) -> None:
        """Start its process. Raises EnvironmentFault when that cannot be."""
        assert self._process is None
        command = "witness" if self.name == "witness" else "node"
        argv = [sys.executable, "-P", "-m", "takeover", command, "--config", str(self.config)]
        launch = [sys.executable, "-P", "-m", "takeover.demo.launch", str(os.getpid()), "--"]
        try:
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *launch,
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as cause:
            raise EnvironmentFault(f"the {self.name} cannot be started: {cause}") from cause

    async def kill(self) -> None:
        """Kill its process as a failure would, and nothing else of it; return when it is gone."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None

    async def stop(self) -> str:
        """Ask its process to stop, and kill it when it does not; what was wrong with its end, if anything."""
        if self._process is None:
            return ""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            return (
                f"the {self.name} did not stop within {STOP_TIMEOUT_S:g} s of being asked to, and was killed"
            )
        problem = self.ended if self._process.returncode else ""
        self._process = None
        return problem

    def _log_tail(self) -> str:
        return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")


class Scene:
    """The directory of a demo, its addresses, its parties and the link between the servers."""

    def __init__(self, directory: Path, synchronous: bool) -> None:
        """Write configurations and keys into `directory`, which exists and is empty, and tell the witness that the
        pair is new. Nothing is started."""
        self.directory = directory
        self.addresses = _addresses()
        self.parties = {name: Party(name, directory) for name in PARTIES}
        self.link_ms = LINK_MS if synchronous else FAR_LINK_MS
        """How long the link takes each way, in ms."""
        self.link = Link(self.addresses.link, self.addresses.channel, self.link_ms)
        mode = "synchronous" if synchronous else "asynchronous"
        make_keys(directory / "keys", "demo")
        for party in self.parties.values():
            party.config.write_text(_configuration(party, mode, self.addresses))
        write_record(self.parties["witness"].data_directory, NEW_PAIR)

    async def clean_up(self) -> None:
        """Kill whatever still runs."""
        for party in self.parties.values():
            await party.kill()
        await self.link.cut()


def _configuration(party: Party, mode: str, at: Addresses) -> str:
    """The file of a party."""
    grants = (
        f"[grants]\nlease_ms = {GRANT_MS}\npromise_ms = {GRANT_MS}\n"
        f"drift_ppm = {DRIFT_PPM}\nexpiry_slack_ms = {SLACK_MS}\n"
    )
    common = (
        f'pair = "demo"\nmode = "{mode}"\ndata_directory = {_quoted(party.data_directory)}\n'
        f"keys = {_quoted(party.keys)}\n"
    )
    if party.name == "witness":
        return f'{common}listen = "{at.witness}"\n{grants}'
    application = at.applications[party.name]
    argv = [sys.executable, "-P", "-m", "takeover.demo.application", "--listen", str(application)]
    channel = f'listen = "{at.channel}"' if party.name == "primary" else f'peer = "{at.link}"'
    return (
        f'{common}identity = "{party.name}"\n'
        f"{grants}beat_ms = {BEAT_MS}\npatience_ms = {PATIENCE_MS}\n"
        f"[channel]\n{channel}\n"
        f'[witness]\naddress = "{at.witness}"\n'
        f'[public_identity]\nlisten = "{at.public}"\nforward = "{application}"\n'
        f'[[application]]\nname = "demo"\ncommand = {json.dumps(argv)}\nhealth = "{application}"\n'
        "stop_timeout_ms = 2000\n"
    )


def _quoted(path: Path) -> str:
    return json.dumps(str(path.absolute()))


def _addresses() -> Addresses:
    """Six free addresses. Raises EnvironmentFault when there are none."""
    pid = os.getpid()
    host = f"127.{pid >> 16 & 63 | 192}.{pid >> 8 & 255}.{pid & 255}"
    free: list[Endpoint] = []
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        free.append(Endpoint(host, port))
        if len(free) == 6:
            public, witness, channel, link, primary, secondary = free
            return Addresses(public, witness, channel, link, {"primary": primary, "secondary": secondary})
    raise EnvironmentFault(f"no free ports on {host}")
