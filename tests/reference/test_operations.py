"""Operations: values that cannot lead out of the protected data, and their encoded form."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from takeover.errors import CallerError, PeerError
from takeover.operations import (
    POSITION_MAX,
    Create,
    MakeDirectory,
    Operation,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
    decode,
    encode,
)

EXAMPLES: list[Operation] = [
    Create("a"),
    Write("a/b", 0, b""),
    Write("a", POSITION_MAX - 3, b"\n\x00\xff"),
    Truncate("a", POSITION_MAX),
    Rename("a", "b/größe \U0001f600"),
    Remove("a\nb\\ \"'"),
    MakeDirectory("..."),
    RemoveDirectory(b"not \xff UTF-8".decode("utf-8", "surrogateescape")),
]


@pytest.mark.parametrize("operation", EXAMPLES, ids=repr)
def test_what_is_encoded_is_decoded(operation: Operation) -> None:
    """Every kind, the extremes, and names that are no text."""
    assert operation == decode(encode(operation))


def test_the_encoded_form_is_a_line_of_json_and_the_raw_data() -> None:
    """It can be read in a dump, and the data costs its own length."""
    encoded = encode(Write("a", 7, b"data\n"))
    assert b'{"op":"write","path":"a","offset":7,"bytes":5}\ndata\n' == encoded


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "\ud800", "\udcc3\udca9"]
)
@pytest.mark.parametrize(
    "make",
    [
        Create,
        Remove,
        MakeDirectory,
        RemoveDirectory,
        lambda path: Write(path, 0, b""),
        lambda path: Truncate(path, 0),
        lambda path: Rename(path, "a"),
        lambda path: Rename("a", path),
    ],
)
def test_a_path_that_leads_out_cannot_be(make: Callable[[str], Operation], path: str) -> None:
    """Nor one that is no name, or a second spelling of one; for every operation."""
    with pytest.raises(CallerError, match=r"^(path|target): "):
        make(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Write("a", -1, b""), "offset: -1 is not from 0"),
        (lambda: Write("a", True, b""), "offset: True is not"),
        (lambda: Write("a", POSITION_MAX, b"x"), "offset with the data"),
        (lambda: Write("a", 0, "text"), "data is str, not bytes"),  # type: ignore[arg-type]  # the point of it
        (lambda: Truncate("a", 2**63), "size: 9223372036854775808 is not"),
        (lambda: Create(7), "path: 7 is not str"),  # type: ignore[arg-type]  # the point of it
    ],
)
def test_values_out_of_range_cannot_be(make: Callable[[], Operation], says: str) -> None:
    """What the kernel could not take is refused before."""
    with pytest.raises(CallerError, match=says):
        make()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "header: 0 bytes without the end of the line"),
        (b'{"op":"create","path":"a"}', "header: 26 bytes without the end"),
        (b"\n", "header: is not a line of JSON"),
        (b"\xff\n", "header: is not a line of JSON"),
        (b"[" * 100_000 + b"\n", "header: is not a line of JSON"),
        (b"[]\n", "header: is not a JSON object"),
        (b"{}\n", "op: None is none of create, write"),
        (b'{"op":["create"]}\n', "op: .* is none of"),
        (b'{"op":"destroy","path":"a"}\n', "op: 'destroy' is none of"),
        (b'{"op":"create"}\n', "path: None is not str"),
        (b'{"op":"create","path":1}\n', "path: 1 is not str"),
        (b'{"op":"create","path":"a","mode":1}\n', "mode: is no field of create"),
        (b'{"op":"create","path":"a","path":"a"}\n', "header: a field is given twice"),
        (b'{"op":"create","path":"../a"}\n', "create: path: '../a' has the part '..'"),
        (b'{"op":"create","path":"a"}\nx', "data: 1 bytes where the header says 0"),
        (b'{"op":"write","path":"a","offset":0,"bytes":2}\nx', "data: 1 bytes where the header says 2"),
        (b'{"op":"write","path":"a","offset":0.0,"bytes":0}\n', "offset: 0.0 is not int"),
        (b'{"op":"write","path":"a","offset":true,"bytes":0}\n', "offset: True is not int"),
        (b'{"op":"write","path":"a","offset":-1,"bytes":0}\n', "write: offset: -1 is not from 0"),
        (b'{"op":"truncate","path":"a","size":NaN}\n', "size: nan is not int"),
        (b'{"op":"rename","path":"a","target":"/b"}\n', "rename: target: '/b' is not relative"),
    ],
)
def test_malformed_input_is_the_peers_fault(content: bytes, says: str) -> None:
    """And the message names the field."""
    with pytest.raises(PeerError, match=says):
        decode(content)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(EXAMPLES), st.integers(0, 60), st.integers(0, 255))
def test_changed_bytes_are_refused_or_mean_another_operation(
    operation: Operation, place: int, value: int
) -> None:
    """Whatever arrives: an operation or a `PeerError`, and nothing else."""
    content = bytearray(encode(operation))
    content[place % len(content)] = value
    try:
        found = decode(bytes(content))
    except PeerError:
        return
    assert found == decode(encode(found))


def test_every_prefix_is_refused() -> None:
    """Nothing cut short passes for a whole operation."""
    for operation in EXAMPLES:
        encoded = encode(operation)
        for length in range(len(encoded)):
            with pytest.raises(PeerError):
                decode(encoded[:length])
        assert json.loads(encoded.split(b"\n")[0])["path"] == operation.path
