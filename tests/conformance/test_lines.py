"""The lines of the adapter protocol are flat, and read as they were written."""

import json
import re
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines_schema import schema, schema_text
from takeover_conformance.cases import FrameCase, shipped
from takeover_conformance.making.taken import NOT_TAKEN
from takeover_conformance.playing.bench import Bench, play, play_seed
from takeover_conformance.servers.inprocess import InProcess
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.codec import Malformed, kind_of
from takeover_spec.words import Queue, Status

DOCUMENT = (Path(__file__).parents[2] / "models" / "ADAPTER.md").read_text()

REQUESTS: list[lines.Request] = [
    lines.Hello(1),
    lines.Encode(wire.Safe(3, 7, 9)),
    lines.Decode(b"\0\1"),
    lines.Queued(Queue.SAFE, 4, Status.FAILED, b"abc"),
    lines.Idle(5, True),
    lines.Order(5, "switchover", 1, 2),
]
REPLIES: list[lines.Reply] = [
    lines.Metadata(1, "a", "b", "c"),
    lines.Decoded(wire.Released(4)),
    lines.Refused(),
    lines.Say("peer", b"\xff"),
    lines.End(),
    act.Apply(1, 2, True, Queue.SAFE),
    act.Disable(),
]


def test_requests_are_read_as_written() -> None:
    """Each with its number."""
    for number, request in enumerate(REQUESTS):
        line = lines.request_line(number, request)
        assert (number, request) == lines.parse_request(line)


def test_replies_are_read_as_written() -> None:
    """Words and actions."""
    for number, reply in enumerate(REPLIES):
        line = lines.reply_line(number, reply)
        assert (number, reply) == lines.parse_reply(line)


def test_lines_are_flat() -> None:
    """Nothing nests, so that nobody needs a library."""
    written = [lines.request_line(1, request) for request in REQUESTS]
    written += [lines.reply_line(1, reply) for reply in REPLIES]
    for line in written:
        assert line.endswith(b"\n")
        assert not any(isinstance(value, list | dict) for value in json.loads(line).values())


@pytest.mark.parametrize(
    "line", [b"{}", b'{"id":true,"is":"end"}', b'{"id":1,"is":"fin"}', b'{"id":1,"is":"end","more":1}', b"{"]
)
def test_anything_else_is_malformed(line: bytes) -> None:
    """And says what."""
    with pytest.raises(Malformed):
        lines.parse_reply(line)


def rows(heading: str) -> dict[str, set[str]]:
    """The tables of the document below a heading: by the first cell, the names in the second."""
    text = DOCUMENT.split(f"## {heading}")[1].split("\n## ")[0]
    found = {}
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if row.startswith("| `") and "fields" not in cells:
            found[cells[0].strip("`")] = set(re.findall(r"`([a-z_]+)`", cells[1]))
    return found


def named(union: object) -> dict[str, set[str]]:
    """The same of the types."""
    return {kind_of(cls): {f.name for f in fields(cls)} for cls in get_args(union)}


def test_the_document_has_every_request_with_its_fields() -> None:
    """A field may be explained by the values it has."""
    written = rows("Requests")
    for kind, names in named(lines.Request).items():
        assert names - {"message"} <= written[kind], kind
    assert written.keys() == named(lines.Request).keys()


def test_the_document_has_every_word_with_its_fields() -> None:
    """Likewise."""
    written = rows("Lines of an answer")
    for kind, names in named(lines.Word).items():
        assert names - {"message"} <= written[kind], kind
    assert written.keys() == named(lines.Word).keys()


def test_the_schema_is_published_as_it_is_made() -> None:
    """From the types."""
    published = files("takeover_conformance.adapter").joinpath("lines.schema.json").read_text()
    assert published == schema_text()
    assert json.loads(published) == schema()


def test_our_own_traffic_keeps_to_the_schema() -> None:
    """A line of every type there is, both ways; and what is spoilt does not."""
    validator = Draft202012Validator(schema())
    heard: dict[object, bytes] = {}
    play_seed(Bench(lambda: Overheard(heard)), 2, 60, "both")
    for case in shipped():
        if case.name in OVERHEARD:
            tested = "" if isinstance(case, FrameCase) else case.tested[-1]
            assert play(Bench(lambda: Overheard(heard)), case, tested).finding is None
    assert {act.Drop} == types() - heard.keys(), NOT_TAKEN["drop", "active"]
    heard[act.Drop] = lines.reply_line(1, act.Drop(2, 3))
    for line in heard.values():
        validator.validate(json.loads(line))
        assert not validator.is_valid(json.loads(line) | {"more": 1})


OVERHEARD = {
    "frame-released-small",
    "malformed-not-closed",
    "closes-on-malformed-json",
    "power-lost-twice",
    "back-after-a-goodbye",
    "switchover-and-back",
    "resynchronised-on-order",
    "promoted-beside-an-active-one",
    "returned-waited-meets-order-promote",
    "old-active-returns",
    "hears-of-a-newer-epoch",
}
"""Cases in which a server does everything that there is to do."""


def types() -> set[type]:
    """Of all lines."""
    found: set[type] = set()
    for one in (*get_args(lines.Request), *get_args(lines.Reply)):
        found |= set(get_args(one)) or {one}
    return found


class Overheard(InProcess):
    """An adapter of whose lines one of each type is written down."""

    def __init__(self, heard: dict[object, bytes]) -> None:
        super().__init__()
        self.heard = heard
        self.heard[lines.Hello] = lines.request_line(0, lines.Hello(lines.PROTOCOL))
        self.heard[lines.Metadata] = lines.reply_line(0, self.metadata)

    def ask(self, request: lines.Request) -> list[lines.Reply]:
        """The answer, without its end."""
        replies = super().ask(request)
        self.heard[type(request)] = lines.request_line(1, request)
        self.heard |= {type(reply): lines.reply_line(1, reply) for reply in [*replies, lines.End()]}
        return replies
