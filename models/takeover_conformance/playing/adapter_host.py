"""A server of the virtual world that somebody else wrote: the world's disk, kernel, data and network around an adapter.

It takes the place of `ServerHost`, whose core is a pure function in this process. Events become requests, and the
lines of an answer are carried out one by one as effects are, so a crash may come between any two. What was not synced
by the server itself may be lost.

What the rules ask of a message is asked of what was really sent and really arrived: frames go through as they are,
and are decoded beside, with the specification's own codec, for the judge.
"""

from __future__ import annotations

from takeover.core import effects as eff
from takeover.core import events as ev
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import FOUND_NAMES, Reply, Request
from takeover_conformance.adapter.process import Asked
from takeover_conformance.playing.truthful import Heard, Taken, Untrue, untrue, untrue_copy
from takeover_models.account import found_by_a_server
from takeover_models.data import Data, decoded
from takeover_models.findings import Finding
from takeover_models.host import Surroundings
from takeover_models.images import Image, Queued
from takeover_models.network import Letter
from takeover_models.server_host import ServerHost
from takeover_models.truth import Truth
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.codec import Malformed
from takeover_spec.words import Identity, Queue

FRAMES = "frames"
"""What a finding about something that is no frame is called."""


class Untruthful(Finding):
    """A server said what is not so, or acted on what nobody said."""

    def __init__(self, party: str, clause: str, what: str) -> None:
        super().__init__(clause, f"the {party} is not truthful: {what}")


