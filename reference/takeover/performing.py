"""Carrying out what the core decides: the one place where an effect becomes a deed.

Every action is done whole before the next, and then noted in the trace. A message that says something is durable goes
out after the sync and after the trace. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from takeover.core import events as ev
from takeover.core.effects import Answer, Effect, Say, SayWitness, Ship, StateLoss, TakeCopy, WindDown
from takeover.errors import CallerError, DiskFull, EnvironmentFault, TakeoverError
from takeover.evidence import evidence_of
from takeover.logs import named
from takeover.operations import Outcome
from takeover.storage.queues import Entry
from takeover.storage.store import remove
from takeover.telling import in_words
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.words import Status

if TYPE_CHECKING:
    from takeover.node import Node

log = logging.getLogger("takeover.node")

_BESIDE_DISK = (
    act.CountLease, act.CountPromise, act.Enable, act.Disable, act.StopApplications, act.Declare, act.HearRecorded,
    act.Refrain,
)  # fmt: skip
"""The actions that change nothing on the disk, and are done while it is waited for."""

REFUSALS_KEPT = 10
"""How many refusals a server remembers for `takeover status`."""

STATE_RETRY_S = 1.0
"""How long after a loss statement found no room on the disk it is tried again, in seconds."""

_NEEDS_DISK = (wire.Safe, wire.Position, wire.DeclareEligible)
"""The messages that say something about what is durable."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that this server did not do, and why."""

    at: datetime
    clause: str
    reason: str
    evidence: dict[str, int]
    """The numbers that decided, by name."""


