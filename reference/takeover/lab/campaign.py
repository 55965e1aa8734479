"""A campaign: rounds of faults against a pair under load, in the lab, and what was learned from it.

The evidence comes from outside the servers where it can: the observer saw who held the address; the client kept
account of what was acknowledged and read it back; the rest is what servers wrote of themselves (traces, loss
statements). What is made of it is in `verdict`.

What complicates it: **the service has to come back.** Within `BACK_TIMEOUT_S` after everything was mended, a write
that was begun after it is acknowledged, and the pair is in sync again. If it does not, the campaign ends there:
what came after would show nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from takeover.commands.check_trace import Break, Judged, breaks_between_runs
from takeover.control.client import ask
from takeover.demo.client import WriteRecord
from takeover.demo.configurations import SERVERS
from takeover.demo.evidence import check_traces, data_root, differing_files, losses_of
from takeover.demo.judgement import Loss
from takeover.demo.statuses import Statuses, caught_up, in_sync, statuses_of
from takeover.errors import EnvironmentFault, TakeoverError
from takeover.lab.faults import Fault
from takeover.lab.injection import Injector, described
from takeover.lab.scene import LabScene
from takeover.linux import boottime_ns
from takeover.observer import Observation

BACK_TIMEOUT_S = 30.0
"""Within this time after everything was mended, the service is back and the pair in sync."""

START_TIMEOUT_S = 40.0
CATCH_UP_TIMEOUT_S = 30.0

WRITERS = 4
WRITES_PER_SECOND = 80
ANSWER_MS = 3_000

STUCK_S = 4.0
"""For so long both servers have to say that they may not become active before the operator is asked."""

BOTH_DOWN_TO_ONE = "both down to one"
"""Neither server may become active by itself: the last active one was alone, and has restarted or lapsed."""

_LEFT_BEHIND = ("not recorded as eligible", "data belongs to an epoch that is over")
"""What the other one says then, on the witness's word or on its own."""

_LOOK_S = 0.05


class NotBack(EnvironmentFault):
    """The service did not come back."""


@dataclass(slots=True)
class Evidence:
    """What a campaign learned."""

    lease_ns: int
    hit: list[Fault] = field(default_factory=list)
    missed: int = 0
    """Faults whose process was gone when their time came."""
    rounds: int = 0
    back_ns: list[int] = field(default_factory=list)
    """After each round, from the mending to the first write that was begun later and acknowledged."""
    promoted: int = 0
    """How often an operator had to promote a server: both were down to one."""
    problem: str = ""
    """Why it was broken off; empty if it was not."""
    not_back: str = ""
    """How it stood when the service did not come back; empty if it always did."""
    ended_unasked: Sequence[str] = ()
    writes: Sequence[WriteRecord] = ()
    found: Mapping[str, str] | None = None
    """Every key and value at the end; None if they could not be read."""
    observation: Observation | None = None
    traces: Sequence[Judged] = ()
    cut: Collection[Path] = ()
    """The traces whose end may be missing: of runs that did not end in good order."""
    breaks: Sequence[Break] = ()
    losses: Sequence[Loss] = ()
    """The loss statements of all servers."""
    differing: Sequence[str] = ()
    """The files in which the copies of two servers that had caught up differ."""