class AdapterHost(ServerHost):
    """See the module."""

    def __init__(self, around: Surroundings, truth: Truth, me: Identity, shows: int, adapter: Asked) -> None:
        super().__init__(around, truth, me, shows)
        self.adapter = adapter
        self._wake_at: int | None = None
        self._run = 0
        self.said: list[tuple[str, wire.Message | None]] = []
        """What it said, to whom, in all its runs; None is the end of a connection."""
        self._heard = Heard()
        self._handed: tuple[bytes, ...] = ()
        """The parts of the copy that it asked for last."""
        self._copies: dict[tuple[int, int], Taken] = {}

    def wakes_at(self) -> int | None:
        """When the server asked to be woken."""
        return self._wake_at if self.running else None

    # --- requests ----------------------------------------------------------------------------------

    def start(self) -> None:
        """The process starts, with what is on its disk."""
        if self.running:
            return
        self.running = True
        self.kernel.until = None
        self._wake_at = None
        self._heard = Heard()
        self._copies.clear()
        self.around.runs += 1
        self._run = self.around.runs
        self.event, self.now = None, self.clock.shows
        self.account.begin(found_by_a_server(self.image))
        for request in _disk(self.image):
            self.adapter.ask(request)
        self._ask(self._start())

    def _start(self) -> lines.Start:
        setup = self.around.setup
        constants = setup.constants()
        settings = setup.settings(self.me, self.around.runs)
        return lines.Start(
            self.now,
            self.party,
            "model",
            settings.run,
            settings.run,
            constants.lease_ns,
            constants.promise_ns,
            constants.drift_ppm,
            constants.expiry_slack_ns,
            constants.synchronous,
            settings.beat_ns,
            settings.patience_ns,
        )

    def step(self, event: ev.Event) -> bool:
        """Tell the server of an event and carry out what it answers; whether it answered anything."""
        self.event, self.now = event, self.clock.shows
        request = self._request(event)
        done = self._ask(request)
        self.restless = done or not isinstance(request, lines.Idle)
        return done

    def _request(self, event: ev.Event) -> Request:
        now = self.now
        match event:
            case ev.Woke():
                if self._wake_at is not None and self._wake_at <= now:
                    self._wake_at = None
                return lines.Wake(now)
            case ev.Connected():
                return lines.Connected(now)
            case ev.Intercepted():
                return lines.Write(now, self.offers[0].operation.encoded())
            case ev.CarriedOut(seq, status):
                return lines.CarriedOut(now, seq, status)
            case ev.Paused() | ev.NextInQueue():
                return lines.Idle(now, room=self.around.network.now_ns >= self.busy_until_ns)
            case ev.CopyTaken(upto):
                self._handed = tuple(self.image.data.parts())
                for part in self._handed:
                    self.adapter.ask(lines.Part(part))
                return lines.Copied(now, upto)
            case ev.Stopping():
                return lines.Stop(now)
            case ev.SwitchoverAsked(order, within_ns):
                return self._order("switchover", order, within_ns)
            case ev.PromoteAsked(order):
                return self._order("promote", order)
            case ev.ResyncAsked(order):
                return self._order("resync", order)
            case _:
                raise AssertionError(f"{event} is the reference server's own")

    def _order(self, what: str, number: int, within_ns: int = 0) -> Request:
        self._heard.orders[number] = what
        return lines.Order(self.now, what, number, within_ns)

    def hear(self, letter: Letter) -> None:
        """A frame from the peer arrives."""
        self.told("peer", letter.frame, letter.message)

    def hear_witness(self, letter: Letter) -> None:
        """A frame from the witness arrives."""
        self.told("witness", letter.frame, letter.message)

    def told(self, sender: str, frame: bytes, message: wire.Message | None) -> None:
        """A frame arrives, of this message; or of none, if it is malformed."""
        self.now = self.clock.shows
        if message is not None:
            self._note(sender, message)
        self._ask(lines.Frame(self.now, sender, frame))
        self.restless = True

    def _note(self, sender: str, message: wire.Message) -> None:
        self._heard.add(message)
        self.event = ev.PeerSaid(message) if sender == "peer" else ev.WitnessSaid(message)
        if isinstance(message, wire.CopyBegin | wire.CopyPart | wire.CopyEnd):
            self.assembly.add(message)

    def _ask(self, request: Request) -> bool:
        replies = self.adapter.ask(request)
        self.carry_out(replies)
        return bool(replies)

    # --- what is answered --------------------------------------------------------------------------

    def perform(self, effect: Reply) -> None:
        """Carry one line out."""
        match effect:
            case lines.Say(to, frame):
                self._say(to, frame)
            case lines.Sync():
                self.sync()
            case lines.TakeCopy():
                self.copying = True
            case lines.WakeAt(at):
                self._wake_at = at
            case lines.Answer(number, accepted, clause, reason):
                self._hold(self._heard.wrong_answer(number, accepted=accepted, clause=clause))
                self.answers.append(eff.Answer(number, accepted, clause, reason))
            case lines.Close(to):
                self.said.append((to, None))
                if to == "peer":
                    self.around.network.disconnect(lose=False)
            case lines.Metadata() | lines.Encoded() | lines.Decoded() | lines.Refused() | lines.End():
                raise AssertionError(f"{effect} is out of place, which is the adapter's fault")
            case _:
                self._act(effect)
        self.truth.look()

    def _act(self, action: act.ServerAction) -> None:
        self._hold(self._heard.untrue(action, self._run))
        super()._act(action)
        if isinstance(action, act.Copy):
            self._copies[action.epoch, action.upto] = Taken(action.begun, self._handed)

    def _hold(self, untruth: Untrue | None) -> None:
        if untruth is not None and self.around.judged:
            raise Untruthful(self.party, *untruth)

    def _say(self, to: str, frame: bytes) -> None:
        link = f"{self.index}{1 - self.index}" if to == "peer" else f"{self.index}w"
        try:
            message = self.around.network.carry(link, frame)
        except Malformed as problem:
            raise Finding(FRAMES, f"the {self.party} sends what is no frame: {problem}") from None
        self.said.append((to, message))
        know, constants = self.account.know, self.account.constants
        if isinstance(message, wire.CopyBegin | wire.CopyPart | wire.CopyEnd):
            self._hold(untrue_copy(message, self._copies))
        self._hold(untrue(message, know, self.disk, self._heard, self.now, self._run, constants))

    def _sync_before(self, message: wire.Message) -> None:
        """Nothing: this server says itself when it syncs."""

    def _sync_after(self, action: act.ServerAction) -> None:
        if isinstance(action, act.Enable):
            self.truth.settle(self.image)  # from here on clients may see what it has, and what it has not

    def _queued(self, action: act.ServerAction) -> Queued | None:
        match action:
            case act.Store(epoch, seq):
                operation = self._heard.operations.get((epoch, seq))
                if operation is None:
                    raise Untruthful(self.party, "ROLE-5", f"nobody sent update {seq} of epoch {epoch}")
                queued = Queued(decoded(operation))
                self._hold(_put_over(seq, self.image.safe.get(seq), queued))
                return queued
            case act.Log(seq=seq) if not self.offers:
                raise Untruthful(self.party, "QUEUE-1", f"nobody offered update {seq}")
            case _:
                return super()._queued(action)

    def _copy(self, action: act.ServerAction) -> Data | None:
        if isinstance(action, act.Resynchronise) and not self.assembly.has(action.epoch, action.upto):
            raise Untruthful(self.party, "REJOIN-2", f"no copy of epoch {action.epoch} is complete")
        return super()._copy(action)

    def _send_copy(self, epoch: int, begun: int, upto: int) -> None:
        """Nothing: this server sends it itself."""


def _put_over(seq: int, there: Queued | None, queued: Queued) -> Untrue | None:
    """What is wrong with storing an update where there is one already."""
    same = there is None or there.operation == queued.operation
    return None if same else ("APPLY-2", f"update {seq} is stored, and it stores another over it")


def _disk(image: Image) -> list[Request]:
    """What is on a server's disk, in requests."""
    know = found_by_a_server(image)
    found = {name: getattr(know, name) for name in FOUND_NAMES}
    requests: list[Request] = [lines.Found(**found, carried=image.last_carried_out())]
    for queue, updates in ((Queue.SAFE, image.safe), (Queue.UNSAFE, image.unsafe)):
        for seq, queued in sorted(updates.items()):
            requests.append(lines.Queued(queue, seq, queued.status, queued.operation.encoded()))
    return requests
