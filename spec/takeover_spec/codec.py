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
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache, partial
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
    return _kind(cls)


@cache
def _kind(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


@cache
def _kinds(union: UnionType) -> dict[str, type]:
    return {kind_of(cls): cls for cls in get_args(union)}


SHOWN_MAX = 80
"""How many characters of a value from outside a message shows."""

_REPR = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = SHOWN_MAX


def shown(value: object) -> str:
    """A value from outside as a message may show it: on one line, and not all of it if it is long."""
    return _REPR.repr(value)[:SHOWN_MAX]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise Malformed("", f"{shown(twice)} appears twice")
    return found


def _no_fraction(number: str) -> Any:
    raise Malformed("", f"{number[:SHOWN_MAX]} is not a whole number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_no_fraction, parse_constant=_no_fraction)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def json_text(values: dict[str, Any]) -> str:
    """These plain values as JSON, on one line and without spaces."""
    return _ENCODER.encode(values)


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object in `text`, which is UTF-8 without a byte order mark; no key may appear twice in an object."""

    try:
        decoded = text if isinstance(text, str) else text.decode()
        if decoded.startswith("\ufeff"):
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", decoded, 0)
        value = _DECODER.decode(decoded)
    except Malformed as refused:
        raise Malformed(where, refused.problem) from None
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
    return {name: plain_value(getattr(record, name)) for name in _names(record.__class__)}


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


def plain_value(value: Any) -> Any:
    """A value of a record as a plain JSON value."""
    if type(value) in (int, bool, str):
        return value
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [plain_value(item) for item in value]
    if is_dataclass(value):
        return plain(value)
    return value


def spelt(value: object) -> str:
    """A plain value as a person reads it: true and false as JSON spells them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def record(cls: type[T], values: Any, where: str) -> T:
    """The record of class `cls` with these plain values; raises `Malformed`."""
    if not isinstance(values, dict):
        raise Malformed(where, f"{shown(values)} is not an object")
    readers = _readers(cast(Any, cls))
    if values.keys() != readers.keys():
        raise _other_names(cls, values, tuple(readers), where)
    parsed = {name: read(values[name], f"{where}.{name}") for name, read in readers.items()}
    try:
        return cls(**parsed)
    except ValueError as error:  # the class has something to say of its values
        raise Malformed(where, str(error)) from None


def _other_names(cls: type, values: dict[str, Any], names: tuple[str, ...], where: str) -> Malformed:
    for name in values:
        if name not in names:
            return Malformed(where, f"{shown(name)} is not a field of {kind_of(cls)}")
    missing = next(name for name in names if name not in values)
    return Malformed(f"{where}.{missing}", "is missing")


def of_kind(union: Any, kind: Any, values: dict[str, Any], where: str) -> Any:
    """The record of the class in `union` that `kind` names; raises `Malformed`."""
    cls = _kinds(union).get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise Malformed(where, f"{shown(kind)} is no kind of record here")
    return record(cls, values, where)


def parse_value(hint: Any, value: Any, where: str) -> Any:
    """The value of type `hint` that this plain one is; raises `Malformed`."""
    return _reader(hint)(value, where)


Reader = Callable[[Any, str], Any]
"""Makes a value of a plain one, which is at this place; raises `Malformed`."""


@cache
def _readers(cls: type) -> dict[str, Reader]:
    """For each field of a record, how it is read."""
    return {name: _reader(hint) for name, hint in get_type_hints(cls).items()}


@cache
def _reader(hint: Any) -> Reader:
    """How values of this type are read."""
    if get_origin(hint) is tuple:
        return partial(_items, _reader(get_args(hint)[0]))
    if hint is bytes:
        return _bytes
    if hint is int:
        return _whole_number
    if hint is str:
        return _text
    if issubclass(hint, IntEnum):
        return partial(_member, {member.name.lower(): member for member in hint})
    if is_dataclass(hint):
        return partial(record, cast(Any, hint))
    return partial(_instance, hint)


def _items(read: Reader, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Malformed(where, f"{shown(value)} is not a list")
    return tuple(read(item, f"{where}[{i}]") for i, item in enumerate(value))


def _whole_number(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= GREATEST:
        raise Malformed(where, f"{shown(value)} is not a whole number from 0 to {GREATEST}")
    return value


def _member(members: dict[str, IntEnum], value: Any, where: str) -> IntEnum:
    if not isinstance(value, str) or value not in members:
        raise Malformed(where, f"{shown(value)} is not one of {', '.join(members)}")
    return members[value]


def _instance(hint: type[T], value: Any, where: str) -> T:
    if not isinstance(value, hint):
        raise Malformed(where, f"{shown(value)} is not a {hint.__name__}")
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


def _text(value: Any, where: str) -> str:
    text = _instance(str, value, where)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a pair of \u escapes: nothing could print it
            raise Malformed(where, f"{shown(value)} is not text that UTF-8 can hold") from None
    return text
