"""The three pipes to an adapter: lines go in, lines come out, in time; and what it complains of is kept, the end of it.

Nothing that an adapter writes takes more memory here than one line of the greatest length, however much it writes.
All three are looked at whenever one is waited for, so an adapter that complains at length does not stop at a full pipe.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import subprocess
import time

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import LINE_BYTES_MAX

ERRORS_BYTES_MAX = 1 << 14
"""How much of the standard error is kept."""

SHOWN_BYTES_MAX = 200
"""How much of what was not asked for is read, to be shown."""


class Ended(Exception):
    """The other end is closed."""


class Pipes:
    """See the module."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._files = (process.stdin, process.stdout, process.stderr)
        self._to, self._from, self._errors_from = (file.fileno() for file in self._files)
        os.set_blocking(self._to, False)
        self._heard, self._taken = select.poll(), select.poll()
        """Something can be read, or written."""
        self._heard.register(self._from, select.POLLIN)
        self._taken.register(self._to, select.POLLOUT)
        for waiting in (self._heard, self._taken):
            waiting.register(self._errors_from, select.POLLIN)
        self._read = bytearray()
        self._errors = bytearray()
        self._complains = True
        """Its standard error is open."""

    @property
    def half(self) -> bool:
        """Part of a line has come."""
        return bool(self._read)

    @property
    def errors(self) -> tuple[str, ...]:
        """The last lines of the standard error."""
        while self._complains and select.select([self._errors_from], [], [], 0)[0]:
            self._hear()
        return tuple(self._errors.decode(errors="replace").splitlines()[-12:])

    def write(self, line: bytes, deadline: float) -> None:
        """Write a line; raises `AdapterFault` if nobody reads it, and `Ended`."""
        while line:
            try:
                line = line[os.write(self._to, line) :]
            except BlockingIOError:
                if not self._wait(self._taken, deadline):
                    raise AdapterFault("hang", "it does not read what it is asked") from None
            except BrokenPipeError:
                raise Ended from None

    def line(self, deadline: float) -> bytes:
        """The next line, with its newline; raises `AdapterFault` if it does not come or is too long, and `Ended`."""
        searched = 0
        while (end := self._read.find(b"\n", searched)) < 0:
            searched = len(self._read)
            if searched > LINE_BYTES_MAX:
                raise AdapterFault("flood", f"a line of more than {LINE_BYTES_MAX} bytes", self.some())
            if not self._wait(self._heard, deadline):
                fault = "half-line" if self._read else "hang"
                raise AdapterFault(fault, "no complete line within the time for an answer", self.some())
            more = os.read(self._from, 1 << 16)
            if not more:
                raise Ended
            self._read += more
        line = bytes(self._read[: end + 1])
        del self._read[: end + 1]
        return line

    def unasked(self, within_s: float = 0.0) -> bytes | None:
        """What is there to read, or comes within that time; nothing if its output is closed, None if it is silent."""
        return self.some() if self._read or self._wait(self._heard, time.monotonic() + within_s) else None

    def some(self) -> bytes:
        """What has come, or the beginning of it."""
        if not self._read and self._wait(self._heard, 0.0):
            with contextlib.suppress(OSError):
                self._read += os.read(self._from, SHOWN_BYTES_MAX)
        return bytes(self._read[:SHOWN_BYTES_MAX])

    def end_input(self) -> None:
        """Nothing more is asked."""
        self._files[0].close()

    def close(self) -> None:
        """Close all."""
        for file in self._files:
            file.close()

    def _wait(self, waiting: select.poll, deadline: float) -> bool:
        """Whether it comes before the time is over."""
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            files = [file for file, _ in waiting.poll(math.ceil(left_s * 1000))]
            if files != [self._errors_from]:
                return bool(files)
            self._hear()

    def _hear(self) -> None:
        heard = os.read(self._errors_from, 1 << 16)
        if not heard:
            self._complains = False
            self._heard.unregister(self._errors_from)
            self._taken.unregister(self._errors_from)
        self._errors += heard
        del self._errors[:-ERRORS_BYTES_MAX]
