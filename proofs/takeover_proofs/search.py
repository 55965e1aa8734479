"""Search for a run: from the first world, by steps that the rules allow, to a world where something holds.

The transition is the one that is proved about, read on symbols over small tables; Z3 chooses the steps. What it finds
is not believed: `replay` executes the run on Python values, with the same rules, and a run that does not replay is a
defect of ours, not a counterexample.

The constants are given, and numbers are small (`SIZE`), so not finding a run proves nothing; that is what
`induction.py` is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import z3
from takeover_proofs.invariant import Clause, Place
from takeover_proofs.symbols import ENUMERATIONS, TIMES, WITNESS_ACTIONS
from takeover_proofs.terms import Cells, Term, instances, raw
from takeover_proofs.world import WITNESS, Side, Tick, World, advance, clock_of, initially, tick
from takeover_spec import actions as act
from takeover_spec.rules import Rule, rules_about
from takeover_spec.words import Constants, Identity

SIZE = 4
"""Numbers of updates, epochs and versions run from 0 to this less one."""

LATEST = 99
"""Clocks run from 0 to this, in whole nanoseconds."""

CONSTANTS = Constants(lease_ns=10, promise_ns=10, drift_ppm=100_000, expiry_slack_ns=1, synchronous=True)
"""A pair with short times and bad clocks, so that runs are short and readable."""


@dataclass(frozen=True, slots=True)
class Move:
    """A kind of step that the search may use, and who makes it."""

    actor: int
    kind: type


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run found."""

    actor: int
    action: Any
    clock: Any
    sent: Any


@dataclass(frozen=True, slots=True)
class Run:
    """A run found: where it begins, what happens, and the place at which the goal holds at its end."""

    first: World
    steps: tuple[Step, ...]
    place: Place


def moves(*kinds: type) -> list[Move]:
    """These kinds of step, by whoever can make them."""
    found: list[Move] = []
    for kind in kinds:
        if kind is Tick:
            found.append(Move(-1, kind))
        elif kind in WITNESS_ACTIONS:
            found.append(Move(WITNESS, kind))
        else:
            found += [Move(0, kind), Move(1, kind)]
    return found


def find(
    goal: Callable[[World, Constants, Place], Any],
    cast_of: Sequence[Move],
    length: int,
    allowed: Callable[[Rule], bool] = lambda rule: True,
    weaker: dict[str, Rule] | None = None,
    constants: Constants = CONSTANTS,
    timeout_ms: int = 120_000,
) -> Run | None | str:
    """A run of at most `length` steps to `goal`; None if there is none within the search's bounds, or `"undecided"`."""
    return _Search(cast_of, allowed, weaker or {}, constants).run(goal, length, timeout_ms)


