"""An adapter's process: asked a line, it answers lines in time, or it is at fault and gone.

What may go wrong with an adapter has a name each (`FAULTS`), and is never taken for a wrong server. A process that is
at fault is killed with everything that descends from it: those that are still in its session, and those that bear the
mark that was put into its environment, wherever they went.

Refused: threads, or asyncio. One request is under way at a time, and a world waits for its answer; `select` with a
deadline says all there is to say. Refused as well: to become the reaper of all orphans; this process may be somebody
else's, such as a run of pytest.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from takeover.linux import processes
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import PROTOCOL, End, Hello, Metadata, Reply, Request
from takeover_conformance.adapter.manners import out_of_place
from takeover_conformance.adapter.pipes import Ended, Pipes
from takeover_spec.codec import Malformed

STARTS_WITHIN_S = 30.0
"""How long an adapter may take to answer the first request, in seconds; some languages start slowly."""

ANSWERS_WITHIN_S = 5.0
"""How long it may take to answer any other."""

LEAVES_WITHIN_S = 2.0
"""How long it may take to end when its input has ended."""

ANSWER_BYTES_MAX = 16 << 20
"""How much an answer may be in all."""

ANSWER_LINES_MAX = 1 << 14
"""And in how many lines."""

MARK = "TAKEOVER_CONFORM"
"""The variable by which an adapter's descendants are known."""


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

    def __init__(
        self, argv: Sequence[str], starts_within_s: float = STARTS_WITHIN_S, *, other: bool = False
    ) -> None:
        """Start it, and ask who it is; `other`: it is not that of who is tested. Raises `AdapterFault`."""
        self._is_other = other
        self.argv = tuple(argv)
        self._mark = uuid.uuid4().hex
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env=os.environ | {MARK: self._mark},
            )
        except OSError as cause:
            fault = AdapterFault("cannot-start", f"{argv[0]}: {cause.strerror}")
            fault.of_other = other
            raise fault from cause
        self._pipes = Pipes(self._process)
        self._number = 0
        self._line = b""
        """The request that is under way."""
        try:
            self.metadata = self._introduced(starts_within_s)
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int:
        """Names its process, and its session."""
        return self._process.pid

    def _introduced(self, within_s: float) -> Metadata:
        (told,) = (reply for reply in self.ask(Hello(PROTOCOL), within_s) if isinstance(reply, Metadata))
        if told.protocol != PROTOCOL:
            raise self.at_fault("version", f"it speaks version {told.protocol}, and not {PROTOCOL}")
        return told

    def at_fault(self, fault: str, detail: str, line: bytes = b"") -> AdapterFault:
        """The fault, with what is known of it; the process is gone."""
        return self._gone(AdapterFault(fault, detail, line))

    def _gone(self, fault: AdapterFault) -> AdapterFault:
        if not fault.asked:
            fault.asked, fault.errors, fault.of_other = self._line, self._pipes.errors, self._is_other
        self.close()
        return fault

    def ask(self, request: Request, within_s: float = ANSWERS_WITHIN_S) -> list[Reply]:
        """The answer to a request, without its `End`. Raises `AdapterFault`, and then the process is gone."""
        try:
            return self._asked(request, time.monotonic() + within_s)
        except (AdapterFault, Ended) as cause:
            raise self._blamed(cause) from None

    def _blamed(self, cause: AdapterFault | Ended) -> AdapterFault:
        """What went wrong is the adapter's fault, and its end."""
        if isinstance(cause, AdapterFault):
            return self._gone(cause)
        name = "half-line" if self._pipes.half else "exited"
        return self.at_fault(name, self._end(), self._pipes.some())

    def _asked(self, request: Request, deadline: float) -> list[Reply]:
        self._expect_silence(0.0)
        self._number += 1
        self._line = lines.request_line(self._number, request)
        self._pipes.write(self._line, deadline)
        replies: list[Reply] = []
        size, line = 0, b""
        while True:
            try:
                line = self._pipes.line(deadline)
            except AdapterFault as cause:
                if cause.fault == "hang" and replies:
                    many = f"{len(replies)} line{'s' if len(replies) > 1 else ''}"
                    said = f"{many} of an answer and no end of it within the time for it"
                    raise AdapterFault("hang", said, line) from None
                raise
            size += len(line)
            if size > ANSWER_BYTES_MAX or len(replies) > ANSWER_LINES_MAX:
                most = f"{ANSWER_BYTES_MAX} bytes or {ANSWER_LINES_MAX} lines"
                raise AdapterFault("flood", f"an answer of more than {most}", line)
            try:
                number, reply = lines.parse_reply(line)
            except Malformed as problem:
                raise AdapterFault("garbage", str(problem), line) from None
            if number != self._number:
                fault = "chatter" if number < self._number else "wrong-id"
                raise AdapterFault(fault, f"the request was {self._number}", line)
            if isinstance(reply, End):
                break
            replies.append(reply)
        if wrong := out_of_place(request, replies):
            raise AdapterFault("out-of-place", wrong)
        return replies

    def _expect_silence(self, within_s: float) -> None:
        said = self._pipes.unasked(within_s)
        if said == b"":
            raise Ended
        if said is not None:
            raise AdapterFault("chatter", "there is output that nothing asked for", said)

    def listen(self, within_s: float) -> None:
        """Hear whether it says anything unasked within that time. Raises `AdapterFault`."""
        try:
            self._expect_silence(within_s)
        except (AdapterFault, Ended) as cause:
            raise self._blamed(cause) from None

    def leave(self) -> None:
        """Its input ends, and so does it, without a word. Raises `AdapterFault`."""
        self._line = b""
        ends = time.monotonic() + LEAVES_WITHIN_S
        self._pipes.end_input()
        with contextlib.suppress(Ended):
            try:
                self._expect_silence(LEAVES_WITHIN_S)
            except AdapterFault as cause:
                raise self._blamed(cause) from None
        try:
            self._process.wait(max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise self.at_fault("stays", f"it has not ended {LEAVES_WITHIN_S:g} s after its input") from None
        self.close()

    def _end(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it closed its output and runs on"
        return f"exited {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def close(self) -> None:
        """Kill the process, and all that descends from it."""
        self._process.kill()
        self._process.wait()
        while members := [
            process.pid for process in processes() if self._is_its(process.pid, process.session)
        ]:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._pipes.close()

    def _is_its(self, pid: int, session: int) -> bool:
        if session == self._process.pid:
            return True
        try:
            return f"{MARK}={self._mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is somebody else's
            return False
