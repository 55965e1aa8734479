"""Followers, with data: each leaves out one clause, and follows the counterexample that shows what it is for.

Each does what the server of a run of `takeover verify --without` does, where it is led there, and is the reference
until then. Where another mistake does that already, there is none here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from takeover.core import events as ev
from takeover.core.effects import Effect
from takeover.core.state import Core
from takeover_conformance.adapter.lines import Reply
from takeover_conformance.servers.wrappings import Wrong, and_then, changed
from takeover_models.broken_data import Stepped, knowing
from takeover_models.cores import REAL, Cores
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.words import Queue, Status


def _applies_over_a_hole(core: Core, event: ev.Event, now: int) -> Stepped:
    """What is sent out of order is stored, and applied as soon as its status is there."""
    after, effects = REAL.step(core, event, now)
    match event:
        case ev.PeerSaid(wire.Update(epoch, seq)) if _lacks_what_is_before(core, epoch, seq):
            effects = (*effects, act.Store(epoch, seq))
        case ev.PeerSaid(wire.UpdateStatus(epoch, seq, status)) if _lacks_what_is_before(core, epoch, seq):
            applied = act.Apply(epoch, seq, status is Status.DONE, Queue.SAFE)
            effects = (*effects, act.StoreStatus(epoch, seq, status), applied)
        case _:
            pass
    return after, effects


def _lacks_what_is_before(core: Core, epoch: int, seq: int) -> bool:
    know = core.know
    closed = know.active or know.returned or know.drained
    return not closed and know.epoch == epoch and seq > know.newest + 1


def _twice(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.CarryOut):
        yield replace(reply, status=Status.FAILED if reply.status is Status.DONE else Status.DONE)


def _numbers_go_back(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, seq=reply.seq - 1) if isinstance(reply, act.Log) and reply.seq > 1 else reply


def _replays_the_peers_queue(reply: Reply) -> Iterable[Reply]:
    if isinstance(reply, act.Discard) and reply.epoch:
        yield act.Apply(reply.epoch, reply.kept + 1, True, Queue.UNSAFE)
    yield reply


def _acknowledges_over_a_hole(core: Core, effect: Effect) -> Iterable[Effect]:
    if isinstance(effect, act.HearSafe) and effect.upto < effect.latest:
        yield act.Acknowledge(effect.epoch, effect.latest)


def _declares_with_the_copy(core: Core, effect: Effect) -> Iterable[Effect]:
    yield act.Declare(core.know.epoch, core.know.version + 1, True)


def _resynchronised_after_its_drain(core: Core, event: ev.Event, now: int) -> Stepped:
    """A copy is taken as if no drain had ended."""
    drained = isinstance(event, ev.CopyReceived) and not core.know.active
    return REAL.step(knowing(core, drained=False) if drained else core, event, now)


def _sets_aside_less(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, last=reply.kept) if isinstance(reply, act.SetAside) else reply


FOLLOWERS_WITH_DATA: tuple[Wrong, ...] = (
    Wrong(
        "applies-over-a-hole",
        ("APPLY-1",),
        "What is sent out of order is applied.",
        cores=Cores(step=_applies_over_a_hole),
    ),
    Wrong("carries-out-twice", ("QUEUE-1",), "An update is carried out once more.", changed(_twice)),
    Wrong(
        "numbers-go-back",
        ("QUEUE-1",),
        "The next update has the number of the last one.",
        changed(_numbers_go_back),
    ),
    Wrong(
        "replays-the-peers-queue",
        ("QUEUE-5",),
        "At its takeover it applies what the failed server had in its unsafe queue.",
        changed(_replays_the_peers_queue),
    ),
    Wrong(
        "acknowledges-over-a-hole",
        ("SYNC-1",),
        "The highest update that is safe is acknowledged, whatever is missing below it.",
        cores=and_then(act.HearSafe, _acknowledges_over_a_hole),
    ),
    Wrong(
        "declares-with-the-copy",
        ("REJOIN-2",),
        "Its peer is declared eligible as soon as it is sent a copy.",
        cores=and_then(act.Copy, _declares_with_the_copy),
    ),
    Wrong(
        "resynchronised-after-its-drain",
        ("REJOIN-2",),
        "A copy of its own epoch is taken after a drain.",
        cores=Cores(step=_resynchronised_after_its_drain),
    ),
    Wrong(
        "sets-aside-less",
        ("LOSS-1",),
        "The statement of a rejoin leaves out what is lost.",
        changed(_sets_aside_less),
    ),
)
"""In the order of the clauses."""
