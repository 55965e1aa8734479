"""The server's small durable state: a handful of names and values, saved as a whole or not at all.

A new file is written and synced under another name, and takes the old one's place in one step, so a crash leaves the
state before or the state after. A checksum tells a state that was saved from one that a disk or a hand has changed; a
server that guesses about its own promises breaks them, so a damaged state stops it. So does the state of another party:
one server's promises are not another's. What the other names mean is not said here.

The format is JSON, for an operator who wants to look. The refused alternative is to keep the state in a journal: it is
saved a few times an hour, and reading it must not depend on replaying anything.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

from takeover.errors import CallerError, DirectoryOfAnother, StateDamaged
from takeover.storage.disk import Disk, replace_content
from takeover.storage.trust import StorageTrust

FORMAT = 1
"""The format's version, in the file."""

_BYTES_MAX = 1 << 20

_OWNER_NAMES = ("pair", "party")

Value = int | bool | str
"""What a state may hold under a name."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The party that a state belongs to, which is saved with it under these names."""

    pair: str
    party: str
    """`primary`, `secondary` or `witness`."""

    def __str__(self) -> str:
        return f"the {self.party} of the pair {self.pair}"


class DurableState:
    """One state file. After `StorageRefused`, make a new one and load it."""

    def __init__(self, path: Path, disk: Disk, owner: Owner | None = None) -> None:
        """The state in the file at `path`, which need not exist yet; its directory must. None owns what anybody may."""
        self._owner = owner
        self._path = path
        self._disk = disk
        self._trust = StorageTrust(path)

    def load(self) -> dict[str, Value] | None:
        """The state saved last, or None if none ever was.

        `StateDamaged` when the file is not what was saved, and `DirectoryOfAnother` when it is somebody else's. A state
        that was saved without an owner is this one's from the next `save` on.
        """
        if self._path.name not in self._disk.list_directory(self._path.parent, label="state.list"):
            return None
        handle = self._disk.open(self._path, writable=False, label="state.open")
        try:
            content = self._disk.read(handle, 0, _BYTES_MAX, label="state.read")
        finally:
            self._disk.close(handle, label="state.close")
        state = _decode(content, self._path)
        found = Owner(*(str(state.pop(name, "")) for name in _OWNER_NAMES))
        if self._owner and found not in (self._owner, Owner("", "")):
            raise DirectoryOfAnother(
                f"{self._path.parent}: holds the data of {found}, and cannot be used for {self._owner}"
            )
        return state

    def save(self, state: Mapping[str, Value]) -> None:
        """Put `state` in place of the one saved before, durably.

        `DiskFull`: the one before is in place, and saving may be tried again. `StorageRefused`: either is.
        """
        self._trust.check()
        content = _encode({**state, **(asdict(self._owner) if self._owner else {})}, self._path)
        with self._trust.at_stake("the state may be the old or the new one", full_is_harmless=True):
            replace_content(self._disk, self._path, content, label="state")


def _encode(state: Mapping[str, Value], path: Path) -> bytes:
    for name, value in state.items():
        if type(name) is not str or type(value) not in (int, bool, str):
            raise CallerError(f"{path}: cannot save {name!r}: {value!r}; only int, bool and str are kept")
    body = _canonical(state)
    if len(body) > _BYTES_MAX // 2:
        raise CallerError(f"{path}: a state of {len(body)} bytes; at most {_BYTES_MAX // 2}")
    document = {"format": FORMAT, "crc32": f"{crc32(body):08x}", "state": dict(state)}
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _decode(content: bytes, path: Path) -> dict[str, Value]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StateDamaged(path, 0, f"this is not a JSON document: {error}") from error
    if not isinstance(document, dict) or set(document) != {"format", "crc32", "state"}:
        raise StateDamaged(path, 0, 'this is not a document of "format", "crc32" and "state"')
    if document["format"] != FORMAT:
        raise StateDamaged(path, 0, f"format {document['format']!r}; this program reads {FORMAT}")
    state = document["state"]
    if not isinstance(state, dict) or not all(type(value) in (int, bool, str) for value in state.values()):
        raise StateDamaged(path, 0, '"state" is not a set of names with an int, bool or str each')
    found = f"{crc32(_canonical(state)):08x}"
    if document["crc32"] != found:
        raise StateDamaged(
            path, 0, f"the checksum of this state is {found}, and {document['crc32']!r} was saved"
        )
    return state


def _canonical(state: Mapping[str, Value]) -> bytes:
    """The same bytes for the same state, however the file is laid out."""
    return json.dumps(dict(state), sort_keys=True, separators=(",", ":")).encode()
