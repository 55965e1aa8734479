"""What may be answered to what: a line that is well-formed, and no answer to the request, is the adapter's fault."""

from __future__ import annotations

from collections.abc import Sequence

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_spec.codec import kind_of

_OF_NO_SERVER = (lines.Metadata, lines.Encoded, lines.Decoded, lines.Refused)

_PARTIES = ("peer", "witness")

BY_A_SERVER = "actions, say, close, sync, take-copy, wake-at and answer, and end"


def out_of_place(request: Request, replies: Sequence[Reply]) -> str:
    """What is wrong with this answer, whatever it says; empty if nothing is."""
    match request:
        case lines.Hello():
            may, fits = "one metadata, and end", _is_one_of(replies, lines.Metadata)
        case lines.Decode():
            may, fits = "one decoded or refused, and end", _is_one_of(replies, lines.Decoded, lines.Refused)
        case lines.Encode():
            may = "one encoded, and end (refused, while nothing is there that encodes)"
            fits = _is_one_of(replies, lines.Encoded, lines.Refused)
        case lines.Found() | lines.Queued() | lines.Part():
            may, fits = "end", not replies
        case _:
            may, fits = BY_A_SERVER, not any(isinstance(reply, _OF_NO_SERVER) for reply in replies)
    return _told_of(replies) if fits else not_but(replies, may)


def not_but(replies: Sequence[Reply], may: str) -> str:
    """What is said of an answer that is another than it may be."""
    said = ", ".join(kind_of(type(reply)) for reply in replies) or "nothing but end"
    return f"the answer is {said}; it may be {may}"


def _is_one_of(replies: Sequence[Reply], *classes: type) -> bool:
    return len(replies) == 1 and isinstance(replies[0], classes)


def _told_of(replies: Sequence[Reply]) -> str:
    """Whether somebody is spoken to who is not there."""
    spoken_to = {reply.to for reply in replies if isinstance(reply, lines.Say | lines.Close)}
    return "".join(f"there is nobody called {to}" for to in sorted(spoken_to.difference(_PARTIES))[:1])
