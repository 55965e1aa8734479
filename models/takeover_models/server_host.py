"""A server of the virtual world: the shell around the real core, with a disk, a kernel and applications.

When the shell syncs is told in `shells.py`.

The kernel is the machine's: it ends the public identity at the time it was told, as late as σ allows, whatever has
become of the process. A process that starts removes what an earlier one left. The applications write through the
process only; they end with it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from takeover.core import effects as eff
from takeover.core import events as ev
from takeover.core.state import Core, remembered
from takeover_models.account import found_by_a_server
from takeover_models.channel import Assembly, Shipping
from takeover_models.data import Data, decoded
from takeover_models.findings import CoreFailed
from takeover_models.host import Host, Surroundings
from takeover_models.images import Disk, Image, Queued, performed
from takeover_models.kernel import Kernel
from takeover_models.network import Letter
from takeover_models.own_arbiter_host import OwnArbiterHost
from takeover_models.shells import save_state, syncs_after, syncs_before
from takeover_models.tallies import noticed
from takeover_models.truth import Truth
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.records import replace
from takeover_spec.words import Arbiter, Identity


class ServerHost(Host):
    """See the module."""

    def __init__(self, around: Surroundings, truth: Truth, me: Identity, shows: int) -> None:
        super().__init__(around, me.name.lower(), shows)
        self.truth = truth
        self.me = me
        self.disk = Disk()
        self.kernel = Kernel(self.account.constants.expiry_slack_ns)
        self.core: Core | None = None
        self.own: OwnArbiterHost | None = None
        """Its own arbiter, in a run without a witness."""
        self.event: ev.Event | None = None
        """What the present list of effects came of; None for the beginning."""
        self.restless = False
        """Something happened since the core was last told that there is nothing else to do."""
        self.answers: list[eff.Answer] = []
        """What operators were told, of all runs."""
        self.busy_until_ns = 0
        """Until when, in true time, the shell is too busy to apply anything."""
        self._forget()

    def _forget(self) -> None:
        """What only the process has."""
        self.leaving = False
        """It was told to shut down."""
        self.serving = False
        self.leads = 0
        """The epoch in which it is active; 0 if it is not."""
        self.offers: deque[Queued] = deque()
        """What applications want done and was not let through yet."""
        self.copying = False
        self.stated: ev.LossStated | None = None
        """What a loss statement was written of, beside the core, which has not been told yet."""
        self.winding_down = False
        """Its applications are being stopped, beside the core."""
        self.shipping: Shipping | None = None
        self.assembly = Assembly()

    # --- what can be seen of it --------------------------------------------------------------------

    @property
    def index(self) -> int:
        """0 for the primary, 1 for the secondary."""
        return int(self.me)

    @property
    def image(self) -> Image:
        """What reading its disk gives."""
        return self.disk.newest

    @property
    def holds_identity(self) -> bool:
        """Whether the public identity is on its machine's interface."""
        return self.kernel.holds(self.clock.shows)

    def wakes_at(self) -> int | None:
        """When the core wants to be woken, or its arbiter to be looked at."""
        if self.core is None:
            return None
        wakes_at = self.core.wake_at(self.now)
        return min(wakes_at, self.own.looks_at) if self.own else wakes_at

    # --- its life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """The process starts, hidden, with what is on its disk."""
        if self.running:
            return
        self.running = True
        self.kernel.until = None
        self.around.runs += 1
        self.event, self.now = None, self.clock.shows
        image = self.image
        found = found_by_a_server(image)
        self.account.begin(found)
        settings = self.around.setup.settings(self.me, self.around.runs)
        remembers = remembered(found, *image.unbroken(), image.last_carried_out())
        if self.around.setup.kind is not Arbiter.WITNESS:
            self.own = OwnArbiterHost(self, self.around.setup.kind, remembers, self.now)
        self.core, effects = self.around.cores.begin(settings, remembers, self.now)
        self.carry_out(effects)

    def crash(self, keep: int, *, machine: bool) -> None:
        """The process dies, and the kernel forgets the public identity if the machine goes down with it."""
        if not self.running:
            return
        self.around.tally["active crash" if self.leads else "passive crash"] += 1
        if self.disk.crash(keep):
            self.around.tally["crash that loses writes"] += 1
        self.truth.settle(self.image)
        if machine:
            self.kernel.until = None
            self.clock.shows = 0
        self.core = self.own = None
        self._forget()
        self.end()
        self.around.network.disconnect(lose=False)

    def shut_down(self) -> None:
        """An operator shuts it down: the process ends when what there was to do is done, stopped meanwhile or not."""
        self.leaving = True
        self.step(ev.Stopping())
        self._end_if_done()

    def resume(self) -> bool:
        """A stopped process goes on, perhaps to its end; whether there was one."""
        resumed = super().resume()
        if self.leaving:
            self._end_if_done()
        return resumed

    def _end_if_done(self) -> None:
        if self.ready:
            self.sync()
            self.crash(0, machine=False)

    def step(self, event: ev.Event) -> bool:
        """Tell the core of an event and carry out what comes of it; whether anything did."""
        assert self.core is not None
        self.event, self.now = event, self.clock.shows
        if self.own:
            self.own.look()
            if isinstance(event, ev.Connected):
                self.own.connected()
        try:
            self.core, effects = self.around.cores.step(self.core, event, self.now)
        except (AssertionError, LookupError) as error:
            raise CoreFailed(self.party, event, error) from error
        self.carry_out(effects)
        self.restless = bool(effects) or not isinstance(event, ev.Paused)
        return bool(effects)

    def hear_witness(self, letter: Letter) -> None:
        """A message from the witness arrives."""
        self.step(ev.WitnessSaid(letter.message))

    def hear(self, letter: Letter) -> None:
        """A message from the peer arrives; a copy's pieces are the shell's own."""
        message = letter.message
        if self.own:
            self.own.hear(message)
        if isinstance(message, wire.CopyBegin | wire.CopyPart | wire.CopyEnd):
            complete = self.assembly.add(message)
            if complete:
                self.step(complete)
        else:
            self.step(ev.PeerSaid(message))

    def sync(self) -> None:
        """Make everything written durable, and write the trace of it."""
        self.disk.sync()
        self.account.write()
        self.truth.settle(self.image)

    # --- effects -----------------------------------------------------------------------------------

    def perform(self, effect: Any) -> None:
        """Carry one effect out."""
        match effect:
            case eff.Say(message):
                self.say(message)
            case eff.SayWitness(message):
                self._sync_before(message)
                if self.own:
                    self.own.say(message)
                else:
                    self.around.network.send(f"{self.index}w", message)
            case eff.TakeCopy():
                self.copying = True
            case eff.StateLoss(epoch, kept, last):
                self.stated = ev.LossStated(epoch, kept, last)
            case eff.WindDown():
                self.winding_down = True
            case eff.Ship(seq, status):
                self.shipping = Shipping(seq, status)
            case eff.Answer():
                self.answers.append(effect)
            case _:
                self._act(effect)
        self.truth.look()

    def say(self, message: wire.Message) -> None:
        """Send to the peer; what it tells of is durable first."""
        self._sync_before(message)
        self.around.network.send(f"{self.index}{1 - self.index}", message)

    def _act(self, action: act.ServerAction) -> None:
        before = self.image
        know = self.account.do(action, self.now)
        noticed(self.around.tally, action, before)
        gone = self.truth.acting(self, action)
        image = performed(before, action, self._queued(action), self._copy(action))
        self.disk.write(replace(image, know=know, gone=before.gone + gone))
        self._sync_after(action)
        self._outward(action)
        if isinstance(action, act.Apply | act.Resynchronise | act.TakeRole):
            self.truth.changed(self, wholly=not isinstance(action, act.Apply))

    def _sync_before(self, message: wire.Message) -> None:
        if syncs_before(self.around.setup.shell, message):
            self.sync()

    def _sync_after(self, action: act.ServerAction) -> None:
        if syncs_after(self.around.setup.shell, action):
            self.sync()
        save_state(self.around.setup.shell, action, self.disk)
        if isinstance(action, act.Enable):
            self.truth.settle(self.image)  # from here on clients may see what it has, and what it has not

    def _outward(self, action: act.ServerAction) -> None:
        """What an action does outside the disk."""
        match action:
            case act.Enable(until=until):
                self.kernel.until = until
            case act.Disable():
                self.kernel.until = None
            case act.TakeRole(epoch=epoch):
                self.leads = epoch
            case act.StepDown():
                self.leads, self.kernel.until, self.shipping = 0, None, None
                self.offers.clear()
            case act.StartApplications():
                self.serving = True
            case act.StopApplications():
                self.serving = False
            case act.Acknowledge(seq=seq):
                self.truth.acknowledging(self, self.leads, seq)
            case act.Copy(epoch=epoch, begun=begun, upto=upto):
                self._send_copy(epoch, begun, upto)
            case _:
                pass

    def _queued(self, action: act.ServerAction) -> Queued | None:
        """The update that an action puts into a queue: the one at hand."""
        match action, self.event:
            case act.Store(), ev.PeerSaid(wire.Update() as update):
                return Queued(decoded(update.operation))
            case act.Log(), _:
                queued = self.offers.popleft()
                self.truth.operations[queued.operation.uid] = queued.operation
                return queued
            case _:
                return None

    def _copy(self, action: act.ServerAction) -> Data | None:
        """The copy that replaces the data: the one that has just been completed."""
        if isinstance(action, act.Resynchronise):
            return self.assembly.taken(action.epoch, action.upto)
        return None

    def _send_copy(self, epoch: int, begun: int, upto: int) -> None:
        parts = self.image.data.parts()
        self.say(wire.CopyBegin(epoch, begun, upto))
        for index, part in enumerate(parts):
            self.say(wire.CopyPart(epoch, upto, index, part))
        self.say(wire.CopyEnd(epoch, upto, len(parts), b""))
