"""The demo's timeline: what happens, as the parties' own traces and the demo itself tell it, in the order of time.

The intuition: follow every trace as it grows, and translate the few actions that a person wants to see. All clocks are
this machine's, so the times of different parties can be put in one order; between two machines they could not.

What complicates it: lines of several files arrive in bunches. So what is told is held back for a moment, and sorted,
before it is printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from takeover.linux import boottime_ns
from takeover.telling import in_words
from takeover_spec import actions as act
from takeover_spec.codec import Malformed
from takeover_spec.trace import parse_line

HELD_BACK_NS = 300_000_000
"""How long an event is held back for others that happened before it, in nanoseconds."""

_TOLD = re.compile(
    rb'"do":"(start|resynchronise|release|discard|take-role|enable|disable|start-applications|stop-applications|refrain'
    rb'|declare|copy|hear-epoch|step-down|set-aside|hear-goodbye|grant|record|end-lease)"'
)
"""The actions of which something may be told; the others are not even parsed, for there are many."""


class Timeline:
    """What happened, printed a line at a time. Call `look` often."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell` prints a line. Time counts from now."""
        self._tell = tell
        self._begun_ns = boottime_ns()
        self._followers: list[_Follower] = []
        self._held_back: list[tuple[int, str, str]] = []

    def follow(self, who: str, traces: Path) -> None:
        """Tell what the traces in a directory say, from their beginning."""
        self._followers.append(_Follower(who, traces))

    def note(self, who: str, what: str, t: int | None = None) -> None:
        """Tell something that happened at `t` (CLOCK_BOOTTIME), by default now."""
        self._held_back.append((boottime_ns() if t is None else t, who, what))

    def look(self, *, everything: bool = False) -> None:
        """Read what the parties have written, and print what is old enough; or all of it."""
        for follower in self._followers:
            self._held_back.extend((t, follower.who, what) for t, what in follower.look())
        until = boottime_ns() - (0 if everything else HELD_BACK_NS)
        self._held_back.sort(key=lambda event: event[0])
        while self._held_back and (everything or self._held_back[0][0] <= until):
            t, who, what = self._held_back.pop(0)
            self._tell(f"{(t - self._begun_ns) / 1e9:8.3f} s  {who:<9}  {what}")


class _Follower:
    """Reads the traces of one party as they grow."""

    def __init__(self, who: str, traces: Path) -> None:
        self.who = who
        self._traces = traces
        self._file: Path | None = None
        self._offset = 0
        self._enabled_until = 0
        self._epoch = 0

    def look(self) -> Iterable[tuple[int, str]]:
        """What has been written since the last look: (time, what)."""
        for file in sorted(self._traces.glob("*.ndjson")):
            if self._file is None or file.name > self._file.name:
                self._file, self._offset, self._enabled_until = file, 0, 0
            if file == self._file:
                yield from self._read(file)

    def _read(self, file: Path) -> Iterable[tuple[int, str]]:
        with file.open("rb") as trace:
            trace.seek(self._offset)
            for line in trace:
                if not line.endswith(b"\n"):
                    return  # the rest of it is still to come
                self._offset += len(line)
                if _TOLD.search(line):
                    yield from self._translated(line)

    def _translated(self, line: bytes) -> Iterable[tuple[int, str]]:
        try:
            parsed = parse_line(line, "")
        except Malformed:
            return  # the checker will say so
        what = self._words(parsed.action, parsed.t)
        if what:
            yield parsed.t, what

    def _words(self, action: act.Action, t: int) -> str:
        """An action in words; empty if it is not worth telling."""
        match action:
            case act.Enable(until):
                enabled_until, self._enabled_until = self._enabled_until, until
                if t < enabled_until:
                    return ""
            case act.Disable():
                self._enabled_until = 0
            case act.Grant(epoch=epoch):
                before, self._epoch = self._epoch, epoch
                if epoch == before:
                    return ""
        return in_words(action)
