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
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, assert_never

from takeover.applications import ApplicationFailure, ApplicationNotStarted, Applications
from takeover.config import NodeConfig
from takeover.core import Settings, begin, counted_ns, step
from takeover.core import events as ev
from takeover.core.effects import Effect, Say, SayWitness, Ship, TakeCopy
from takeover.data_directory import DataDirectory
from takeover.errors import CallerError, DiskFull, EnvironmentFault
from takeover.identity import PublicIdentity
from takeover.interception import Interception, NotAccepted, OutcomeUnknown
from takeover.links import STORE_RETRY_S, PeerLink, WitnessLink
from takeover.linux import boottime_ns
from takeover.operations import Operation, Outcome, decode
from takeover.queues import Entry, status_of
from takeover.status import StatusServer, status_of_node
from takeover.store import Store
from takeover.tracing import TraceWriter
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.trace import Header
from takeover_spec.words import Status

log = logging.getLogger("takeover.node")

ROUND_EVENTS_MAX = 256
"""How many events, or updates to apply, are dealt with before the shell looks at the clock and the disk again."""

BREATH_EVENTS = 32
"""After so many events, or updates, the clock and the grants have their turn."""

_URGENT = (wire.AskPromise, wire.Promised)
"""The messages that are dealt with before all others."""

_NEEDS_DISK = (wire.Safe, wire.Position, wire.DeclareEligible)
"""The messages that say something about what is durable."""

_RESTART_S = 1.0
"""How long after its failure an application is started again, in seconds."""


