"""Two records are as good as one: the argument of `takeover.core.own_arbiter`, as a proof by induction of its own.

The proof of the layers has one record, with `silence` or `operator` in the place of its waits. Here are the two that
there are without a witness, one with each server, and what they tell each other. Shown is what the one record stands
for: no epoch is begun twice; and whoever takes over unasked was told so by the leader of the latest epoch, which did
not go on alone. Processes die, are held up and start at any point. What is said is heard late or never, but by the
run it was said to, and as long as the run that said it has not started anew.

Not here: time, data, and what the layers prove. A lease that was waited for is the assumption that the peer is dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import z3

from takeover_proofs.induction import INITIALLY, PROVED, REFUTED, TIMEOUT_MS, UNDECIDED, Obligation, Result
from takeover_proofs.invariant import Clause
from takeover_proofs.symbols import symbols
from takeover_proofs.terms import ArrayTable, raw
from takeover_proofs.world import Nature
from takeover_spec.logic import Sparse, Table, choose, greatest, implies, not_
from takeover_spec.words import Arbiter


@dataclass(frozen=True, slots=True)
class Half:
    """A server with its arbiter."""

    alive: bool = False
    active: bool = False
    epoch: int = 0
    """Of its data; durable."""
    led: bool = False
    """It began that epoch; durable."""
    record: int = 0
    """The epoch of its arbiter's record."""
    mine: bool = False
    """The record says that this server holds it."""
    eligible: bool = False
    version: int = 0
    ended: bool = False
    """The record's epoch was given up by the peer."""
    told_from: int = 0
    """The version of the leader's last declaration when this run began."""
    confirmed: int = 0
    """The highest version that it recorded in the latest epoch, in any run."""

    @property
    def granted(self) -> bool:
        """It may begin the next epoch."""
        return self.alive & self.mine & (self.record == self.epoch + 1)


@dataclass(frozen=True, slots=True)
class Both:
    """The pair."""

    halves: tuple[Half, Half] = field(default_factory=lambda: (Half(), Half()))
    latest: int = 0
    """The latest epoch that was begun."""
    leader: int = 0
    """By whom; means nothing in epoch 0."""
    owner: Table[int] = field(default_factory=lambda: Sparse(-1))
    """By whom each epoch was begun."""
    version: int = 0
    """Of the leader's last declaration."""
    declared: Table[bool] = field(default_factory=lambda: Sparse(False))
    """What it said, by version."""
    same_run: bool = False
    """The leader's process has not started anew since it began the epoch."""
    alone: bool = False
    """It acknowledges without its peer."""
    released: bool = False
    twice: bool = False
    """An epoch was begun twice."""
    bereft: bool = False
    """A server began an epoch unasked although the leader before it had gone on alone."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a step is about."""

    epoch: int
    version: int
    eligible: bool


Stepped = tuple[list[bool], Both]
"""What must hold for a step to be possible, and the pair after it."""


def _is_crash_stop(nature: Nature) -> bool:
    return nature.arbiter is Arbiter.CRASH_STOP


def _with(both: Both, me: int, half: Half, **changes: Any) -> Both:
    halves = (half, both.halves[1]) if me == 0 else (both.halves[0], half)
    return replace(both, halves=halves, **changes)


def _adopted(half: Half, epoch: int) -> Half:
    """The record once its arbiter has heard that the peer has this epoch."""
    newer = epoch > half.record
    return replace(
        half,
        record=choose(newer, epoch, half.record),
        mine=half.mine & not_(newer),
        eligible=half.eligible & not_(newer),
        ended=half.ended & not_(newer),
        version=choose(newer, 0, half.version),
    )


# --- what can happen, at server `me` ------------------------------------------------------------------


