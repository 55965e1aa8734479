"""What an application and its node say to each other: an operation goes in, an answer comes back.

A frame is a length in 4 bytes (big-endian, of what follows) and that many bytes. Into the node go encoded operations
(`operations.encode`), out come answers in JSON, one for each operation, in the same order. An application may send the
next operation before it has the answer to the last one.

The answer tells four ends apart, because an application must do different things about them:

    {"done": true, "amount": 4096}          complete; in synchronous mode safe on both servers
    {"done": false, "error": "ENOSPC"}      failed on the active server, and changed nothing
    {"refused": "…", "error": "…"}          never begun, and never will be; the error may be empty
    {"unknown": "…"}                        may or may not be there after the failover that is going on

An end of the connection without an answer is *unknown* too, for every operation that was sent whole.

Both ends read this text: the node's (`interception`) and the application's (`protected_files`). It imports little, for
it is loaded into other people's programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from takeover.errors import PeerError

LENGTH_BYTES = 4

WRITE_BYTES_MAX = 1 << 20
"""The most data in one write, in bytes. More is several updates."""

OPERATION_BYTES_MAX = WRITE_BYTES_MAX + (1 << 16)
"""The longest encoded operation, in bytes: the data, and two of the longest paths with every byte escaped."""

ANSWER_BYTES_MAX = 1 << 16
"""The longest answer, in bytes."""

_REASON_CHARACTERS_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Done:
    """The operation was done, and is complete."""

    amount: int
    """How many bytes a write put down; 0 for everything else."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The operation was tried, and changed nothing."""

    error: str
    """The errno's name."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The operation was never begun."""

    reason: str
    error: str
    """The errno's name, if there is one; it may be empty."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet whether the operation will have been done."""

    reason: str


Answer = Done | Failed | Refused | Unknown


def frame(body: bytes) -> bytes:
    """A frame with this in it."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def body_length(prefix: bytes, most: int) -> int:
    """The length of what follows these `LENGTH_BYTES`. Raises PeerError if it is not from 1 to `most`."""
    length = int.from_bytes(prefix, "big")
    if not 1 <= length <= most:
        raise PeerError(f"a frame of {length} bytes, where 1 to {most} are allowed")
    return length


def encode_answer(answer: Answer) -> bytes:
    """The answer as a frame."""
    values: dict[str, object]
    match answer:
        case Done(amount):
            values = {"done": True, "amount": amount}
        case Failed(error):
            values = {"done": False, "error": error}
        case Refused(reason, error):
            values = {"refused": reason[:_REASON_CHARACTERS_MAX], "error": error}
        case Unknown(reason):
            values = {"unknown": reason[:_REASON_CHARACTERS_MAX]}
    return frame(json.dumps(values, separators=(",", ":")).encode())


def decode_answer(body: bytes) -> Answer:
    """The answer in a frame. Raises PeerError when there is none."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise PeerError(f"an answer that is not JSON: {cause}") from cause
    match values:
        case {"done": True, "amount": int(amount)}:
            return Done(amount)
        case {"done": False, "error": str(error)}:
            return Failed(error)
        case {"refused": str(reason), "error": str(error)}:
            return Refused(reason, error)
        case {"unknown": str(reason)}:
            return Unknown(reason)
    raise PeerError(f"an answer that says neither how it ended nor why not: {body[:80]!r}")
