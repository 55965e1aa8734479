"""Between records and plain JSON values: everything that may be said comes back as it was, and nothing else gets in.

The codec is tried on a record of its own with a field of every type; the messages of `wire.py` and the actions are held
to what is written of any record.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from takeover_spec import actions as act
from takeover_spec import codec, wire
from takeover_spec.codec import GREATEST, Malformed, kind_of, of_kind, parse_json, plain, record, shown
from takeover_spec.words import Constants, Status


@dataclass(frozen=True, slots=True)
class Inner:
    """A record inside another."""

    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise ValueError("number = 13 brings bad luck")


@dataclass(frozen=True, slots=True)
class EveryType:
    """A record with a field of every type that there is."""

    number: int
    flag: bool
    text: str
    data: bytes
    status: Status
    inner: Inner
    list: tuple[Status, ...]


SAMPLE = EveryType(7, True, "seven", b"\x07", Status.DONE, Inner(7), (Status.NONE, Status.FAILED))
PLAIN = {
    "number": 7, "flag": True, "text": "seven", "data": "Bw==", "status": "done", "inner": {"number": 7},
    "list": ["none", "failed"],
}  # fmt: skip


def _problem(work: Callable[[], object]) -> tuple[str, str]:
    """Where and why something is refused."""
    with pytest.raises(Malformed) as refusal:
        work()
    assert f"{refusal.value.where}: {refusal.value.problem}" == str(refusal.value)
    return refusal.value.where, refusal.value.problem


def _value_or_refusal(work: Callable[[], Any]) -> Any:
    """What comes of it, or the `Malformed` that it raises."""
    try:
        return work()
    except Malformed as refusal:
        return refusal


# --- records --------------------------------------------------------------------------------------


def test_a_record_is_an_object_of_plain_values() -> None:
    """Enumerations by name, bytes in base64, a tuple as a list, a record in a record as an object; and back."""
    assert PLAIN == plain(SAMPLE)
    assert SAMPLE == record(EveryType, PLAIN, "here")


NOT_A_NUMBER = f"is not a whole number from 0 to {GREATEST}"
NOT_A_STATUS = "is not one of none, done, failed"

BAD_VALUES = [
    ("number", True, f"True {NOT_A_NUMBER}"),
    ("number", -1, f"-1 {NOT_A_NUMBER}"),
    ("number", GREATEST + 1, f"{GREATEST + 1} {NOT_A_NUMBER}"),
    ("number", 7.0, f"7.0 {NOT_A_NUMBER}"),
    ("number", "7", f"'7' {NOT_A_NUMBER}"),
    ("number", None, f"None {NOT_A_NUMBER}"),
    ("number", [], f"[] {NOT_A_NUMBER}"),
    ("flag", 1, "1 is not a bool"),
    ("flag", "true", "'true' is not a bool"),
    ("flag", None, "None is not a bool"),
    ("text", 7, "7 is not a str"),
    ("text", None, "None is not a str"),
    ("text", ["seven"], "['seven'] is not a str"),
    ("text", "\ud800", "'\\ud800' is not text that UTF-8 can hold"),
    ("data", "Bw", "'Bw' is not base64"),
    ("data", "Bw=", "'Bw=' is not base64"),
    ("data", "B w==", "'B w==' is not base64"),
    ("data", "Bw==\n", "'Bw==\\n' is not base64"),
    ("data", "Bw==Bw==", "'Bw==Bw==' is not base64"),
    ("data", "Bw-_", "'Bw-_' is not base64"),
    ("data", "Bx==", "'Bx==' is not base64"),
    ("data", "BwcHBwd=", "'BwcHBwd=' is not base64"),
    ("data", "é", "'é' is not base64"),
    ("data", 7, "7 is not base64"),
    ("data", None, "None is not base64"),
    ("data", ["Bw=="], "['Bw=='] is not base64"),
    ("status", "DONE", f"'DONE' {NOT_A_STATUS}"),
    ("status", "", f"'' {NOT_A_STATUS}"),
    ("status", 1, f"1 {NOT_A_STATUS}"),
    ("status", [], f"[] {NOT_A_STATUS}"),
    ("inner", 7, "7 is not an object"),
    ("inner", [["number", 7]], "[['number', 7]] is not an object"),
    ("inner", {"number": 13}, "number = 13 brings bad luck"),
    ("inner", {"number": 7, "more": 7}, "'more' is not a field of inner"),
    ("list", "none", "'none' is not a list"),
    ("list", {"0": "none"}, "{'0': 'none'} is not a list"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "problem"), BAD_VALUES, ids=[f"{c[0]}: {c[1]!r}" for c in BAD_VALUES]
)
def test_a_bad_value_is_refused_with_its_place(name: str, value: Any, problem: str) -> None:
    """Nothing is converted: a value is of its type and in its range, or the record is not made."""
    assert (f"here.{name}", problem) == _problem(lambda: record(EveryType, {**PLAIN, name: value}, "here"))


def test_a_bad_value_inside_is_refused_with_its_place() -> None:
    """The place goes down to the value."""
    deep = {**PLAIN, "inner": {"number": True}}
    assert ("here.inner.number", f"True {NOT_A_NUMBER}") == _problem(lambda: record(EveryType, deep, "here"))
    second = {**PLAIN, "list": ["none", "gone"]}
    assert ("here.list[1]", f"'gone' {NOT_A_STATUS}") == _problem(lambda: record(EveryType, second, "here"))


@pytest.mark.parametrize("name", PLAIN)
def test_a_field_that_is_missing_is_refused(name: str) -> None:
    """Every field is there; none has a default."""
    rest = {other: value for other, value in PLAIN.items() if other != name}
    assert (f"here.{name}", "is missing") == _problem(lambda: record(EveryType, rest, "here"))


def test_a_field_that_is_unknown_is_refused() -> None:
    """The first of them is named, in quotes: a name from outside is not trusted to be printable."""
    more = {**PLAIN, "wrong\n": 1, "more": 2}
    assert ("here", "'wrong\\n' is not a field of every-type") == _problem(
        lambda: record(EveryType, more, "here")
    )


def test_the_ends_of_a_range_are_in_it() -> None:
    """0 and 2**63 - 1 are numbers; the empty text and no bytes are values."""
    ends = replace(SAMPLE, number=0, inner=Inner(GREATEST), text="", data=b"", list=())
    assert ends == record(EveryType, plain(ends), "here")


def test_a_range_that_a_class_states_is_refused_with_its_place() -> None:
    """The pair's constants have ranges of their own."""
    values = plain(Constants(1, 1, 0, 0, True))
    problem = _problem(lambda: record(Constants, {**values, "lease_ns": 0}, "here"))
    assert ("here", "lease_ns = 0 is out of range") == problem


