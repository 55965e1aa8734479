"""Adapters that only look wrong: slower, chattier, or spelt otherwise. The rules leave it free, so each has to pass."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import Answer, Wrapping, changed, encoded, framed, without
from takeover_spec import actions as act
from takeover_spec import wire


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
    return framed(json.dumps(dict(reversed(values.items())), indent=1, ensure_ascii=False).encode())


VARIANTS: dict[str, Wrapping] = {
    "chatty": _chatty,
    "sluggish": _sluggish,
    "says-everything-twice": changed(_says_twice),
    "syncs-always": changed(_syncs_always),
    "explains-itself": changed(_explains),
    "spelt-otherwise": encoded(_spelt_otherwise),
    "never-trims": without(act.Trim),
}
"""What the rules allow, though the reference does otherwise."""
