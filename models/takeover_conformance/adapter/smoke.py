"""`takeover conform --smoke`: what is wrong with an adapter's manners, told at the first line that is wrong.

A short talk in which every kind of line has its turn, and no case: the process starts and says who it is, reads a
frame and what is none, starts a server on an empty disk, wakes it, stops it, is asked all of it again, and its input
ends.
Whether the server in it is right is not looked at; that frames are read as they should be is level 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.adapter.manners import BY_A_SERVER, not_but
from takeover_conformance.adapter.process import ANSWERS_WITHIN_S, STARTS_WITHIN_S, Adapter
from takeover_spec import actions as act
from takeover_spec import wire

PATIENCE_S = 2.0
"""How long it is waited for anything at first, in seconds. A run is more patient; here somebody is waiting."""

SETTLES_WITHIN_S = 0.1
"""How long after its last answer an adapter is listened to, in seconds: it has to be silent."""

_EMPTY = lines.Found(
    active=False,
    epoch=0,
    seen=0,
    returned=False,
    drained=False,
    unsafe=False,
    released=0,
    begun=0,
    applied=0,
    newest=0,
    reported=0,
    logged=0,
    peer_left=False,
    peer_released=0,
    carried=0,
)

_SECOND = 10**9
_START = lines.Start(
    now=10 * _SECOND,
    me="secondary",
    pair="smoke",
    run=1,
    seed=1,
    lease_ns=2 * _SECOND,
    promise_ns=2 * _SECOND,
    drift_ppm=200,
    expiry_slack_ns=_SECOND // 10,
    synchronous=True,
    beat_ns=_SECOND // 2,
    patience_ns=_SECOND,
)


@dataclass(frozen=True, slots=True)
class Step:
    """A request, and what it is for."""

    what: str
    """What is tried, for a person."""
    request: Request


STEPS = (
    Step("reads a frame", lines.Decode(wire.encode(wire.Released(1)))),
    Step("reads what is no frame", lines.Decode(b"\0\0\0\2[]")),
    Step("makes a frame", lines.Encode(wire.Released(1))),
    Step("finds an empty disk", _EMPTY),
    Step("starts a server", _START),
    Step("hears of a connection", lines.Connected(_START.now)),
    Step("hears what is no frame", lines.Frame(_START.now, "peer", b"\0\0\0\2[]")),
    Step("is woken", lines.Wake(_START.now + _SECOND)),
    Step("is idle", lines.Idle(_START.now + _SECOND, room=True)),
    Step("is stopped", lines.Stop(_START.now + _SECOND)),
    Step("forgets everything", _EMPTY),
)


def smoke(command: Sequence[str]) -> Iterator[str]:
    """Start an adapter and have the talk; what went well, as it does, and what was slow. Raises `AdapterFault`."""
    try:
        yield from _talk(command, PATIENCE_S, PATIENCE_S)
    except AdapterFault as fault:
        if fault.fault != "hang":
            raise
        allowed = f"a start may take {STARTS_WITHIN_S:g} s, and an answer {ANSWERS_WITHIN_S:g} s"
        yield f"slow: {fault}, of {PATIENCE_S:g} s; {allowed}: once more, with that much"
        yield from _talk(command, STARTS_WITHIN_S, ANSWERS_WITHIN_S)


def _talk(command: Sequence[str], starts_within_s: float, answers_within_s: float) -> Iterator[str]:
    adapter = Adapter(command, starts_within_s)
    try:
        yield from _talk_with(adapter, answers_within_s)
    finally:
        adapter.close()


def _talk_with(adapter: Adapter, within_s: float) -> Iterator[str]:
    told = adapter.metadata
    answers = []
    yield f"good: starts, and says who it is: {told.name} {told.version}, {told.language}"
    for step in STEPS:
        replies = adapter.ask(step.request, within_s)
        if isinstance(step.request, lines.Start) and not (replies and isinstance(replies[0], act.Start)):
            may = f'"do":"start" first, for it is the first action; then {BY_A_SERVER}'
            raise adapter.at_fault("out-of-place", not_but(replies, may))
        yield f"good: {step.what}"
        answers.append(replies)
    for step, before in zip(STEPS, answers, strict=True):
        again = adapter.ask(step.request, within_s)
        if again != before:
            raise adapter.at_fault("nondeterministic", f"first {_shown(before)}; then {_shown(again)}")
    yield "good: answers the same when it is asked all of it again"
    adapter.listen(SETTLES_WITHIN_S)
    yield "good: is silent when it is not asked"
    adapter.leave()
    yield "good: ends with its input"


def _shown(replies: Sequence[Reply]) -> str:
    return ", ".join(str(reply) for reply in replies) or "nothing but end"
