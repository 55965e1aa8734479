"""Witnesses of both kinds, as real processes, and a server's end of the link to one.

A `WitnessUnderTest` can be started, killed and wiped, whatever kind it is; an `Asker` speaks to it through the link
that a server uses, over a wire that can be slow, or cut, and keeps account of what it was granted.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

import pytest

from takeover.channel.keys import Keys
from takeover.channel.links import witness_link
from takeover.cli import main
from takeover.config import EtcdConfig, NodeConfig, load_node
from takeover.control.client import NotRunning, ask
from takeover.core import events as ev
from takeover.core.state import counted_ns
from takeover.demo.link import Link
from takeover.demo.parties import Party
from takeover.demo.scene import Scene
from takeover.endpoint import Endpoint
from takeover.linux import boottime_ns
from takeover.node import Node
from takeover.observer import Observer
from takeover.witness.etcd_client import EtcdClient, EtcdFailure
from takeover.witness.etcd_observer import EtcdObserver
from takeover.witness.etcd_witness import key_of
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.trace import check
from takeover_spec.words import Identity

PATIENCE_S = 30.0
ASK_S = 0.5
"""How long an asker waits for an answer before it asks again, in seconds."""


async def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = boottime_ns() + int(PATIENCE_S * 1e9)
    while not holds():
        assert boottime_ns() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        await asyncio.sleep(0.01)


def free_endpoint(host: str) -> Endpoint:
    """An address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return Endpoint(host, probe.getsockname()[1])


