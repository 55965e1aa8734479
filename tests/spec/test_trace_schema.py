"""`trace.schema.json` says of a single line what the code says: the same actions, fields, types and ranges.

It is a copy, for people who read no Python, so everything in it is held against the code; and lines with one fault are
shown to both.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from takeover_spec import actions as act
from takeover_spec import trace
from takeover_spec.codec import GREATEST, Malformed, kind_of
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.logic import Sparse
from takeover_spec.trace import Header, action_line, header_line
from takeover_spec.words import PPM, Cause, Constants, Identity, Queue, Status

SCHEMA: dict[str, Any] = json.loads(
    Path(trace.__file__).with_name("trace.schema.json").read_text(encoding="utf-8")
)
DEFINED = SCHEMA["$defs"]
VALIDATOR = Draft202012Validator(SCHEMA)

TIMES = {"until", "wait_until", "sent"}
"""The numbers that are times."""

ACTIONS: tuple[type, ...] = get_args(act.Action)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _type(name: str, hint: Any) -> dict[str, Any]:
    """What the schema should say of a field."""
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return _ref(hint.__name__.lower())
    if hint in (bool, str):
        return {"type": "boolean" if hint is bool else "string"}
    return _ref("time" if name in TIMES else "number")


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _said(name: str) -> dict[str, Any]:
    """A definition without its description."""
    return {key: value for key, value in DEFINED[name].items() if key != "description"}


# --- the schema and the code ----------------------------------------------------------------------


def test_the_schema_is_a_schema() -> None:
    """Of the draft that it names; and every reference in it leads somewhere."""
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA)
    used = {name for name in DEFINED if f'"#/$defs/{name}"' in text}
    assert set(DEFINED) == used
    assert text.count('"$ref"') == sum(text.count(f'"#/$defs/{name}"') for name in DEFINED)
    assert SCHEMA["$id"].endswith(f":{trace.FORMAT}")


@pytest.mark.parametrize("cls", ACTIONS, ids=kind_of)
def test_every_action_is_defined_with_its_fields(cls: type) -> None:
    """Under the name that a line has in `do`; all fields are required, and no other is let in."""
    hints = get_type_hints(cls)
    properties = {"n": _ref("line-number"), "t": _ref("time"), "do": {"const": kind_of(cls)}}
    properties |= {field.name: _type(field.name, hints[field.name]) for field in fields(cls)}
    assert _object(properties, list(properties)) == _said(kind_of(cls))
    assert inspect.cleandoc(cls.__doc__ or "").replace("\n", " ") == DEFINED[kind_of(cls)]["description"]


def test_a_line_is_a_header_or_an_action() -> None:
    """Of a server or of the witness."""
    assert [_ref("header"), _ref("server-action"), _ref("witness-action")] == SCHEMA["oneOf"]
    for name, union in (("server-action", act.ServerAction), ("witness-action", act.WitnessAction)):
        assert {"oneOf": [_ref(kind_of(cls)) for cls in get_args(union)]} == _said(name)


@pytest.mark.parametrize("enum", [Identity, Status, Queue, Cause])
def test_every_enumeration_has_its_values(enum: type[IntEnum]) -> None:
    """By their names in lower case."""
    assert {"enum": [member.name.lower() for member in enum]} == _said(enum.__name__.lower())


def test_numbers_have_the_range_of_the_codec() -> None:
    """From 0, or from 1 for what counts from there, to the greatest."""
    assert {"type": "integer", "minimum": 0, "maximum": GREATEST} == _said("number") == _said("time")
    assert {"type": "integer", "minimum": 1, "maximum": GREATEST} == _said("line-number")


def test_the_headers_are_defined_with_what_is_found() -> None:
    """A server's and a witness's, with the pair's constants."""
    assert {"oneOf": [_ref("server-header"), _ref("witness-header")]} == _said("header")
    names = [field.name for field in fields(trace.HeaderLine)]
    parties = {"server": ["primary", "secondary"], "witness": ["witness"]}
    assert list(trace.PARTIES) == parties["server"] + parties["witness"]
    for whose, enum in parties.items():
        values = [
            {"const": trace.FORMAT},
            {"enum": enum},
            {"type": "string"},
            _ref("constants"),
            _ref(f"{whose}-found"),
        ]
        assert _object(dict(zip(names, values, strict=True)), names) == _said(f"{whose}-header")
    for whose, cls, found in (
        ("server", Knowledge, trace.FOUND),
        ("witness", WitnessKnowledge, trace.WITNESS_FOUND),
    ):
        hints = get_type_hints(cls)
        values_of = {name: _type(name, hints[name]) for name in found}
        if whose == "witness":
            values_of["holder"] = {"enum": [identity.value for identity in Identity]}
        else:
            values_of["carried"] = _ref("number")
            values_of["settled"] = DEFINED["server-found"]["properties"]["settled"]
        assert _object(values_of, []) == _said(f"{whose}-found")
    assert f"{trace.SETTLED_MAX:,}" in DEFINED["server-found"]["properties"]["settled"]["description"]


