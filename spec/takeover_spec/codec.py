"""Between the protocol's dataclasses and plain JSON values, strictly.

What comes from outside is parsed once, here, and then trusted: every field present, none unknown, each of its type
and in its range. Whole numbers are 0 to 2**63 - 1; an enumeration is its name in lower case; bytes are base64. A
record of a union is told by its kind, the class's name in kebab case.

Refused: a general serialisation library. This module is all the parsing that the rules' side needs, and it may import
nothing but the standard library.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import fields
from enum import IntEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

GREATEST = 2**63 - 1
"""The greatest whole number that may be written."""


class Malformed(ValueError):
    """Something from outside is not what it should be; says where and why."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.where = where
        self.problem = problem


def kind_of(cls: type) -> str:
    """The name under which a class is written: `TakeRole` is `take-role`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


@cache
def _kinds(union: UnionType) -> dict[str, type]:
    return {kind_of(cls): cls for cls in get_args(union)}


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object in `text`; no key may appear twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise Malformed(where, "a key appears twice")
        return found

    try:
        value = json.loads(
            text, object_pairs_hook=once, parse_float=_no_fraction, parse_constant=_no_fraction
        )
    except (UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            where, "is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else "nests too deep"
        ) from None
    except json.JSONDecodeError as error:
        raise Malformed(where, f"is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:  # a number of thousands of digits
        raise error if isinstance(error, Malformed) else Malformed(where, str(error)) from None
    if not isinstance(value, dict):
        raise Malformed(where, "is not a JSON object")
    return value


def _no_fraction(text: str) -> Any:
    raise Malformed("", f"{text} is not a whole number")


def plain(record: Any) -> dict[str, Any]:
    """A record as plain JSON values."""
    return {f.name: _plain_value(getattr(record, f.name)) for f in fields(record)}


def _plain_value(value: Any) -> Any:
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value


def record(cls: type[T], values: dict[str, Any], where: str) -> T:
    """The record of class `cls` with these plain values; raises `Malformed`."""
    hints = _hints(cast(Any, cls))
    for name in values.keys() - hints.keys():
        raise Malformed(f"{where}.{name}", f"is not a field of {kind_of(cls)}")
    for name in hints.keys() - values.keys():
        raise Malformed(f"{where}.{name}", "is missing")
    return cls(**{name: _value(hint, values[name], f"{where}.{name}") for name, hint in hints.items()})


def of_kind(union: Any, kind: Any, values: dict[str, Any], where: str) -> Any:
    """The record of the class in `union` that `kind` names; raises `Malformed`."""
    cls = _kinds(union).get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise Malformed(where, f"{kind!r} is no kind of record here")
    return record(cls, values, where)


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise Malformed(where, f"{value!r} is not a list")
        item = get_args(hint)[0]
        return tuple(_value(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if hint is bytes:
        return _bytes(value, where)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        names = {member.name.lower(): member for member in hint}
        if not isinstance(value, str) or value not in names:
            raise Malformed(where, f"{value!r} is not one of {', '.join(names)}")
        return names[value]
    if hint is int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= GREATEST:
            raise Malformed(where, f"{value!r} is not a whole number from 0 to {GREATEST}")
        return value
    if not isinstance(value, hint):
        raise Malformed(where, f"{value!r} is not a {hint.__name__}")
    return value


def _bytes(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Malformed(where, "is not base64") from None
