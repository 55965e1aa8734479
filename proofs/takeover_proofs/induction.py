"""Proof by induction: every step that the rules allow keeps every clause of the invariant.

An obligation is (a kind of step, a clause): from the invariant before the step, the rules about the action and the
conditions of the step, Z3 has to show the clause after it. Nothing is bounded: numbers, tables, clocks and the
constants are symbols. Each obligation is asked with the negation of its goal, so *unsat* is the proof; anything but
*unsat* is not one.

The two servers are interchangeable in the world, the rules and the clauses, so a step of either is a step of the
server numbered 0 with the names exchanged, and only its steps are asked about.

A clause of one layer is proved from the clauses of that layer alone, and from those parts of the rules and conditions
that speak of nothing else. Dropping a hypothesis is always sound, what is left stays within what the solver decides
(real arithmetic with products there, arrays here), and each layer is a proof of its own: the properties of one need
nothing of the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import z3

from takeover_proofs import properties
from takeover_proofs.invariant import CLAUSES, Clause, Place, clauses_under
from takeover_proofs.rulebook import EVERY_RULE, Rulebook
from takeover_proofs.symbols import (
    QUEUE_WORDS,
    STEPS,
    WITNESS_ACTIONS,
    in_range,
    number,
    symbolic_constants,
    symbolic_world,
    symbols,
)
from takeover_proofs.terms import ArrayTable, instances, raw
from takeover_proofs.transition import Forget, Step, Tick, take
from takeover_proofs.world import NATURE, WITNESS, Nature, Side, World, initially
from takeover_spec import actions as act
from takeover_spec.words import Arbiter

LAYERS = (*properties.CARRIED_BY, properties)
"""The modules that fill `CLAUSES`."""

INITIALLY = "Initially"
"""The name of the step that makes the first world."""

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"

TIMEOUT_MS = 20_000
"""How long the solver may take for one case of one obligation, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing to prove: that this step keeps this clause, or that it holds at first."""

    step: str
    clause: Clause

    @property
    def id(self) -> str:
        """A name for reports."""
        return f"{self.step}/{self.clause.id}"


def obligations_of_own() -> list[tuple[Nature, list[Obligation]]]:
    """What is to be proved for servers with arbiters of their own.

    Where a person's order is needed, the world differs from crash-stop's in what is granted, and in nothing else: the
    obligations of all other steps are the same ones, and are not asked again. A test holds that.
    """
    crash_stop, operator = Nature(arbiter=Arbiter.CRASH_STOP), Nature(arbiter=Arbiter.OPERATOR)
    granted = [o for o in obligations(operator) if o.step == act.Grant.__name__]
    return [(crash_stop, obligations(crash_stop)), (operator, granted)]


@dataclass(frozen=True, slots=True)
class Result:
    """How an obligation came out."""

    obligation: Obligation
    verdict: str
    """`proved`, `refuted` (some world that satisfies the invariant loses it in this step) or `undecided`."""
    seconds: float
    arbiter: Arbiter = Arbiter.WITNESS


def kinds_of_step(nature: Nature = Nature()) -> tuple[type | None, ...]:
    """Every kind of step; none at all makes the first world."""
    return (None, *STEPS) if nature.durable else (None, *STEPS, Forget)


def name_of(kind: type | None) -> str:
    """How reports call a kind of step."""
    return kind.__name__ if kind else INITIALLY


def obligations(nature: Nature = Nature()) -> list[Obligation]:
    """Everything to be proved, in order."""
    clauses = clauses_under(nature.arbiter)
    return [Obligation(name_of(kind), clause) for kind in kinds_of_step(nature) for clause in clauses]


def prove(
    wanted: Callable[[Obligation], bool] = lambda obligation: True,
    rules: Rulebook = EVERY_RULE,
    nature: Nature = Nature(),
    timeout_ms: int = TIMEOUT_MS,
) -> Iterator[Result]:
    """Prove the obligations that are `wanted`, in order, a result each, from these rules in a world of this nature."""
    for kind in kinds_of_step(nature):
        clauses = clauses_under(nature.arbiter)
        todo = [o for clause in clauses if wanted(o := Obligation(name_of(kind), clause))]
        begun = time.perf_counter()
        cases = list(_cases(kind, rules, nature)) if todo else []
        for obligation in todo:
            verdicts = {case.decide(obligation.clause, timeout_ms) for case in cases}
            worst = next(v for v in (REFUTED, UNDECIDED, PROVED) if v in verdicts)
            now = time.perf_counter()
            yield Result(obligation, worst, now - begun, nature.arbiter)
            begun = time.perf_counter()


@dataclass(frozen=True, slots=True)
class _Case:
    """A step out of any world with a given leader (or the first world, and no step)."""

    before: World | None
    after: World
    constants: Any
    place: Place
    hypotheses: dict[str, list[Any]]
    """By layer."""

    def decide(self, clause: Clause, timeout_ms: int) -> str:
        goal = raw(clause.holds(self.after, self.constants, self.place))
        if self.before is not None and goal.eq(raw(clause.holds(self.before, self.constants, self.place))):
            return PROVED  # the step touches nothing that the clause speaks of
        solver = z3.SolverFor("QF_NIRA") if clause.layer == "lease" else z3.Solver()
        solver.set("timeout", timeout_ms)
        solver.add(self.hypotheses[clause.layer])
        solver.add(z3.Not(goal))
        return {"unsat": PROVED, "sat": REFUTED}.get(str(solver.check()), UNDECIDED)


def _cases(kind: type | None, rules: Rulebook, nature: Nature) -> Iterator[_Case]:
    if kind is None:
        yield _first_case(nature)
        return
    for leader in (0, 1):
        for to in (0, 1) if kind is act.Grant else (None,):
            yield _step_case(kind, rules, symbolic_world(leader, nature), to)


def _any_place() -> Place:
    return Place(number("seq"), number("version"))


def _first_case(nature: Nature) -> _Case:
    c, bounds = symbolic_constants()
    sides = [_empty(side, f"server{i}") for i, side in enumerate(World().sides)]
    world = World(
        sides=(sides[0], sides[1]),
        witness_clock=number("witness_clock"),
        mark_epoch=number("mark_epoch"),
        mark_seq=number("mark_seq"),
        parent=_everywhere(0),
        owner=_everywhere(-1),
        nature=nature,
    )
    hypotheses = [raw(h) for h in (*initially(world), *bounds)]
    return _Case(None, world, c, _any_place(), {"lease": hypotheses, "queue": hypotheses})


def _everywhere(default: Any) -> Any:
    return ArrayTable.constant(default)


def _empty(side: Side, name: str) -> Side:
    """The side of a server that never ran, with tables that can be read at a symbolic place."""
    flags, numbers = _everywhere(False), _everywhere(0)
    return replace(
        side,
        know=replace(side.know, stored=flags, status=numbers, carried=numbers),
        clock=number("clock", f"{name}.clock"),
        data=numbers,
        reported_latest=flags,
        declared=numbers,
        recorded=numbers,
    )


def _step_case(kind: type, rules: Rulebook, before: World, to: int | None) -> _Case:
    c, hypotheses = symbolic_constants()
    step = _any_step(kind, to)
    place = _any_place()
    seqs, versions = _points(before, step.action, place)
    with instances(*seqs):
        conditions, after_step = take(before, step, c)
        allowed = [holds for _, holds in rules.asked(before, step, c)]
        hypotheses += [*in_range(step.action), *conditions, *allowed]
    about_step = [part for hypothesis in hypotheses for part in _conjuncts(raw(hypothesis))]
    layers = {}
    for layer in ("lease", "queue"):
        parts = [part for part in about_step if _speaks_of(part, layer)]
        for seq, version in _paired(seqs, versions):
            parts += _invariant_at(layer, before.leader, before.nature, raw(seq), raw(version))
        layers[layer] = list({part.get_id(): part for part in parts}.values())
    return _Case(before, after_step, c, place, layers)


@cache
def _invariant_at(layer: str, leader: int, nature: Nature, seq: Any, version: Any) -> tuple[Any, ...]:
    """The invariant of a layer before a step, at one place: what speaks of that layer alone."""
    place = _any_place()
    here = (raw(place.seq), seq), (raw(place.version), version)
    fits = _speaks_of(seq, layer) and _speaks_of(version, layer)
    return tuple(
        z3.substitute(part, *here) if is_placed else part
        for part, is_placed in _invariant(layer, leader, nature)
        if fits or not is_placed
    )


@cache
def _invariant(layer: str, leader: int, nature: Nature) -> tuple[tuple[Any, bool], ...]:
    """The same at `_any_place`, in its parts; and of each whether it speaks of the place."""
    before, place = symbolic_world(leader, nature), _any_place()
    c, _ = symbolic_constants()
    carrying = [clause for clause in CLAUSES if clause.layer == layer and not clause.is_carried]
    held = [raw(clause.holds(before, c, place)) for clause in carrying]
    elsewhere = (raw(place.seq), z3.Int("elsewhere")), (raw(place.version), z3.Int("elsewhere"))
    parts = [part for whole in held for part in _conjuncts(whole) if _speaks_of(part, layer)]
    return tuple((part, not part.eq(z3.substitute(part, *elsewhere))) for part in parts)


def _any_step(kind: type, to: int | None) -> Step:
    given: dict[str, Any] = {} if to is None else {"to": to}
    actor = NATURE if kind is Tick else WITNESS if kind in WITNESS_ACTIONS else 0
    clock, sent = number("clock", "step.clock"), number("sent", "step.sent")
    return Step(actor, symbols(kind, "step", **given), clock, sent)


def _points(world: World, step: Any, place: Place) -> tuple[list[Any], list[Any]]:
    """Where the invariant is assumed before a step: at the place in question, and at what the step is about."""
    seqs: list[Any] = [place.seq, world.mark_seq]
    seqs += [side.know.applied + 1 for side in world.sides]
    seqs += [side.know.logged for side in world.sides]
    seqs += [getattr(step, name) for name in ("seq", "upto", "latest") if hasattr(step, name)]
    versions: list[Any] = [place.version, *(side.know.version for side in world.sides), world.witness.version]
    versions += [step.version] if hasattr(step, "version") else []
    return seqs, versions


def _paired(seqs: list[Any], versions: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Enough pairs that each of both occurs."""
    for i in range(max(len(seqs), len(versions))):
        yield seqs[i % len(seqs)], versions[i % len(versions)]


def _conjuncts(formula: Any) -> Iterator[Any]:
    if z3.is_and(formula):
        for child in formula.children():
            yield from _conjuncts(child)
    else:
        yield formula


def _speaks_of(formula: Any, layer: str) -> bool:
    """Whether a hypothesis speaks of nothing but what this layer is about."""
    for symbol in _symbols_in(formula):
        if layer == "lease":
            if symbol.decl().name().rsplit(".", 1)[-1] in QUEUE_WORDS:
                return False
        elif z3.is_real(symbol):
            return False
    return True


def _symbols_in(formula: Any) -> Iterable[Any]:
    stack, seen = [formula], set()
    while stack:
        node = stack.pop()
        if node.get_id() not in seen:
            seen.add(node.get_id())
            stack.extend(node.children())
            if z3.is_const(node) and node.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                yield node
