"""Adapters that do nothing, or one thing only: none may reach any level, for safety alone is cheap."""

from __future__ import annotations

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import Answer, Wrapping
from takeover_spec import actions as act
from takeover_spec.words import Cause


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
