"""What may be wrong with an adapter's manners; none of it says anything about the server in it."""

from __future__ import annotations

from typing import Any

from takeover.errors import TakeoverError
from takeover_spec.codec import shown

FAULTS = {
    "cannot-start": "the command cannot be started",
    "exited": "the process ended in the middle of a run",
    "hang": "it did not answer in time, and was killed",
    "half-line": "it ended, or hung, in the middle of a line",
    "garbage": "a line is not what the protocol allows",
    "out-of-place": "its lines are well-formed, and are no answer to what was asked",
    "wrong-id": "a line answers a request that was not made",
    "flood": "an answer, or a line of it, is longer than the protocol allows",
    "chatter": "it wrote before it was asked, or after the end of an answer",
    "nondeterministic": "asked the same again, it answered otherwise: by a clock or by chance, or it does not forget",
    "version": "it does not speak this version of the protocol, though it answers",
    "service": "the service could not be tried, for it did not run, or nobody could watch it",
    "stays": "it runs on though its input has ended, and was killed",
}
"""What may be wrong."""


class AdapterFault(TakeoverError):
    """An adapter did not keep to the adapter protocol. Says nothing about the server in it."""

    def __init__(self, fault: str, detail: str, line: bytes = b"") -> None:
        self.fault = fault
        """One of `FAULTS`."""
        self.detail = detail
        self.line = line
        """The line at fault, if there is one."""
        self.asked = b""
        """The request that was under way, as a line, if there was one."""
        self.errors: tuple[str, ...] = ()
        """The end of what it wrote on its standard error."""
        self.during: tuple[str, int, str] | None = None
        """The case that was under way, its level, and who was tested; None if there was none."""
        self.of_other = False
        """It is the other implementation's adapter (level 5)."""
        told = f": {shown(line.decode(errors='replace'))}" if line else ""
        super().__init__(f"{fault}: {detail}{told}")

    def __reduce__(self) -> tuple[Any, ...]:
        """As another process is told of it."""
        more = self.asked, self.errors, self.during, self.of_other
        return _fault_of, (self.fault, self.detail, self.line, more)


_More = tuple[bytes, tuple[str, ...], tuple[str, int, str] | None, bool]


def _fault_of(fault: str, detail: str, line: bytes, more: _More) -> AdapterFault:
    told = AdapterFault(fault, detail, line)
    told.asked, told.errors, told.during, told.of_other = more
    return told
