"""Adapters that are wrong on purpose, and some that only look it: the suite has to tell them apart.

Each changes what the reference adapter is asked, or what it answers; those of `takeover_models.broken` are wrong inside
the core. A *mistake* names the clauses that a check which catches it may belong to. A *variant* is legal: slower,
chattier, or spelt otherwise, and has to pass. A *blank* does nothing, or one thing only, and must not reach any level.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from takeover_conformance import lines
from takeover_conformance.lines import Reply, Request
from takeover_models.broken import BROKEN
from takeover_models.cores import REAL, Cores
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.words import Cause, Queue, Status

Answer = Callable[[Request], list[Reply]]
"""An adapter, as what it answers to a request."""

Wrapping = Callable[[Answer], Answer]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mistake."""

    name: str
    clauses: tuple[str, ...]
    """It is caught for the right reason if a check that belongs to one of these catches it."""
    why: str
    """What it is, in a few words."""
    wrapping: Wrapping | None = None
    cores: Cores = REAL


def _changed(change: Callable[[Reply], Iterable[Reply]]) -> Wrapping:
    """Every line of an answer becomes any number of others."""
    return lambda answer: lambda request: [new for old in answer(request) for new in change(old)]


def _without(*kinds: type) -> Wrapping:
    return _changed(lambda reply: () if isinstance(reply, kinds) else (reply,))


def _frames(change: Callable[[wire.Message], wire.Message | bytes | None]) -> Wrapping:
    """What is sent becomes something else, or nothing."""

    def changed(reply: Reply) -> Iterable[Reply]:
        if not isinstance(reply, lines.Say):
            return (reply,)
        new = change(wire.decode(reply.frame[wire.LENGTH_BYTES :]))
        if new is None:
            return ()
        return (lines.Say(reply.to, new if isinstance(new, bytes) else wire.encode(new)),)

    return _changed(changed)


def _encoded(change: Callable[[bytes], bytes]) -> Wrapping:
    """Every frame, said or encoded, is spelt otherwise."""

    def changed(reply: Reply) -> Iterable[Reply]:
        match reply:
            case lines.Say(to, frame):
                return (lines.Say(to, change(frame)),)
            case lines.Encoded(frame):
                return (lines.Encoded(change(frame)),)
            case _:
                return (reply,)

    return _changed(changed)


def _deaf(*kinds: type) -> Wrapping:
    """Frames with these messages do not reach the server."""

    def deaf(answer: Answer) -> Answer:
        def answered(request: Request) -> list[Reply]:
            if isinstance(request, lines.Frame) and isinstance(_said(request.frame), kinds):
                return []
            return answer(request)

        return answered

    return deaf


def _said(frame: bytes) -> wire.Message | None:
    try:
        return wire.decode(frame[wire.LENGTH_BYTES :])
    except ValueError:
        return None


def _syncs_too_late(answer: Answer) -> Answer:
    def answered(request: Request) -> list[Reply]:
        replies = answer(request)
        return [r for r in replies if not isinstance(r, lines.Sync)] + [
            r for r in replies if isinstance(r, lines.Sync)
        ]

    return answered


def _moved_before(kind: type, before: type) -> Wrapping:
    """Within an answer, an action comes before another that it should follow."""

    def moved(answer: Answer) -> Answer:
        def answered(request: Request) -> list[Reply]:
            replies = answer(request)
            early = [r for r in replies if isinstance(r, kind)]
            rest = [r for r in replies if not isinstance(r, kind)]
            place = next((n for n, r in enumerate(rest) if isinstance(r, before)), None)
            return replies if place is None else [*rest[:place], *early, *rest[place:]]

        return answered

    return moved


def _reads_anything(answer: Answer) -> Answer:
    def answered(request: Request) -> list[Reply]:
        replies = answer(request)
        if isinstance(request, lines.Decode) and replies == [lines.Refused()]:
            return [lines.Decoded(wire.Goodbye(1))]
        return [reply for reply in replies if not isinstance(reply, lines.Close)]

    return answered


def _says_yes(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, accepted=True, clause="", reason="") if isinstance(reply, lines.Answer) else reply


def _other_run(message: wire.Message) -> wire.Message:
    return replace(message, run=message.run + 1) if isinstance(message, wire.Promised) else message


def _empty_update(message: wire.Message) -> wire.Message:
    return replace(message, operation=b"") if isinstance(message, wire.Update) else message


def _trims_at_once(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.Log):
        yield act.Trim(reply.epoch, reply.seq)


def _drops_at_once(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.CarryOut):
        yield act.Drop(reply.epoch, reply.seq)


def _all_done(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, status=Status.DONE) if isinstance(reply, act.StoreStatus) else reply


def _skips_a_number(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, seq=reply.seq + 1) if isinstance(reply, act.Log) else reply


