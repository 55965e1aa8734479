"""Proof by induction: every step that the rules allow keeps every clause of the invariant.

An obligation is (a kind of step, a clause): from the whole invariant before the step, the rules about the action and
the conditions of the step, Z3 has to show the clause after it. Nothing is bounded: numbers, tables, clocks and the
constants are symbols. Each obligation is asked with the negation of its goal, so *unsat* is the proof; anything but
*unsat* is not one.

The two servers are interchangeable in the world, the rules and the clauses, so a step of either is a step of the
server numbered 0 with the names exchanged, and only its steps are asked about.

A clause of one layer is proved from hypotheses that speak of that layer only: dropping a hypothesis is always
sound, and what is left stays within what the solver decides (real arithmetic with products there, arrays here).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import z3
from takeover_proofs import lease_layer, properties, queue_layer
from takeover_proofs.invariant import CLAUSES, Clause, Place
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
from takeover_proofs.world import WITNESS, Side, Tick, World, advance, clock_of, initially, tick
from takeover_spec import actions as act
from takeover_spec.rules import Rule, rules_about

LAYERS = (properties, lease_layer, queue_layer)
"""The modules that fill `CLAUSES`."""

INITIALLY = "Initially"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing to prove: that this step keeps this clause, or that it holds at first."""

    step: str
    clause: Clause

    @property
    def id(self) -> str:
        """A name for reports."""
        return f"{self.step}/{self.clause.name.replace(' ', '-')}"


@dataclass(frozen=True, slots=True)
class Result:
    """How an obligation came out."""

    obligation: Obligation
    verdict: str
    """`proved`, `refuted` (some world that satisfies the invariant loses it in this step) or `undecided`."""
    seconds: float


def nothing(rule: Rule) -> bool:
    """Leave out no rule."""
    return False


def obligations(wanted: Callable[[Obligation], bool] = lambda obligation: True) -> list[Obligation]:
    """Everything to be proved, in order."""
    names = [INITIALLY, *(kind.__name__ for kind in STEPS)]
    every = (Obligation(name, clause) for name in names for clause in CLAUSES)
    return [obligation for obligation in every if wanted(obligation)]


def prove(
    wanted: Callable[[Obligation], bool] = lambda obligation: True,
    without: Callable[[Rule], bool] = nothing,
    timeout_ms: int = 20_000,
) -> Iterator[Result]:
    """Prove the obligations that are `wanted`, in order, a result each; rules for which `without` holds are left out."""
    for kind in (None, *STEPS):
        name = kind.__name__ if kind else INITIALLY
        todo = [o for o in obligations(wanted) if o.step == name]
        if not todo:
            continue
        begun = time.perf_counter()
        cases = [_first_case()] if kind is None else list(_cases(kind, without))
        for obligation in todo:
            verdicts = {case.decide(obligation.clause, timeout_ms) for case in cases}
            worst = next(v for v in ("refuted", "undecided", "proved") if v in verdicts)
            now = time.perf_counter()
            yield Result(obligation, worst, now - begun)
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
            return "proved"  # the step touches nothing that the clause speaks of
        solver = z3.SolverFor("QF_NRA") if clause.layer == "lease" else z3.Solver()
        solver.set("timeout", timeout_ms)
        solver.add(self.hypotheses[clause.layer])
        solver.add(z3.Not(goal))
        return {"unsat": "proved", "sat": "refuted"}.get(str(solver.check()), "undecided")


def _any_place() -> Place:
    return Place(number("seq"), number("version"))


def _first_case() -> _Case:
    c, bounds = symbolic_constants()
    fresh = World()
    sides = [_empty(side, f"server{i}") for i, side in enumerate(fresh.sides)]
    world = replace(
        fresh,
        sides=(sides[0], sides[1]),
        witness_clock=number("witness_clock"),
        mark_epoch=number("mark_epoch"),
        mark_seq=number("mark_seq"),
        parent=_constant_array(0),
        owner=_constant_array(-1),
    )
    hypotheses = [raw(h) for h in (*initially(world), *bounds)]
    return _Case(None, world, c, _any_place(), {"lease": hypotheses, "queue": hypotheses})


def _constant_array(default: Any) -> Any:
    return ArrayTable.constant(default)


def _empty(side: Side, name: str) -> Side:
    """The side of a server that never ran, with tables that can be read at a symbolic place."""
    flags, numbers = _constant_array(False), _constant_array(0)
    know = replace(side.know, stored=flags, status=numbers, carried=numbers)
    return replace(
        side,
        know=know,
        clock=number("clock", f"{name}.clock"),
        data=numbers,
        reported_latest=flags,
        declared=numbers,
        recorded=numbers,
    )


def _cases(kind: type, without: Callable[[Rule], bool]) -> Iterator[_Case]:
    for leader in (0, 1):
        for to in (0, 1) if kind is act.Grant else (None,):
            yield _step_case(kind, without, leader, to)


def _step_case(kind: type, without: Callable[[Rule], bool], leader: int, to: int | None) -> _Case:
    before = symbolic_world(leader)
    c, hypotheses = symbolic_constants()
    step = symbols(kind, "step", **({} if to is None else {"to": to}))
    place = _any_place()
    seqs, versions = _places(before, step, place)
    with instances(*seqs):
        if kind is Tick:
            conditions, after_step = tick(before, step, c)
        else:
            actor = WITNESS if kind in WITNESS_ACTIONS else 0
            clock = number("clock", "step.clock") if kind is act.Start else clock_of(before, actor)
            conditions, after_step = advance(before, actor, step, clock, number("sent", "step.sent"))
            know = before.witness if actor == WITNESS else before.sides[actor].know
            conditions += [r.holds(know, step, clock, c) for r in rules_about(kind) if not without(r)]
        hypotheses += [*in_range(step), *conditions]
        longer = max(len(seqs), len(versions))
        places = {Place(seqs[i % len(seqs)], versions[i % len(versions)]) for i in range(longer)}
        hypotheses += [clause.holds(before, c, where) for clause in CLAUSES for where in places]
    split = [part for hypothesis in hypotheses for part in _conjuncts(raw(hypothesis))]
    unique = {part.get_id(): part for part in split}.values()
    layers = {layer: [h for h in unique if _speaks_of(h, layer)] for layer in ("lease", "queue")}
    return _Case(before, after_step, c, place, layers)


def _places(world: World, step: Any, place: Place) -> tuple[list[Any], list[Any]]:
    """Where the invariant is assumed before a step: at the place in question, and at what the step is about."""
    seqs: list[Any] = [place.seq, world.mark_seq]
    seqs += [side.know.applied + 1 for side in world.sides]
    seqs += [getattr(step, name) for name in ("seq", "upto", "latest") if hasattr(step, name)]
    versions: list[Any] = [place.version, *(side.know.version for side in world.sides), world.witness.version]
    versions += [step.version] if hasattr(step, "version") else []
    return seqs, versions


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
