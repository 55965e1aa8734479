"""The demo's play: start a pair, load it, kill the active server, watch the failover, bring the killed one back.

Every step waits for a condition that is looked at from outside (the nodes' own status, the client's account), with a
deadline; a step that does not come to its end makes the demo incomplete, and says which step it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from takeover.commands.check_trace import Judged, breaks_between_runs
from takeover.demo.evidence import check_traces, data_root, differing_files, read_loss
from takeover.demo.judgement import Facts
from takeover.demo.parties import Party
from takeover.demo.stage import Stage
from takeover.demo.statuses import Statuses, caught_up, in_sync, other_server, statuses_of
from takeover.demo.timeline import Timeline
from takeover.errors import EnvironmentFault
from takeover.linux import boottime_ns

START_TIMEOUT_S = 30.0
FAILOVER_TIMEOUT_S = 20.0
RETURN_TIMEOUT_S = 30.0
CATCH_UP_TIMEOUT_S = 20.0

WRITES_MIN = 100
"""How many writes there are before the active server is killed, on however busy a machine."""

_LOOK_S = 0.02


class Incomplete(EnvironmentFault):
    """A step of the play did not come to its end."""


class Play:
    """One performance. `run` it, and `end` it whatever happened."""

    def __init__(self, scene: Stage, timeline: Timeline, seconds: float, synchronous: bool) -> None:
        """`seconds` is how long the load runs without anything else happening, all together."""
        self._scene = scene
        self._timeline = timeline
        self._seconds = seconds
        self._synchronous = synchronous
        self._client = scene.client
        self._killed_trace: Path | None = None

    async def run(self) -> Callable[[], Facts]:
        """Perform. Call what is returned after `end`, for what was learned. Raises Incomplete and EnvironmentFault."""
        await self._scene.open()
        for party in self._scene.parties.values():
            self._timeline.follow(party.name, party.traces)
        await self._start()
        active, passive = await self._in_sync("the pair to be in sync", START_TIMEOUT_S)
        await self._begin_load()
        await self._wait(self._seconds * 0.4)
        await self._until("enough writes to show something", START_TIMEOUT_S, lambda _: self._has_written())
        killed_ns = await self._kill(active)
        await self._see_failover(killed_ns)
        await self._wait(self._seconds * 0.3)
        await self._bring_back(active)
        await self._wait(self._seconds * 0.3)
        found = await self._end_load()
        await self._stop(passive=active, active=passive)

        def facts() -> Facts:
            assert self._scene.observation is not None
            traces = self.traces()
            return Facts(
                synchronous=self._synchronous,
                lease_ns=self._scene.timing.grant_ms * 1_000_000,
                killed_ns=killed_ns,
                writes=self._client.writes,
                found=found,
                loss=read_loss(active, 1),
                observation=self._scene.observation,
                traces=traces,
                breaks=breaks_between_runs(traces),
                differing=differing_files(data_root(active), data_root(passive)),
            )

        return facts

    async def end(self) -> None:
        """End everything that was started here."""
        await self._scene.close()
        self._timeline.look(everything=True)

    def traces(self) -> list[Judged]:
        """The verdict on every trace, after `end`."""
        killed = [] if self._killed_trace is None else [self._killed_trace]
        return check_traces([party.traces for party in self._scene.parties.values()], killed)

    # --- the steps ------------------------------------------------------------------------------

    async def _start(self) -> None:
        for party in self._scene.parties.values():
            await party.start()
            self._note(f"starts the {party.name}, process {party.pid}")

    async def _in_sync(self, what: str, timeout_s: float) -> tuple[Party, Party]:
        """Wait until one server is active and the other may take over from it; (active, passive)."""
        statuses = await self._until(what, timeout_s, lambda s: in_sync(s) is not None)
        name = in_sync(statuses)
        assert name is not None
        self._note(f"{name} is active, and its peer may take over")
        other = other_server(name)
        return self._scene.parties[name], self._scene.parties[other]

    async def _begin_load(self) -> None:
        await self._client.start()
        self._note("begins to write", "client")

    def _has_written(self) -> bool:
        return len(self._client.writes) >= WRITES_MIN

    async def _kill(self, active: Party) -> int:
        """Kill the active server in the middle of the load; when that was."""
        self._killed_trace = max(active.traces.glob("*.ndjson"))
        pid, killed_ns = active.pid, boottime_ns()
        await active.kill()
        await self._scene.cut_off()
        acknowledged = len(self._client.writes)
        self._note(
            f"kills the {active.name}, process {pid}, and cuts its link; {acknowledged} writes so far",
            t=killed_ns,
        )
        return killed_ns

    async def _see_failover(self, killed_ns: int) -> None:
        gone_ns = boottime_ns()
        await self._until(
            "a write to be acknowledged after the kill",
            FAILOVER_TIMEOUT_S,
            lambda _: self._client.first_acknowledged(gone_ns) is not None,
        )
        first = self._client.first_acknowledged(gone_ns)
        assert first is not None
        after_ms = (first.ended_ns - killed_ns) // 1_000_000
        self._note(f"has a write acknowledged again, {after_ms} ms after the kill", "client", first.ended_ns)

    async def _bring_back(self, killed: Party) -> None:
        await self._scene.reconnect()
        await killed.start()
        self._note(f"starts the {killed.name} again, process {killed.pid}, and mends the link")
        await self._in_sync("the killed server to be resynchronised", RETURN_TIMEOUT_S)

    async def _end_load(self) -> dict[str, str]:
        """Stop the load, and read everything back."""
        await self._client.stop()
        self._note(f"stops after {len(self._client.writes)} writes", "client")
        found = await self._client.read_all()
        self._note(f"reads {len(found)} values back through the public identity", "client")
        await self._until("the passive server to have applied everything", CATCH_UP_TIMEOUT_S, caught_up)
        return found

    async def _stop(self, *, passive: Party, active: Party) -> None:
        for party in (passive, active, self._scene.parties["witness"]):
            self._note(f"stops the {party.name}")
            problem = await party.stop()
            self._timeline.look()
            if problem:
                raise Incomplete(problem)

    # --- waiting --------------------------------------------------------------------------------

    def _note(self, what: str, who: str = "demo", t: int | None = None) -> None:
        self._timeline.note(who, what, t)

    async def _wait(self, seconds: float) -> None:
        """Let everything run for a while."""
        until_ns = boottime_ns() + int(seconds * 1e9)
        while boottime_ns() < until_ns:
            await self._look()

    async def _until(self, what: str, timeout_s: float, condition: Callable[[Statuses], bool]) -> Statuses:
        """Wait for a condition on the status of the servers that run; that status."""
        until_ns = boottime_ns() + int(timeout_s * 1e9)
        while True:
            statuses = await statuses_of(self._scene.parties)
            if condition(statuses):
                return statuses
            if boottime_ns() > until_ns:
                raise Incomplete(f"waited {timeout_s:g} s for {what}; the servers' status is {statuses}")
            await self._look()

    async def _look(self) -> None:
        """A moment, in which the timeline goes on; raises Incomplete when a party ended that should run."""
        await asyncio.sleep(_LOOK_S)
        self._timeline.look()
        for party in self._scene.parties.values():
            if party.ended:
                raise Incomplete(party.ended)
        if self._client.failed:
            raise Incomplete(self._client.failed)