def _depends_on_what_comes(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, depends=reply.seq + 1) if isinstance(reply, act.CarryOut) else reply


def _same_epoch(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, epoch=reply.epoch - 1) if isinstance(reply, act.TakeRole) else reply


def _starts_active(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, active=True) if isinstance(reply, act.Start) else reply


def _steps_down_silently(reply: Reply) -> Iterable[Reply]:
    if not isinstance(reply, act.StopApplications | act.StepDown):
        yield reply


def _follows_the_past(reply: Reply) -> Iterable[Reply]:
    if isinstance(reply, act.Store | act.StoreStatus):
        yield replace(reply, epoch=max(reply.epoch - 1, 1))
    else:
        yield reply


def _holds_after_release(answer: Answer) -> Answer:
    """It enables the public identity again, for as long as its grant would have lasted."""
    until = 0

    def answered(request: Request) -> list[Reply]:
        nonlocal until
        replies: list[Reply] = []
        for reply in answer(request):
            replies.append(reply)
            until = reply.until if isinstance(reply, act.Enable) else until
            if isinstance(reply, act.Release):
                replies.append(act.Enable(until))
        return replies

    return answered


def _from_the_wrong_queue(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, queue=Queue.UNSAFE) if isinstance(reply, act.Apply) else reply


def _little_endian(frame: bytes) -> bytes:
    return frame[: wire.LENGTH_BYTES][::-1] + frame[wire.LENGTH_BYTES :]


def _numbers_as_text(frame: bytes) -> bytes:
    values = json.loads(frame[wire.LENGTH_BYTES :])
    spoilt = {name: str(value) if type(value) is int else value for name, value in values.items()}
    return _framed(json.dumps(spoilt).encode())


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(wire.LENGTH_BYTES, "big") + body


def _is_a_servers(cores: Cores) -> bool:
    """Whether it is a server that is wrong; the witness is the runner's."""
    return (cores.begin_witness, cores.witness_step) == (REAL.begin_witness, REAL.witness_step)


def _told(cores: Cores) -> str:
    """What is wrong with a core, as its function says."""
    spoilt = cores.step if cores.step is not REAL.step else cores.begin
    return " ".join((spoilt.__doc__ or "").split())


WRONG: tuple[Wrong, ...] = (
    *(
        Wrong(b.name, (b.clause, b.prop), _told(b.cores), cores=b.cores)
        for b in BROKEN
        if _is_a_servers(b.cores)
    ),
    Wrong(
        "never-syncs",
        ("QUEUE-4", "LEASE-5", "nothing-acknowledged-is-lost"),
        "Nothing is ever made durable.",
        _without(lines.Sync),
    ),
    Wrong(
        "syncs-too-late",
        ("QUEUE-4", "LEASE-5"),
        "What is said is made durable only after it was said.",
        _syncs_too_late,
    ),
    Wrong(
        "promise-not-kept",
        ("LEASE-2",),
        "It says that it promises, and is bound by nothing.",
        _without(act.Promise),
    ),
    Wrong(
        "answers-another-run",
        ("LEASE-4",),
        "A promise answers a run that did not ask for it.",
        _frames(_other_run),
    ),
    Wrong("goodbye-unheard", ("ROLE-4",), "A goodbye is not heard.", _deaf(wire.Goodbye)),
    Wrong(
        "older-epoch-unanswered",
        ("ROLE-5",),
        "Nobody who is of an older epoch is told.",
        _frames(lambda m: None if isinstance(m, wire.Newer) else m),
    ),
    Wrong("refrains-in-silence", ("ROLE-3",), "What stops it is not recorded.", _without(act.Refrain)),
    Wrong(
        "applications-first",
        ("ROLE-2",),
        "The applications start before the public identity is there.",
        _moved_before(act.StartApplications, act.Enable),
    ),
    Wrong(
        "address-before-role",
        ("ADDR-1",),
        "The public identity comes before the role.",
        _moved_before(act.Enable, act.TakeRole),
    ),
    Wrong(
        "takes-the-same-epoch",
        ("ROLE-5", "LEASE-1"),
        "A takeover does not raise the epoch.",
        _changed(_same_epoch),
    ),
    Wrong("starts-active", ("ROLE-1",), "It starts in the role that it had.", _changed(_starts_active)),
    Wrong(
        "carries-on-lapsed",
        ("ROLE-6", "REJOIN-1", "LEASE-4"),
        "It neither stops its applications nor steps down.",
        _changed(_steps_down_silently),
    ),
    Wrong(
        "stores-of-the-past",
        ("ROLE-5",),
        "What it stores, it stores under the epoch before.",
        _changed(_follows_the_past),
    ),
    Wrong(
        "holds-after-release",
        ("LEASE-5", "ADDR-2"),
        "It releases the role and holds the address.",
        _holds_after_release,
    ),
    Wrong(
        "from-the-wrong-queue",
        ("QUEUE-5",),
        "What is applied is taken out of the unsafe queue.",
        _changed(_from_the_wrong_queue),
    ),
    Wrong(
        "trims-what-is-not-safe",
        ("QUEUE-3",),
        "An update leaves the unsafe queue as soon as it is logged.",
        _changed(_trims_at_once),
    ),
    Wrong(
        "drops-without-a-word",
        ("QUEUE-6",),
        "An update is dropped as soon as it is carried out.",
        _changed(_drops_at_once),
    ),
    Wrong("skips-a-number", ("QUEUE-1",), "A number is left out.", _changed(_skips_a_number)),
    Wrong(
        "out-of-turn",
        ("QUEUE-2",),
        "An update is carried out before the one that it depends on.",
        _changed(_depends_on_what_comes),
    ),
    Wrong(
        "every-status-is-done",
        ("QUEUE-4", "APPLY-3"),
        "A failed update is stored as one that is done.",
        _changed(_all_done),
    ),
    Wrong("empty-updates", ("QUEUE-1",), "Updates are sent without what they are.", _frames(_empty_update)),
    Wrong(
        "order-not-carried-out",
        ("SWITCH-1", "SWITCH-2", "REJOIN-4"),
        "Every order is answered with yes.",
        _changed(_says_yes),
    ),
    Wrong("reads-anything", ("§12.1",), "What is malformed is read as something.", _reads_anything),
    Wrong(
        "little-endian",
        ("§12.1", "frames"),
        "A frame's length begins with its last byte.",
        _encoded(_little_endian),
    ),
    Wrong("numbers-as-text", ("§12.1", "frames"), "Numbers are written as text.", _encoded(_numbers_as_text)),
)
"""Every mistake that the suite has to catch."""