class _Search:
    def __init__(
        self,
        cast_of: Sequence[Move],
        allowed: Callable[[Rule], bool],
        weaker: dict[str, Rule],
        constants: Constants,
    ) -> None:
        self.cast_of = cast_of
        self.rules = {
            move.kind: [r for r in rules_about(move.kind) if allowed(r)]
            + [r for r in weaker.values() if r.about is move.kind]
            for move in cast_of
        }
        self.constants = constants
        self.solver = z3.SolverFor("QF_LIA")
        self.choices: list[Any] = []
        self.pools: list[dict[str, Any]] = []

    def run(
        self, goal: Callable[[World, Constants, Place], Any], length: int, timeout_ms: int
    ) -> Run | None | str:
        first = _first_world()
        self.solver.add([raw(h) for h in (*initially(first), *_small_marks(first))])
        world = first
        for t in range(length):
            world = self._step(world, t)
        place = Place(_bounded(self.solver, "place.seq"), _bounded(self.solver, "place.version"))
        self.solver.add(raw(goal(world, self.constants, place)))
        self.solver.set("timeout", timeout_ms)
        outcome = self.solver.check()
        if outcome == z3.unsat:
            return None
        if outcome != z3.sat:
            return "undecided"
        return self._read(self.solver.model(), first, place)

    def _step(self, world: World, t: int) -> World:
        pool = {name: _variable(name, t, self.solver) for name in _FIELDS}
        choice = z3.Int(f"choice.{t}")
        self.choices.append(choice)
        self.pools.append(pool)
        self.solver.add(choice >= 0, choice <= len(self.cast_of))
        merged = world
        for index, move in enumerate(self.cast_of):
            for to in (0, 1) if move.kind is act.Grant else (None,):
                conditions, after = self._advance(world, move, pool, to)
                chosen = choice == index
                if to is not None:
                    chosen = z3.And(chosen, pool["to"].z == to)
                self.solver.add(z3.Implies(chosen, z3.And([raw(h) for h in conditions])))
                merged = _merge(Term(chosen), after, merged)
        # the last choice is to stay: a shorter run is a run
        if t:
            self.solver.add(z3.Implies(self.choices[t - 1] == len(self.cast_of), choice == len(self.cast_of)))
        return self._named(merged, t)

    def _advance(
        self, world: World, move: Move, pool: dict[str, Any], to: int | None
    ) -> tuple[list[Any], World]:
        step = _fill(move.kind, pool, to)
        with instances(*range(1, SIZE)):
            if move.kind is Tick:
                return tick(world, step, self.constants)
            clock = pool["clock"] if move.kind is act.Start else clock_of(world, move.actor)
            conditions, after = advance(world, move.actor, step, clock, pool["sent"])
            know = world.witness if move.actor == WITNESS else world.sides[move.actor].know
            conditions = [
                *conditions,
                *(r.holds(know, step, clock, self.constants) for r in self.rules[move.kind]),
            ]
        return conditions, after

    def _named(self, world: World, t: int) -> World:
        """The world with a fresh name for each of its terms, which keeps the formula from growing with the run."""

        def name(path: str, value: Any) -> Any:
            if isinstance(value, Cells):
                return Cells([name(f"{path}.{i}", cell) for i, cell in enumerate(value.cells)], value.default)
            if not isinstance(value, Term) or z3.is_const(value.z):
                return value
            fresh = z3.Const(f"{path}@{t}", value.z.sort())
            self.solver.add(fresh == value.z)
            return Term(fresh)

        return cast(World, _mapped("", world, name))

    def _read(self, model: Any, first: World, place: Place) -> Run:
        def value(path: str, term: Any) -> Any:
            if isinstance(term, Cells):
                return term
            return _python(model.eval(term.z, model_completion=True)) if isinstance(term, Term) else term

        steps = []
        for choice, pool in zip(self.choices, self.pools, strict=True):
            index = model.eval(choice, model_completion=True).as_long()
            if index < len(self.cast_of):
                move = self.cast_of[index]
                values = {name: value("", term) for name, term in pool.items()}
                to = Identity(values["to"]) if move.kind is act.Grant else None
                steps.append(Step(move.actor, _fill(move.kind, values, to), values["clock"], values["sent"]))
        begin = World()
        begin = replace(
            begin,
            sides=(
                replace(begin.sides[0], clock=value("", first.sides[0].clock)),
                replace(begin.sides[1], clock=value("", first.sides[1].clock)),
            ),
            witness_clock=value("", first.witness_clock),
            mark_epoch=value("", first.mark_epoch),
            mark_seq=value("", first.mark_seq),
        )
        return Run(begin, tuple(steps), Place(value("", place.seq), value("", place.version)))


_FIELDS = sorted(
    {f.name for kind in (Tick, *act.ServerAction.__args__, *act.WitnessAction.__args__) for f in fields(kind)}
    | {"clock", "sent"}
)
_FLAGS = frozenset({"active", "enabled", "changed", "eligible"})
_TEXTS = frozenset({"clause", "reason"})


def _variable(name: str, t: int, solver: Any) -> Any:
    if name in _TEXTS:
        return ""
    if name in _FLAGS:
        return Term(z3.Bool(f"step.{name}@{t}"))
    low, high = ENUMERATIONS.get(name, (0, 1) if name == "to" else (0, SIZE - 1))
    if name in TIMES:
        low, high = 0, LATEST
    variable = z3.Int(f"step.{name}@{t}")
    solver.add(variable >= low, variable <= high)
    return Term(variable)


def _bounded(solver: Any, name: str) -> Any:
    variable = z3.Int(name)
    solver.add(variable >= 1, variable < SIZE)
    return Term(variable)


def _fill(kind: type, values: dict[str, Any], to: int | None) -> Any:
    return kind(**{f.name: to if f.name == "to" else values[f.name] for f in fields(kind)})


