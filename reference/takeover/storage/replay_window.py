"""Which updates the passive may apply before it makes them durable.

After a power cut the passive's copy has some of the effects of the updates since its last `sync_tree`, and it applies
all of those again, in order. That must end where applying them once ends. It does for a while by itself: writing the
same bytes again is harmless. It does not when an update meets the effects of a *later* one. Rename a to b, create a new
a, and the power fails: applied again, the rename moves the new, empty a over b, and the old content is gone.

So the updates since the last sync are the window, and an update that would not repeat together with them is not
admitted: sync first, and the window is empty. What is tracked per path is how much the window knows of it:

- *known*: what is there follows from the window alone, since it created, removed or replaced it. Repeating builds it up
  from nothing, so anything may follow. Writing a new file and renaming it over an old one, as careful programs save,
  stays in the window.
- *changed*: a file from before the window was written to. It may be written to and replaced, but its name must not go,
  not even after it was replaced: the repeated write would not find it.
- *directory*: one was made or removed. It may be used, and not be made or removed again.
- *moved*: something from before the window was renamed. Neither name, nor anything below one, may be touched again.

It relies on the file system to make changes of names durable in their order, as journaling ones do; content may survive
in any combination. The refused alternative is to sync after each update, which costs a wait for the disk each.
"""

from enum import Enum, auto
from typing import assert_never

from takeover.errors import OwnFault
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
)


class _Touched(Enum):
    KNOWN = auto()
    CHANGED = auto()
    DIRECTORY = auto()
    MOVED = auto()


class ReplayWindow:
    """The updates applied since the last sync, as far as repeating them goes; without the failed ones."""

    def __init__(self) -> None:
        self._touched: dict[str, _Touched] = {}

    def admits(self, operation: Operation) -> bool:
        """Whether this may be applied before the next sync. If not: sync, `clear`, and it may."""
        return self._effect(operation) is not None

    def add(self, operation: Operation) -> None:
        """An admitted operation is being applied."""
        effect = self._effect(operation)
        if effect is None:
            raise OwnFault(f"{operation.path!r}: to be applied before a sync, though it would not repeat")
        self._touched.update(effect)

    def clear(self) -> None:
        """Everything applied is durable, and recorded as applied, so it is never repeated."""
        self._touched.clear()

    def _effect(self, operation: Operation) -> dict[str, _Touched] | None:
        """What the window knows after the operation, where that changes; None if it is not admitted."""
        path = operation.path
        if self._is_moved(path):
            return None
        before = self._touched.get(path)
        match operation:
            case Create():
                return None if before is _Touched.DIRECTORY else {path: _Touched.KNOWN}
            case Write() | Truncate():
                return {path: before or _Touched.CHANGED}
            case Remove():
                return {path: _Touched.KNOWN} if before in (None, _Touched.KNOWN) else None
            case Rename(target=target):
                return self._rename(path, target)
            case MakeDirectory() | RemoveDirectory():
                return None if self._is_touched_from(path) else {path: _Touched.DIRECTORY}
            case _:
                assert_never(operation)

    def _rename(self, path: str, target: str) -> dict[str, _Touched] | None:
        if self._is_moved(target):
            return None
        replaced = self._touched.get(target, _Touched.KNOWN)
        if self._touched.get(path) is _Touched.KNOWN and replaced is not _Touched.DIRECTORY:
            return {
                path: _Touched.KNOWN,
                target: replaced,
            }  # a replaced file that was changed still must not go
        if self._is_touched_from(path) or self._is_touched_from(target):
            return None
        return {path: _Touched.MOVED, target: _Touched.MOVED}

    def _is_moved(self, path: str) -> bool:
        """Whether the path, or a directory that it is in, was moved."""
        parts = path.split("/")
        above = ("/".join(parts[:length]) for length in range(1, len(parts) + 1))
        return any(self._touched.get(place) is _Touched.MOVED for place in above)

    def _is_touched_from(self, path: str) -> bool:
        """Whether the path, or anything below it, is touched."""
        return path in self._touched or any(place.startswith(path + "/") for place in self._touched)
