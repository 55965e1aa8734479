"""Loss statements: which updates a takeover or a rejoin gave up, to the update (LOSS-1).

A statement is a file of lines of JSON: a head, which says of which epoch it is, what was kept, and how far the updates
went; then a line for each update that is lost, in the order of their numbers. `loss_statement.schema.json` describes
both kinds of line. A head and its count make a statement that was cut off visible.

What complicates it: as many updates can be lost as a queue can hold, and a server that writes them down has grants to
renew. So a statement is written a line at a time, in a thread beside the core, under another name; the change that it
is about gives it its own name. One that was written in vain is never taken for a statement.

Refused: one JSON document. It is built whole in memory by whoever writes it, and by whoever reads it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from takeover.errors import CallerError, StorageDamaged
from takeover.operations import Write, decode
from takeover.storage.disk import disk_fault
from takeover.storage.queues import Queue

PREPARED = ".prepared"
"""What is added to the name of a statement before what it states has happened."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a statement."""

    epoch: int
    """The epoch in which the updates were logged."""
    kept: int
    """The last update that is kept."""
    last: int
    """The last update that this server knew of; all after `kept` are lost, and each has a line."""


def prepare(
    path: Path, head: Head, queue: Queue | None, *, settled: bool, stopping: Callable[[], bool]
) -> None:
    """Write a statement durably under its prepared name; call `publish` when what it states happens.

    It may run in a thread beside the one that owns the queue. `settled`: the queue's updates have completion statuses.
    Nothing is done if the same was prepared before. Raises `CallerError` when `stopping` says so in between, and
    `DiskFault`.
    """
    prepared = _prepared(path)
    if _head_of(prepared) == head:
        return
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(exist_ok=True)
        with draft.open("w", encoding="ascii") as file:
            file.write(_line(asdict(head)))
            for update in _lost(head, queue, settled):
                if stopping():
                    raise CallerError(f"{path}: the server stopped while it was written")
                file.write(_line(update))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, prepared)
    except OSError as error:
        raise disk_fault("loss statement", path, error.errno or 0) from error


def publish(path: Path) -> None:
    """Give a prepared statement its own name. The directory is not synced."""
    os.replace(_prepared(path), path)


def read_statement(path: Path) -> tuple[Head, Iterator[dict[str, Any]]]:
    """The head of a statement, and its updates, a line at a time. Raises `StorageDamaged`, also in between."""
    with path.open("rb") as file:
        head = _parse(path, 0, file.readline(), Head)
    return head, _updates(path, head)


def _updates(path: Path, head: Head) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        offset = len(file.readline())
        for seq in range(head.kept + 1, head.last + 1):
            line = file.readline()
            update = _parse(path, offset, line, dict)
            if update.get("seq") != seq:
                raise StorageDamaged(path, offset, f"update {seq} is due here: {line[:80]!r}")
            yield update
            offset += len(line)
        if file.readline():
            raise StorageDamaged(path, offset, f"goes on after update {head.last}")


def _parse(path: Path, offset: int, line: bytes, kind: Callable[..., Any]) -> Any:
    try:
        return kind(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise StorageDamaged(path, offset, f"this is no line of a loss statement: {line[:80]!r}") from error


def _lost(head: Head, queue: Queue | None, settled: bool) -> Iterator[dict[str, Any]]:
    """The updates that are lost, as they are read from their queue."""
    if head.last == head.kept:
        return
    assert queue is not None, "what is lost was in a queue"
    first = head.kept + 1
    statuses = queue.statuses.cursor(first) if settled and first <= queue.last_status else None
    with queue.updates.cursor(first) as updates:
        for seq in range(first, head.last + 1):
            found = updates.next()
            if found is None:
                raise CallerError(
                    f"{queue.updates.directory}: update {seq}, to be stated as lost, is not in it"
                )
            status = statuses.next() if statuses else None
            done = queue.decode_status(status[1], seq).done if status else None
            yield {"seq": seq, "done": done, "operation": _described(queue.decode_update(found[1], seq))}
    if statuses:
        statuses.close()


def _described(encoded: bytes) -> dict[str, Any]:
    operation = decode(encoded)
    described: dict[str, Any] = {"kind": type(operation).__name__}
    described |= {name: getattr(operation, name) for name in operation.__dataclass_fields__}
    if isinstance(operation, Write):
        described |= {"data": base64.b64encode(operation.data).decode(), "bytes": len(operation.data)}
    return described


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":")) + "\n"


def _prepared(path: Path) -> Path:
    return path.with_name(path.name + PREPARED)


def _head_of(path: Path) -> Head | None:
    """The head of what was prepared before, if anything was."""
    try:
        return read_statement(path)[0]
    except (OSError, StorageDamaged):
        return None
