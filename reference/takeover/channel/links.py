"""The links of a server: to its peer and to the witness, kept up for as long as the server runs.

The secondary dials the primary; both dial the witness. A link that breaks is dialled again, also when it was broken
because there are new keys. While it is down, what is said is lost, which the protocol allows for: everything that
matters is said again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from takeover.channel.accepting import Acceptor
from takeover.channel.channel import Connection, dial, greet
from takeover.channel.replication import ship
from takeover.copies.exchange import ReceivedCopies, SentCopies
from takeover.core import events as ev
from takeover.endpoint import Endpoint
from takeover.errors import PeerError, TakeoverError
from takeover.storage.queues import Queue
from takeover_spec import wire
from takeover_spec.words import Identity

if TYPE_CHECKING:
    from takeover.node import Node
    from takeover.witness.etcd_link import EtcdLink
    from takeover.witness.own_arbiter_link import OwnArbiterLink

log = logging.getLogger("takeover.links")

REDIAL_S = 0.1
"""How long after a failure a link is dialled again, in seconds."""

STORE_RETRY_S = 1.0
"""How long after an update could not be stored it is asked for again, in seconds."""

INBOX_MAX = 2_000
"""How many events may wait for the core before a link stops reading."""


class Link(ABC):
    """A connection to one other party, and its successors."""

    NAME: ClassVar[str]
    """Whom it leads to, for the log."""

    def __init__(self, node: Node, hello: wire.Hello) -> None:
        self._node = node
        self._hello = hello
        self._connection: Connection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._complaint = ""

    @property
    def connected(self) -> bool:
        """Whether the link is up."""
        return self._connection is not None

    def say(self, message: wire.Message) -> None:
        """Send a message, or lose it."""
        if self._connection:
            self._connection.say(message)

    def hang_up(self) -> None:
        """Break the connection, so that another takes its place."""
        if self._connection:
            self._drop()
            self._went_down()

    async def close(self) -> None:
        """Break the link for good."""
        if self._dialling:
            self._dialling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dialling
        self._drop()

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _complain(self, problem: str) -> None:
        """Log why the link is down, once."""
        if problem != self._complaint:
            log.warning("the link to the %s is down: %s", self.NAME, problem)
            self._complaint = problem

    async def _listen_to(self, connection: Connection) -> None:
        """Hand on what arrives, until the connection ends."""
        self._drop()
        self._connection = connection
        self._complaint = ""
        log.info("the link to the %s is up", self.NAME, extra={"fields": {"to": connection.theirs.party}})
        self._came_up()
        try:
            async for message in connection.messages():
                await self._heard(message)
                while len(self._node.inbox) > INBOX_MAX:
                    await asyncio.sleep(0.001)
        except (PeerError, TakeoverError) as error:
            self._complain(str(error))
        finally:
            if self._connection is connection:
                self._complain("the connection ended")
                self._drop()
                self._went_down()
            else:
                connection.close()

    @abstractmethod
    def _came_up(self) -> None: ...

    @abstractmethod
    def _went_down(self) -> None: ...

    @abstractmethod
    async def _heard(self, message: wire.Message) -> None: ...


class Refusals:
    """Logs what the witness refuses, once as long as it says the same."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None

    def heard(self, message: wire.Message, epoch: int) -> None:
        """The witness said this to a server whose data is of `epoch`."""
        match message:
            case wire.Leased():
                self._last = None
            case wire.NotLeased(_, _, _, current, clause, reason) if (clause, reason) != self._last:
                self._last = (clause, reason)
                fields = {"clause": clause, "witness_epoch": current, "epoch": epoch}
                if current < epoch:  # it cannot be: somebody has to look
                    log.error(
                        "the witness refuses, and is behind this server: %s", reason, extra={"fields": fields}
                    )
                else:
                    log.info("the witness refuses a lease: %s", reason, extra={"fields": fields})


class WitnessLink(Link):
    """The link to the witness.

    What was declared last is said again whenever the link comes up: a witness that lost its record, and was told which
    epoch to adopt, has to hear it.
    """

    NAME = "witness"

    def __init__(self, node: Node, hello: wire.Hello) -> None:
        super().__init__(node, hello)
        self._refusals = Refusals()
        self._declared: wire.DeclareEligible | None = None

    def say(self, message: wire.Message) -> None:
        if isinstance(message, wire.DeclareEligible):
            self._declared = message
        super().say(message)

    def _came_up(self) -> None:
        if self._declared:
            super().say(self._declared)

    def _went_down(self) -> None:
        """Nothing is on its way that would have to be stopped."""

    def peer_said(self, message: wire.Message) -> None:
        """What the servers say to each other is not for a witness."""

    def peer_connected(self) -> None:
        """Nor that they can."""

    def start(self) -> None:
        """Keep it up from now on."""
        self._dialling = self._node.start_task(self._keep())

    async def _keep(self) -> None:
        while True:
            try:
                node, witness = self._node, self._node.config.witness
                assert isinstance(witness, Endpoint), "etcd is reached by a link of its own"
                connection = await dial(witness, node.keys, self._hello, ("witness",))
                await self._listen_to(connection)
            except PeerError as error:
                self._complain(str(error))
            await asyncio.sleep(REDIAL_S)

    async def _heard(self, message: wire.Message) -> None:
        self._refusals.heard(message, self._node.core.know.epoch)
        self._node.tell(ev.WitnessSaid(message))