class Campaign:
    """One campaign in one scene. `run` it."""

    def __init__(
        self,
        scene: LabScene,
        rounds: Iterable[Sequence[Fault]],
        tell: Callable[[str], None],
    ) -> None:
        """`tell` prints a line. Nothing is started."""
        self._scene = scene
        self._rounds = rounds
        self._tell = tell
        self._injector = Injector(scene)
        self._began_ns = boottime_ns()
        self._evidence = Evidence(scene.timing.grant_ms * 1_000_000)

    async def run(self) -> Evidence:
        """Play it; whatever happens, nothing of it runs on return."""
        evidence, scene = self._evidence, self._scene
        try:
            await self._play()
        except NotBack as error:
            evidence.not_back = str(error)
        except TakeoverError as error:
            evidence.problem = str(error)
        except asyncio.CancelledError:
            evidence.problem = "interrupted"
        finally:
            await scene.close()
        evidence.writes = list(scene.client.writes)
        evidence.observation = scene.observation
        evidence.ended_unasked = self._injector.ended_unasked
        parties = list(scene.parties.values())
        files = {party.name: sorted(party.traces.glob("*.ndjson")) for party in parties}
        killed = {file for runs in files.values() for file in (runs if evidence.found is None else runs[:-1])}
        evidence.traces = check_traces(parties, killed)
        evidence.cut = frozenset(killed)
        evidence.breaks = breaks_between_runs(evidence.traces)
        evidence.losses = [loss for party in parties for loss in losses_of(party)]
        return evidence

    async def _play(self) -> None:
        scene, evidence = self._scene, self._evidence
        await scene.open()
        for party in scene.parties.values():
            await party.start()
        active = await self._in_sync("the pair to be in sync", START_TIMEOUT_S)
        self._note(f"the pair is in sync, {active} is active; the client begins to write")
        await scene.client.start()
        await self._written_since(boottime_ns(), START_TIMEOUT_S)
        for faults in self._rounds:
            evidence.rounds += 1
            self._note(f"round {evidence.rounds}: {self._described(faults, active)}")
            hit = await self._injector.inject(faults, active)
            evidence.hit += hit
            evidence.missed += len(faults) - len(hit)
            await self._injector.mend()
            active = await self._back()
        await self._end()

    async def _back(self) -> str:
        """Wait until the service is back; the active server."""
        mended_ns = boottime_ns()
        if await self._needs_an_operator(mended_ns):
            await self._promote()
            mended_ns = boottime_ns()
        await self._written_since(mended_ns, BACK_TIMEOUT_S)
        first = self._scene.client.first_acknowledged(mended_ns)
        assert first is not None
        self._evidence.back_ns.append(first.ended_ns - mended_ns)
        left_s = BACK_TIMEOUT_S - (boottime_ns() - mended_ns) / 1e9
        active = await self._in_sync("the pair to be in sync again", left_s)
        took_ms = (boottime_ns() - mended_ns) // 1_000_000
        self._note(
            f"back {self._evidence.back_ns[-1] // 1_000_000} ms after the mending, and in sync after {took_ms} ms:"
            f" {active} is active; {len(self._scene.client.writes)} writes so far"
        )
        return active

    async def _needs_an_operator(self, mended_ns: int) -> bool:
        """Wait until the service is back, or was in the one state that nobody but an operator ends for `STUCK_S`."""
        stuck_since_ns = boottime_ns()

        def settled(statuses: Statuses) -> bool:
            nonlocal stuck_since_ns
            if not both_down_to_one(statuses):
                stuck_since_ns = boottime_ns()
            return (
                self._scene.client.first_acknowledged(mended_ns) is not None
                or boottime_ns() - stuck_since_ns > STUCK_S * 1e9
            )

        await self._until("a write to be acknowledged", BACK_TIMEOUT_S, settled)
        return self._scene.client.first_acknowledged(mended_ns) is None

    async def _promote(self) -> None:
        """Do what an operator does: promote the server with the latest data, which was active last."""
        statuses = await statuses_of(self._scene.parties)
        name = max(statuses, key=lambda each: int(statuses[each]["epoch"]))
        self._evidence.promoted += 1
        self._note(f"{situation(statuses)}; the operator promotes the {name}")
        answer = await asyncio.to_thread(ask, self._scene.parties[name].data_directory, "promote")
        if not answer["accepted"]:
            raise NotBack(f"the {name} refused to be promoted: {answer}")

    async def _end(self) -> None:
        """Stop writing, read everything back, and stop the services in good order."""
        scene, evidence = self._scene, self._evidence
        await scene.client.stop()
        evidence.found = await scene.client.read_all()
        await self._until("the passive server to have applied everything", CATCH_UP_TIMEOUT_S, caught_up)
        statuses = await statuses_of(scene.parties)
        active = in_sync(statuses)
        order = sorted(scene.parties, key=lambda name: (name == "witness", name == active))
        for name in order:
            problem = await scene.parties[name].stop()
            if problem:
                raise EnvironmentFault(problem)
        roots = [data_root(scene.parties[name]) for name in ("primary", "secondary")]
        evidence.differing = differing_files(*roots)

    # --- waiting --------------------------------------------------------------------------------

    async def _written_since(self, begun_ns: int, timeout_s: float) -> None:
        client = self._scene.client
        await self._until(
            "a write to be acknowledged", timeout_s, lambda _: client.first_acknowledged(begun_ns) is not None
        )

    async def _in_sync(self, what: str, timeout_s: float) -> str:
        active = in_sync(await self._until(what, timeout_s, lambda statuses: in_sync(statuses) is not None))
        assert active is not None
        return active

    async def _until(self, what: str, timeout_s: float, condition: Callable[[Statuses], bool]) -> Statuses:
        until_ns = boottime_ns() + int(timeout_s * 1e9)
        while True:
            statuses = await statuses_of(self._scene.parties)
            if condition(statuses):
                return statuses
            await self._see_to_services()
            if self._scene.client.failed:
                raise EnvironmentFault(self._scene.client.failed)
            if self._scene.watch.saw_two:
                raise EnvironmentFault("two holders were seen; there is no point in going on")
            if boottime_ns() > until_ns:
                raise NotBack(f"waited {timeout_s:.0f} s for {what}: {situation(statuses)}")
            await asyncio.sleep(_LOOK_S)

    async def _see_to_services(self) -> None:
        """Start again what ended by itself, as a service manager would; but not what never ran."""
        for party in self._scene.parties.values():
            if party.ended and not self._evidence.rounds:
                raise EnvironmentFault(party.ended)
        await self._injector.revive()

    def _note(self, what: str) -> None:
        self._tell(f"{(boottime_ns() - self._began_ns) / 1e9:8.3f} s  {what}")

    def _described(self, faults: Sequence[Fault], active: str) -> str:
        return "; ".join(f"at {fault.at_ms} ms {described(fault, active)}" for fault in faults)


def both_down_to_one(statuses: Statuses) -> bool:
    """Whether both servers say that they may not become active, one of them because it was."""
    refrains = [said["last_refrain"] or {} for said in statuses.values() if said["role"] == "passive"]
    returned = [refrain.get("clause") == "REJOIN-3" for refrain in refrains]
    left_behind = [any(word in refrain.get("reason", "") for word in _LEFT_BEHIND) for refrain in refrains]
    each = [one or other for one, other in zip(returned, left_behind, strict=True)]
    return len(refrains) == len(SERVERS) and all(each) and any(returned)


def situation(statuses: Statuses) -> str:
    """How the servers stand, in a line; by its name, if it is the one that only an operator can end."""
    told = "; ".join(
        f"{name} is {said['role']} in epoch {said['epoch']}"
        + (f", refrains: {said['last_refrain']['reason']}" if said["last_refrain"] else "")
        for name, said in statuses.items()
    )
    return f"{BOTH_DOWN_TO_ONE if both_down_to_one(statuses) else 'not in sync'}: {told or 'no answer'}"
