"""The link of a server to a witness whose record is in etcd: the same face as `links.WitnessLink`.

One request is under way at a time. What is said meanwhile waits, the newest of each kind: an older request for a lease
is worth less than a newer one, and a declaration nothing. A server that says nothing for a beat looks at the record
instead. A watch tells it of changes sooner, when there is one: nothing rests on it but how soon a takeover comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from takeover.channel.links import REDIAL_S, Refusals
from takeover.config import EtcdConfig, NodeConfig
from takeover.core import events as ev
from takeover.core.state import counted_ns
from takeover.errors import ConfigurationError
from takeover.witness.etcd_client import EtcdClient, EtcdFailure
from takeover.witness.etcd_witness import EtcdWitness, key_of
from takeover_spec import wire
from takeover_spec.knowledge import WitnessKnowledge

if TYPE_CHECKING:
    from takeover.node import Node

log = logging.getLogger("takeover.links")

MEMBERS_PER_LEASE = 3
"""How many members of a cluster may fail to answer, one after the other, in the time a lease is counted on."""


class EtcdLink:
    """The link to etcd."""

    def __init__(self, node: Node, config: EtcdConfig) -> None:
        """Raises `ConfigurationError`."""
        self._node = node
        self._client, self._witness = open_witness(node.config, config)
        self._pause_s = node.config.beat_ns / 1e9
        self._refusals = Refusals()
        self._waiting: dict[type, wire.Message] = {}
        self._said = asyncio.Event()
        self._renew = False
        self._declared: wire.DeclareEligible | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._complaint: str | None = ""

    @property
    def connected(self) -> bool:
        """Whether the last request was answered."""
        return self._complaint is None

    def start(self) -> None:
        """Keep in touch from now on."""
        self._tasks = [self._node.start_task(work) for work in (self._keep(), self._watch())]

    def say(self, message: wire.Message) -> None:
        """Have a message dealt with, or lose it."""
        if isinstance(message, wire.DeclareEligible):
            self._declared = message
        self._waiting[type(message)] = message
        self._said.set()

    def peer_said(self, message: wire.Message) -> None:
        """What the servers say to each other is not for a witness."""

    def peer_connected(self) -> None:
        """Nor that they can."""

    def hang_up(self) -> None:
        """Connect anew, with what the files of keys and passwords hold now."""
        self._renew = True
        self._said.set()

    async def close(self) -> None:
        """End the link."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._client.close()

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._said.wait()
            self._said.clear()
            if self._renew:
                self._renew = False
                await self._try(self._client.renew())
            if not self._waiting:
                await self._try(self._witness.look())
            while self._waiting:
                await self._try(self._pass_on())

    async def _try(self, request: Coroutine[object, object, None]) -> None:
        try:
            await request
        except (EtcdFailure, ConfigurationError) as error:
            if str(error) != self._complaint:
                log.warning("etcd does not answer as a witness: %s", error)
            self._complaint = str(error)
        else:
            if self._complaint is not None:
                log.info("etcd answers as a witness")
            self._complaint = None

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(EtcdFailure):  # whether etcd can be reached is known elsewhere
                await self._witness.watch()
            await asyncio.sleep(REDIAL_S)

    async def _pass_on(self) -> None:
        """Deal with one message that waits."""
        message = self._waiting.pop(next(iter(self._waiting)))
        for answer in await self._witness.hear(message):
            self._refusals.heard(answer, self._node.core.know.epoch)
            self._node.tell(ev.WitnessSaid(answer))
        know, declared = self._witness.know, self._declared
        if declared is None or declared is message or know is None or know.epoch != declared.epoch:
            return
        if know.version < declared.version:  # the record was lost, and an epoch adopted
            self._waiting.setdefault(type(declared), declared)


def open_witness(node: NodeConfig, config: EtcdConfig) -> tuple[EtcdClient, EtcdWitness]:
    """The witness of a server, and its client to close. Raises `ConfigurationError`."""
    counted_s = counted_ns(node.constants.lease_ns, node.constants.drift_ppm) / 1e9
    attempt_s = counted_s / MEMBERS_PER_LEASE if len(config.endpoints) > 1 else counted_s
    client = EtcdClient(config, key_of(config.prefix, node.pair), attempt_s)
    return client, EtcdWitness(client, node.identity, node.constants)


async def tell_witness(node: NodeConfig, config: EtcdConfig, know: WitnessKnowledge) -> None:
    """Tell a witness without a record what it is. Raises `TakeoverError`."""
    client, witness = open_witness(node, config)
    async with client:
        await witness.tell(know)