def test_the_constants_have_their_ranges() -> None:
    """Those that the class checks: the last values that are allowed, and the first that are not."""
    schema = Draft202012Validator({**SCHEMA, "oneOf": [_ref("constants")]})
    assert [field.name for field in fields(Constants)] == _said("constants")["required"]
    good = {"lease_ns": 1, "promise_ns": 1, "drift_ppm": PPM - 1, "expiry_slack_ns": 0, "synchronous": False}
    assert schema.is_valid(good)
    assert Constants(**cast(Any, good))
    for bad in ({"lease_ns": 0}, {"promise_ns": 0}, {"drift_ppm": PPM}, {"expiry_slack_ns": -1}):
        assert not schema.is_valid({**good, **bad})
        with pytest.raises(ValueError, match="is out of range"):
            Constants(**cast(Any, {**good, **bad}))


# --- lines ----------------------------------------------------------------------------------------


def _values(cls: type) -> st.SearchStrategy[Any]:
    """Any record of this class that may be written."""
    kinds = {bool: st.booleans(), str: st.text(max_size=20), int: st.integers(0, GREATEST)}
    hints = get_type_hints(cls)
    return st.builds(
        cls,
        **{
            field.name: kinds[hints[field.name]]
            if hints[field.name] in kinds
            else st.sampled_from(hints[field.name])
            for field in fields(cls)
        },
    )


@settings(max_examples=5, deadline=None)
@given(st.integers(1, GREATEST), st.integers(0, GREATEST), st.tuples(*map(_values, ACTIONS)))
def test_every_line_that_is_written_is_valid(n: int, t: int, actions: tuple[act.Action, ...]) -> None:
    """Actions of every class, with any values."""
    for action in actions:
        assert [] == list(VALIDATOR.iter_errors(json.loads(action_line(n, t, action))))


C = Constants(1100, 2200, 500, 10, True)
HEADERS = [
    Header("primary", "db", C, Knowledge()),
    Header(
        "secondary", "", C,
        Knowledge(
            active=True, epoch=3, seen=4, returned=True, drained=True, unsafe=True, released=2, applied=10, newest=13,
            stored=Sparse(False).put(11, True).put(13, True), status=Sparse[int](Status.NONE).put(11, Status.FAILED),
            reported=11, logged=10, peer_left=True,
        ),
    ),
    Header("witness", "db", C, WitnessKnowledge(3, Identity.SECONDARY, 4, True, True)),
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: str(header.party))
def test_every_header_that_is_written_is_valid(header: Header) -> None:
    """Of each party."""
    assert [] == list(VALIDATOR.iter_errors(json.loads(header_line(header))))


OTHERS: list[Any] = [-1, GREATEST + 1, True, None, "text", [], {}]


def _faults(values: Any) -> Iterator[Any]:
    """Copies of a JSON value with one fault: something left out, added or replaced, at any depth."""
    if isinstance(values, dict):
        yield {**values, "extra": 1}
        for name, value in values.items():
            yield {other: values[other] for other in values if other != name}
            for fault in [*OTHERS, *_faults(value)]:
                yield {**values, name: fault}
    if isinstance(values, list):
        yield [*values, 1]
        for index, value in enumerate(values):
            yield [*values[:index], *values[index + 1 :]]
            for fault in [*OTHERS, *_faults(value)]:
                yield [*values[:index], fault, *values[index + 1 :]]


BEYOND_A_SCHEMA = ("is not above", "and the highest update there is")
"""What the code refuses of numbers that do not go together."""


def _let_in(values: Any, *, header: bool) -> bool:
    """Whether the code reads this line, as far as a schema could say."""
    text = json.dumps(values)
    try:
        trace.parse_header(text) if header else trace.parse_line(text, "")
    except Malformed as error:
        return any(said in error.problem for said in BEYOND_A_SCHEMA)
    return True


def _first(cls: type) -> act.Action:
    """An action of this class with the first values there are."""
    hints = get_type_hints(cls)
    return cast(
        act.Action,
        cls(
            **{
                f.name: next(iter(h)) if (h := hints[f.name]) not in (int, bool, str) else h()
                for f in fields(cls)
            }
        ),
    )


@pytest.mark.parametrize("cls", ACTIONS, ids=kind_of)
def test_a_line_with_a_fault_is_let_in_by_both_or_by_neither(cls: type) -> None:
    """Not every fault is one (a text may be another): but the schema and the code say the same."""
    line = json.loads(action_line(1, 0, _first(cls)))
    schema = Draft202012Validator({**SCHEMA, "oneOf": [_ref(kind_of(cls))]})
    faults = list(_faults(line))
    expected = [_let_in(fault, header=False) for fault in faults]
    assert expected == [schema.is_valid(fault) for fault in faults]
    assert expected.count(False) > len(faults) / 2


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: str(header.party))
def test_a_header_with_a_fault_is_let_in_by_both_or_by_neither(header: Header) -> None:
    """The same of headers, down to the runs of the safe queue."""
    line = json.loads(header_line(header))
    schema = Draft202012Validator({**SCHEMA, "oneOf": [_ref("header")]})
    faults = list(_faults(line))
    expected = [_let_in(fault, header=True) for fault in faults]
    assert expected == [schema.is_valid(fault) for fault in faults]
    assert expected.count(False) > len(faults) / 2