def _chatty(answer: Answer) -> Answer:
    def answered(request: Request) -> list[Reply]:
        if isinstance(request, lines.Start):
            request = replace(request, beat_ns=request.beat_ns // 3)
        return answer(request)

    return answered


def _sluggish(answer: Answer) -> Answer:
    """Every other time there is nothing else to do, it does nothing."""
    count = 0

    def answered(request: Request) -> list[Reply]:
        nonlocal count
        if isinstance(request, lines.Idle):
            count += 1
            if count % 2:
                return []
        return answer(request)

    return answered


def _says_twice(reply: Reply) -> Iterable[Reply]:
    return (reply, reply) if isinstance(reply, lines.Say) else (reply,)


def _syncs_always(reply: Reply) -> Iterable[Reply]:
    return (reply, lines.Sync()) if isinstance(reply, act.ServerAction) else (reply,)


def _explains(reply: Reply) -> Iterable[Reply]:
    return (reply, act.Refrain("ROLE-3", "not my turn")) if isinstance(reply, act.Promise) else (reply,)


def _spelt_otherwise(frame: bytes) -> bytes:
    values = json.loads(frame[wire.LENGTH_BYTES :])
    return _framed(json.dumps(dict(reversed(values.items())), indent=1, ensure_ascii=False).encode())


VARIANTS: dict[str, Wrapping] = {
    "chatty": _chatty,
    "sluggish": _sluggish,
    "says-everything-twice": _changed(_says_twice),
    "syncs-always": _changed(_syncs_always),
    "explains-itself": _changed(_explains),
    "spelt-otherwise": _encoded(_spelt_otherwise),
    "never-trims": _without(act.Trim),
}
"""What the rules allow, though the reference does otherwise."""


def _blank(*kept: type) -> Wrapping:
    """Answers only to these requests."""

    def blank(answer: Answer) -> Answer:
        return lambda request: answer(request) if isinstance(request, (lines.Hello, *kept)) else []

    return blank


def _always_active(answer: Answer) -> Answer:
    """It takes the role and the public identity as soon as it starts."""

    def answered(request: Request) -> list[Reply]:
        match request:
            case lines.Hello() | lines.Found():
                return answer(request)
            case lines.Start():
                start, *_ = answer(request)
                return [start, act.TakeRole(1, Cause.FIRST), act.Enable(1 << 60)]
            case _:
                return []

    return answered


BLANKS: dict[str, Wrapping] = {
    "does-nothing": _blank(),
    "always-active": _always_active,
    "always-passive": _blank(lines.Found, lines.Queued, lines.Start),
}
"""What must not pass for a server."""


def named(name: str) -> tuple[Wrapping, Cores]:
    """What is wrong, or different, under this name. Raises `KeyError`."""
    found = {wrong.name: (wrong.wrapping, wrong.cores) for wrong in WRONG}
    found |= {variant: (wrapping, REAL) for variant, wrapping in (VARIANTS | BLANKS).items()}
    wrapping, cores = found[name]
    return (wrapping if wrapping is not None else lambda answer: answer), cores
