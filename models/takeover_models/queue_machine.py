"""A Hypothesis machine: the safe queue and its drain, through the core's `step`, against a dumb list.

Updates and statuses arrive in any order, doubled, with holes, and from epochs that are over or not yet begun; what is
offered for applying is right or wrong; time passes, the witness grants or somebody else's answer arrives; the process
dies and begins again. After every event the core's two numbers must be what the lists say, and what it did must be
what the lists would have done. The rules are asked about every action besides.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from takeover.core import events as ev
from takeover.core.effects import Say, SayWitness, StateLoss
from takeover.core.state import Core, begin, remembered, status_upto
from takeover_models.account import Account
from takeover_models.cores import REAL, Step
from takeover_models.dumb_queue import DumbQueue
from takeover_models.setup import MS, Setup
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge
from takeover_spec.logic import Sparse
from takeover_spec.words import Identity, Queue, Status

EPOCHS = st.sampled_from((1, 2, 2, 2, 2, 3))
"""The epochs that messages are of; the server follows epoch 2."""

NEAR = st.sampled_from((-2, -1, 0, 1, 1, 1, 1, 2, 3))
"""Which number arrives, from the last one that is here."""

STATUSES = st.sampled_from((Status.DONE, Status.DONE, Status.FAILED, Status.NONE))

SETUP = Setup(drift=0)


class QueueMachine(RuleBasedStateMachine):
    """See the module."""

    step_function: ClassVar[Step] = staticmethod(REAL.step)
    judged: ClassVar[bool] = True
    """Whether the rules are asked, besides the lists."""
    core: Core | None = None

    @initialize(begun=st.integers(0, 3), waiting=st.integers(0, 4))
    def follow(self, begun: int, waiting: int) -> None:
        """A server that follows epoch 2, with some updates waiting."""
        self.queue = DumbQueue(2, begun)
        self.now = 1_000 * MS
        self.run = 0
        self.account = Account("secondary", SETUP.constants(), judged=self.judged)
        for seq in range(begun + 1, begun + waiting + 1):
            self.queue.store(2, seq)
            self.queue.store_status(2, seq, Status.DONE)
        self.start()

    def start(self) -> None:
        """A run of the process begins, with what the lists have on their disk."""
        queue = self.queue
        self.run += 1
        stored, status = Sparse(False), Sparse[int](Status.NONE)
        for seq in queue.updates:
            stored = stored.put(seq, True)
        for seq, ended in zip(queue.updates, queue.statuses, strict=False):
            status = status.put(seq, ended)
        common: dict[str, Any] = {"epoch": queue.epoch, "seen": queue.epoch, "drained": not queue.open}
        common |= {"applied": queue.last_applied, "newest": queue.newest, "reported": queue.settled}
        self.account.begin(Knowledge(**common, stored=stored, status=status))
        found = remembered(Knowledge(**common), queue.newest, queue.settled, queue.last_applied)
        self.reported = queue.settled
        self.asked = False
        self.core, effects = begin(SETUP.settings(Identity.SECONDARY, self.run), found, self.now)
        self.told(effects)

    def tell(self, said: ev.Event) -> list[Any]:
        """An event happens; what comes of it."""
        assert self.core is not None
        self.now += 1
        self.core, effects = type(self).step_function(self.core, said, self.now)
        done = self.told(effects)
        for loss in [effect for effect in done if isinstance(effect, StateLoss)]:  # written at once
            done += self.tell(ev.LossStated(loss.epoch, loss.kept, loss.last))
        return done

    def told(self, effects: tuple[Any, ...]) -> list[Any]:
        """Hold the actions among the effects against the rules."""
        for effect in effects:
            if not isinstance(effect, Say | SayWitness) and isinstance(effect, act.ServerAction):
                self.account.do(effect, self.now)
        return list(effects)

    def another(self) -> None:
        """If the server has taken over, go on with another one, that follows."""
        if not self.passive:
            self.follow(begun=2, waiting=1)

    @property
    def passive(self) -> bool:
        """Whether it has not taken over."""
        return self.core is not None and not self.core.know.active

    @invariant()
    def agrees(self) -> None:
        """The core's account of the queue is that of the lists."""
        if self.core is not None and self.passive:
            know = self.core.know
            assert (self.queue.last_applied, self.queue.newest) == (know.applied, know.newest)
            assert self.queue.settled == status_upto(know)
            assert (not self.queue.open) == know.drained

    @rule(epoch=EPOCHS, near=NEAR)
    def update(self, epoch: int, near: int) -> None:
        """An update arrives, at a passive server or at one that has taken over."""
        seq = max(0, self.queue.newest + near)
        kept = self.passive and self.queue.store(epoch, seq)
        effects = self.tell(ev.PeerSaid(wire.Update(epoch, seq, b"operation")))
        assert ([act.Store(epoch, seq)] if kept else []) == _queue_actions(effects)

    @rule(epoch=EPOCHS, near=NEAR, status=STATUSES)
    def status(self, epoch: int, near: int, status: Status) -> None:
        """A status arrives."""
        seq = max(0, self.queue.settled + near)
        kept = self.passive and self.queue.store_status(epoch, seq, status)
        effects = self.tell(ev.PeerSaid(wire.UpdateStatus(epoch, seq, status, 0)))
        assert ([act.StoreStatus(epoch, seq, status)] if kept else []) == _queue_actions(effects)

    @rule(statuses=st.lists(STATUSES, min_size=1, max_size=4), last=st.booleans())
    def arrive(self, statuses: list[Status], last: bool) -> None:
        """Updates arrive in order, and their statuses, but perhaps for the last one's."""
        self.another()
        for count, status in enumerate(statuses, 1):
            self.update(2, 1)
            if last or count < len(statuses):
                self.status(2, 1, status)

    @rule(near=st.sampled_from((1, 1, 1, 1, 0, 2)))
    def offered(self, near: int) -> None:
        """An update of the queue is at hand: the first one, or, by mistake, another."""
        self.another()
        queue = self.queue
        seq = queue.last_applied + near
        settled = queue.last_applied < seq <= queue.settled
        status = queue.statuses[seq - queue.last_applied - 1] if settled else Status.DONE
        challenging = self.may_take_over()
        changed = queue.apply(seq)
        effects = self.tell(ev.NextInQueue(seq, status))
        wanted: list[Any] = []
        if changed is not None:
            wanted.append(act.Apply(2, seq, changed, Queue.SAFE))
            event("applied" if changed else "a failed one applied")
        self.came_out(effects, wanted, challenging)

    @rule()
    def idle(self) -> None:
        """There is nothing to do: what became safe is reported, once, and once after a promise."""
        self.another()
        queue = self.queue
        effects = self.tell(ev.Paused())
        reported = [effect for effect in effects if isinstance(effect, act.ReportSafe)]
        due = queue.open and (queue.settled > self.reported or self.asked)
        self.asked = False
        assert ([act.ReportSafe(2, queue.settled, queue.settled)] if due else []) == reported
        self.reported = max(self.reported, queue.settled) if due else self.reported

    @rule()
    def connected(self) -> None:
        """The channel comes up: the server says where it stands."""
        self.another()
        queue = self.queue
        effects = self.tell(ev.Connected())
        position = wire.Position(2, queue.newest, queue.settled, resynchronise=not queue.open)
        assert [position] == [
            e.message for e in effects if isinstance(e, Say) and isinstance(e.message, wire.Position)
        ]

    @rule()
    def active_is_heard(self) -> None:
        """The active server asks for a promise."""
        self.another()
        effects = self.tell(ev.PeerSaid(wire.AskPromise(2, 77, self.now)))
        self.asked |= any(isinstance(effect, act.Promise) for effect in effects)

    @rule(length_ms=st.sampled_from((1, 200, 800)))
    def passing(self, length_ms: int) -> None:
        """Time passes, and the server looks at its clock; it may take over now, but does not drain by itself."""
        self.another()
        self.now += length_ms * MS
        self.came_out(self.tell(ev.Woke()), [], self.may_take_over())

    @rule(
        epoch=st.sampled_from((2, 3, 3, 3, 4)), mine=st.booleans(), late_ms=st.sampled_from((0, 1, 500, 2000))
    )
    def leased(self, epoch: int, mine: bool, late_ms: int) -> None:
        """The witness grants a lease: for this epoch or another, to this run or an earlier one, in time or late."""
        self.another()
        sent = self.now
        self.now += late_ms * MS
        run = self.run if mine else self.run + 1
        effects = self.tell(ev.WitnessSaid(wire.Leased(epoch, run, sent)))
        counts = epoch == 3 and mine  # at another answer it does not look around
        self.came_out(effects, [], counts and self.may_take_over())

    @rule()
    def challenge(self) -> None:
        """A promise's length without the active server, and a lease; then the queue is offered until it is empty."""
        self.another()
        self.now += 800 * MS
        assert self.core is not None
        sent = max(self.now, self.core.know.given_until)
        self.now = sent
        effects = self.tell(ev.WitnessSaid(wire.Leased(3, self.run, sent)))
        self.came_out(effects, [], self.may_take_over())
        while self.passive and self.queue.statuses:
            self.offered(1)
        assert not self.passive
        event("a challenge")

    @rule()
    def crash(self) -> None:
        """The process dies and begins again; what it had stored, it has."""
        self.another()
        self.start()
        event("a crash")

    def may_take_over(self) -> bool:
        """Whether only the queue can keep the server from the role, by its own account of grants."""
        assert self.core is not None
        know = self.core.know
        slack = SETUP.constants().expiry_slack_ns
        leased = know.lease_epoch == 3 and self.now + 1 + slack < know.lease_until
        return leased and self.now + 1 >= know.given_until

    def came_out(self, effects: list[Any], wanted: list[Any], challenging: bool) -> None:
        """What the lists wanted was done, and the role was taken if, and only if, nothing was left to apply."""
        done = _queue_actions(effects)
        if not challenging and not any(isinstance(effect, act.TakeRole) for effect in effects):
            assert wanted == done
            return
        took = any(isinstance(effect, act.TakeRole) for effect in effects)
        assert took == (not self.queue.statuses)
        if took:
            if self.queue.open:
                kept, last = self.queue.discard()
                wanted = [*wanted, act.Discard(2, kept, last)]
                event("something discarded" if last > kept else "nothing discarded")
            assert any(isinstance(effect, act.Enable) for effect in effects)
        assert wanted == done


def _queue_actions(effects: list[Any]) -> list[Any]:
    """The actions that change the queue or the data."""
    return [e for e in effects if isinstance(e, act.Store | act.StoreStatus | act.Apply | act.Discard)]
