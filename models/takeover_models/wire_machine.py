"""A Hypothesis machine: messages through a stream of frames, and frames that are none.

Whatever can be said arrives as it was said, frame after frame. And whatever is not a message, at whatever place it goes
wrong, is refused with `Malformed` and the place; it is never taken for something else, and nothing else is raised:
a peer that sends rubbish must not find an exception that nobody expects.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from takeover_spec.codec import GREATEST, Malformed
from takeover_spec.wire import (
    COPY_DIGEST_BYTES,
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    MESSAGES,
    CopyEntry,
    Message,
    decode,
    encode,
    frame_length,
)

Body = dict[str, Any]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(0, 5) | st.sampled_from((GREATEST - 1, GREATEST)) | st.integers(0, GREATEST)
ENTRIES = st.builds(
    CopyEntry, st.binary(min_size=1, max_size=40), st.just(True), st.just(0), st.just(0), st.just(b"")
) | st.builds(
    CopyEntry,
    st.binary(min_size=1, max_size=40),
    st.just(False),
    st.integers(GREATEST // 2, GREATEST),
    st.integers(0, 5),
    st.binary(min_size=COPY_DIGEST_BYTES, max_size=COPY_DIGEST_BYTES),
)


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if hint is bool:
        return st.booleans()
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return st.sampled_from(hint)
    if get_origin(hint) is tuple:
        return st.lists(_of(get_args(hint)[0]), max_size=3).map(tuple)
    return {int: NUMBERS, str: TEXTS, bytes: st.binary(max_size=40), CopyEntry: ENTRIES}[hint]


def messages_of(kind: type) -> st.SearchStrategy[Any]:
    """Messages of one kind."""
    return st.builds(kind, **{name: _of(hint) for name, hint in get_type_hints(kind).items()})


ANY_MESSAGE: st.SearchStrategy[Message] = st.one_of([messages_of(kind) for kind in MESSAGES])

WRONG_VALUES: dict[str, tuple[Any, ...]] = {
    "int": (-1, GREATEST + 1, 10**30, True, None, "1", [1], {}, 1.0, 0.5, 1e300),
    "bool": (0, 1, None, "true", []),
    "str": (0, True, None, ["a"], {}, "\ud800"),
    "bytes": (0, None, ["YQ=="], "YQ", "YR==", "Y Q==", "YQ==\n", "*", "é", {}),
    "tuple": (0, None, {}, "", [None], [[]], [-1], ["1"], [{"path": "YQ=="}]),
    "Status": ("NONE", "Done", "", 0, None, "none ", ["done"]),
}
"""What is no value of a field, by the field's type."""


def _wrong_value(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    names = sorted(hints)
    name = names[pick % len(names)]
    wrong = WRONG_VALUES[hints[name].__name__]
    return _dumped({**body, name: wrong[pick // len(names) % len(wrong)]})


def _missing(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    names = sorted(body)
    return _dumped({name: value for name, value in body.items() if name != names[pick % len(names)]})


def _unknown_field(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    return _dumped({**body, ("epoche", "", "kind ", "__class__")[pick % 4]: 1})


def _wrong_kind(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    return _dumped(
        {**body, "kind": ("", "Hello", "message", "enable", None, 1, ["hello"], {"a": 1})[pick % 8]}
    )


def _twice(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    name = sorted(body)[pick % len(body)]
    return _dumped(body)[:-1] + f",{json.dumps(name)}:{json.dumps(body[name])}}}".encode()


def _cut_off(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    whole = _dumped(body)
    return whole[: pick % len(whole)]


def _followed(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    return _dumped(body) + (b"x", b"{}", b",", b"\x00", b"\xff")[pick % 5]


def _other_encoding(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    return (
        _dumped(body).decode().encode(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig")[pick % 5])
    )


def _not_utf8(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    whole = _dumped(body)
    place = pick % (len(whole) + 1)
    return whole[:place] + (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80")[pick % 4] + whole[place:]


def _no_object(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    return (b"", b" ", b"null", b"[]", b"1", b'"hello"', b"[" * 5_000, b'{"a":' * 5_000, b"{")[pick % 9]


def _strange_number(body: Body, hints: dict[str, Any], pick: int) -> bytes:
    number = (b"NaN", b"Infinity", b"-Infinity", b"1e3", b"0.0", b"9" * 5_000, b"-" + b"9" * 5_000, b"01")[
        pick % 8
    ]
    return _dumped({**body, "kind": body["kind"]})[:-1] + b',"more":' + number + b"}"


def _dumped(body: Body) -> bytes:
    return json.dumps(body).encode()


SPOILT: dict[str, Callable[[Body, dict[str, Any], int], bytes]] = {
    "a wrong value": _wrong_value,
    "a field is missing": _missing,
    "a field is unknown": _unknown_field,
    "a wrong kind": _wrong_kind,
    "a field is there twice": _twice,
    "cut off": _cut_off,
    "followed by something": _followed,
    "in another encoding": _other_encoding,
    "not UTF-8": _not_utf8,
    "no object": _no_object,
    "a strange number": _strange_number,
}
"""What is done to a message so that it is none any more."""


class WireMachine(RuleBasedStateMachine):
    """See the module."""

    decode_function: ClassVar[Callable[[bytes], Message]] = staticmethod(decode)

    def __init__(self) -> None:
        super().__init__()
        self.stream = b""
        self.said: list[Message] = []

    @rule(message=ANY_MESSAGE)
    def say(self, message: Message) -> None:
        """Something is said."""
        self.stream += encode(message)
        self.said.append(message)
        event(f"said: {type(message).__name__}")

    @rule()
    def hear(self) -> None:
        """The next frame of the stream is what was said first and not heard yet."""
        if self.said:
            length = frame_length(self.stream[:LENGTH_BYTES])
            body = self.stream[LENGTH_BYTES : LENGTH_BYTES + length]
            self.stream = self.stream[LENGTH_BYTES + length :]
            assert self.said.pop(0) == type(self).decode_function(body)

    @rule(message=ANY_MESSAGE, spoil=st.sampled_from(sorted(SPOILT)), pick=st.integers(0, 10_000))
    def refuse(self, message: Message, spoil: str, pick: int) -> None:
        """A message that was spoilt is refused, with the place."""
        body = json.loads(encode(message)[LENGTH_BYTES:])
        hints = get_type_hints(type(message))
        self.refused(SPOILT[spoil](body, hints, pick))
        event(f"refused: {spoil}")

    @rule(rubbish=st.binary(max_size=60))
    def refuse_rubbish(self, rubbish: bytes) -> None:
        """Any bytes: no short string of them is a message by chance."""
        self.refused(rubbish)

    @rule(length=st.integers(0, 2**32 - 1))
    def lengths(self, length: int) -> None:
        """A frame's length is taken if a frame may be that long, and refused if not."""
        prefix = length.to_bytes(LENGTH_BYTES, "big")
        if 2 <= length <= FRAME_BYTES_MAX:
            assert length == frame_length(prefix)
        else:
            assert _refusal(lambda: frame_length(prefix)) is not None, f"a frame of {length} bytes is taken"

    def refused(self, body: bytes) -> None:
        """These bytes are no message."""
        error = _refusal(lambda: type(self).decode_function(body))
        assert error is not None, f"{body!r} is taken for a message"
        assert error.where, f"no place: {error}"
        assert error.problem


def _refusal(parse: Callable[[], object]) -> Malformed | None:
    """The refusal that parsing ends with; None if it does not."""
    try:
        parse()
    except Malformed as error:
        return error
    return None
