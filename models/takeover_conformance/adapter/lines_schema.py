"""The JSON Schema of the adapter protocol's lines, from their types.

`lines.schema.json`, beside this file, is published; it is made with `takeover_conformance.making`, and a test holds our
own traffic against it.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from takeover_conformance.adapter.lines import PROTOCOL, Decoded, Encode, Request, Word
from takeover_spec import wire
from takeover_spec.actions import ServerAction
from takeover_spec.codec import GREATEST, kind_of

_NOT_FLAT = (wire.CopyListing, wire.CopyLacking)


def schema() -> dict[str, Any]:
    """The schema: a line is one of the requests, or one of the lines of an answer."""
    requests = [line for cls in get_args(Request) for line in _lines("op", cls)]
    answers = [line for cls in get_args(Word) for line in _lines("is", cls)]
    answers += [line for cls in get_args(ServerAction) for line in _lines("do", cls)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of the adapter protocol, version {PROTOCOL}",
        "oneOf": [{"$ref": "#/$defs/request"}, {"$ref": "#/$defs/answer"}],
        "$defs": {"request": {"oneOf": requests}, "answer": {"oneOf": answers}},
    }


def _lines(key: str, cls: type) -> list[dict[str, Any]]:
    if cls not in (Encode, Decoded):
        return [_line({key: kind_of(cls)}, cls)]
    said = [message for message in wire.MESSAGES if message not in _NOT_FLAT]
    return [_line({key: kind_of(cls), "kind": kind_of(message)}, message) for message in said]


def _line(constants: dict[str, str], cls: type) -> dict[str, Any]:
    properties: dict[str, Any] = {"id": {"type": "integer"}}
    properties |= {name: {"const": value} for name, value in constants.items()}
    properties |= {name: _value(hint) for name, hint in get_type_hints(cls, include_extras=True).items()}
    return {
        "title": (cls.__doc__ or "").split("\n")[0],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _value(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Annotated:
        return {"enum": list(hint.__metadata__[0])}
    if hint is bool:
        return {"type": "boolean"}
    if hint is int:
        return {"type": "integer", "minimum": 0, "maximum": GREATEST}
    if hint is str:
        return {"type": "string"}
    if hint is bytes:
        return {"type": "string", "contentEncoding": "base64"}
    assert issubclass(hint, IntEnum)
    return {"enum": [member.name.lower() for member in hint]}


def schema_text() -> str:
    """The file: a line for each type of line."""
    whole = schema()
    types = {name: definition["oneOf"] for name, definition in whole["$defs"].items()}
    whole["$defs"] = {name: {"oneOf": []} for name in types}
    text = json.dumps(whole, indent=1)
    for lines in types.values():
        text = text.replace('"oneOf": []', '"oneOf": [\n' + ",\n".join(map(json.dumps, lines)) + "\n]", 1)
    return text + "\n"