class Performer:
    """Does to the store, the links, the address and the applications what the core decided."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.last_refrain: act.Refrain | None = None
        """Why this server did not take over, the last time it did not; None since it did."""
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS_KEPT)
        """The last ones, the newest last."""
        self.refusals_total: Counter[str] = Counter()
        """How many there were in this run, by clause."""
        self.copy_wanted = False
        """A copy for the peer is to be taken as soon as everything logged is carried out."""
        self.identity_flaw = ""
        """Why the public identity could not be enabled, the last time that was tried; empty if it could."""
        self._acknowledged_alone = False
        self._enabled = False
        self._disk = asyncio.Lock()  # held while a thread waits for the disk

    async def perform(self, effects: tuple[Effect, ...], now: int, context: Any) -> None:
        """Carry the effects out in their order; `context` is what the event brought with it."""
        for effect in effects:
            await self._perform(effect, now, context)

    async def _perform(self, effect: Effect, now: int, context: Any) -> None:
        match effect:
            case Say(message):
                await self._before_saying(message)
                self._node.peer.say(message)
            case SayWitness(message):
                await self._before_saying(message)
                self._node.witness.say(message)
            case TakeCopy():
                self.copy_wanted = True
            case Ship(seq, status):
                assert self._node.store.unsafe is not None
                self._node.peer.ship(self._node.store.unsafe, seq, status)
            case StateLoss():
                self._node.start_task(self._state_loss(effect))
            case WindDown():
                self._node.start_task(self._wind_down())
            case Answer():
                log.info("an order is answered", extra={"fields": asdict(effect)})
                self._node.trace.flush()
                self._node.orders.answered(effect)
            case _:
                await self._act(effect, now, context)
                self._node.trace.note(effect, now)

    async def _wind_down(self) -> None:
        """Stop the applications beside the core, which goes on renewing its grants and answering what they write."""
        log.info("winds the applications down")
        await self._node.serving.stop()
        self._node.tell(ev.WoundDown())

    async def _state_loss(self, loss: StateLoss) -> None:
        """Write a loss statement beside the core, which goes on renewing its lease."""
        safe = self._node.store.safe
        try:
            await asyncio.to_thread(self._node.store.state_takeover_loss, loss.kept, loss.last)
        except DiskFull as error:
            log.error("nothing can be taken over before the loss is stated: %s", error)
            await asyncio.sleep(STATE_RETRY_S)
            loss = replace(loss, last=loss.kept - 1)  # it is not stated
        except TakeoverError:
            if safe is self._node.store.safe:
                raise  # or else that queue is no more, and nobody is to discard it
        self._node.tell(ev.LossStated(loss.epoch, loss.kept, loss.last))

    async def _before_saying(self, message: wire.Message) -> None:
        if isinstance(message, _NEEDS_DISK):
            await self.flush()
        else:
            self._node.trace.flush()

    @property
    def waits_for_disk(self) -> bool:
        """Whether `flush` has anything to make durable."""
        return self._acknowledged_alone or bool(self._node.store.dirty)

    async def flush(self) -> None:
        """Make durable what is not, write the trace, and then tell the applications what it says."""
        async with self._disk:
            for queue in self._node.store.dirty:
                await asyncio.to_thread(queue.sync)
            if self._acknowledged_alone:
                self._acknowledged_alone = False
                await asyncio.to_thread(self._node.store.sync_data)
        self._node.trace.flush()
        self._node.offers.answer()

    async def checkpoint(self) -> None:
        """Let the safe queue go of what is applied, once the data is durable."""
        async with self._disk:
            await asyncio.to_thread(self._node.store.checkpoint)

    async def _disk_is_free(self, action: act.ServerAction) -> None:
        """Wait for whoever waits for the disk, unless the action leaves it alone."""
        known = isinstance(action, act.Promise) and action.epoch <= self._node.store.state.seen
        if self._disk.locked() and not known and not isinstance(action, _BESIDE_DISK):
            async with self._disk:
                pass

    async def _act(self, action: act.ServerAction, now: int, context: Any) -> None:
        """Do one action of the protocol, whole, before the next."""
        await self._disk_is_free(action)
        match action:
            case act.Start():
                self._node.store.start()
            case act.Store(_, seq):
                self._node.store.store(seq, context.message.operation)
            case act.StoreStatus(_, seq, status):
                outcome = Outcome(status is Status.DONE, context.message.amount)
                self._node.store.store_status(seq, outcome)
            case act.Apply():
                assert isinstance(context, Entry)
                self._node.store.apply(context)
            case act.Log(_, seq):
                self._node.store.log(seq, context.encoded)
                self._node.offers.logged(seq, context)
            case act.CarryOut(_, seq, _, _):
                self._node.store.carried(seq, context)
            case act.Acknowledge(_, seq):
                self._acknowledge(seq)
            case act.Trim(_, upto):
                self._node.store.trim(upto, needs_room=self._node.is_full())
            case act.Promise(epoch, _) | act.HearEpoch(epoch):
                if isinstance(action, act.HearEpoch):
                    log.info(in_words(action))
                self._node.store.see(epoch)
            case act.HearGoodbye() | act.HearReturn():
                log.info(in_words(action))
                self._node.store.peer_left(isinstance(action, act.HearGoodbye))
            case act.HearRelease(epoch):
                if epoch > self._node.store.state.peer_released:
                    log.info(in_words(action))
                self._node.store.hear_release(epoch)
            case act.Refrain():
                self.last_refrain = action
                core = self._node.core
                evidence = evidence_of(action.clause, core.know, now, core.heard_at)
                self.refusals.append(Refusal(datetime.now(UTC), action.clause, action.reason, evidence))
                self.refusals_total[action.clause] += 1
                fields = {"clause": action.clause, "reason": action.reason}
                log.warning(in_words(action), extra={"fields": fields | evidence})
            case (
                act.Discard()
                | act.TakeRole()
                | act.Enable()
                | act.Disable()
                | act.Release()
                | act.Promote()
                | act.StartInterception()
                | act.StartApplications()
                | act.StopApplications()
                | act.StepDown()
                | act.SetAside()
                | act.Resynchronise()
                | act.Copy()
            ):
                await self._change(action)
            case act.ReportSafe() | act.CountPromise() | act.CountLease() | act.HearSafe() | act.Drop():
                pass  # known, and said or heard: there is nothing to be done about it
            case act.Declare() | act.HearRecorded():
                log.info(in_words(action), extra={"fields": _fields(action)})
            case _:
                assert_never(action)

    def _acknowledge(self, seq: int) -> None:
        """Answer after the next sync.

        The core need not say so: an acknowledgement is complete only when what comes before it is durable, by the order
        of its actions, and an effect of its own would only part the paths of the proof.
        """
        self._node.offers.acknowledged(seq)
        if self._node.config.constants.synchronous and seq > self._node.core.know.safe_upto:
            self._acknowledged_alone = True  # this server's disk is the only one that has it (SYNC-1)

    async def _change(self, action: act.ServerAction) -> None:
        """The actions of which an operator wants to read in the log, or which wait for something."""
        enabled = isinstance(action, act.Enable)
        if not (enabled and self._enabled):  # or else it is renewed, many times a minute
            log.info(in_words(action), extra={"fields": _fields(action)})
        self._enabled = enabled or (self._enabled and not isinstance(action, act.Disable | act.StepDown))
        match action:
            case act.Discard(_, kept, last):
                await self.flush()
                self._node.store.discard(kept, last)
            case act.TakeRole(epoch, _):
                self._node.store.take_role(epoch)
                self._node.promised.waited_out()
                self._node.start_task(asyncio.to_thread(self._node.store.sync_data))
                self.last_refrain = None
            case act.Enable(until):
                await self._enable(until)
            case act.Disable():
                self.identity_flaw = ""
                await self._node.identity.disable()
            case act.StartInterception():
                self._node.offers.accept()
            case act.StartApplications():
                self._node.serving.start(self._node.store.data)
            case act.Release(epoch):
                self._node.store.release(epoch)
            case act.Promote(_, kept, last):
                if self._node.store.unsafe:
                    await asyncio.to_thread(self._node.store.state_promote_loss, kept, last)
                self._node.store.promote(kept, last)
            case act.StopApplications():
                self._node.offers.fail()
                await self._node.serving.stop()
            case act.StepDown():
                self._node.offers.forget()
                self._node.store.step_down()
                self._node.peer.stop_sending()
            case act.SetAside(_, kept, last):
                await asyncio.to_thread(self._node.store.state_rejoin_loss, kept, last)
                self._node.store.set_aside(kept, last)
            case act.Resynchronise(epoch, upto):
                copy = self._node.peer.received.take_received()
                over = self._node.store.resynchronise(epoch, upto, copy)
                self._node.start_task(asyncio.to_thread(remove, over))
            case act.Copy(epoch, begun, upto):
                self._node.peer.send_copy(epoch, begun, upto)
            case _:
                pass

    async def _enable(self, until: int) -> None:
        try:
            await self._node.identity.enable(until)
            self.identity_flaw = ""
        except (EnvironmentFault, CallerError) as error:
            self.identity_flaw = str(error)
            # Late, or the guard is gone. The core sees by its own clock whether a grant is left, and tries again.
            log.error("the public identity cannot be enabled: %s", error, extra={"fields": {"until": until}})
            await self._node.identity.disable()


def _fields(action: act.ServerAction) -> dict[str, Any]:
    return named({name: getattr(action, name) for name in action.__dataclass_fields__})