def witness_link(node: Node, hello: wire.Hello) -> WitnessLink | EtcdLink | OwnArbiterLink:
    """The link to the kind of witness that this server was told of. Raises `ConfigurationError`."""
    config = node.config.witness
    if config is None:
        from takeover.witness.own_arbiter_link import OwnArbiterLink  # which looks up to this module

        return OwnArbiterLink(node)
    if isinstance(config, Endpoint):
        return WitnessLink(node, hello)
    from takeover.witness.etcd_link import EtcdLink  # here alone, for nobody else needs its library

    return EtcdLink(node, config)


class PeerLink(Link):
    """The link to the peer, with what is shipped over it."""

    NAME = "peer"

    def __init__(self, node: Node, hello: wire.Hello) -> None:
        super().__init__(node, hello)
        self.grown = asyncio.Event()
        """Set when the unsafe queue has grown."""
        self._acceptor: Acceptor[Connection] | None = None
        self.sent = SentCopies(node, self)
        self.received = ReceivedCopies(node, self)
        self._shipping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Keep it up from now on: the primary waits to be dialled, the secondary dials."""
        config, start_task = self._node.config, self._node.start_task
        if config.identity is Identity.PRIMARY:
            listen = config.channel.listen
            assert listen is not None, "the configuration of a primary has it"
            say = partial(greet, mine=self._hello)
            self._acceptor = Acceptor(
                listen, self._node.keys, ("secondary",), say, self._listen_to, start_task
            )
            self._acceptor.start()
        else:
            self._dialling = start_task(self._keep())

    async def close(self) -> None:
        if self._acceptor:
            await self._acceptor.close()
        await super().close()
        self._went_down()

    async def _keep(self) -> None:
        peer = self._node.config.channel.peer
        assert peer is not None, "the configuration of a secondary has it"
        while True:
            try:
                connection = await dial(peer, self._node.keys, self._hello, ("primary",))
                await self._listen_to(connection)
            except PeerError as error:
                self._complain(str(error))
            await asyncio.sleep(REDIAL_S)

    def _came_up(self) -> None:
        self._went_down()  # what was on its way over the link before is not on this one
        self._node.tell(ev.Connected())
        self._node.witness.peer_connected()

    def _went_down(self) -> None:
        self.stop_sending()
        self.received.stop()

    async def _heard(self, message: wire.Message) -> None:
        self._node.witness.peer_said(message)
        match message:
            case wire.CopyBegin():
                if self._connection:
                    self.received.begin(message, self._connection)
            case wire.CopyListing() | wire.CopyPart() | wire.CopyEnd():
                await self.received.add(message)
            case wire.CopyLacking():
                self.sent.answer(message)
            case _:
                self._node.tell(ev.PeerSaid(message))

    # --- shipping, and copies -------------------------------------------------------------------

    def ship(self, queue: Queue, seq: int, status: int) -> None:
        """Send the queue from there on, for as long as the connection lasts."""
        if self._shipping:
            self._shipping.cancel()
        if self._connection:
            work = ship(self._connection, queue, seq, status, self.grown)
            self._shipping = self._node.start_task(_while_connected(work))

    def send_copy(self, epoch: int, begun: int, upto: int) -> None:
        """Send the copy that was taken."""
        if self._connection:
            self.sent.send(self._connection, epoch, begun, upto)

    def stop_sending(self) -> None:
        """Send no more of the queue, nor of a copy."""
        if self._shipping:
            self._shipping.cancel()
            self._shipping = None
        self.sent.stop()

    def break_off(self, connection: Connection, problem: str) -> None:
        """Break this connection, because of what came over it."""
        if connection is self._connection:
            self._complain(problem)
            self.hang_up()

    async def reconnect(self, pause_s: float) -> None:
        """Break the link after a while, so that both sides say anew where they stand."""
        connection = self._connection
        await asyncio.sleep(pause_s)
        if connection is self._connection:
            self.hang_up()


async def _while_connected(work: Awaitable[None]) -> None:
    """Do something over a connection; that it broke is known elsewhere."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        await work
