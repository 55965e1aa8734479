"""The reference server behind the adapter protocol: the shipped core, the shipped codec, and as little as possible.

    python -m takeover_conformance.servers.reference_adapter [--like NAME]

What is here is a shell: it keeps the queues' operations, which the core does not know, sends them, and syncs before it
says anything that may rest on what was written. With `--like` it is wrong on purpose, or different (`wrong`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from takeover.core import effects as eff
from takeover.core import events as ev
from takeover.core.state import Settings, counted_ns, remembered
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import PROTOCOL, End, Reply, Request
from takeover_conformance.servers.named import named
from takeover_models.channel import Assembly
from takeover_models.cores import REAL, Cores
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.codec import Malformed
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Constants, Identity, Queue, Status

OUTSIDE = (act.Acknowledge, act.Enable)
"""What somebody outside sees: what it rests on is durable first."""

HEARD = (act.HearGoodbye, act.HearRelease)
"""What is durable though nothing that is said rests on it (PROTOCOL §5)."""


@dataclass(slots=True)
class _Update:
    operation: bytes
    status: Status = Status.NONE


@dataclass(slots=True)
class _Disk:
    """What was found, until the server starts with it."""

    found: lines.Found | None = None
    safe: dict[int, _Update] = field(default_factory=dict)
    unsafe: dict[int, _Update] = field(default_factory=dict)


class Server:
    """One run of the reference server."""

    def __init__(self, cores: Cores, disk: _Disk, start: lines.Start) -> None:
        assert disk.found is not None
        self.cores = cores
        self.safe, self.unsafe = disk.safe, disk.unsafe
        self.replies: list[Reply] = []
        self.now = start.now
        self.written = False
        """Something was done since the last sync."""
        self.ship: eff.Ship | None = None
        self.parts: list[bytes] = []
        self.assembly = Assembly()
        self.incoming = b""
        """The operation at hand: offered, or sent by the peer."""
        self.woken_at: int | None = None
        found = disk.found
        stored, statuses = self._unbroken(found.applied)
        known = Knowledge(**{name: getattr(found, name) for name in lines.FOUND_NAMES})
        remembers = remembered(known, stored, statuses, found.carried)
        self.core, effects = cores.begin(_settings(start), remembers, start.now)
        self._carry_out(effects)

    def _unbroken(self, applied: int) -> tuple[int, int]:
        stored = statuses = applied
        while (update := self.safe.get(stored + 1)) is not None:
            stored += 1
            if statuses == stored - 1 and update.status is not Status.NONE:
                statuses = stored
        return stored, statuses

    def answer(self, request: Request) -> list[Reply]:
        """What it does about a request."""
        match request:
            case lines.Part(operation):
                self.parts.append(operation)
            case lines.Frame():
                self._hear(request)
            case lines.Write(_, operation):
                self.incoming = operation
                self._event(request, ev.Intercepted())
            case lines.CarriedOut(_, seq, status):
                self.unsafe[seq].status = status
                self._event(request, ev.CarriedOut(seq, status))
            case lines.Idle(_, room):
                self._event(request, (self._next() if room else None) or ev.Paused())
            case lines.Wake():
                self.woken_at = None
                self._event(request, ev.Woke())
            case lines.Connected():
                self.ship = None
                self._event(request, ev.Connected())
            case lines.Copied(_, upto):
                self._event(request, ev.CopyTaken(upto))
            case lines.Stop():
                self._event(request, ev.Stopping())
                self._sync()
            case lines.Order(_, order, number, within_ns):
                self._event(request, _ordered(order, number, within_ns))
            case _:
                raise ValueError(f"{request} is nothing that a running server is asked")
        return self.taken()

    def taken(self) -> list[Reply]:
        """The replies so far, with when to be woken if that changed."""
        wake_at = self.core.wake_at(self.now)
        if wake_at != self.woken_at:
            self.woken_at = wake_at
            self.replies.append(lines.WakeAt(wake_at))
        replies, self.replies = self.replies, []
        return replies

    def _hear(self, request: lines.Frame) -> None:
        try:
            message = wire.decode_frame(request.frame)
        except Malformed:
            self.replies.append(lines.Close(request.sender))
            return
        if request.sender == "witness":
            self._event(request, ev.WitnessSaid(message))
        elif isinstance(message, wire.CopyBegin | wire.CopyPart | wire.CopyEnd):
            complete = self.assembly.add(message)
            if complete:
                self._event(request, complete)
        else:
            self.incoming = message.operation if isinstance(message, wire.Update) else b""
            self._event(request, ev.PeerSaid(message))

    def _next(self) -> ev.NextInQueue | None:
        seq = min(self.safe, default=None)
        if seq is None or self.safe[seq].status is Status.NONE:
            return None
        return ev.NextInQueue(seq, self.safe[seq].status)

    def _event(self, request: lines.Timed, event: ev.Event) -> None:
        self.now = request.now
        self.core, effects = self.cores.step(self.core, event, self.now)
        self._carry_out(effects)
        self._send_queue()
        if any(isinstance(effect, HEARD) for effect in effects):
            self._sync()

    def _carry_out(self, effects: tuple[eff.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case eff.Say(message):
                    self._say("peer", message)
                case eff.SayWitness(message):
                    self._say("witness", message)
                case eff.TakeCopy():
                    self.parts.clear()
                    self.replies.append(lines.TakeCopy())
                case eff.Ship():
                    self.ship = effect
                case eff.StateLoss(epoch, kept, last):
                    self.core, more = self.cores.step(self.core, ev.LossStated(epoch, kept, last), self.now)
                    self._carry_out(more)
                case eff.WindDown():  # here they end at once
                    self.core, more = self.cores.step(self.core, ev.WoundDown(), self.now)
                    self._carry_out(more)
                case eff.Answer(order, accepted, clause, reason):
                    self.replies.append(lines.Answer(order, accepted, clause, reason))
                case _:
                    self._act(effect)

    def _say(self, to: str, message: wire.Message) -> None:
        self._sync()
        self.replies.append(lines.Say(to, wire.encode(message)))

    def _sync(self) -> None:
        if self.written:
            self.replies.append(lines.Sync())
            self.written = False

    def _act(self, action: act.ServerAction) -> None:
        if isinstance(action, OUTSIDE):
            self._sync()
        self.replies.append(action)
        self.written = True
        match action:
            case act.Store(seq=seq):
                self.safe[seq] = _Update(self.incoming)
            case act.StoreStatus(seq=seq, status=status) if seq in self.safe:
                self.safe[seq].status = status
            case act.Apply(seq=seq, queue=Queue.SAFE):
                self.safe.pop(seq, None)
            case act.Discard():
                self.safe.clear()
            case act.Resynchronise():
                self.safe.clear()
                self.assembly = Assembly()
            case act.Log(seq=seq):
                self.unsafe[seq] = _Update(self.incoming)
            case act.Trim(upto=upto) | act.Drop(upto=upto):
                self.unsafe = {seq: update for seq, update in self.unsafe.items() if seq > upto}
            case act.TakeRole() | act.SetAside():
                self.unsafe.clear()
            case act.StepDown():
                self.ship = None
            case act.Copy(epoch=epoch, begun=begun, upto=upto):
                self._send_copy(epoch, begun, upto)
            case _:
                pass

    def _send_copy(self, epoch: int, begun: int, upto: int) -> None:
        self._say("peer", wire.CopyBegin(epoch, begun, upto))
        for index, part in enumerate(self.parts):
            self._say("peer", wire.CopyPart(epoch, upto, index, part))
        self._say("peer", wire.CopyEnd(epoch, upto, len(self.parts), b""))

    def _send_queue(self) -> None:
        """Send what was not sent of the unsafe queue: each update, and its status once that is known."""
        if self.ship is None or not self.unsafe:
            return
        epoch, first = self.core.know.epoch, min(self.unsafe)
        seq, ended = max(self.ship.seq, first), max(self.ship.status, first)
        while seq in self.unsafe:
            self._say("peer", wire.Update(epoch, seq, self.unsafe[seq].operation))
            seq += 1
        while ended < seq and self.unsafe[ended].status is not Status.NONE:
            self._say("peer", wire.UpdateStatus(epoch, ended, self.unsafe[ended].status, 0))
            ended += 1
        self.ship = eff.Ship(seq, ended)


def _settings(start: lines.Start) -> Settings:
    constants = Constants(
        start.lease_ns, start.promise_ns, start.drift_ppm, start.expiry_slack_ns, start.synchronous
    )
    return Settings(
        Identity[start.me.upper()],
        start.run,
        constants,
        start.beat_ns,
        start.patience_ns,
        counted_ns(start.lease_ns, start.drift_ppm),
        counted_ns(start.promise_ns, start.drift_ppm),
    )


def _ordered(order: str, number: int, within_ns: int) -> ev.Event:
    events: dict[str, Callable[[], ev.Event]] = {
        "switchover": lambda: ev.SwitchoverAsked(number, within_ns),
        "promote": lambda: ev.PromoteAsked(number),
        "resync": lambda: ev.ResyncAsked(number),
    }
    return events[order]()


class ReferenceAdapter:
    """The adapter: what lies before and around a server's runs."""

    def __init__(self, cores: Cores = REAL, name: str = "reference") -> None:
        self.cores = cores
        self.name = name
        self.disk = _Disk()
        self.server: Server | None = None

    def answer(self, request: Request) -> list[Reply]:
        """The answer to a request, without its end."""
        match request:
            case lines.Hello():
                return [lines.Metadata(PROTOCOL, self.name, "1", "python")]
            case lines.Encode(message):
                return [lines.Encoded(wire.encode(message))]
            case lines.Decode(frame):
                try:
                    return [lines.Decoded(wire.decode_frame(frame))]
                except Malformed:
                    return [lines.Refused()]
            case lines.Found():
                self.server, self.disk = None, _Disk(request)
                return []
            case lines.Queued(queue, seq, status, operation):
                updates = self.disk.safe if queue is Queue.SAFE else self.disk.unsafe
                updates[seq] = _Update(operation, status)
                return []
            case lines.Start():
                self.server = Server(self.cores, self.disk, request)
                return self.server.taken()
            case _:
                assert self.server is not None
                return self.server.answer(request)


def main() -> int:
    """Answer requests until there are no more."""
    parser = argparse.ArgumentParser(prog="takeover_conformance.servers.reference_adapter")
    parser.add_argument("--like", metavar="NAME", help="be wrong, or different, in this way")
    like = parser.parse_args().like
    wrapping, cores = named(like) if like else (lambda answer: answer, REAL)
    answer = wrapping(ReferenceAdapter(cores, f"reference, {like}" if like else "reference").answer)
    for line in sys.stdin.buffer:
        number, request = lines.parse_request(line)
        replies = answer(request)
        sys.stdout.buffer.write(b"".join([lines.reply_line(number, reply) for reply in [*replies, End()]]))
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
