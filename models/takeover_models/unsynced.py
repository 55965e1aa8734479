"""What a power cut can take away: the writes and names that no sync has covered yet, and which of them survive.

The adversary is meant to be worse than a disk. Blocks of an unsynced file survive in any combination, so a later write
may be there and an earlier one not; names survive in any combination too. What it never does is to touch what was
synced: that is the assumption "what was reported durable is durable". Each choice comes from an integer, so a failure
is replayed from what it prints.

A failed sync loses content for good, and not lengths and names: the file systems in question keep those in a log of
their own, and stop writing altogether when that fails.
"""

import random
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(slots=True, eq=False)
class File:
    """A file apart from its name."""

    durable: bytes = b""


Names = dict[Path, File | None]
"""What is called what; None is a directory."""

Survivors = list[tuple[Path, bytes | None]]
"""What is there after a power cut: paths, parents first, with content, or None for a directory."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A change to a file: `content` put at `offset`, or, without content, `offset` as the new length."""

    file: File
    offset: int
    content: bytes | None

    def carry_out(self, before: bytes) -> bytes:
        head = before[: self.offset].ljust(self.offset, b"\0")
        return (
            head if self.content is None else head + self.content + before[self.offset + len(self.content) :]
        )


@dataclass(frozen=True, slots=True)
class _Naming:
    """A change to a directory: a name that stops to exist, a name that begins to, or both in one step."""

    directory: Path
    gone: Path | None
    new: Names

    def carry_out(self, names: Names) -> None:
        if self.gone is not None:
            names.pop(self.gone, None)
            for path in [
                path for path in names if self.gone in path.parents
            ]:  # it was a directory that moved
                for target in self.new:
                    names[target / path.relative_to(self.gone)] = names[path]
                del names[path]
        names.update(self.new)


class Unsynced:
    """Follows every change to a tree whose present content is durable."""

    def __init__(self, root: Path) -> None:
        self._changes: list[_Change] = []
        self._namings: list[_Naming] = []
        self._names: Names = {}
        for path in root.rglob("*"):
            self._names[path] = None if path.is_dir() else File(path.read_bytes())
        self._durable_names = dict(self._names)

    def file(self, path: Path) -> File:
        """The file that now has this name."""
        file = self._names[path]
        assert file is not None, path
        return file

    @property
    def size(self) -> int:
        """How many bytes of content a cut may take."""
        return sum(len(change.content) for change in self._changes if change.content is not None)

    def create(self, path: Path, file: File | None) -> None:
        """A new file, or, with None, a new directory."""
        self._name(_Naming(path.parent, None, {path: file}))

    def rename(self, source: Path, target: Path) -> None:
        """Another name in the same directory."""
        assert source.parent == target.parent, "a rename across directories is not modelled"
        self._name(_Naming(target.parent, source, {target: self._names[source]}))

    def unlink(self, path: Path) -> None:
        """A name less."""
        self._name(_Naming(path.parent, path, {}))

    def write(self, file: File, offset: int, content: bytes) -> None:
        """Content put into a file."""
        self._changes.append(_Change(file, offset, content))

    def truncate(self, file: File, size: int) -> None:
        """A new length."""
        self._changes.append(_Change(file, size, None))

    def sync(self, file: File) -> None:
        """The file's content is durable."""
        file.durable = _carried_out(file, self._changes)
        self._changes = [change for change in self._changes if change.file is not file]

    def lose(self, file: File) -> None:
        """A sync failed: the pages read well, are not on the disk, and no later sync tries them again."""
        self._changes = [
            change for change in self._changes if change.file is not file or change.content is None
        ]

    def sync_directory(self, path: Path) -> None:
        """The names in a directory are durable."""
        for naming in self._namings:
            if naming.directory == path:
                naming.carry_out(self._durable_names)
        self._namings = [naming for naming in self._namings if naming.directory != path]

    def sync_all(self, root: Path) -> None:
        """Everything below `root` is durable, also what was put there by somebody else."""
        for file in [file for file in self._names.values() if file is not None]:
            self.sync(file)
        for path in root.rglob("*"):
            if path not in self._names:
                self._names[path] = None if path.is_dir() else File(path.read_bytes())
        self._namings.clear()
        self._durable_names = dict(self._names)

    def survivors(self, seed: int) -> Survivors:
        """What is left when names and blocks survive in any combination."""
        chance = random.Random(seed)
        names = dict(self._durable_names)
        for naming in self._namings:
            if chance.random() < 0.5:
                naming.carry_out(names)
        files = dict.fromkeys(change.file for change in self._changes)
        return _listed(names, {file: self._torn(file, chance) for file in files})

    def survivors_after(self, kept_bytes: int) -> Survivors:
        """What is left when all names survive and, of the content, the first `kept_bytes` that were written."""
        contents: dict[File, bytes] = {}
        for change in self._changes:
            if change.content is not None:
                if kept_bytes <= 0:
                    break
                written = len(change.content)
                change = replace(change, content=change.content[:kept_bytes])
                kept_bytes -= written
            contents[change.file] = change.carry_out(contents.get(change.file, change.file.durable))
        return _listed(self._names, contents)

    def _name(self, naming: _Naming) -> None:
        naming.carry_out(self._names)
        self._namings.append(naming)

    def _torn(self, file: File, chance: random.Random) -> bytes:
        """Blocks of one size, each as it was at one of two moments since the last sync."""
        moments = sorted(chance.randint(0, len(self._changes)) for _ in range(2))
        older, newer = (_carried_out(file, self._changes[:moment]) for moment in moments)
        length = chance.choice((len(older), len(newer), max(len(older), len(newer))))
        older, newer = (content[:length].ljust(length, b"\0") for content in (older, newer))
        block = chance.choice((1, 7, 32, 512, 4096))
        return b"".join(
            chance.choice((older, newer))[start : start + block] for start in range(0, length, block)
        )


def _carried_out(file: File, changes: list[_Change]) -> bytes:
    content = file.durable
    for change in changes:
        if change.file is file:
            content = change.carry_out(content)
    return content


def _listed(names: Names, contents: dict[File, bytes]) -> Survivors:
    listed: Survivors = []
    for path in sorted(names):
        file = names[path]
        listed.append((path, None if file is None else contents.get(file, file.durable)))
    return listed