@pytest.mark.parametrize("kind", ["Update", "up-date", "", None, 7, True, [], {}, "every-type", "grant"])
def test_a_kind_that_is_not_of_the_union_is_refused(kind: Any) -> None:
    """By its exact name, and of this union only: an action is no message."""
    assert ("here", f"{kind!r} is no kind of record here") == _problem(
        lambda: of_kind(wire.Message, kind, {}, "here")
    )


def test_a_kind_is_the_class_name_in_kebab_case() -> None:
    """And no two classes have the same."""
    assert ["take-role", "hello", "ask-lease"] == [
        kind_of(c) for c in (act.TakeRole, wire.Hello, wire.AskLease)
    ]
    for union in (wire.Message, act.Action):
        classes = get_args(union)
        assert len(classes) == len({kind_of(cls) for cls in classes})


def test_what_is_shown_of_a_value_is_never_long_and_on_one_line() -> None:
    """Whatever comes from outside, a message about it can be printed."""
    deep: Any = []
    for _ in range(900):
        deep = [deep] * 5
    for value in [
        "x" * 10**6,
        "\n" * 10**6,
        [["y" * 1000] * 1000] * 1000,
        10**4000,
        deep,
        {"\ud800": "\x00"},
    ]:
        text = shown(value)
        assert len(text) <= codec.SHOWN_MAX
        assert [text] == text.splitlines()
        assert text.encode().decode() == text


# --- JSON -----------------------------------------------------------------------------------------

