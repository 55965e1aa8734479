"""Mistakes in frames: in how they are written, and in what is taken for one."""

from __future__ import annotations

import base64
import binascii
import json
import re

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import Answer, Wrong, encoded, framed
from takeover_spec import wire


def _reads_anything(answer: Answer) -> Answer:
    def answered(request: Request) -> list[Reply]:
        replies = answer(request)
        if isinstance(request, lines.Decode) and replies == [lines.Refused()]:
            return [lines.Decoded(wire.Goodbye(1))]
        return [reply for reply in replies if not isinstance(reply, lines.Close)]

    return answered


def _ignores_idle_bits(answer: Answer) -> Answer:
    """Whatever is refused is read once more, with the bits that mean nothing as they should be."""

    def answered(request: Request) -> list[Reply]:
        replies = answer(request)
        if isinstance(request, lines.Decode) and replies == [lines.Refused()]:
            return answer(lines.Decode(_OPERATION.sub(_spelt_well, request.frame)))
        return replies

    return answered


_OPERATION = re.compile(rb'(?<="operation":")[A-Za-z0-9+/]+={0,2}(?=")')


def _spelt_well(found: re.Match[bytes]) -> bytes:
    try:
        return base64.b64encode(base64.b64decode(found[0], validate=True))
    except binascii.Error:
        return found[0]


def _little_endian(frame: bytes) -> bytes:
    return frame[: wire.LENGTH_BYTES][::-1] + frame[wire.LENGTH_BYTES :]


def _numbers_as_text(frame: bytes) -> bytes:
    values = json.loads(frame[wire.LENGTH_BYTES :])
    spoilt = {name: str(value) if type(value) is int else value for name, value in values.items()}
    return framed(json.dumps(spoilt).encode())


IN_FRAMES: tuple[Wrong, ...] = (
    Wrong("reads-anything", ("§12.1",), "What is malformed is read as something.", _reads_anything),
    Wrong(
        "ignores-idle-bits",
        ("§12.1",),
        "In base64 the bits that mean nothing may be anything.",
        _ignores_idle_bits,
    ),
    Wrong(
        "little-endian",
        ("§12.1", "frames"),
        "A frame's length begins with its last byte.",
        encoded(_little_endian),
    ),
    Wrong("numbers-as-text", ("§12.1", "frames"), "Numbers are written as text.", encoded(_numbers_as_text)),
)
"""They belong to §12.1."""
