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
from takeover_spec import actions as act
from takeover_spec.codec import Malformed
from takeover_spec.trace import parse_line
from takeover_spec.words import Cause

HELD_BACK_NS = 300_000_000
"""How long an event is held back for others that happened before it, in nanoseconds."""

_TOLD = re.compile(
    rb'"do":"(start|resynchronise|release|discard|take-role|enable|disable|start-applications|stop-applications|refrain'
    rb'|declare|copy|hear-epoch|step-down|set-aside|hear-goodbye|grant|record|end-lease)"'
)
"""The actions of which something may be told; the others are not even parsed, for there are many."""

_CAUSES = {
    Cause.FIRST: "nobody has been active before",
    Cause.SILENCE: "the active server is silent",
    Cause.RELEASE: "the active server released it",
    Cause.OPERATOR: "the operator said so",
}


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
                return "" if t < enabled_until else "enables the public identity"
            case act.Disable():
                self._enabled_until = 0
                return "disables the public identity"
            case act.Grant(to, epoch):
                before, self._epoch = self._epoch, epoch
                return "" if epoch == before else f"grants the {to.name.lower()} the lease of epoch {epoch}"
            case act.TakeRole(epoch, cause):
                return f"takes the role of epoch {epoch}: {_CAUSES[cause]}"
            case act.Discard(epoch, kept, last):
                return f"has drained epoch {epoch}: kept up to update {kept}, discards {last - kept}"
            case act.SetAside(epoch, kept, last):
                return f"sets its queue of epoch {epoch} aside: update {kept} was kept, {last - kept} after it are lost"
        return _brief(action)


def _brief(action: act.Action) -> str:
    """An action that needs nothing but itself to be put in words."""
    match action:
        case act.Start():
            return "starts, passive and hidden"
        case act.StartApplications():
            return "intercepts, and starts the application"
        case act.StopApplications():
            return "stops the application"
        case act.Refrain(clause, reason):
            return f"does not take over: {reason} ({clause})"
        case act.Declare(_, _, eligible):
            return f"asks the witness to record that its peer is {'' if eligible else 'not '}eligible"
        case act.Record(_, _, eligible):
            return f"records that the passive server is {'' if eligible else 'not '}eligible"
        case act.Copy(upto=upto):
            return f"sends a copy of the data as of update {upto}"
        case act.Resynchronise(epoch, upto):
            return f"is resynchronised: it has epoch {epoch} as of update {upto}"
        case act.HearEpoch(epoch):
            return f"hears of epoch {epoch}"
        case act.StepDown(epoch):
            return f"is not active in epoch {epoch} any more"
        case act.Release(epoch) | act.EndLease(epoch):
            return f"epoch {epoch} is released"
        case act.HearGoodbye():
            return "hears the peer say goodbye"
    return ""