class EtcdCluster:
    """The members of an etcd cluster, each a process that does not outlive this one."""

    def __init__(self, directory: Path, host: str, members: int, keys: Path | None = None) -> None:
        """With `keys`, clients come over TLS, with a certificate: `ca.pem`, `member.pem` and `member.key` are there."""
        self.directory = directory
        self._keys = keys
        self._scheme = "https" if keys else "http"
        self.clients = [free_endpoint(host) for _ in range(members)]
        """Where each member listens for clients."""
        self._peers = [free_endpoint(host) for _ in range(members)]
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def start(self, member: int) -> None:
        """Start a member with what it has on its disk."""
        assert shutil.which("etcd"), "etcd is not installed: apt-get install etcd-server"
        client, peer = f"{self._scheme}://{self.clients[member]}", f"http://{self._peers[member]}"
        argv = [
            "etcd", "--name", f"m{member}", "--data-dir", str(self.directory / f"m{member}"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", ",".join(f"m{n}=http://{peer}" for n, peer in enumerate(self._peers)),
            "--heartbeat-interval", "50", "--election-timeout", "500",
        ]  # fmt: skip
        if self._keys:
            argv += [
                "--cert-file", str(self._keys / "member.pem"), "--key-file", str(self._keys / "member.key"),
                "--trusted-ca-file", str(self._keys / "ca.pem"), "--client-cert-auth",
            ]  # fmt: skip
        launch = [sys.executable, "-P", "-m", "takeover.demo.launch", str(os.getpid()), "--"]
        with (self.directory / "etcd.log").open("ab") as log:
            self._processes[member] = await asyncio.create_subprocess_exec(
                *launch,
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def kill(self, member: int) -> None:
        """Kill a member with SIGKILL."""
        process = self._processes.pop(member, None)
        if process:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    def pause(self, member: int) -> None:
        """Stop a member with SIGSTOP: it takes requests, and answers none."""
        self._processes[member].send_signal(signal.SIGSTOP)

    def wipe(self, member: int) -> None:
        """Take its disk from a member, which does not run."""
        shutil.rmtree(self.directory / f"m{member}")

    def config(self) -> EtcdConfig:
        """How to reach it."""
        urls = tuple(f"{self._scheme}://{at}" for at in self.clients)
        files = [self._keys / name if self._keys else None for name in ("ca.pem", "client.pem", "client.key")]
        return EtcdConfig(urls, "/takeover/", "", None, *files)

    async def wait(self) -> None:
        """Wait until it answers."""
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        async with EtcdClient(self.config(), "any", 1.0) as client:
            while True:
                try:
                    await client.read()
                    return
                except EtcdFailure:
                    assert boottime_ns() < deadline, (self.directory / "etcd.log").read_text()[-3000:]
                    await asyncio.sleep(0.05)

    async def leader(self) -> int:
        """The member that leads."""
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        async with EtcdClient(self.config(), "any", 1.0) as client:
            while True:
                for member in self._processes:
                    url = f"{self._scheme}://{self.clients[member]}"
                    status = await client._post(url, "maintenance/status", {}, {})
                    if status["header"]["member_id"] == status.get("leader"):
                        return member
                assert boottime_ns() < deadline, "no member leads"
                await asyncio.sleep(0.05)


class WitnessUnderTest(Protocol):
    """A witness of some kind."""

    scene: Scene

    @property
    def listen(self) -> Endpoint:
        """Where it is reached."""

    def witness_table(self, at: Endpoint | None) -> str:
        """The table [witness] of a node that reaches it at `at`, or where it listens."""

    async def start(self) -> None:
        """Start it with what it has on its disk."""

    async def kill(self) -> None:
        """Kill it with SIGKILL."""

    def wipe(self) -> None:
        """Take its disk from it; it does not run."""

    async def tell(self, *words: str) -> int:
        """Tell it what it is; the command's exit status."""

    async def judge(self) -> None:
        """Hold what it did against the rules."""


class BuiltIn:
    """The witness that is part of takeover."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._party: Party = scene.parties["witness"]

    @property
    def listen(self) -> Endpoint:
        return self.scene.addresses.witness

    def witness_table(self, at: Endpoint | None) -> str:
        return f'[witness]\naddress = "{at or self.listen}"\n'

    async def start(self) -> None:
        await self._party.start()
        await until("the witness to listen", lambda: _listens(self.listen))

    async def kill(self) -> None:
        await self._party.kill()

    def wipe(self) -> None:
        """The traces stay, as those of an earlier life."""
        (self._party.data_directory / "state.json").unlink()

    async def tell(self, *words: str) -> int:
        await self._party.kill()
        status = await asyncio.to_thread(main, ["witness", "--config", str(self._party.config), *words])
        await self.start()
        return status

    async def judge(self) -> None:
        await self._party.kill()
        judge_traces(self._party.traces)


class Watching:
    """An observer at work."""

    def __init__(self, file: Path, cluster: EtcdCluster, directory: Path) -> None:
        node = load_node(file)
        self._client = EtcdClient(cluster.config(), key_of("/takeover/", node.pair), 5.0)
        self._observer = EtcdObserver(self._client, node.pair, node.constants, directory)
        self.task = asyncio.create_task(self._observer.watch())

    async def end(self) -> str:
        """Watch no more; the problem that was seen."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self._client.close()
        if not self.task.cancelled():
            self.task.result()
        return self._observer.problem


class InEtcd:
    """A witness whose record is in etcd."""

    def __init__(self, scene: Scene, members: int = 1) -> None:
        self.scene = scene
        directory = scene.directory / "etcd"
        directory.mkdir()
        self.cluster = EtcdCluster(directory, scene.addresses.public.host, members)
        self._node = scene.directory / "teller.toml"
        text = scene.parties["primary"].config.read_text()
        table = json.dumps([f"http://{at}" for at in self.cluster.clients])
        self._node.write_text(text.replace(f'address = "{scene.addresses.witness}"', f"etcd = {table}"))
        self._observers: list[Watching] = []
        self._wiped = False

    @property
    def listen(self) -> Endpoint:
        return self.cluster.clients[0]

    def witness_table(self, at: Endpoint | None) -> str:
        urls = [f"http://{one}" for one in ([at] if at else self.cluster.clients)]
        return f"[witness]\netcd = {json.dumps(urls)}\n"

    async def start(self) -> None:
        for member in range(len(self.cluster.clients)):
            await self.cluster.start(member)
        await self.cluster.wait()
        first = not self._observers
        if first or self._wiped:
            self._observers.append(Watching(self._node, self.cluster, self.scene.directory / "observed"))
            self._wiped = False
        if first:
            assert 0 == await self.tell("--new")

    async def kill(self) -> None:
        for member in range(len(self.cluster.clients)):
            await self.cluster.kill(member)

    def wipe(self) -> None:
        for member in range(len(self.cluster.clients)):
            self.cluster.wipe(member)
        for observer in self._observers:
            observer.task.cancel()  # its history is over
        self._wiped = True

    async def tell(self, *words: str) -> int:
        return await asyncio.to_thread(main, ["witness", "--config", str(self._node), *words])

    async def judge(self) -> None:
        for observer in self._observers:
            assert "" == await observer.end()
        await self.kill()
        judge_traces(self.scene.directory / "observed")


def judge_traces(directory: Path) -> None:
    """Each of these traces obeys the rules."""
    files = sorted(directory.glob("*.ndjson"))
    assert files
    for file in files:
        with file.open("rb") as lines:
            verdict = check(lines)
        assert "obeys" == verdict.verdict, f"{file}: {verdict.violation or verdict.problem}"


def _listens(at: Endpoint) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((at.host, at.port)) == 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder counts it."""

    epoch: int
    heard: int
    until: int


class Asker:
    """A server as far as a witness sees it: the link of one, without the rest."""

    def __init__(self, witness: WitnessUnderTest, identity: Identity, delay_ms: float = 0) -> None:
        party = witness.scene.parties[identity.name.lower()]
        at = free_endpoint(witness.scene.addresses.public.host)
        self.wire = Link(at, witness.listen, delay_ms)
        """What lies between it and the witness."""
        file = party.config.with_suffix(".asker.toml")
        old = f'[witness]\naddress = "{witness.scene.addresses.witness}"\n'
        file.write_text(party.config.read_text().replace(old, witness.witness_table(at)))
        self.config: NodeConfig = load_node(file)
        self.keys = Keys(self.config.keys, self.config.pair, identity.name.lower())
        self.core = SimpleNamespace(know=Knowledge())
        self.inbox: tuple[()] = ()
        self.leases: list[Lease] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._heard: list[wire.Message] = []
        c = self.config.constants
        self._counted_ns = counted_ns(c.lease_ns, c.drift_ppm)
        hello = wire.hello(self.config.pair, identity.name.lower(), 1, c)
        self.link = witness_link(cast(Node, self), hello)

    async def start(self) -> None:
        """Keep in touch with the witness from now on."""
        await self.wire.mend()
        self.link.start()

    async def close(self) -> None:
        """End the link."""
        await self.link.close()
        await self.wire.cut()
        for task in self._tasks:
            assert task.cancelled(), task  # a task that ended otherwise would have ended the node

    def start_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """As a node does."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    def tell(self, event: ev.Event) -> None:
        """As a node does: the witness said something."""
        assert isinstance(event, ev.WitnessSaid)
        now = boottime_ns()
        self._heard.append(event.message)
        if isinstance(event.message, wire.Leased):
            sent = event.message.sent
            self.leases.append(Lease(event.message.epoch, now, sent + self._counted_ns))  # LEASE-4

    async def ask(self, epoch: int) -> wire.Leased | wire.NotLeased:
        """Ask for a lease until there is an answer."""
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        while True:
            assert boottime_ns() < deadline, "the witness does not answer"
            sent = boottime_ns()
            self.link.say(wire.AskLease(epoch, 1, sent, False))
            again = sent + int(ASK_S * 1e9)
            while boottime_ns() < again:
                for message in self._heard:
                    if isinstance(message, wire.Leased | wire.NotLeased) and message.sent == sent:
                        return message
                await asyncio.sleep(0.005)

    async def refused(self, epoch: int) -> wire.NotLeased:
        """Ask for a lease that is refused."""
        answer = await self.ask(epoch)
        assert isinstance(answer, wire.NotLeased)
        return answer

    async def lease(self, epoch: int) -> Lease:
        """Ask for a lease until it is granted."""
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        while isinstance(answer := await self.ask(epoch), wire.NotLeased):
            assert boottime_ns() < deadline, answer
            await asyncio.sleep(0.02)
        return self.leases[-1]

    async def declare(self, epoch: int, version: int, eligible: bool) -> None:
        """Declare until it is recorded."""
        recorded = wire.Recorded(epoch, version, eligible)
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        while recorded not in self._heard:
            assert boottime_ns() < deadline, "the witness does not record"
            self.link.say(wire.DeclareEligible(epoch, version, eligible))
            await asyncio.sleep(0.05)

    def release(self, epoch: int) -> None:
        """Give an epoch up: what was granted of it is void (LEASE-5)."""
        now = boottime_ns()
        self.leases = [
            replace(lease, until=min(lease.until, now)) if lease.epoch == epoch else lease
            for lease in self.leases
        ]
        self.link.say(wire.Released(epoch))


def assert_never_two(one: Asker, other: Asker) -> None:
    """At no instant did both count on a lease."""
    for mine in one.leases:
        for theirs in other.leases:
            assert mine.until <= theirs.heard or theirs.until <= mine.heard, (mine, theirs)


def new_witness(kind: str, scene: Scene) -> WitnessUnderTest:
    """A witness of this kind, for the pair of a scene."""
    match kind:
        case "built-in":
            return BuiltIn(scene)
        case "etcd":
            return InEtcd(scene)
        case "etcd of three":
            return InEtcd(scene, 3)
    raise AssertionError(kind)


class PairUnderTest:
    """Two servers and their witness, running."""

    def __init__(self, witness: WitnessUnderTest) -> None:
        self.witness = witness
        self.parties = witness.scene.parties

    def status(self, name: str) -> dict[str, Any]:
        """What a server says of itself; empty while it does not run."""
        try:
            return dict(ask(self.parties[name].data_directory, "status", timeout_s=0.5))
        except NotRunning:
            return {}

    def leads(self, name: str) -> bool:
        """Whether this server is active, and its peer may take over."""
        said = self.status(name)
        return bool(said) and said["role"] == "active" and said["serving"] and said["eligible_declared"]

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = boottime_ns() + int(PATIENCE_S * 1e9)
        while not await asyncio.to_thread(holds):
            assert boottime_ns() < deadline, f"waited {PATIENCE_S:g} s for {what}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _pair(kind: str, directory: Path) -> AsyncIterator[PairUnderTest]:
    scene = Scene(directory, True)
    witness = new_witness(kind, scene)
    observer = Observer(scene.addresses.public.host, scene.addresses.public.port)
    servers = [scene.parties[identity.name.lower()] for identity in Identity]
    try:
        await witness.start()
        await scene.link.mend()
        for server in servers:
            old = f'[witness]\naddress = "{scene.addresses.witness}"\n'
            server.config.write_text(server.config.read_text().replace(old, witness.witness_table(None)))
            await server.start()
        observer.start()
        pair = PairUnderTest(witness)
        await pair.until("the pair to be in sync", lambda: pair.leads("primary"))
        yield pair
        for server in servers:
            assert "" == await server.stop()
        observation = observer.stop()
        assert 1 == observation.holders_max
        for server in servers:
            judge_traces(server.traces)
        await witness.judge()
    finally:
        await witness.kill()
        await scene.clean_up()


@pytest.fixture
def with_pair(tmp_path: Path) -> Callable[..., None]:
    """Play something with a pair in sync and its witness; then judge the traces of all, and who held the address."""

    def run(kind: str, play: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with _pair(kind, tmp_path) as pair:
                await play(pair)

        asyncio.run(whole())

    return run


@pytest.fixture
def etcd(tmp_path: Path) -> Callable[..., None]:
    """Play something with an etcd of one member."""

    async def whole(play: Callable[[Any], Coroutine[Any, Any, None]], keys: Path | None = None) -> None:
        cluster = EtcdCluster(tmp_path, "127.0.0.1", 1, keys)
        try:
            await cluster.start(0)
            await cluster.wait()
            await play(cluster)
        finally:
            await cluster.kill(0)

    return lambda play, keys=None: asyncio.run(whole(play, keys))


@pytest.fixture(params=["built-in", "etcd"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both kinds of witness."""
    return str(request.param)


@pytest.fixture
def with_witness(kind: str, tmp_path: Path) -> Callable[..., None]:
    """Play something with a witness and its two servers, and judge what the witness did."""

    async def whole(play: Callable[[Any, Asker, Asker], Coroutine[Any, Any, None]], delay_ms: float) -> None:
        scene = Scene(tmp_path, True)
        witness = new_witness(kind, scene)
        try:
            await witness.start()
            primary, secondary = (Asker(witness, identity, delay_ms) for identity in Identity)
            await primary.start()
            await secondary.start()
            await play(witness, primary, secondary)
            await primary.close()
            await secondary.close()
            assert_never_two(primary, secondary)
            await witness.judge()
        finally:
            await witness.kill()
            await scene.clean_up()

    def run(play: Callable[[Any, Asker, Asker], Coroutine[Any, Any, None]], delay_ms: float = 0) -> None:
        asyncio.run(whole(play, delay_ms))

    return run
