"""The operations on protected data: what an update does, and its form on the wire and in the queues.

Seven operations are what a file interception can see of an application, and each is a plain value: the active carries
it out and notes the `Outcome` (its completion status), the passive applies it as that outcome says (`carrying_out`).
An operation cannot exist with a path that leads out of the protected data: the classes check it, so nobody else has to.

A path is relative, parts separated by `/`, without empty parts, `.`, `..` and NUL. File names on Linux are bytes; those
that are not UTF-8 are carried as Python's surrogate escapes, which survive the JSON of the encoded form.

Encoded, an operation is one line of JSON and then, for a write, the raw bytes: to be read in a dump, and no larger than
its data needs. `decode` is strict: no field too many, none of another type, not a byte too few. The refused
alternative, a library for binary messages, would save some 40 bytes an update.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from takeover.errors import CallerError, PeerError

POSITION_MAX = 2**63 - 1
"""The largest offset or size of a file, in bytes: what the kernel's off_t holds."""


@dataclass(frozen=True, slots=True)
class Create:
    """A new, empty file. Fails when the name is taken."""

    path: str

    def __post_init__(self) -> None:
        _check_path("path", self.path)


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes put into an existing file."""

    path: str
    offset: int
    """In bytes; beyond the end leaves a hole of zeros."""
    data: bytes

    def __post_init__(self) -> None:
        _check_path("path", self.path)
        _check_position("offset", self.offset)
        if type(self.data) is not bytes:
            raise CallerError(f"data is {type(self.data).__name__}, not bytes")
        _check_position("offset with the data", self.offset + len(self.data))


@dataclass(frozen=True, slots=True)
class Truncate:
    """Another length for an existing file; a longer one adds zeros."""

    path: str
    size: int
    """In bytes."""

    def __post_init__(self) -> None:
        _check_path("path", self.path)
        _check_position("size", self.size)


@dataclass(frozen=True, slots=True)
class Rename:
    """Another name for a file or directory, in one step; what had that name is gone."""

    path: str
    target: str

    def __post_init__(self) -> None:
        _check_path("path", self.path)
        _check_path("target", self.target)


@dataclass(frozen=True, slots=True)
class Remove:
    """A file less."""

    path: str

    def __post_init__(self) -> None:
        _check_path("path", self.path)


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """A new, empty directory."""

    path: str

    def __post_init__(self) -> None:
        _check_path("path", self.path)


@dataclass(frozen=True, slots=True)
class RemoveDirectory:
    """An empty directory less."""

    path: str

    def __post_init__(self) -> None:
        _check_path("path", self.path)


Operation = Create | Write | Truncate | Rename | Remove | MakeDirectory | RemoveDirectory


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended on the active: the completion status of its update."""

    done: bool
    amount: int = 0
    """How many bytes a write put down, which may be fewer than it was given; 0 for everything else."""
    error: str = ""
    """The errno's name, such as "ENOSPC", when it failed; then it changed nothing."""


_KINDS: dict[str, tuple[type[Operation], tuple[str, ...]]] = {
    "create": (Create, ("path",)),
    "write": (Write, ("path", "offset", "bytes")),
    "truncate": (Truncate, ("path", "size")),
    "rename": (Rename, ("path", "target")),
    "remove": (Remove, ("path",)),
    "make_directory": (MakeDirectory, ("path",)),
    "remove_directory": (RemoveDirectory, ("path",)),
}
"""Each kind's name on the wire, its class, and the fields of its line, in this order."""

_NAMES = {kind: name for name, (kind, _) in _KINDS.items()}

_TYPES: dict[str, type] = {"path": str, "target": str, "offset": int, "size": int, "bytes": int}


def path_bytes(path: str) -> bytes:
    """The path as the kernel takes it, whatever the locale says."""
    return path.encode("utf-8", "surrogateescape")


def path_text(path: bytes) -> str:
    """The path as an operation has it: the other way round."""
    return path.decode("utf-8", "surrogateescape")


def encode(operation: Operation) -> bytes:
    """The operation as bytes, for `decode`."""
    header: dict[str, object] = {"op": _NAMES[type(operation)]}
    for field in _KINDS[_NAMES[type(operation)]][1]:
        header[field] = (
            len(operation.data)
            if isinstance(operation, Write) and field == "bytes"
            else getattr(operation, field)
        )
    line = json.dumps(header, separators=(",", ":")).encode() + b"\n"
    return line + operation.data if isinstance(operation, Write) else line


def decode(content: bytes) -> Operation:
    """The operation that `encode` made these bytes from. `PeerError` names the field that is not as it must be."""
    line, newline, data = content.partition(b"\n")
    if not newline:
        _refuse("header", f"{len(content)} bytes without the end of the line")
    header = _parse(line)
    name = header.pop("op", None)
    if not isinstance(name, str) or name not in _KINDS:
        _refuse("op", f"{name!r} is none of {', '.join(_KINDS)}")
    kind, fields = _KINDS[name]
    for field in fields:
        if type(header.get(field)) is not _TYPES[field]:
            _refuse(field, f"{header.get(field)!r} is not {_TYPES[field].__name__}")
    for field in header.keys() - set(fields):
        _refuse(field, f"is no field of {name}")
    size = header.pop("bytes", 0)
    if size != len(data):
        _refuse("data", f"{len(data)} bytes where the header says {size}")
    construct: Callable[..., Operation] = kind
    try:
        return construct(**header, data=data) if kind is Write else construct(**header)
    except CallerError as error:
        raise PeerError(f"encoded operation {name}: {error}") from error


def _parse(line: bytes) -> dict[str, object]:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            _refuse("header", "a field is given twice")
        return found

    try:
        header = json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        _refuse("header", f"is not a line of JSON: {error}")
    if not isinstance(header, dict):
        _refuse("header", "is not a JSON object")
    return header


def _refuse(field: str, reason: str) -> NoReturn:
    raise PeerError(f"encoded operation: {field}: {reason}")


def _check_path(field: str, path: str) -> None:
    if type(path) is not str:
        raise CallerError(f"{field}: {path!r} is not str")
    if path.startswith("/"):
        raise CallerError(f"{field}: {path!r} is not relative to the protected data")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise CallerError(f"{field}: {path!r} has the part {part!r}")
    if "\0" in path:
        raise CallerError(f"{field}: {path!r} has a NUL")
    try:
        same = path == path_text(path_bytes(path))
    except UnicodeEncodeError as error:
        raise CallerError(f"{field}: {path!r} is no file name: {error}") from error
    if not same:  # two spellings of one name would hide that two operations touch the same file
        raise CallerError(f"{field}: {path!r} escapes bytes that are UTF-8")


def _check_position(field: str, position: int) -> None:
    if type(position) is not int or not 0 <= position <= POSITION_MAX:
        raise CallerError(f"{field}: {position!r} is not from 0 to {POSITION_MAX}")
