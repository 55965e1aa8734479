"""A copy of the active server's data as it arrives, built beside the old data.

The old data is left as it is until the copy takes its place, in one step, when it is complete, has the digest that the
active server's has, and is durable. Until then a crash leaves the old data, and the rest is removed at the next start.

A file that is unchanged is one file with two names, the old and the new, if nothing writes to the old data meanwhile:
that is so at a server that follows no epoch, for only updates that it applies could. After the switch the old data is
removed and never written again. No piece of the copy may write to such a file.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from takeover.copies.blocks import directory_digest
from takeover.copies.rebuilt_file import RebuiltFile
from takeover.errors import CallerError, CopyRefused, PeerError
from takeover.operations import Create, MakeDirectory, Operation, Truncate, Write, decode, path_text
from takeover.storage.carrying_out import carry_out, opened_file, sync_tree
from takeover.storage.disk import disk_fault
from takeover_spec import wire
from takeover_spec.wire import COPY_DIGEST_BYTES

_CONTRADICTIONS = frozenset(
    {
        errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EINVAL, errno.ENAMETOOLONG,
        errno.EXDEV,
    }
)  # fmt: skip
"""What a piece fails with when it does not fit those before; everything else is the disk's fault."""


class IncomingCopy:
    """A copy on its way. One piece at a time, in any thread."""

    def __init__(self, begin: wire.CopyBegin, directory: Path, old: Path | None, *, linking: bool) -> None:
        """The copy goes to `directory`, which is empty. `old` is the data it may take from; None for nothing.

        With `linking`, nothing writes to `old` any more.
        """
        self.epoch = begin.epoch
        self.begun = begin.begun
        self.upto = begin.upto
        self.directory = directory
        self.listed_blocks = 0
        """How many blocks were listed."""
        self.lacking_blocks = 0
        """How many of them are not in the old data."""
        self._old = old
        self._linking = linking
        self._pieces = 0
        self._file: RebuiltFile | None = None
        self._lock = Lock()
        self._removed = False

    def add(self, piece: wire.CopyPart | wire.CopyListing) -> wire.CopyLacking | None:
        """Add a piece; what is lacking, if it is a listing.

        Raises `PeerError` if it is not the next one or does not fit the others, `DiskFault` when the disk fails.
        """
        with self._lock, self._blamed(piece.index):
            if (piece.epoch, piece.upto, piece.index) != (self.epoch, self.upto, self._pieces):
                raise PeerError(
                    f"copy: piece {piece.index} of {piece.epoch}/{piece.upto} where {self._pieces} was due"
                )
            self._pieces += 1
            if isinstance(piece, wire.CopyPart):
                self._carry_out(decode(piece.operation))
                return None
            lacking = tuple(self._lacking(piece.entries))
            self.lacking_blocks += len(lacking)
            return wire.CopyLacking(self.epoch, self.upto, piece.index, lacking)

    def end(self, end: wire.CopyEnd) -> None:
        """The copy is complete: hold it against its digest, and make it durable.

        Raises `PeerError` if pieces are missing, `CopyRefused` if it is another than the active server's.
        """
        with self._lock, self._blamed(self._pieces):
            if (end.epoch, end.upto, end.parts) != (self.epoch, self.upto, self._pieces):
                raise PeerError(f"copy: ends after {end.parts} pieces, and {self._pieces} are here")
            self._close_file()
            found = directory_digest(self.directory) if end.digest else b""
            if found != end.digest:
                raise CopyRefused(
                    f"copy: its digest is {found.hex()}, and that of the active server's {end.digest.hex()}"
                )
            sync_tree(self.directory)

    def remove(self) -> None:
        """Give the copy up, and its room back."""
        with self._lock:
            self._removed = True
            if self._file:
                self._file.abandon()
                self._file = None
            shutil.rmtree(self.directory, ignore_errors=True)

    @contextmanager
    def _blamed(self, index: int) -> Iterator[None]:
        """Say whose fault it is when a piece cannot be added."""
        if self._removed:
            raise PeerError("copy: it was given up")
        try:
            yield
        except CallerError as error:  # a path that cannot be
            raise PeerError(f"copy: piece {index}: {error}") from error
        except OSError as error:
            number = error.errno or errno.EIO
            if number in _CONTRADICTIONS:
                raise PeerError(f"copy: piece {index} does not fit those before: {error}") from error
            raise disk_fault("copy.add", self.directory, number) from error

    def _carry_out(self, operation: Operation) -> None:
        if isinstance(operation, Write | Truncate):
            with suppress(OSError), opened_file(self.directory, operation.path, os.O_PATH) as file:
                if os.fstat(file).st_nlink > 1:
                    raise PeerError(
                        f"copy: a piece would write to {operation.path!r}, which was taken over as it is"
                    )
        outcome = carry_out(self.directory, operation)
        if not outcome.done:
            number = getattr(errno, outcome.error, errno.EIO)
            raise OSError(number, f"{type(operation).__name__} of {operation.path!r}: {outcome.error}")
        if isinstance(operation, Write) and outcome.amount < len(operation.data):
            raise OSError(errno.ENOSPC, f"only {outcome.amount} bytes of {len(operation.data)} were written")

    def _lacking(self, entries: tuple[wire.CopyEntry, ...]) -> Iterator[int]:
        """Take what the old data has; the blocks that it has not, counted through the entries."""
        count = 0
        for entry in entries:
            path = path_text(entry.path)
            if entry.directory:
                self._close_file()
                self._carry_out(MakeDirectory(path))
                continue
            file = self._file_of(Create(path).path, entry.size)
            for number, at in enumerate(range(0, len(entry.digests), COPY_DIGEST_BYTES), start=entry.first):
                if not file.take(number, entry.digests[at : at + COPY_DIGEST_BYTES]):
                    yield count
                count += 1
        self.listed_blocks += count

    def _file_of(self, path: str, size: int) -> RebuiltFile:
        """The file that blocks are listed of: the one before, or the next one."""
        if self._file is None or self._file.path != path:
            self._close_file()
            self._file = RebuiltFile(self.directory, self._old, path, size, linking=self._linking)
        if self._file.size != size:
            raise PeerError(f"copy: {path!r} has {self._file.size} bytes, and then {size}")
        return self._file

    def _close_file(self) -> None:
        if self._file:
            file, self._file = self._file, None
            file.close()
