"""The protected data of the virtual world: a few keys, and the history of how they came to be.

An operation has a number of its own (`uid`), given by the application that offers it, so that the same update is
recognised wherever it turns up. The data is what the keys hold, and, as part of it, the history: which operations were
carried out, in which order, and which of them changed nothing. What the properties say of the data is judged on the
histories, and that the keys hold what the history says is checked on its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from takeover_spec.records import replace
from takeover_spec.words import Status

KEYS = ("a", "b", "c")
KINDS = ("append", "put", "remove")


@dataclass(frozen=True, slots=True)
class Operation:
    """What an application wants done to one key."""

    uid: int
    kind: str
    """`append` to what the key holds, `put` in its place, or `remove`, which fails if the key holds nothing."""
    key: str

    def encoded(self) -> bytes:
        """As an update carries it."""
        return json.dumps([self.uid, self.kind, self.key]).encode()


def decoded(operation: bytes) -> Operation:
    """The operation that an update carries."""
    uid, kind, key = json.loads(operation)
    return Operation(uid, kind, key)


class Entry(NamedTuple):
    """A place of the history: what was carried out there."""

    uid: int
    changed: bool
    """Whether it changed the data; a failed one did not."""


@dataclass(frozen=True, slots=True)
class Data:
    """A copy of the protected data. Immutable: its mapping is never changed in place."""

    keys: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    history: tuple[Entry, ...] = ()

    def carried_out(self, operation: Operation, *, doomed: bool = False) -> tuple[Data, Status]:
        """The data after an operation, and how that ended; a doomed one fails whatever it is."""
        keys = None if doomed else _keys_after(self.keys, operation)
        if keys is None:
            return self.unchanged(operation), Status.FAILED
        return Data(keys, (*self.history, Entry(operation.uid, True))), Status.DONE

    def unchanged(self, operation: Operation) -> Data:
        """The data after an operation that failed."""
        return replace(self, history=(*self.history, Entry(operation.uid, False)))

    def parts(self) -> list[bytes]:
        """A copy of it, in pieces: each key, and the history."""
        pieces: list[object] = [[key, list(values)] for key, values in self.keys.items()]
        return [json.dumps(piece).encode() for piece in [*pieces, [list(entry) for entry in self.history]]]

    def is_as_its_history_says(self, operations: Mapping[int, Operation]) -> bool:
        """Whether the keys hold what comes of the operations of the history, in its order."""
        keys: Mapping[str, tuple[int, ...]] = {}
        for entry in self.history:
            if entry.changed:
                after = _keys_after(keys, operations[entry.uid])
                if after is None:
                    return False
                keys = after
        return keys == self.keys


def from_parts(parts: Iterable[bytes]) -> Data:
    """The data that was copied in these pieces."""
    *keys, history = (json.loads(part) for part in parts)
    entries = tuple(Entry(uid, changed) for uid, changed in history)
    return Data({key: tuple(values) for key, values in keys}, entries)


def _keys_after(
    keys: Mapping[str, tuple[int, ...]], operation: Operation
) -> Mapping[str, tuple[int, ...]] | None:
    """What the keys hold after an operation that is not doomed; None if it fails."""
    if operation.kind == "remove":
        if operation.key not in keys:
            return None
        return {key: values for key, values in keys.items() if key != operation.key}
    before = keys.get(operation.key, ()) if operation.kind == "append" else ()
    return {**keys, operation.key: (*before, operation.uid)}