def die(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """Its process ends."""
    return [both.halves[me].alive], _with(both, me, replace(both.halves[me], alive=False, active=False))


def start(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """Its process starts, or was held up for so long that it is as good as that; what it heard of may be forgotten."""
    half = both.halves[me]
    heard = (half.epoch <= say.epoch) & (say.epoch <= both.latest)
    true = (say.epoch == half.epoch) | (both.owner[say.epoch] == 1 - me)
    begun = replace(
        half,
        alive=True,
        active=False,
        record=say.epoch,
        mine=half.led & (say.epoch == half.epoch),
        eligible=False,
        ended=False,
        version=0,
        told_from=both.version,
    )
    mine = both.leader == me
    return [heard, true], _with(both, me, begun, same_run=both.same_run & not_(mine))


def hear(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """It hears of an epoch that the peer has begun."""
    said = (say.epoch >= 1) & (say.epoch <= both.latest) & (both.owner[say.epoch] == 1 - me)
    return [both.halves[me].alive, said], _with(both, me, _adopted(both.halves[me], say.epoch))


def record(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """Its arbiter hears a declaration of the leader, and records it if it is a newer one."""
    half = _adopted(both.halves[me], both.latest)
    said = (say.version >= 1) & (say.version <= both.version) & (half.told_from <= say.version)
    heard = half.alive & (both.latest >= 1) & (both.leader != me) & both.same_run & said
    newer = (half.record == both.latest) & not_(half.mine) & (half.version < say.version)
    recorded = replace(
        half,
        version=choose(newer, say.version, half.version),
        eligible=choose(newer, both.declared[say.version], half.eligible),
        confirmed=choose(newer, greatest(half.confirmed, say.version), half.confirmed),
    )
    return [heard], _with(both, me, recorded)


def declare(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """The leader declares something."""
    version = both.version + 1
    after = replace(both, version=version, declared=both.declared.put(version, say.eligible), alone=False)
    return [both.halves[me].active, not_(both.released)], after


def go_alone(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """*Not eligible* is recorded by the leader's own arbiter: the peer's has recorded it, or was not heard for a
    lease."""
    peer = both.halves[1 - me]
    dead = not_(peer.alive) | (not nature.silence) | (not _is_crash_stop(nature))
    first = (peer.confirmed >= both.version) | dead
    ineligible = not_(both.declared[both.version]) & (both.version >= 1)
    return [both.halves[me].active, ineligible, first], replace(both, alone=True)


def step_down(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """It loses its role."""
    return [both.halves[me].active], _with(both, me, replace(both.halves[me], active=False))


def release(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """It gives its role up to a peer that has recorded that it is eligible."""
    half, peer = both.halves[me], both.halves[1 - me]
    successor = both.declared[both.version] & (both.version >= 1) & (peer.confirmed >= both.version)
    return [half.active, successor], _with(both, me, replace(half, active=False), released=True)


def hear_release(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """It hears that, and that its leader had a successor."""
    half = both.halves[me]
    heard = half.alive & both.released & (both.leader != me) & (half.record == both.latest) & not_(half.mine)
    return [heard], _with(both, me, replace(half, ended=True))


def follow(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """It has the leader's data now."""
    half = _adopted(both.halves[me], both.latest)
    passive = half.alive & not_(half.active) & (both.leader != me) & (both.latest >= 1)
    return [passive & not_(half.granted)], _with(both, me, replace(half, epoch=both.latest, led=False))


def _next(half: Half) -> Half:
    return replace(half, record=half.epoch + 1, mine=True, eligible=False, ended=False, version=0)


def grant_unasked(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """Its own arbiter grants it the next epoch, because it was told that it is eligible, and the leader is gone or
    released."""
    half, peer = both.halves[me], both.halves[1 - me]
    told = half.alive & not_(half.active) & half.eligible & not_(half.mine) & (half.record == half.epoch)
    gone = not_(peer.alive) | (not nature.silence)
    return [told, half.ended | (gone & _is_crash_stop(nature))], _with(both, me, _next(half))


def grant_ordered(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """A person orders it: the peer is out, and this server's data is the latest."""
    half, peer = both.halves[me], both.halves[1 - me]
    waits = not_(peer.active) & not_(peer.eligible) & not_(peer.granted)
    right = (half.epoch == both.latest) & (not_(peer.alive) | waits)
    asks = half.alive & not_(half.active) & (half.record == half.epoch)
    heard = both.same_run & not_(both.leader == me)
    after = _with(both, me, _next(half), alone=False, same_run=heard)
    return [asks, right | (not nature.operator)], after


def begin(both: Both, me: int, say: Said, nature: Nature) -> Stepped:
    """It begins the epoch that it was granted."""
    half, peer = both.halves[me], both.halves[1 - me]
    leads = replace(half, active=True, epoch=half.record, led=True, told_from=0, confirmed=0)
    after = _with(both, me, leads)
    after = _with(after, 1 - me, replace(peer, told_from=0, confirmed=0))
    return [half.granted, not_(half.active)], replace(
        after,
        latest=greatest(both.latest, half.record),
        leader=me,
        owner=both.owner.put(half.record, me),
        version=0,
        declared=both.declared.emptied(),
        same_run=True,
        alone=True,
        released=False,
        twice=both.twice | (half.record <= both.latest),
        bereft=both.bereft | (both.alone & (both.latest >= 1) & (both.leader != me)),
    )


STEPS: tuple[Callable[[Both, int, Said, Nature], Stepped], ...] = (
    die, start, hear, record, declare, go_alone, step_down, release, hear_release, follow, grant_unasked,
    grant_ordered, begin,
)  # fmt: skip
"""What can happen."""


# --- why --------------------------------------------------------------------------------------------


def _each(both: Both, of: Callable[[int, Half, Half], bool]) -> bool:
    zero, one = both.halves
    return of(0, zero, one) & of(1, one, zero)


def no_epoch_is_begun_twice(both: Both, nature: Nature) -> bool:
    """Each epoch is begun by one server, once."""
    return not_(both.twice)


def nobody_succeeds_one_that_went_alone(both: Both, nature: Nature) -> bool:
    """Unless a person orders it, no server takes over from one that acknowledged without it."""
    return not_(both.bereft)


def epochs(both: Both, nature: Nature) -> bool:
    """The leader has the latest epoch; only the leader is active; nobody else led it."""

    def ordered(me: int, half: Half, peer: Half) -> bool:
        leads = (both.latest >= 1) & (both.leader == me)
        owner = implies(half.epoch >= 1, both.owner[half.epoch] == choose(half.led, me, 1 - me))
        within = owner & (half.epoch >= 0) & (half.epoch <= both.latest) & (half.record >= half.epoch)
        mine = choose(
            leads, half.led & (half.epoch == both.latest), implies(half.led, half.epoch < both.latest)
        )
        return within & mine & implies(half.active, half.alive & leads & (half.record == half.epoch))

    owned = implies(both.latest >= 1, both.owner[both.latest] == both.leader)
    return _each(both, ordered) & owned & (both.latest >= 0) & (both.version >= 0)


def records(both: Both, nature: Nature) -> bool:
    """An arbiter has its own server down for what it began, or was granted; and the peer for what the peer began."""

    def known(me: int, half: Half, peer: Half) -> bool:
        own = (half.led & (half.record == half.epoch)) | (half.record == half.epoch + 1)
        other = (half.record <= both.latest) & implies(half.record >= 1, both.owner[half.record] == 1 - me)
        led = implies(half.led & (half.record == half.epoch), half.mine)
        return implies(half.alive, choose(half.mine, own, other) & led)

    return _each(both, known)


def whoever_was_granted_is_the_only_one(both: Both, nature: Nature) -> bool:
    """A server that may begin the next epoch has the latest data, and the other one cannot come before it."""

    def only(me: int, half: Half, peer: Half) -> bool:
        idle = not_(peer.active) & not_(peer.granted) & not_(peer.eligible & peer.alive)
        kept = (both.leader == me) | not_(both.alone)
        return implies(
            half.granted,
            (half.epoch == both.latest) & idle & kept & not_((both.leader == me) & both.same_run),
        )

    return _each(both, only)


def eligible_is_the_latest_word(both: Both, nature: Nature) -> bool:
    """Who believes that it is eligible follows the leader of the latest epoch, which is not alone."""

    def latest(me: int, half: Half, peer: Half) -> bool:
        follower = (half.record == both.latest) & (both.leader != me) & not_(half.mine) & (both.latest >= 1)
        word = (half.version >= 1) & (half.version <= both.version) & both.declared[half.version]
        told = (half.told_from <= half.version) & word
        alone = both.alone & (half.ended | _is_crash_stop(nature))
        heard = half.alive & half.ended & (half.record == both.latest) & not_(half.mine)
        gave_up = implies(heard, both.released & (both.leader != me) & not_(both.alone))
        return implies(half.alive & half.eligible, follower & told & not_(alone)) & gave_up

    leader = _each(
        both, lambda me, half, peer: implies(both.released & (both.leader == me), not_(half.active))
    )
    return _each(both, latest) & leader & implies(both.released, (both.latest >= 1) & not_(both.alone))


def alone_is_for_good(both: Both, nature: Nature) -> bool:
    """What a living peer of a lonely leader may still hear is nothing that it was told before."""

    def heard(me: int, half: Half, peer: Half) -> bool:
        recorded = (half.record == both.latest) & not_(half.mine)
        newest = (recorded & (half.version >= both.version)) | (half.told_from >= both.version)
        lonely = both.alone & (both.leader != me) & half.alive & (both.latest >= 1)
        return implies(lonely, newest | (both.version == 0))

    said = implies(both.alone & (both.version >= 1), not_(both.declared[both.version]))
    return (_each(both, heard) | (not _is_crash_stop(nature))) & implies(both.latest >= 1, said)


def versions(both: Both, nature: Nature) -> bool:
    """What was recorded was declared; and who starts anew is told no older thing than it once was."""

    def known(me: int, half: Half, peer: Half) -> bool:
        recorded = (half.record == both.latest) & not_(half.mine)
        last = choose(recorded, greatest(half.version, half.told_from), half.told_from)
        follows = half.alive & (both.latest >= 1) & (both.leader != me) & not_(half.granted)
        known = implies(follows, (half.confirmed <= last) & implies(recorded, half.version <= both.version))
        return known & (half.version >= 0) & (half.confirmed <= both.version)

    return _each(both, known)


CLAUSES = (
    no_epoch_is_begun_twice, nobody_succeeds_one_that_went_alone, epochs, records, whoever_was_granted_is_the_only_one,
    eligible_is_the_latest_word, alone_is_for_good, versions,
)  # fmt: skip
"""The first two are what the one record of the layers stands for, and the others carry them."""


# --- the proof ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordsTask:
    """The proof under one arbiter."""

    nature: Nature
    timeout_ms: int = TIMEOUT_MS

    def done(self) -> list[Result]:
        """Prove it."""
        return list(prove(self.nature, self.timeout_ms))


def records_tasks(timeout_ms: int = TIMEOUT_MS) -> list[RecordsTask]:
    """The proof for both kinds of own arbiter."""
    kinds = (Arbiter.CRASH_STOP, Arbiter.OPERATOR)
    return [RecordsTask(Nature(arbiter=kind), timeout_ms) for kind in kinds]


def obligations_of(nature: Nature) -> list[Obligation]:
    """What is to be proved, in order."""
    names = [INITIALLY, *(_named(step.__name__) for step in STEPS)]
    return [Obligation(name, _clause(clause)) for name in names for clause in CLAUSES]


def prove(nature: Nature, timeout_ms: int = TIMEOUT_MS) -> Iterator[Result]:
    """A result for each step and each clause, as `induction.prove`."""
    for obligation in obligations_of(nature):
        begun = time.perf_counter()
        verdicts = {_decide(case, timeout_ms) for case in _cases(obligation, nature)}
        worst = next(v for v in (REFUTED, UNDECIDED, PROVED) if v in verdicts)
        yield Result(obligation, worst, time.perf_counter() - begun, nature.arbiter)


def _clause(holds: Callable[[Both, Nature], bool]) -> Clause:
    return Clause(holds.__name__.replace("_", " "), "records", cast(Any, holds), False)


def _named(step: str) -> str:
    return "".join(word.capitalize() for word in step.split("_"))


def _cases(obligation: Obligation, nature: Nature) -> Iterator[list[Any]]:
    """The formulas of which no model may exist; one case for each leader. The two servers are alike."""
    if obligation.step == INITIALLY:
        first = replace(Both(), owner=ArrayTable.constant(-1), declared=ArrayTable.constant(False))  # type: ignore[arg-type]  # tables of terms
        goal: Any = _holds(obligation, first, nature)
        yield [z3.Not(raw(goal))]
        return
    step = next(step for step in STEPS if _named(step.__name__) == obligation.step)
    for leader in (0, 1):
        halves = (symbols(Half, "server0"), symbols(Half, "server1"))
        before = symbols(Both, "both", halves=halves, leader=leader)
        conditions, after = step(before, 0, symbols(Said, "said"), nature)
        held = [clause(before, nature) for clause in CLAUSES]
        goal = _holds(obligation, after, nature)
        yield [*(raw(part) for part in (*conditions, *held)), z3.Not(raw(goal))]


def _holds(obligation: Obligation, both: Both, nature: Nature) -> Any:
    return cast(Any, obligation.clause.holds)(both, nature)  # a clause of a smaller world


def _decide(formulas: list[Any], timeout_ms: int) -> str:
    solver = z3.Solver()
    solver.set("timeout", timeout_ms)
    solver.add(formulas)
    return {"unsat": PROVED, "sat": REFUTED}.get(str(solver.check()), UNDECIDED)
