"""Search for a run: from the first world, by steps that the rules allow, to a world where something holds.

The transition is the one that is proved about, read on symbols over small tables; Z3 chooses the steps and all that
they say. The constants are given, and numbers are small (`SIZE`), so not finding a run proves nothing; that is what
`induction.py` is for.

A search without a plan drowns: twenty kinds of step, twenty times. So a `Plan` names the kinds that take part, and
may open with steps whose kinds are fixed ("server 0 is granted epoch 1, takes it, …"). The run still begins in the
first world, and what the steps of the opening say and when they happen is still the solver's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import z3

from takeover_proofs.invariant import Place
from takeover_proofs.rulebook import EVERY_RULE, Rulebook
from takeover_proofs.runs import CONSTANTS, Goal, Run
from takeover_proofs.symbols import ENUMERATIONS, TIMES, WITNESS_ACTIONS
from takeover_proofs.terms import Cells, Term, instances, raw
from takeover_proofs.transition import Forget, Step, Tick, take
from takeover_proofs.world import NATURE, WITNESS, Nature, World
from takeover_spec import actions as act
from takeover_spec.words import Constants, Identity

SIZE = 4
"""Numbers of updates, epochs and versions run from 0 to this less one."""

LATEST = 99
"""Clocks run from 0 to this, in whole nanoseconds."""

UNDECIDED = "undecided"

_MARKS = ("mark_epoch", "mark_seq")
"""The parts of the first world that the search may choose. Its clocks show 0; if they are to differ, time passes."""


@dataclass(frozen=True, slots=True)
class Move:
    """A kind of step that the search may use, and who makes it."""

    kind: type
    actor: int
    to: Identity | None = None
    """To whom, if it is a `Grant`."""


def moves(*kinds: type) -> tuple[Move, ...]:
    """These kinds of step, by whoever can make them."""
    found: list[Move] = []
    for kind in kinds:
        if kind is act.Grant:
            found += [Move(kind, WITNESS, to) for to in Identity]
        elif kind is Tick or kind in WITNESS_ACTIONS:
            found.append(Move(kind, NATURE if kind is Tick else WITNESS))
        else:
            found += [Move(kind, 0), Move(kind, 1)]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search goes: the opening, and then at most `length` steps of the cast."""

    cast: tuple[Move, ...]
    length: int
    opening: tuple[Move, ...] = ()


def find(
    goal: Goal,
    plan: Plan,
    rules: Rulebook = EVERY_RULE,
    nature: Nature = Nature(),
    constants: Constants = CONSTANTS,
    timeout_ms: int = 120_000,
) -> Run | str | None:
    """A run by this plan to `goal`; None if there is none within the search's bounds, or `UNDECIDED`.

    Hold what is found against `replay` before you believe it.
    """
    return _Search(rules, constants).run(goal, plan, nature, timeout_ms)


