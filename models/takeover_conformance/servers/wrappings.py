"""What a mistake is, and the ways in which an adapter is made to do otherwise: what it hears or answers is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from takeover.core.effects import Effect
from takeover.core.events import Event
from takeover.core.state import Core
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_models.broken_data import Stepped
from takeover_models.cores import REAL, Cores
from takeover_spec import wire

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


def changed(change: Callable[[Reply], Iterable[Reply]]) -> Wrapping:
    """Every line of an answer becomes any number of others."""
    return lambda answer: lambda request: [new for old in answer(request) for new in change(old)]


def without(*kinds: type) -> Wrapping:
    """Lines of these types are left out."""
    return changed(lambda reply: () if isinstance(reply, kinds) else (reply,))


def frames_changed(change: Callable[[wire.Message], wire.Message | bytes | None]) -> Wrapping:
    """What is sent becomes something else, or nothing."""

    def replaced(reply: Reply) -> Iterable[Reply]:
        if not isinstance(reply, lines.Say):
            return (reply,)
        new = change(wire.decode(reply.frame[wire.LENGTH_BYTES :]))
        if new is None:
            return ()
        return (lines.Say(reply.to, new if isinstance(new, bytes) else wire.encode(new)),)

    return changed(replaced)


def encoded(change: Callable[[bytes], bytes]) -> Wrapping:
    """Every frame, said or encoded, is spelt otherwise."""

    def replaced(reply: Reply) -> Iterable[Reply]:
        match reply:
            case lines.Say(to, frame):
                return (lines.Say(to, change(frame)),)
            case lines.Encoded(frame):
                return (lines.Encoded(change(frame)),)
            case _:
                return (reply,)

    return changed(replaced)


def misheard(change: Callable[[wire.Message, int], wire.Message]) -> Wrapping:
    """What the server hears becomes something else; `change` is told the run as well."""

    def misheard(answer: Answer) -> Answer:
        run = 0

        def answered(request: Request) -> list[Reply]:
            nonlocal run
            if isinstance(request, lines.Start):
                run = request.run
            if isinstance(request, lines.Frame) and (message := said(request.frame)) is not None:
                request = replace(request, frame=wire.encode(change(message, run)))
            return answer(request)

        return answered

    return misheard


def deaf(*kinds: type) -> Wrapping:
    """Frames with these messages do not reach the server."""

    def deaf(answer: Answer) -> Answer:
        def answered(request: Request) -> list[Reply]:
            if isinstance(request, lines.Frame) and isinstance(said(request.frame), kinds):
                return []
            return answer(request)

        return answered

    return deaf


def said(frame: bytes) -> wire.Message | None:
    """The message of a frame; None if it is malformed."""
    try:
        return wire.decode(frame[wire.LENGTH_BYTES :])
    except ValueError:
        return None


def moved_before(kind: type, before: type) -> Wrapping:
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


def framed(body: bytes) -> bytes:
    """A frame with this JSON."""
    return len(body).to_bytes(wire.LENGTH_BYTES, "big") + body


def and_then(kind: type, more: Callable[[Core, Effect], Iterable[Effect]]) -> Cores:
    """After each effect of this type come others, which may depend on the state before."""

    def step(core: Core, event: Event, now: int) -> Stepped:
        after, effects = REAL.step(core, event, now)
        added = ((effect, *(more(core, effect) if isinstance(effect, kind) else ())) for effect in effects)
        return after, tuple(effect for some in added for effect in some)

    return Cores(step=step)
