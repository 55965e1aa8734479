"""Writing the trace: one file for each run of the process, a line for each action.

Lines are written with the operating system's own buffering and no other: what was written survives a kill of this
process. It is not synced; a trace is evidence, and what must survive a power cut is in the journals.
"""

from __future__ import annotations

import os
from pathlib import Path

from takeover.errors import EnvironmentFault
from takeover_spec.actions import Action
from takeover_spec.trace import Header, action_line, header_line


class TraceWriter:
    """The trace of this run."""

    def __init__(self, directory: Path, header: Header) -> None:
        """Begin a new file in `directory`, numbered after those that are there."""
        directory.mkdir(exist_ok=True)
        runs = [int(path.stem) for path in directory.glob("*.ndjson") if path.stem.isdecimal()]
        self.run = max(runs, default=0) + 1
        """The number of this run: 1 for the first one on this directory."""
        self.path = directory / f"{self.run:06}.ndjson"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._count = 0
        self._pending = [header_line(header)]
        self.flush()

    def note(self, action: Action, t: int) -> None:
        """Add an action that was done at `t`; `flush` writes it."""
        self._count += 1
        self._pending.append(action_line(self._count, t, action))

    def flush(self) -> None:
        """Write what was noted."""
        if self._pending:
            data = "".join(self._pending).encode()
            self._pending.clear()
            while data:
                try:
                    data = data[os.write(self._file, data) :]
                except OSError as error:  # a server without its trace must not go on: nobody could judge it
                    raise EnvironmentFault(
                        f"{self.path}: the trace cannot be written: {error.strerror}"
                    ) from error

    def close(self) -> None:
        """Write what was noted, and close the file."""
        self.flush()
        os.close(self._file)
