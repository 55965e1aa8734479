"""A campaign: rounds of faults and orders against a pair under load, in the lab, and what was learned from it.

The evidence comes from outside the servers where it can: the observer saw who held the address; the client kept
account of what was acknowledged and read it back; the rest is what servers wrote of themselves (traces, loss
statements). What is made of it is in `verdict`.

What complicates it: **the service has to come back.** Within `BACK_TIMEOUT_S` after everything was mended, every
order was answered and a person told the witness what it is, if it lost its disk, a write that was begun after that
is acknowledged, and the pair is in sync again, with one active server. If it does not, the campaign ends there: what
came after would show nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from takeover.commands.check_trace import breaks_between_runs
from takeover.demo.configurations import SERVERS
from takeover.demo.evidence import check_traces, data_root, differing_files, losses_of
from takeover.demo.statuses import Statuses, caught_up, in_sync, statuses_of
from takeover.errors import EnvironmentFault, TakeoverError
from takeover.lab.evidence import Evidence, both_down_to_one, situation
from takeover.lab.faults import Round
from takeover.lab.holding import Played
from takeover.lab.injection import Injector, described
from takeover.lab.operating import Operator
from takeover.lab.promotions import judge_promotions
from takeover.lab.scene import LabScene
from takeover.lab.witnesses import ETCD
from takeover.linux import boottime_ns

BACK_TIMEOUT_S = 30.0
"""Within this time after everything was mended, the service is back and the pair in sync."""

START_TIMEOUT_S = 40.0
CATCH_UP_TIMEOUT_S = 30.0

WRITERS = 4
WRITES_PER_SECOND = 80
ANSWER_MS = 3_000

STUCK_S = 4.0
"""For so long both servers have to say that they may not become active before the operator is asked."""

_LOOK_S = 0.05


class NotBack(EnvironmentFault):
    """The service did not come back."""


class Campaign:
    """One campaign in one scene. `run` it."""

    def __init__(
        self,
        scene: LabScene,
        rounds: Iterable[Round],
        tell: Callable[[str], None],
    ) -> None:
        """`tell` prints a line. Nothing is started."""
        self._scene = scene
        self._rounds = rounds
        self._tell = tell
        self._injector = Injector(scene)
        self._operator = Operator(scene, self._note)
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
        operator = self._operator
        evidence.told, evidence.knew = operator.told, operator.knew
        evidence.losses = [loss for name in SERVERS for loss in losses_of(scene.parties[name])]
        self._judge_traces()
        return evidence

    def _judge_traces(self) -> None:
        evidence, scene = self._evidence, self._scene
        lives = [disk / "trace" for disk in scene.witness.lives]
        traces = {name: scene.parties[name].traces for name in SERVERS}
        evidence.promotions = judge_promotions(self._operator.promoted, lives, traces)
        last = {lives[-1], *(scene.parties[name].traces for name in SERVERS)}
        cut: set[Path] = set()
        for directory in (*lives, *(scene.parties[name].traces for name in SERVERS)):
            runs = sorted(directory.glob("*.ndjson"))
            ended = evidence.found is not None and directory in last
            killed = runs[:-1] if ended else runs
            judged = check_traces([directory], killed)
            cut.update(killed)
            evidence.traces = [*evidence.traces, *judged]
            evidence.breaks = [*evidence.breaks, *breaks_between_runs(judged)]
        evidence.cut = frozenset(cut)

    async def _play(self) -> None:
        scene, evidence = self._scene, self._evidence
        await scene.open()
        for party in scene.parties.values():
            await party.start()
        if scene.witness.untold:
            await scene.witness.tell("--new")
        active, epoch = await self._in_sync("the pair to be in sync", START_TIMEOUT_S)
        self._note(f"the pair is in sync, {active} is active; the client begins to write")
        await scene.client.start()
        await self._written_since(boottime_ns(), START_TIMEOUT_S)
        for drawn in self._rounds:
            played = Played(active, boottime_ns())
            evidence.rounds.append(played)
            self._note(f"round {len(evidence.rounds)}: {described(drawn, active)}")
            await self._play_round(drawn, played, epoch)
            active, epoch = await self._back()
            played.ended_ns = boottime_ns()
            for order in played.orders:
                order.settled_epoch = epoch
        await self._end()
        if scene.witness.kind == ETCD:
            self._note("etcd is asked for the history of the witness's record")
        await scene.witness.write_traces()

    async def _play_round(self, drawn: Round, played: Played, epoch: int) -> None:
        """Carry it out, and mend everything."""
        ordering = asyncio.create_task(self._orders(drawn, played, epoch))
        try:
            hit = await self._injector.inject(drawn.faults, played.active)
            played.hit = [fault for fault, done in zip(drawn.faults, hit, strict=True) if done]
            played.missed = [fault for fault, done in zip(drawn.faults, hit, strict=True) if not done]
            played.held = self._injector.held
            await self._injector.mend()
            await ordering
        finally:
            ordering.cancel()

    async def _orders(self, drawn: Round, played: Played, epoch: int) -> None:
        if drawn.switchover is not None:
            await self._operator.switch_over(drawn.switchover, played.active, epoch, played.orders)

    async def _back(self) -> tuple[str, int]:
        """Wait until the service is back; the active server, and its epoch."""
        if self._scene.witness.untold:
            both = await self._until(
                "both servers to answer", BACK_TIMEOUT_S, lambda statuses: set(statuses) == set(SERVERS)
            )
            await self._operator.tell_witness(both)
        mended_ns = boottime_ns()
        if await self._needs_an_operator(mended_ns):
            statuses = await statuses_of(self._scene.parties)
            self._note(situation(statuses))
            if refused := await self._operator.promote(statuses, len(self._evidence.rounds)):
                raise NotBack(refused)
            mended_ns = boottime_ns()
        await self._written_since(mended_ns, BACK_TIMEOUT_S)
        first = self._scene.client.first_acknowledged(mended_ns)
        assert first is not None
        self._evidence.back_ns.append(first.ended_ns - mended_ns)
        left_s = BACK_TIMEOUT_S - (boottime_ns() - mended_ns) / 1e9
        active, epoch = await self._in_sync("the pair to be in sync again", left_s)
        took_ms = (boottime_ns() - mended_ns) // 1_000_000
        self._note(
            f"back {self._evidence.back_ns[-1] // 1_000_000} ms after the mending, and in sync after {took_ms} ms:"
            f" {active} is active; {len(self._scene.client.writes)} writes so far"
        )
        return active, epoch

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

    async def _in_sync(self, what: str, timeout_s: float) -> tuple[str, int]:
        """The active server, and its epoch."""
        statuses = await self._until(what, timeout_s, lambda statuses: in_sync(statuses) is not None)
        active = in_sync(statuses)
        assert active is not None
        return active, int(statuses[active]["epoch"])

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
