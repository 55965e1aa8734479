"""The shell of a server: it feeds the core with what happens, and carries out what the core decides.

One task owns the core, the store and the trace, and works in rounds: take the events that are waiting, let the core
decide on each, carry the effects out; then wait for the disk once for all of them; then do what had to wait for the
disk. So updates share their syncs (`_settle`), and the order that the core asks for is kept: a message that says
something is durable, and an acknowledgement, go out after the sync and after the trace.

Around it run the tasks that may block: the connections, shipping and copies, the applications. They hand events in and
never touch the core. Nothing here decides anything; what looks like a decision belongs in `core/`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections import deque
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any

from takeover.address.identity import public_identity
from takeover.applications.serving import Serving
from takeover.channel.keys import Keys
from takeover.channel.links import STORE_RETRY_S, PeerLink, witness_link
from takeover.config import NodeConfig
from takeover.control.control import ControlServer, Orders
from takeover.control.remote import RemoteControl
from takeover.control.status import status_of_node
from takeover.core import Settings, begin, counted_ns, step
from takeover.core import events as ev
from takeover.errors import ConfigurationError, DiskFull
from takeover.extras import missing
from takeover.interception import Interception, NotAccepted
from takeover.linux import boottime_ns
from takeover.logs import Repeats
from takeover.offers import NOT_ACTIVE, Offers
from takeover.performing import Performer
from takeover.service_manager import ServiceManager
from takeover.start_checks import check_node, open_data_directory
from takeover.storage.granted_length import GrantedLength
from takeover.storage.queues import status_of
from takeover.storage.store import Store
from takeover.storage.tracing import TraceWriter
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.trace import Header
from takeover_spec.words import Arbiter

log = logging.getLogger("takeover.node")

ROUND_EVENTS_MAX = 256
"""How many events, or updates to apply, are dealt with before the shell looks at the clock and the disk again."""

BREATH_EVENTS = 32
"""After so many events, or updates, the clock and the grants have their turn."""

REFUSED_LOG_S = 1.0
"""After how long it is logged again that an update found no room, in seconds."""

DISK_QUICK_S = 0.02
"""For so long, in seconds, the disk is waited for and nothing else: most times it is done by then."""

GOODBYE_S = 1.0
"""For so long, in seconds, a server that stops waits for a connection to say goodbye over, where it has none."""

DISK_LOOK_S = 0.005
"""How often the grants are seen to while the disk is waited for, in seconds."""

_URGENT = (wire.AskPromise, wire.Promised)
"""The messages that are dealt with before all others."""


class Node:
    """A running server."""

    def __init__(self, config: NodeConfig) -> None:
        """Take the data directory and find what is there. Raises `TakeoverError`, and nothing is started."""
        if config.metrics and not find_spec("prometheus_client"):
            problem = missing("prometheus_client", "metrics")
            raise ConfigurationError(f"{config.file}: [metrics] {problem}")
        self.config = config
        self.keys = Keys(config.keys, config.pair, config.identity.name.lower())
        self.store = Store(open_data_directory(config))
        found = self.store.found()
        full = self.store.found_in_full()
        header = Header(config.identity.name.lower(), config.pair, config.constants, full)
        self.trace = TraceWriter(config.data_directory / "trace", header)
        c = config.constants
        settings = Settings(
            config.identity,
            self.trace.run,
            c,
            config.beat_ns,
            config.patience_ns,
            counted_ns(c.lease_ns, c.drift_ppm),
            counted_ns(c.promise_ns, c.drift_ppm),
            resumes=config.arbiter is Arbiter.WITNESS,
        )
        self.identity = public_identity(config.public_identity)
        self.inbox: deque[ev.Event] = deque()
        self._urgent: deque[ev.Event] = deque()  # what keeps the grants alive does not wait behind updates
        self._began = boottime_ns()
        self.promised = GrantedLength(self.store.directory, c.promise_ns)
        self.core, self._first = begin(settings, found, self._began, self.promised.longest_ns)
        self._looked_at = self._began  # when the core was last told the time
        self._looked_before = 0  # the end of the promise before which the identity was told to look
        self._leave_at = 0
        self._woken = asyncio.Event()
        self.offers = Offers(self._woken.set)
        self.performer = Performer(self)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self._repeats = Repeats()
        hello = wire.hello(config.pair, header.party, self.trace.run, c, config.arbiter)
        self.peer = PeerLink(self, hello)
        self.witness = witness_link(self, hello)
        socket = config.data_directory / "intercept.sock"
        self._interception = Interception(socket, self.offers.submit)
        self.orders = Orders(self.tell)
        self._control = ControlServer(config.data_directory, lambda: status_of_node(self), self.orders)
        self._remote = (
            RemoteControl(config.operator, self.keys, self._control.answer, self.start_task)
            if config.operator
            else None
        )
        self.serving = Serving(config, socket, self.start_task)
        self._metrics: Any = None
        self._manager = ServiceManager()

    # --- from outside ---------------------------------------------------------------------------

    def tell(self, event: ev.Event) -> None:
        """Something happened."""
        urgent = isinstance(event, ev.WitnessSaid) or (
            isinstance(event, ev.PeerSaid) and isinstance(event.message, _URGENT)
        )
        (self._urgent if urgent else self.inbox).append(event)
        self._woken.set()

    def renew_keys(self) -> None:
        """Read the keys anew, and make every connection anew with them."""
        if self.keys.reload():
            self.peer.hang_up()
            self.witness.hang_up()

    # --- the rounds -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until `Stopping` has been dealt with."""
        try:
            await self.identity.start()
            await self.performer.perform(self._first, self._began, None)
            await self._interception.start()
            await self._control.start()
            if self._remote:
                self._remote.start()
            self.serving.get_ready()
            if self.config.metrics:
                from takeover.control.metrics import Metrics  # here alone, for nobody else needs its library

                self._metrics = Metrics(self.config.metrics, lambda: status_of_node(self))
            await self.peer.start()
            self.witness.start()
            self.start_task(self.keys.keep_reminding())
            self._manager.ready()
            log.info("the server runs, passive", extra={"fields": {"trace": str(self.trace.path)}})
            while not self._may_leave():
                await self._wait()
                if self._failure:
                    raise self._failure
                await self._round()
                self._manager.alive()
            log.info("the server stops, as it was told")
        finally:
            self._manager.stopping()
            await self._close()

    def _may_leave(self) -> bool:
        """Whether it was told to stop, and the peer was told, or cannot be (ROLE-4)."""
        if not self.core.stopping or self.inbox:
            self._leave_at = boottime_ns() + int(GOODBYE_S * 1e9)
            return False
        return self.peer.connected or bool(self.core.know.peer_left) or boottime_ns() > self._leave_at

    async def _wait(self) -> None:
        self._woken.clear()
        if self.inbox or self._urgent or self._can_offer():
            return
        left_s = (min(self.core.wake_at(self._looked_at), self._look_at()) - boottime_ns()) / 1e9
        if left_s > 0:
            await self._manager.wait(self._woken, left_s)

    def _look_at(self) -> int:
        """When the identity is to be told that it may be needed soon: shortly before this server's promise runs out."""
        promised_until = self.core.know.given_until
        if self.core.know.active or not self.core.promised or self._looked_before == promised_until:
            return sys.maxsize
        return promised_until - self.identity.look_ns

    def _look_ahead(self) -> None:
        if self._look_at() <= boottime_ns():
            self._looked_before = self.core.know.given_until
            self.identity.look()

    def _is_due(self) -> bool:
        """Whether the core wants to look at the clock."""
        return self.core.wake_at(self._looked_at) <= boottime_ns()

    async def _round(self) -> None:
        self._look_ahead()
        for count in range(ROUND_EVENTS_MAX):
            await self._breathe(count)
            if not self.inbox:
                break
            await self._handle(self.inbox.popleft())
        for count in range(ROUND_EVENTS_MAX):
            await self._breathe(count)
            if not self._can_offer():
                break
            await self._offer_next()
        await self._settle()
        await self._apply()
        if not self.core.know.intercepting:
            self.offers.refuse()

    async def _breathe(self, count: int) -> None:
        """Now and then, let the connections read, and see to the clock and the grants."""
        if count % BREATH_EVENTS == 0:
            await asyncio.sleep(0)
            await self._see_to_grants()

    async def _flush(self) -> None:
        """Wait for the disk, if there is anything to make durable."""
        if self.performer.waits_for_disk:
            await self._beside_grants(self.performer.flush())
        else:
            await self.performer.flush()

    async def _beside_grants(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the disk, and see to the clock and the grants meanwhile: a slow disk is no failover.

        A disk that does not answer is one, and its server must not keep the role: after `patience` nothing is renewed.
        The core cannot say this: it knows of no disk, and is told of nothing that takes long while it is under way.
        """
        patient_until = boottime_ns() + self.config.patience_ns
        waiting = asyncio.ensure_future(work)
        try:
            await asyncio.wait({waiting}, timeout=DISK_QUICK_S)
            while not waiting.done() and boottime_ns() < patient_until:
                await self._see_to_grants()
                await asyncio.wait({waiting}, timeout=DISK_LOOK_S)
        finally:
            await asyncio.wait({waiting})
        await waiting

    async def _see_to_grants(self) -> None:
        while self._urgent:
            await self._handle(self._urgent.popleft())
        if self._is_due():
            await self._handle(ev.Woke())

    async def _handle(self, event: ev.Event, context: Any = None) -> bool:
        """Let the core decide on one event, and carry out what it says; whether it said anything."""
        now = self._looked_at = boottime_ns()
        before = self.core
        self.core, effects = step(before, event, now)
        try:
            await self.performer.perform(effects, now, context if context is not None else event)
        except DiskFull as error:
            if not isinstance(event, ev.PeerSaid) or not isinstance(
                event.message, wire.Update | wire.UpdateStatus
            ):
                raise
            self.core = before  # nothing was stored: the update counts as a message that was lost
            log.error("an update from the active server cannot be stored: %s", error)
            self.start_task(self.peer.reconnect(STORE_RETRY_S))  # it, and all after it, will be sent again
        return bool(effects)

    async def _settle(self) -> None:
        """Make durable what is not, and do what had to wait for that, until there is nothing more to do."""
        while True:
            await self._flush()
            for count in range(self.offers.logged_count):
                await self._breathe(count)
                logged = self.offers.take_logged()
                if logged is None:
                    break  # the role is lost
                seq, offer = logged
                for _ in self.store.keeping(offer.operation):
                    await self._breathe(0)
                offer.outcome = self.store.carry_out(offer.operation)
                self.offers.carried(seq, offer)
                await self._handle(ev.CarriedOut(seq, status_of(offer.outcome)), offer.outcome)
            await self._flush()
            self.peer.grown.set()
            if self.performer.copy_wanted and self.core.copying:
                self.performer.copy_wanted = False
                await self._handle(self.peer.sent.take(self.core.know.logged))
                self.peer.sent.close_unsent()
            for count in range(ROUND_EVENTS_MAX):
                await self._breathe(count)
                if not await self._handle(ev.Paused()):
                    break
            else:
                if not self.inbox:
                    continue
            await self._flush()
            return

    async def _apply(self) -> None:
        """Offer the core the updates that can be applied, one after the other."""
        for count in range(ROUND_EVENTS_MAX):
            await self._breathe(count)
            entry = self.store.next_to_apply()
            if entry is None:
                return
            if self.store.wants_checkpoint(entry):
                await self._beside_grants(self.performer.checkpoint())
            applied = self.store.applied
            await self._handle(ev.NextInQueue(entry.seq, status_of(entry.outcome)), entry)
            if self.store.applied == applied:
                return
        self._woken.set()

    # --- offers of the applications -------------------------------------------------------------

    def _can_offer(self) -> bool:
        return (
            self.offers.are_new
            and not self.core.copying
            and self.core.know.intercepting
            and not self.is_full()
        )

    def is_full(self) -> bool:
        """QUEUE-6: when the unsafe queue is full, the application is slowed down."""
        unsafe = self.store.unsafe
        return unsafe is not None and unsafe.size_bytes >= self.config.unsafe_bytes_max

    async def _offer_next(self) -> None:
        offer = self.offers.take_new()
        before, now = self.core, boottime_ns()
        self.core, effects = step(before, ev.Intercepted(), now)
        logs = [effect for effect in effects if isinstance(effect, act.Log)]
        try:
            await self.performer.perform(effects, now, offer)
        except DiskFull as error:
            self.core = before  # nothing is half logged
            if self.store.make_room(error):
                self.offers.put_back(offer)
                return
            if count := self._repeats.count("full", REFUSED_LOG_S):
                fields = {"times": count}
                log.error("an update of an application is refused: %s", error, extra={"fields": fields})
            offer.fail(NotAccepted(str(error), "ENOSPC"))
            return
        if not logs:
            offer.fail(NotAccepted(NOT_ACTIVE))

    # --- beside the core, and the end --------------------------------------------------------------

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the core; a defect in it ends the server."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failure = failure  # no goodbye: the peer has to take over from a server that failed
            self._woken.set()

    async def _close(self) -> None:
        await self._control.stop()
        if self._remote:
            await self._remote.close()
        self.offers.forget()
        self.offers.refuse()
        await self.serving.close()
        await self.identity.close()
        if self._metrics:
            await self._metrics.close()
        await self._interception.stop()
        for task in list(self._tasks):
            task.cancel()
        await self.peer.close()
        await self.witness.close()
        self.store.close()
        self.trace.close()


async def run_node(config: NodeConfig) -> None:
    """Run a server until SIGTERM or SIGINT, which say goodbye to the peer. Raises `TakeoverError`.

    A SIGHUP has it read its keys anew.
    """
    check_node(config)
    node = Node(config)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, node.renew_keys)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: node.tell(ev.Stopping()))
    await node.run()