class _Search:
    """One search: the formula grows by a step at a time, and is solved once."""

    def __init__(self, rules: Rulebook, constants: Constants) -> None:
        self.rules = rules
        self.constants = constants
        self.solver = z3.SolverFor("QF_LIA")
        self.solver.set("arith.solver", 2)  # the older simplex is twice as fast here
        self.taken: list[tuple[Sequence[Move], Any, dict[str, Any]]] = []
        """Of each step the moves it may be, the variable that chooses among them, and what they may say."""

    def run(self, goal: Goal, plan: Plan, nature: Nature, timeout_ms: int) -> Run | str | None:
        first = _first_world(nature)
        self.solver.add([raw(h) for h in _small_marks(first)])
        world = first
        for move in plan.opening:
            world = self._step(world, [move], may_stay=False)
        for _ in range(plan.length):
            world = self._step(world, plan.cast, may_stay=True)
        place = Place(_bounded(self.solver, "place.seq"), _bounded(self.solver, "place.version"))
        self.solver.add(raw(goal(world, self.constants, place)))
        self.solver.set("timeout", timeout_ms)
        outcome = self.solver.check()
        if outcome == z3.unsat:
            return None
        return self._read(self.solver.model(), first, place) if outcome == z3.sat else UNDECIDED

    def _step(self, world: World, candidates: Sequence[Move], may_stay: bool) -> World:
        number = len(self.taken)
        said = {name: _variable(name, number, self.solver) for name in _FIELDS}
        choice = z3.Int(f"choice.{number}")
        self.solver.add(choice >= 0, choice < len(candidates) + may_stay)
        if may_stay:
            self._once_still_always_still(choice, len(candidates))
        self.taken.append((candidates, choice, said))
        merged = world
        for index, move in enumerate(candidates):
            conditions, after = self._after(world, _step_of(move, said))
            chosen = choice == index
            self.solver.add(z3.Implies(chosen, z3.And([raw(h) for h in conditions])))
            merged = _merge(Term(chosen), after, merged)
        return self._named(merged, number)

    def _once_still_always_still(self, choice: Any, stay: int) -> None:
        """The last choice is to stay: a shorter run is a run."""
        if self.taken:
            candidates, before, _ = self.taken[-1]
            self.solver.add(z3.Implies(before == len(candidates), choice == stay))

    def _after(self, world: World, step: Step) -> tuple[list[Any], World]:
        with instances(*range(1, SIZE)):
            conditions, after = take(world, step, self.constants)
            allowed = [holds for _, holds in self.rules.asked(world, step, self.constants)]
        return [*conditions, *allowed], after

    def _named(self, world: World, number: int) -> World:
        """The world with a fresh name for each of its terms, which keeps the formula from growing with the run."""

        def name(path: str, value: Any) -> Any:
            if isinstance(value, Cells):
                return Cells([name(f"{path}.{i}", cell) for i, cell in enumerate(value.cells)], value.default)
            if not isinstance(value, Term) or z3.is_const(value.z):
                return value
            fresh = z3.Const(f"{path}@{number}", value.z.sort())
            self.solver.add(fresh == value.z)
            return Term(fresh)

        return cast(World, _mapped("", world, name))

    def _read(self, model: Any, first: World, place: Place) -> Run:
        def value(term: Any) -> Any:
            return _python(model.eval(term.z, model_completion=True)) if isinstance(term, Term) else term

        steps = []
        for candidates, choice, said in self.taken:
            index = model.eval(choice, model_completion=True).as_long()
            if index < len(candidates):
                steps.append(_step_of(candidates[index], {name: value(term) for name, term in said.items()}))
        begin = World(mark_epoch=value(first.mark_epoch), mark_seq=value(first.mark_seq), nature=first.nature)
        return Run(begin, tuple(steps), Place(value(place.seq), value(place.version)))


_KINDS = (Tick, Forget, *act.ServerAction.__args__, *act.WitnessAction.__args__)
_FIELDS = sorted({f.name for kind in _KINDS for f in fields(kind)} - {"to"} | {"clock", "sent"})
_FLAGS = frozenset({"active", "enabled", "changed", "eligible", "promoted", "ordered"})
_TEXTS = frozenset({"clause", "reason"})


def _variable(name: str, number: int, solver: Any) -> Any:
    if name in _TEXTS:
        return ""
    if name in _FLAGS:
        return Term(z3.Bool(f"step.{name}@{number}"))
    low, high = (0, LATEST) if name in TIMES else ENUMERATIONS.get(name, (0, SIZE - 1))
    variable = z3.Int(f"step.{name}@{number}")
    solver.add(variable >= low, variable <= high)
    return Term(variable)


def _bounded(solver: Any, name: str) -> Any:
    variable = z3.Int(name)
    solver.add(variable >= 1, variable < SIZE)
    return Term(variable)


def _step_of(move: Move, said: dict[str, Any]) -> Step:
    action = move.kind(**{f.name: move.to if f.name == "to" else said[f.name] for f in fields(move.kind)})
    return Step(move.actor, action, said["clock"], said["sent"])


def _first_world(nature: Nature) -> World:
    def start(path: str, value: Any) -> Any:
        if path.rsplit(".", 1)[-1] in _MARKS:
            return Term(z3.Int(path))
        if hasattr(value, "emptied"):
            default = value[0]
            literal = z3.BoolVal(default) if isinstance(default, bool) else z3.IntVal(int(default))
            return Cells([Term(literal)] * SIZE, default)
        return value

    return cast(World, _mapped("", World(nature=nature), start))


def _small_marks(world: World) -> Iterable[Any]:
    for mark in (world.mark_epoch, world.mark_seq):
        yield mark >= 1
        yield mark < SIZE


def _mapped(path: str, value: Any, change: Callable[[str, Any], Any]) -> Any:
    """A world, or a part of one, with every leaf changed."""
    if is_dataclass(value) and not isinstance(value, type | Nature):
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
        return replace(no, **changed) if changed else no
    if isinstance(no, tuple):
        return tuple(_merge(condition, y, n) for y, n in zip(yes, no, strict=True))
    return condition.choose(_term(yes), _term(no))


def _term(value: Any) -> Any:
    if isinstance(value, Term | Cells):
        return value
    return Term(z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(int(value)))


def _python(value: Any) -> Any:
    if z3.is_bool(value):
        return z3.is_true(value)
    if z3.is_int_value(value):
        return cast(int, value.as_long())
    raise TypeError(f"{value} is neither a truth value nor a whole number")
