"""Between the protocol's dataclasses and plain JSON values, strictly.

What comes from outside is parsed once, here, and then trusted: every field present, none unknown, each of its type
and in its range. Whole numbers are 0 to 2**63 - 1; an enumeration is its name in lower case; bytes are base64; a
record is an object, and one of a union is told by its kind, the class's name in kebab case. What is refused says where
(`line 7.until`) and why, in a line that is never long.

Refused: a general serialisation library. This module is all the parsing that the rules' side needs, and it may import
nothing but the standard library.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from reprlib import Repr
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


SHOWN_MAX = 80
"""How many characters of a value from outside a message shows."""

_REPR = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = SHOWN_MAX


def shown(value: object) -> str:
    """A value from outside as a message may show it: on one line, and not all of it if it is long."""
    return _REPR.repr(value)[:SHOWN_MAX]


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object in `text`, which is UTF-8 without a byte order mark; no key may appear twice in an object."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise Malformed(where, f"{shown(name)} appears twice")
            found[name] = value
        return found

    def no_fraction(number: str) -> Any:
        raise Malformed(where, f"{number[:SHOWN_MAX]} is not a whole number")

    try:
        decoded = text if isinstance(text, str) else text.decode()
        value = json.loads(
            decoded, object_pairs_hook=once, parse_float=no_fraction, parse_constant=no_fraction
        )
    except Malformed:
        raise
    except UnicodeDecodeError:
        raise Malformed(where, "is not text in UTF-8") from None
    except RecursionError:
        raise Malformed(where, "nests too deep") from None
    except json.JSONDecodeError as error:
        raise Malformed(where, f"is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:  # Python reads no number of thousands of digits
        raise Malformed(where, "has a number of too many digits") from None
    if not isinstance(value, dict):
        raise Malformed(where, "is not a JSON object")
    return value


def plain(record: Any) -> dict[str, Any]:
    """A record as plain JSON values."""
    return {f.name: plain_value(getattr(record, f.name)) for f in fields(record)}


def plain_value(value: Any) -> Any:
    """A value of a record as a plain JSON value."""
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [plain_value(item) for item in value]
    if is_dataclass(value):
        return plain(value)
    return value


def record(cls: type[T], values: Any, where: str) -> T:
    """The record of class `cls` with these plain values; raises `Malformed`."""
    if not isinstance(values, dict):
        raise Malformed(where, f"{shown(values)} is not an object")
    hints = _hints(cast(Any, cls))
    for name in values:
        if name not in hints:
            raise Malformed(where, f"{shown(name)} is not a field of {kind_of(cls)}")
    for name in hints:
        if name not in values:
            raise Malformed(f"{where}.{name}", "is missing")
    parsed = {name: parse_value(hint, values[name], f"{where}.{name}") for name, hint in hints.items()}
    try:
        return cls(**parsed)
    except ValueError as error:  # the class has something to say of its values
        raise Malformed(where, str(error)) from None


def of_kind(union: Any, kind: Any, values: dict[str, Any], where: str) -> Any:
    """The record of the class in `union` that `kind` names; raises `Malformed`."""
    cls = _kinds(union).get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise Malformed(where, f"{shown(kind)} is no kind of record here")
    return record(cls, values, where)


def parse_value(hint: Any, value: Any, where: str) -> Any:
    """The value of type `hint` that this plain one is; raises `Malformed`."""
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise Malformed(where, f"{shown(value)} is not a list")
        item = get_args(hint)[0]
        return tuple(parse_value(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if hint is bytes:
        return _bytes(value, where)
    if hint is int:
        if type(value) is not int or not 0 <= value <= GREATEST:
            raise Malformed(where, f"{shown(value)} is not a whole number from 0 to {GREATEST}")
        return value
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        names = {member.name.lower(): member for member in hint}
        if not isinstance(value, str) or value not in names:
            raise Malformed(where, f"{shown(value)} is not one of {', '.join(names)}")
        return names[value]
    if is_dataclass(hint):
        return record(cast(Any, hint), value, where)
    if not isinstance(value, hint):
        raise Malformed(where, f"{shown(value)} is not a {hint.__name__}")
    if hint is str and not value.isascii():
        _whole_characters(value, where)
    return value


def _bytes(value: Any, where: str) -> bytes:
    try:
        decoded = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (ValueError, binascii.Error):
        decoded = None
    if decoded is None or not value.endswith(
        base64.b64encode(decoded[(len(decoded) - 1) // 3 * 3 :]).decode()
    ):
        raise Malformed(where, f"{shown(value)} is not base64")  # nor if bits are set that mean nothing
    return decoded


def _whole_characters(value: str, where: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair of \u escapes: nothing could print it
        raise Malformed(where, f"{shown(value)} is not text that UTF-8 can hold") from None