class Offer:
    """An update that an application wants, until it is acknowledged."""

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self.operation: Operation = decode(encoded)
        self.outcome: Outcome | None = None
        self.answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """Tell the application what became of it."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Node:
    """A running server."""

    def __init__(self, config: NodeConfig) -> None:
        """Take the data directory and find what is there. Raises `TakeoverError`, and nothing is started."""
        self.config = config
        self.store = Store(DataDirectory.open(config.data_directory))
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
        )
        self.identity = PublicIdentity(config.public_identity.listen, config.public_identity.forward)
        self.inbox: deque[ev.Event] = deque()
        self._urgent: deque[ev.Event] = deque()  # what keeps the grants alive does not wait behind updates
        self._began = boottime_ns()
        self.core, self._first = begin(settings, found, self._began)
        self._looked_at = self._began  # when the core was last told the time
        self.last_refrain: act.Refrain | None = None
        self._woken = asyncio.Event()
        self._offers: deque[Offer] = deque()
        self._logged: deque[tuple[int, Offer]] = deque()
        self._waiting: dict[int, Offer] = {}
        self._copy_wanted = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self._answers: list[Offer] = []  # acknowledged, and to be told once the trace says so
        hello = wire.hello(config.pair, header.party, self.trace.run, c)
        self.peer = PeerLink(self, hello)
        self.witness = WitnessLink(self, hello)
        self._interception = Interception(config.data_directory / "intercept.sock", self._submit)
        self._environment = {"TAKEOVER_SOCKET": str(config.data_directory / "intercept.sock")}
        self._applications: Applications | None = None

    # --- from outside ---------------------------------------------------------------------------

    def tell(self, event: ev.Event) -> None:
        """Something happened."""
        urgent = isinstance(event, ev.WitnessSaid) or (
            isinstance(event, ev.PeerSaid) and isinstance(event.message, _URGENT)
        )
        (self._urgent if urgent else self.inbox).append(event)
        self._woken.set()

    async def _submit(self, encoded: bytes) -> Outcome:
        """An application wants an update. Returns when it is acknowledged."""
        offer = Offer(encoded)
        self._offers.append(offer)
        self._woken.set()
        return await offer.answer

    # --- the rounds -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until `Stopping` has been dealt with."""
        try:
            await self.identity.start()
            await self._perform_all(self._first, self._began, None)
            await self._interception.start()
            status = StatusServer(self.config.data_directory / "control.sock", lambda: status_of_node(self))
            await status.start()
            await self.peer.start()
            self.witness.start()
            log.info("the server runs, passive", extra={"fields": {"trace": str(self.trace.path)}})
            while not (self.core.stopping and not self.inbox):
                await self._wait()
                if self._failure:
                    raise self._failure
                await self._round()
            await status.stop()
        finally:
            await self._close()

    async def _wait(self) -> None:
        self._woken.clear()
        if self.inbox or self._urgent or self._can_offer():
            return
        left_s = (self.core.wake_at(self._looked_at) - boottime_ns()) / 1e9
        if left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    def _is_due(self) -> bool:
        """Whether the core wants to look at the clock."""
        return self.core.wake_at(self._looked_at) <= boottime_ns()

    async def _round(self) -> None:
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
        self._refuse_offers()

    async def _breathe(self, count: int) -> None:
        """Now and then, let the connections read, and see to the clock and the grants."""
        if count % BREATH_EVENTS:
            return
        await asyncio.sleep(0)
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
            await self._perform_all(effects, now, context if context is not None else event)
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
            for count in range(len(self._logged)):
                await self._breathe(count)
                if not self._logged:
                    break  # the role is lost
                seq, offer = self._logged.popleft()
                offer.outcome = self.store.carry_out(offer.operation)
                self._waiting[seq] = offer
                await self._handle(ev.CarriedOut(seq, status_of(offer.outcome)), offer.outcome)
            await self._flush()
            self.peer.grown.set()
            if self._copy_wanted and self.core.copying:
                self._copy_wanted = False
                self.start_task(self.peer.take_copy(self.core.know.logged))
            for count in range(ROUND_EVENTS_MAX):
                await self._breathe(count)
                if not await self._handle(ev.Paused()):
                    break
            else:
                if not self.inbox:
                    continue
            self._tell_trace()
            return

    async def _flush(self) -> None:
        for queue in self.store.dirty:
            await asyncio.to_thread(queue.sync)
        self._tell_trace()

    async def _apply(self) -> None:
        """Offer the core the updates that can be applied, one after the other."""
        for count in range(ROUND_EVENTS_MAX):
            await self._breathe(count)
            entry = self.store.next_to_apply()
            if entry is None:
                return
            if self.store.wants_checkpoint(entry):
                await asyncio.to_thread(self.store.checkpoint)
            applied = self.store.applied
            await self._handle(ev.NextInQueue(entry.seq, status_of(entry.outcome)), entry)
            if self.store.applied == applied:
                return
        self._woken.set()

    # --- offers of the applications -------------------------------------------------------------

    def _can_offer(self) -> bool:
        return (
            bool(self._offers)
            and not self.core.copying
            and self.core.know.intercepting
            and not self._is_full()
        )

    def _is_full(self) -> bool:
        """QUEUE-6: when the unsafe queue is full, the application is slowed down."""
        unsafe = self.store.unsafe
        return unsafe is not None and unsafe.size_bytes >= self.config.unsafe_bytes_max

    async def _offer_next(self) -> None:
        offer = self._offers.popleft()
        before, now = self.core, boottime_ns()
        self.core, effects = step(before, ev.Intercepted(), now)
        logs = [effect for effect in effects if isinstance(effect, act.Log)]
        try:
            await self._perform_all(effects, now, offer)
        except DiskFull as error:
            self.core = before  # nothing is half logged
            offer.fail(NotAccepted(str(error), "ENOSPC"))
            return
        if not logs:
            offer.fail(NotAccepted("this server is not active"))

    def _refuse_offers(self) -> None:
        if not self.core.know.intercepting:
            while self._offers:
                self._offers.popleft().fail(NotAccepted("this server is not active"))

    def _forget_waiting(self) -> None:
        """The role is lost: what becomes of what was not acknowledged is not known."""
        lost = [offer for _, offer in self._logged] + list(self._waiting.values())
        self._logged.clear()
        self._waiting.clear()
        for offer in lost:
            offer.fail(OutcomeUnknown("the server lost its role before the update was safe"))

    # --- effects --------------------------------------------------------------------------------

    async def _perform_all(self, effects: tuple[Effect, ...], now: int, context: Any) -> None:
        for effect in effects:
            await self._perform(effect, now, context)

    async def _perform(self, effect: Effect, now: int, context: Any) -> None:
        match effect:
            case Say(message):
                await self._before_saying(message)
                self.peer.say(message)
            case SayWitness(message):
                await self._before_saying(message)
                self.witness.say(message)
            case TakeCopy():
                self._copy_wanted = True
            case Ship(seq, status):
                assert self.store.unsafe is not None
                self.peer.ship(self.store.unsafe, seq, status)
            case _:
                await self._act(effect, now, context)
                self.trace.note(effect, now)

    async def _before_saying(self, message: wire.Message) -> None:
        if isinstance(message, _NEEDS_DISK):
            await self._flush()
        else:
            self.trace.flush()

    async def _act(self, action: act.ServerAction, now: int, context: Any) -> None:
        """Do one action of the protocol, whole, before the next."""
        match action:
            case act.Start():
                self.store.start()
            case act.Store(_, seq):
                self.store.store(seq, context.message.operation)
            case act.StoreStatus(_, seq, status):
                outcome = Outcome(status is Status.DONE, context.message.amount)
                self.store.store_status(seq, outcome)
            case act.Apply():
                assert isinstance(context, Entry)
                self.store.apply(context)
            case act.Log(_, seq):
                self.store.log(seq, context.encoded)
                self._logged.append((seq, context))
            case act.CarryOut(_, seq, _, _):
                self.store.carried(seq, context)
            case act.Acknowledge(_, seq):
                self._acknowledge(seq)
            case act.Trim(_, upto):
                self.store.trim(upto, needs_room=self._is_full())
            case act.Promise(epoch, _) | act.HearEpoch(epoch):
                self.store.see(epoch)
            case act.HearGoodbye() | act.HearReturn():
                self.store.peer_left(isinstance(action, act.HearGoodbye))
            case act.Refrain():
                self.last_refrain = action
                fields = {"clause": action.clause, "reason": action.reason}
                log.warning("does not take over", extra={"fields": fields})
            case (
                act.Discard()
                | act.TakeRole()
                | act.Enable()
                | act.Disable()
                | act.StartInterception()
                | act.StartApplications()
                | act.StopApplications()
                | act.StepDown()
                | act.SetAside()
                | act.Resynchronise()
                | act.Copy()
            ):
                await self._change(action)
            case (
                act.ReportSafe()
                | act.CountPromise()
                | act.CountLease()
                | act.Release()
                | act.HearRelease()
                | act.HearSafe()
                | act.Drop()
                | act.Declare()
                | act.HearRecorded()
            ):
                pass  # known, and said or heard: there is nothing to be done about it
            case _:
                assert_never(action)

    async def _change(self, action: act.ServerAction) -> None:
        """The actions of which an operator wants to read in the log, or which wait for something."""
        if not isinstance(action, act.Enable):
            log.info(type(action).__name__, extra={"fields": _fields(action)})
        match action:
            case act.Discard(_, kept, last):
                await self._flush()
                self.store.discard(kept, last)
            case act.TakeRole(epoch, _):
                self.store.take_role(epoch)
                self.start_task(asyncio.to_thread(self.store.sync_data))
                self.last_refrain = None
            case act.Enable(until):
                await self._enable(until)
            case act.Disable():
                await self.identity.disable()
            case act.StartApplications():
                self._environment["TAKEOVER_DATA"] = str(self.store.data)
                self._applications = self._make_applications()
                self.start_task(self._start_applications(self._applications))
            case act.StopApplications():
                self._forget_waiting()
                applications, self._applications = self._applications, None
                if applications:
                    await applications.stop_all()
            case act.StepDown():
                self.store.step_down()
                self.peer.stop_shipping()
            case act.SetAside(_, kept, last):
                self.store.set_aside(kept, last)
            case act.Resynchronise(epoch, upto):
                self.store.resynchronise(epoch, upto, self.peer.received())
            case act.Copy(epoch, upto):
                self.peer.send_copy(epoch, self.core.know.applied, upto)
            case _:
                pass

    async def _enable(self, until: int) -> None:
        try:
            await self.identity.enable(until)
        except (EnvironmentFault, CallerError) as error:
            # Late, or the guard is gone. The core sees by its own clock whether a grant is left, and tries again.
            log.error("the public identity cannot be enabled: %s", error, extra={"fields": {"until": until}})
            await self.identity.disable()

    def _acknowledge(self, seq: int) -> None:
        offer = self._waiting.pop(seq, None)
        if offer:
            self._answers.append(offer)

    def _tell_trace(self) -> None:
        """Write the trace, and then tell the applications what it says."""
        self.trace.flush()
        answers, self._answers = self._answers, []
        for offer in answers:
            if offer.outcome and not offer.answer.done():
                offer.answer.set_result(offer.outcome)

    # --- applications, and the end --------------------------------------------------------------

    def _make_applications(self) -> Applications:
        configs = [
            replace(config, environment={**self._environment, **config.environment})
            for config in self.config.applications
        ]
        return Applications(configs, self._application_failed)

    def _application_failed(self, failure: ApplicationFailure) -> None:
        log.error("an application failed: %s", failure)
        if self._applications:
            self.start_task(self._restart_applications(self._applications))

    async def _restart_applications(self, applications: Applications) -> None:
        await applications.stop_all()
        await asyncio.sleep(_RESTART_S)
        if applications is self._applications:  # still in the role
            await self._start_applications(applications)

    async def _start_applications(self, applications: Applications) -> None:
        if applications is not self._applications:
            return  # the role was lost before this had its turn
        try:
            await applications.start_all()
        except ApplicationNotStarted as error:
            log.error("an application did not start: %s", error)
            if applications is self._applications:
                self.start_task(self._restart_applications(applications))
        except CallerError as error:
            log.info("the applications were stopped while they started: %s", error)

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
        self._forget_waiting()
        self._refuse_offers()
        if self._applications:
            await self._applications.stop_all()
        await self.identity.close()
        await self._interception.stop()
        for task in list(self._tasks):
            task.cancel()
        await self.peer.close()
        await self.witness.close()
        self.store.close()
        self.trace.close()


def _fields(action: act.ServerAction) -> dict[str, Any]:
    return {name: getattr(action, name) for name in action.__dataclass_fields__}


async def run_node(config: NodeConfig) -> None:
    """Run a server until SIGTERM or SIGINT, which say goodbye to the peer. Raises `TakeoverError`."""
    node = Node(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: node.tell(ev.Stopping()))
    await node.run()