NO_JSON = [
    ("", "is not JSON: Expecting value at character 0"),
    ("{", "is not JSON: Expecting property name"),
    ("{'a':1}", "is not JSON: Expecting property name"),
    ('{"a":1,}', "is not JSON: "),
    ('{"a":01}', "is not JSON: "),
    ('{"a":+1}', "is not JSON: "),
    ('{"a":"\n"}', "is not JSON: Invalid control character"),
    ('{"a":1} {"a":1}', "is not JSON: Extra data at character 8"),
    ('{"a":1}/* b */', "is not JSON: Extra data"),
    ("\ufeff{}", "is not JSON: Unexpected UTF-8 BOM"),
    ("[]", "is not a JSON object"),
    ('"a"', "is not a JSON object"),
    ("7", "is not a JSON object"),
    ("null", "is not a JSON object"),
    ('{"a":1.5}', "1.5 is not a whole number"),
    ('{"a":1.0}', "1.0 is not a whole number"),
    ('{"a":1e3}', "1e3 is not a whole number"),
    ('{"a":NaN}', "NaN is not a whole number"),
    ('{"a":[Infinity]}', "Infinity is not a whole number"),
    ('{"a":{"b":-Infinity}}', "-Infinity is not a whole number"),
    ('{"a":' + "9" * 5000 + "}", "has a number of too many digits"),
    ('{"a":-' + "9" * 5000 + "}", "has a number of too many digits"),
    ('{"a":0.' + "9" * 5000 + "}", "0." + "9" * (codec.SHOWN_MAX - 2) + " is not a whole number"),
    ('{"a":1,"a":1}', "'a' appears twice"),
    ('{"a":1,"\\u0061":2}', "'a' appears twice"),
    ('{"a":{"b":1,"c":2,"b":3}}', "'b' appears twice"),
    ('{"a":[{"\\n":1,"\\n":1}]}', "'\\n' appears twice"),
    ('{"a":' + "[" * 10**5 + "]" * 10**5 + "}", "nests too deep"),
    ('{"a":' * 10**5 + "1" + "}" * 10**5, "nests too deep"),
]


@pytest.mark.parametrize(("text", "problem"), NO_JSON, ids=[f"{c[0][:20]!r}: {c[1][:20]}" for c in NO_JSON])
def test_what_is_not_strictly_json_is_refused(text: str, problem: str) -> None:
    """As text and as bytes; nothing but `Malformed` is raised, and it says where."""
    for given_as in (text, text.encode()):
        where, found = _problem(lambda given_as=given_as: parse_json(given_as, "here"))  # type: ignore[misc]  # bound at once
        assert ("here", problem) == (where, found[: len(problem)])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_json_in_another_encoding_is_refused(encoding: str) -> None:
    """UTF-8 without a mark is the only one, whatever Python could guess."""
    text = '{"a":"é"}'.encode(encoding)
    assert "here" == _problem(lambda: parse_json(text, "here"))[0]
    assert {"a": "é"} == parse_json('{"a":"é"}'.encode(), "here")


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_whatever_comes_is_an_object_or_malformed(text: str | bytes) -> None:
    """No other error escapes."""
    value = _value_or_refusal(lambda: parse_json(text, "here"))
    assert isinstance(value, dict) or "here" == value.where


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(PLAIN)), JSON)
def test_whatever_value_a_field_has_is_kept_or_malformed(name: str, value: Any) -> None:
    """What is let in is written again as it came."""
    values = {**PLAIN, name: value}
    made = _value_or_refusal(lambda: record(EveryType, values, "here"))
    if isinstance(made, Malformed):
        assert made.where.startswith(f"here.{name}")
    else:
        assert values == plain(made)


# --- messages and actions -------------------------------------------------------------------------


def _values(cls: type) -> st.SearchStrategy[Any]:
    """Any record of this class that may be written."""

    def of(hint: Any) -> st.SearchStrategy[Any]:
        if hint is bool:
            return st.booleans()
        if hint is str:
            return st.text(max_size=20)
        if hint is bytes:
            return st.binary(max_size=20)
        if isinstance(hint, type) and issubclass(hint, IntEnum):
            return st.sampled_from(hint)
        if get_origin(hint) is tuple:
            return st.lists(of(get_args(hint)[0]), max_size=3).map(tuple)
        if hint is wire.CopyEntry:  # not every combination is one
            return st.builds(lambda path: wire.CopyEntry(path, True, 0, 0, b""), st.binary(min_size=1))
        return st.integers(0, GREATEST)

    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: of(hints[field.name]) for field in fields(cls)})


@settings(max_examples=25, deadline=None)
@given(st.tuples(*map(_values, wire.MESSAGES)))
def test_a_message_of_any_class_comes_back_from_its_frame(messages: tuple[wire.Message, ...]) -> None:
    """The frame is the length of what follows, and that."""
    for message in messages:
        frame = wire.encode(message)
        prefix, body = frame[: wire.LENGTH_BYTES], frame[wire.LENGTH_BYTES :]
        assert len(body) == wire.frame_length(prefix)
        assert message == wire.decode(body)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*map(_values, get_args(act.Action))))
