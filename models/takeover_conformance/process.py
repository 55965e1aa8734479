"""An adapter's process: asked a line, it answers lines in time, or it is at fault and gone.

What may go wrong with an adapter has a name each (`FAULTS`), and is never taken for a wrong server. A process that is
at fault is killed with everything that descends from it: it leads a session of its own.

Refused: threads, or asyncio. One request is under way at a time, and a world waits for its answer; `select` with a
deadline says all there is to say.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from takeover.errors import TakeoverError
from takeover.linux import processes
from takeover_conformance import lines
from takeover_conformance.lines import PROTOCOL, End, Hello, Metadata, Reply, Request
from takeover_spec.codec import Malformed, shown

STARTS_WITHIN_S = 30.0
"""How long an adapter may take to answer the first request, in seconds; some languages start slowly."""

ANSWERS_WITHIN_S = 5.0
"""How long it may take to answer any other."""

ANSWER_BYTES_MAX = 64 << 20
"""How much an answer may be in all."""

FAULTS = {
    "cannot-start": "the command cannot be started",
    "exited": "the process ended in the middle of a run",
    "hang": "it did not answer in time, and was killed",
    "half-line": "it ended, or hung, in the middle of a line",
    "garbage": "a line is not what the protocol allows",
    "wrong-id": "a line answers a request that was not made",
    "flood": "an answer, or a line of it, is longer than the protocol allows",
    "chatter": "it wrote before it was asked, or after the end of an answer",
    "version": "it does not speak this version of the protocol, though it answers",
}
"""What may be wrong with an adapter's manners."""


class AdapterFault(TakeoverError):
    """An adapter did not keep to the adapter protocol. Says nothing about the server in it."""

    def __init__(self, fault: str, detail: str, line: bytes = b"") -> None:
        self.fault = fault
        """One of `FAULTS`."""
        self.line = line
        """The line at fault, if there is one."""
        told = f": {shown(line.decode(errors='replace'))}" if line else ""
        super().__init__(f"{fault}: {detail}{told}")


class Asked(Protocol):
    """Somebody who answers requests."""

    @property
    def metadata(self) -> Metadata:
        """Who it is."""

    def ask(self, request: Request) -> list[Reply]:
        """The answer, without its `End`."""

    def close(self) -> None:
        """It is not needed any more."""


class Adapter:
    """See the module. `close` it."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        """Start it; what it writes on its standard error is appended to the file `log`. Raises `AdapterFault`."""
        self.argv = tuple(argv)
        try:
            with log.open("ab") as errors:
                self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                    start_new_session=True,
                )
        except OSError as cause:
            raise AdapterFault("cannot-start", f"{argv[0]}: {cause.strerror}") from cause
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        self._number = 0
        self._read = bytearray()
        try:
            self.metadata = self._introduced()
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int:
        """Names its process, and its session."""
        return self._process.pid

    def _introduced(self) -> Metadata:
        replies = self.ask(Hello(PROTOCOL), within_s=STARTS_WITHIN_S)
        match replies:
            case [Metadata(protocol=protocol) as metadata] if protocol == PROTOCOL:
                return metadata
            case [Metadata(protocol=protocol)]:
                raise AdapterFault("version", f"it speaks version {protocol}, and not {PROTOCOL}")
            case _:
                raise AdapterFault("garbage", "the answer to hello is one line of metadata, and the end")

    def ask(self, request: Request, within_s: float = ANSWERS_WITHIN_S) -> list[Reply]:
        """The answer to a request, without its `End`. Raises `AdapterFault`, and then the process is gone."""
        try:
            return self._asked(request, time.monotonic() + within_s)
        except AdapterFault:
            self.close()
            raise

    def _asked(self, request: Request, deadline: float) -> list[Reply]:
        if self._read or self._readable(0):
            if not (said := self._some()):
                raise AdapterFault("exited", self._end())
            raise AdapterFault("chatter", "there is output that nothing asked for", said)
        self._number += 1
        self._write(lines.request_line(self._number, request), deadline)
        replies: list[Reply] = []
        size = 0
        while True:
            line = self._line(deadline)
            size += len(line)
            if size > ANSWER_BYTES_MAX:
                raise AdapterFault("flood", f"an answer of more than {ANSWER_BYTES_MAX} bytes")
            try:
                number, reply = lines.parse_reply(line)
            except Malformed as problem:
                raise AdapterFault("garbage", str(problem), line) from None
            if number != self._number:
                fault = "chatter" if number < self._number else "wrong-id"
                raise AdapterFault(fault, f"the request was {self._number}", line)
            if isinstance(reply, End):
                return replies
            replies.append(reply)

    def _write(self, line: bytes, deadline: float) -> None:
        while line:
            _, writable, _ = select.select([], [self._to], [], max(0.0, deadline - time.monotonic()))
            if not writable:
                raise AdapterFault("hang", "it does not read what it is asked")
            try:
                line = line[os.write(self._to, line) :]
            except BrokenPipeError:
                raise AdapterFault("exited", self._end()) from None

    def _line(self, deadline: float) -> bytes:
        searched = 0
        while (end := self._read.find(b"\n", searched)) < 0:
            searched = len(self._read)
            if searched > lines.LINE_BYTES_MAX:
                raise AdapterFault("flood", f"a line of more than {lines.LINE_BYTES_MAX} bytes", self._some())
            if not self._readable(max(0.0, deadline - time.monotonic())):
                fault = "half-line" if self._read else "hang"
                raise AdapterFault(fault, "no complete line within the time for an answer", self._some())
            more = os.read(self._from, 1 << 16)
            if not more:
                raise AdapterFault("half-line" if self._read else "exited", self._end(), self._some())
            self._read += more
        line = bytes(self._read[: end + 1])
        del self._read[: end + 1]
        return line

    def _readable(self, within_s: float) -> bool:
        return bool(select.select([self._from], [], [], within_s)[0])

    def _some(self) -> bytes:
        if not self._read:
            with contextlib.suppress(OSError):
                if self._readable(0):
                    self._read += os.read(self._from, 200)
        return bytes(self._read[:200])

    def _end(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it closed its output and runs on"
        return f"exited {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def close(self) -> None:
        """Kill the process, and all that it started in its session."""
        self._process.kill()
        self._process.wait()
        while members := [process.pid for process in processes() if process.session == self._process.pid]:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
