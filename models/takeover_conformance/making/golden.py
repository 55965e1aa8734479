"""The frame cases: for each message frames that say it, and for each way to be malformed a frame that is so.

They are made by the specification's own codec and are shipped as `cases/frames.ndjson`; a test makes them again and
compares. Messages whose fields are not flat (`CopyListing`, `CopyLacking`) are not here: no server has to say them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, get_type_hints

from takeover_conformance.cases import FORMAT
from takeover_spec import wire
from takeover_spec.codec import GREATEST, kind_of, plain
from takeover_spec.words import Status

SECTION = "§12.1"
"""Where the protocol says what a frame is."""

NOT_FLAT = (wire.CopyListing, wire.CopyLacking)

_SMALL: dict[Any, Any] = {int: 1, bool: False, bytes: b"", str: "a", Status: Status.DONE}
_LARGE: dict[Any, Any] = {
    int: GREATEST,
    bool: True,
    bytes: bytes(range(256)),
    str: 'ü "quoted" \\ 漢 \U0001f600',
    Status: Status.FAILED,
}

Made = dict[str, Any]


def frame_cases() -> Iterator[Made]:
    """All of them, as they are written."""
    for cls in wire.MESSAGES:
        if cls not in NOT_FLAT:
            for size, values in (("small", _SMALL), ("large", _LARGE)):
                message = _example(cls, values)
                yield _good(
                    f"frame-{kind_of(cls)}-{size}", message, "a field lost, cut short, or of the wrong type"
                )
    yield from _other_spellings()
    yield from _malformed()


def _example(cls: type, values: dict[Any, Any]) -> Any:
    return cls(**{name: values[hint] for name, hint in get_type_hints(cls).items()})


def _good(name: str, message: wire.Message, why: str, body: bytes | None = None) -> Made:
    frame = wire.encode(message) if body is None else _framed(body)
    return _made(name, why, frame, {"kind": kind_of(type(message)), **plain(message)})


def _other_spellings() -> Iterator[Made]:
    """One message, in JSON as others may write it."""
    message = wire.Promised(3, 7, 81_200_000_000)
    values = {"kind": "promised", **plain(message)}
    spaced = json.dumps(values, indent=2).encode()
    turned = json.dumps(dict(reversed(values.items()))).encode()
    escaped = json.dumps(values).replace("promised", "\\u0070romised").encode()
    why = "a decoder that knows one spelling of JSON only"
    yield _good("frame-spaces", message, why, spaced)
    yield _good("frame-other-order", message, why, turned)
    yield _good("frame-escapes", message, why, escaped)


_BODY = b'{"kind":"update","epoch":3,"seq":7,"operation":"YWJj"}'
"""What is spoilt."""

_SPOILT: dict[str, tuple[bytes, bytes, str]] = {
    "field-missing": (b'"epoch":3,', b"", "a default in the place of a field that is missing"),
    "field-unknown": (b'"epoch":3', b'"epoch":3,"more":1', "a field that is dropped unseen"),
    "field-twice": (b'"epoch":3', b'"epoch":3,"epoch":4', "which of two it believes is chance"),
    "number-as-text": (b'"epoch":3', b'"epoch":"3"', "a type that is guessed"),
    "number-with-fraction": (b'"epoch":3', b'"epoch":3.0', "whole numbers read as floating ones"),
    "number-with-exponent": (b'"epoch":3', b'"epoch":3e0', "whole numbers read as floating ones"),
    "number-negative": (b'"epoch":3', b'"epoch":-3', "a number below zero that becomes a large one"),
    "number-too-large": (b'"epoch":3', b'"epoch":9223372036854775808', "a number that wraps around"),
    "number-huge": (b'"epoch":3', b'"epoch":' + b"9" * 400, "a number of hundreds of digits"),
    "number-as-truth": (b'"epoch":3', b'"epoch":true', "true read as 1"),
    "number-null": (b'"epoch":3', b'"epoch":null', "null read as 0"),
    "number-nan": (b'"epoch":3', b'"epoch":NaN', "what is no JSON, and many libraries read"),
    "number-in-a-list": (b'"epoch":3', b'"epoch":[3]', "a list of one read as the one"),
    "bytes-without-padding": (b'"YWJj"', b'"YWI"', "base64 without its padding"),
    "bytes-with-two-idle-bits": (b'"YWJj"', b'"YWJ="', "bits that mean nothing, and are not looked at"),
    "bytes-with-four-idle-bits": (b'"YWJj"', b'"YR=="', "bits that mean nothing, and are not looked at"),
    "bytes-other-alphabet": (b'"YWJj"', b'"Y-_j"', "base64 in the alphabet for addresses"),
    "bytes-with-a-newline": (b'"YWJj"', b'"YW\\nJj"', "what is not base64, skipped"),
    "bytes-as-number": (b'"YWJj"', b"7", "a type that is guessed"),
    "kind-missing": (b'"kind":"update",', b"", "a message whose kind is guessed from its fields"),
    "kind-unknown": (b'"update"', b'"upgrade"', "an unknown message, taken for a known one"),
    "kind-in-capitals": (b'"update"', b'"Update"', "a kind that is compared without its case"),
    "kind-of-another-type": (b'"update"', b"1", "a type that is guessed"),
    "not-closed": (b"}", b"", "JSON that is cut off, repaired"),
    "closed-twice": (b"}", b"}}", "what follows the object, not looked at"),
    "two-objects": (b"}", b"}{}", "what follows the object, not looked at"),
    "trailing-comma": (b'"YWJj"', b'"YWJj",', "what is no JSON, and some libraries read"),
    "comment": (b"{", b"{/**/", "what is no JSON, and some libraries read"),
    "single-quotes": (b'"kind"', b"'kind'", "what is no JSON, and some libraries read"),
    "not-utf-8": (b"update", b"upd\xffte", "bytes that are no text, replaced"),
    "half-a-surrogate": (b"update", b"\\ud800pdate", "half a character"),
    "byte-order-mark": (b'{"kind"', b'\xef\xbb\xbf{"kind"', "a mark that is no part of JSON, skipped"),
}

_BODIES: dict[str, tuple[bytes, str]] = {
    "a-list": (b"[" + _BODY + b"]", "a list of one read as the one"),
    "a-number": (b"12", "a value that is no object"),
    "null": (b"null", "a value that is no object"),
    "spaces-alone": (b"   ", "nothing at all, read as an empty message"),
    "status-unknown": (
        b'{"kind":"update-status","epoch":3,"seq":7,"status":"perhaps","amount":0}',
        "an unknown status, taken for a known one",
    ),
    "status-as-number": (
        b'{"kind":"update-status","epoch":3,"seq":7,"status":1,"amount":0}',
        "a status read as its number",
    ),
    "truth-as-number": (
        b'{"kind":"recorded","epoch":3,"version":7,"eligible":1}',
        "1 read as true",
    ),
    "truth-as-text": (
        b'{"kind":"recorded","epoch":3,"version":7,"eligible":"true"}',
        "a type that is guessed",
    ),
}

_FRAMES: dict[str, tuple[bytes, str]] = {
    "length-0": (b"\0\0\0\0", "an empty frame, read as an empty message"),
    "length-1": (b"\0\0\0\x01{", "a frame too short for an object"),
    "length-too-short": (len(_BODY[:-1]).to_bytes(4, "big") + _BODY, "a length that is not looked at"),
    "length-too-long": ((len(_BODY) + 1).to_bytes(4, "big") + _BODY, "a length that is not looked at"),
    "length-little-endian": (len(_BODY).to_bytes(4, "little") + _BODY, "a length read from its other end"),
    "length-beyond-the-greatest": (
        (4_194_305).to_bytes(4, "big") + _BODY,
        "memory for any length that is claimed",
    ),
    "length-alone": (len(_BODY).to_bytes(4, "big"), "a frame that has not arrived, read as an empty one"),
    "half-a-length": (b"\0\0", "less than a length"),
}


def _malformed() -> Iterator[Made]:
    for name, (old, new, why) in _SPOILT.items():
        place = (
            _BODY.rindex(old) if name in ("not-closed", "closed-twice", "two-objects") else _BODY.index(old)
        )
        yield _made(f"malformed-{name}", why, _framed(_BODY[:place] + new + _BODY[place + len(old) :]), None)
    for name, (body, why) in _BODIES.items():
        yield _made(f"malformed-{name}", why, _framed(body), None)
    for name, (frame, why) in _FRAMES.items():
        yield _made(f"malformed-{name}", why, frame, None)


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(wire.LENGTH_BYTES, "big") + body


def _made(name: str, why: str, frame: bytes, message: Made | None) -> Made:
    return {
        "name": name,
        "clauses": [SECTION],
        "why": why,
        "frame": base64.b64encode(frame).decode(),
        "message": message,
    }


def file_text(cases: Iterator[Made]) -> str:
    """A file of cases."""
    return "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in [{"cases": FORMAT}, *cases])


def compact_text(cases: Iterator[Made]) -> str:
    """A file of many cases."""
    lines = (json.dumps(line, separators=(",", ":")) for line in cases)
    return "".join(f"{line}\n" for line in [json.dumps({"cases": FORMAT}), *lines])
