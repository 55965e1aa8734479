"""Loss statements: what is in them, that they are whole or none, and that their length costs no memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

import takeover
from takeover.errors import CallerError, StorageDamaged
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Outcome,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
    encode,
)
from takeover.storage.disk import OsDisk
from takeover.storage.loss_statements import Head, prepare, publish, read_statement
from takeover.storage.queues import Queue

SCHEMA = json.loads((Path(takeover.__file__).parent / "storage" / "loss_statement.schema.json").read_text())

ONE_OF_EACH: tuple[Operation, ...] = (
    Create("a"),
    Write("a", 3, b"\x00\xff"),
    Truncate("a", 1),
    Rename("a", "b"),
    Remove("b"),
    MakeDirectory("d"),
    RemoveDirectory("d"),
)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """A queue of epoch 2 with one update of each kind, from 1 on; the second failed, and the last has no status."""
    queue = Queue.open(tmp_path / "queue", 2, 1, disk=OsDisk())
    for seq, operation in enumerate(ONE_OF_EACH, 1):
        queue.store(seq, encode(operation))
        if seq < len(ONE_OF_EACH):
            queue.store_status(seq, Outcome(seq != 2))
    yield queue
    queue.close()


def written(path: Path, queue: Queue, kept: int, last: int) -> Path:
    """A statement of that, with its own name."""
    prepare(path, Head(2, kept, last), queue, settled=True, stopping=lambda: False)
    publish(path)
    return path


def test_a_statement_has_a_head_and_a_line_for_each_update(tmp_path: Path, queue: Queue) -> None:
    """Each line is as the schema says; the updates are those after the last that is kept."""
    path = written(tmp_path / "loss" / "statement", queue, 1, 7)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in path.read_text().splitlines():
        validator.validate(json.loads(line))
    head, updates = read_statement(path)
    assert Head(2, 1, 7) == head
    lost = list(updates)
    assert [2, 3, 4, 5, 6, 7] == [update["seq"] for update in lost]
    assert [False, True, True, True, True, None] == [update["done"] for update in lost]
    assert {"kind": "Write", "path": "a", "offset": 3, "data": "AP8=", "bytes": 2} == lost[0]["operation"]


def test_the_schema_refuses_what_is_no_line() -> None:
    """A head without its count, and an update with something else in it."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert not validator.is_valid({"epoch": 1, "kept": 7})
    assert not validator.is_valid({"seq": 8, "done": True, "operation": {"kind": "Write"}})


def test_nothing_lost_is_a_head_alone(tmp_path: Path, queue: Queue) -> None:
    """It is stated too."""
    head, updates = read_statement(written(tmp_path / "statement", queue, 7, 7))
    assert (Head(2, 7, 7), []) == (head, list(updates))


def test_what_was_prepared_is_not_written_twice(tmp_path: Path, queue: Queue) -> None:
    """Unless it is another: then it takes the place of the one before."""
    path = tmp_path / "statement"
    prepare(path, Head(2, 1, 6), queue, settled=True, stopping=lambda: False)
    assert not path.exists()
    prepare(path, Head(2, 1, 6), queue, settled=True, stopping=lambda: True)  # nothing is written
    prepare(path, Head(2, 1, 7), queue, settled=True, stopping=lambda: False)
    publish(path)
    assert Head(2, 1, 7) == read_statement(path)[0]


def test_a_server_that_stops_does_not_finish_it(tmp_path: Path, queue: Queue) -> None:
    """And what it has written is taken for nothing."""
    path = tmp_path / "statement"
    with pytest.raises(CallerError, match="stopped"):
        prepare(path, Head(2, 1, 7), queue, settled=True, stopping=lambda: True)
    with pytest.raises(FileNotFoundError):
        publish(path)


@pytest.mark.parametrize("cut", ["the last line", "a line within", "the head", "something more"])
def test_a_statement_that_was_changed_is_no_statement(tmp_path: Path, queue: Queue, cut: str) -> None:
    """The place is named."""
    path = written(tmp_path / "statement", queue, 1, 7)
    lines = path.read_text().splitlines(keepends=True)
    changed = {
        "the last line": lines[:-1],
        "a line within": lines[:3] + lines[4:],
        "the head": lines[1:],
        "something more": [*lines, lines[-1]],
    }
    path.write_text("".join(changed[cut]))
    with pytest.raises(StorageDamaged, match="statement"):
        list(read_statement(path)[1])


def test_its_length_costs_no_memory(tmp_path: Path) -> None:
    """Four times as many updates are stated, and read, in the same memory."""
    queue = Queue.open(tmp_path / "queue", 2, 1, disk=OsDisk())
    for seq in range(1, 2_001):
        queue.store(seq, encode(Write("file", seq, b"x" * 1000)))

    def peak(last: int) -> int:
        path = tmp_path / f"statement-{last}"
        tracemalloc.start()
        prepare(path, Head(2, 0, last), queue, settled=False, stopping=lambda: False)
        publish(path)
        assert last == sum(1 for _ in read_statement(path)[1])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)  # what is loaded once
    few, many = peak(500), peak(2_000)
    queue.close()
    assert many < few + 700_000