def _first_world() -> World:
    def start(path: str, value: Any) -> Any:
        if path.rsplit(".", 1)[-1] in ("clock", "witness_clock"):
            return Term(z3.Int(path))
        if path.rsplit(".", 1)[-1] in ("mark_epoch", "mark_seq"):
            return Term(z3.Int(path))
        if hasattr(value, "emptied"):
            default = value[0]
            literal = z3.BoolVal(default) if isinstance(default, bool) else z3.IntVal(int(default))
            return Cells([Term(literal)] * SIZE, default)
        return value

    return cast(World, _mapped("", World(), start))


def _small_marks(world: World) -> Iterable[Any]:
    for mark in (world.mark_epoch, world.mark_seq):
        yield mark >= 1
        yield mark < SIZE


def _mapped(path: str, value: Any, change: Callable[[str, Any], Any]) -> Any:
    """A world, or a part of one, with every leaf changed."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{f.name: _mapped(f"{path}.{f.name}", getattr(value, f.name), change) for f in fields(value)},
        )
    if isinstance(value, tuple):
        return tuple(_mapped(f"{path}.{i}", item, change) for i, item in enumerate(value))
    return change(path, value)


def _merge(condition: Term, yes: Any, no: Any) -> Any:
    """Leaf by leaf, `yes` where the condition holds and `no` elsewhere."""
    if yes is no:
        return no
    if is_dataclass(no) and not isinstance(no, type):
        changed = {
            f.name: _merge(condition, getattr(yes, f.name), getattr(no, f.name))
            for f in fields(no)
            if getattr(yes, f.name) is not getattr(no, f.name)
        }
        return replace(no, **changed) if changed else no  # type: ignore[type-var]  # a dataclass instance
    if isinstance(no, tuple):
        return tuple(_merge(condition, y, n) for y, n in zip(yes, no, strict=True))
    return condition.choose(_term(yes), _term(no))


def _term(value: Any) -> Any:
    if isinstance(value, Term | Cells):
        return value
    if isinstance(value, bool):
        return Term(z3.BoolVal(value))
    return Term(z3.IntVal(int(value)))


def _python(value: Any) -> Any:
    if z3.is_bool(value):
        return z3.is_true(value)
    if z3.is_int_value(value):
        return cast(int, value.as_long())
    raise TypeError(f"{value} is neither a truth value nor a whole number")


class NotARun(Exception):
    """A run that was found does not replay: a defect of the search or of the world's two readings."""


def replay(
    run: Run,
    goal: Callable[[World, Constants, Place], Any],
    constants: Constants = CONSTANTS,
    allowed: Callable[[Rule], bool] = lambda rule: True,
) -> list[World]:
    """Execute a run on Python values, holding every step against the rules; the worlds it goes through.

    Raises `NotARun` at the first step that is not possible, or breaks a rule that is `allowed` to be asked, and if the
    goal does not hold at the end.
    """
    worlds = [run.first]
    for number, step in enumerate(run.steps, 1):
        world = worlds[-1]
        if isinstance(step.action, Tick):
            conditions, after = tick(world, step.action, constants)
        else:
            clock = step.clock if isinstance(step.action, act.Start) else clock_of(world, step.actor)
            conditions, after = advance(world, step.actor, step.action, clock, step.sent)
            know: Any = world.witness if step.actor == WITNESS else world.sides[step.actor].know
            for rule in rules_about(type(step.action)):
                if allowed(rule) and not rule.holds(know, step.action, clock, constants):
                    raise NotARun(f"step {number}, {step.action}: breaks {rule.clause} ({rule.name})")
        if not all(conditions):
            raise NotARun(f"step {number}, {step.action}: not possible in this world")
        worlds.append(after)
    if not goal(worlds[-1], constants, run.place):
        raise NotARun("the goal does not hold at the end")
    return worlds


def violation(clause: Clause) -> Callable[[World, Constants, Place], Any]:
    """The goal of breaking a property."""

    def broken(world: World, c: Constants, at: Place) -> Any:
        held = clause.holds(world, c, at)
        return not held if isinstance(held, bool) else ~held

    return broken


__all__ = ["CONSTANTS", "Move", "NotARun", "Run", "Side", "Step", "find", "moves", "replay", "violation"]