def test_an_action_of_any_class_comes_back(actions: tuple[act.Action, ...]) -> None:
    """Through JSON text, by its kind."""
    for action in actions:
        values = parse_json(json.dumps(plain(action)), "here")
        assert action == of_kind(act.Action, kind_of(type(action)), values, "here")


BODY = {"kind": "update-status", "epoch": 3, "seq": 7, "status": "done", "amount": 4096}


@pytest.mark.parametrize(
    ("changes", "where", "problem"),
    [
        ({"kind": None}, "frame", "None is no kind of record here"),
        ({"kind": "take-role"}, "frame", "'take-role' is no kind of record here"),
        ({"kind": "update"}, "frame", "'status' is not a field of update"),
        ({"more": 1}, "frame", "'more' is not a field of update-status"),
        ({"seq": True}, "frame.seq", f"True {NOT_A_NUMBER}"),
        ({"status": 1}, "frame.status", f"1 {NOT_A_STATUS}"),
    ],
)
def test_a_frame_that_is_no_message_is_refused(changes: dict[str, Any], where: str, problem: str) -> None:
    """No part of it is acted on."""
    assert wire.UpdateStatus(3, 7, Status.DONE, 4096) == wire.decode(json.dumps(BODY).encode())
    assert (where, problem) == _problem(lambda: wire.decode(json.dumps({**BODY, **changes}).encode()))


def test_a_frame_has_a_kind() -> None:
    """A message without one is none, whatever its fields are."""
    body = json.dumps({"epoch": 3}).encode()
    assert ("frame", "None is no kind of record here") == _problem(lambda: wire.decode(body))


@pytest.mark.parametrize("length", [0, 1, wire.FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_frame_is_never_empty_nor_too_long(length: int) -> None:
    """So nobody can be made to wait for, or to hold, four gigabytes."""
    problem = f"a length of {length} bytes is not from 2 to {wire.FRAME_BYTES_MAX}"
    assert ("frame", problem) == _problem(lambda: wire.frame_length(length.to_bytes(4, "big")))
    assert [2, wire.FRAME_BYTES_MAX] == [
        wire.frame_length(n.to_bytes(4, "big")) for n in (2, wire.FRAME_BYTES_MAX)
    ]


def test_a_message_that_fits_no_frame_is_not_sent() -> None:
    """The greatest update that fits is sent; with one byte more (three of them make four of base64) it is not."""
    frame_of = len(wire.encode(wire.Update(1, 1, b""))) - wire.LENGTH_BYTES
    room = (wire.FRAME_BYTES_MAX - frame_of) // 4 * 3
    fits = wire.Update(1, 1, bytes(room))
    assert fits == wire.decode(wire.encode(fits)[wire.LENGTH_BYTES :])
    where, problem = _problem(lambda: wire.encode(wire.Update(1, 1, bytes(room + 1))))
    assert ("update", "bytes are more than a frame may have") == (where, problem.split(" ", 1)[1])


MINE = wire.hello("db", "primary", 7, Constants(1100, 2200, 500, 10, True))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"party": "secondary", "run": 9}, ""),
        ({"party": "witness"}, ""),
        ({"party": "primary"}, "a primary is there, and not a secondary or witness"),
        ({"protocol": 2}, "protocol is 1 here and 2 there"),
        ({"pair": "web"}, "pair is 'db' here and 'web' there"),
        ({"lease_ns": 1101}, "lease_ns is 1100 here and 1101 there"),
        ({"promise_ns": 1}, "promise_ns is 2200 here and 1 there"),
        ({"drift_ppm": 0}, "drift_ppm is 500 here and 0 there"),
        ({"expiry_slack_ns": 0}, "expiry_slack_ns is 10 here and 0 there"),
        ({"synchronous": False}, "synchronous is True here and False there"),
    ],
)
def test_two_parties_agree_or_the_difference_is_named(changes: dict[str, Any], reason: str) -> None:
    """They were told all constants alike, and each is one that the other expects."""
    theirs = replace(MINE, **{"party": "secondary", **changes})
    assert reason == wire.agree(MINE, theirs, ("secondary", "witness"))
