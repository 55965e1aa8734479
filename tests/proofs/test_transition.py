"""One text, two readings: a step read on symbols and a step executed come to the same world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import z3

from takeover_proofs import gallery
from takeover_proofs.examples import EXAMPLES
from takeover_proofs.gallery import GALLERY
from takeover_proofs.invariant import CLAUSES, Place
from takeover_proofs.rulebook import EVERY_RULE
from takeover_proofs.runs import CONSTANTS, Run, replay
from takeover_proofs.search import SIZE
from takeover_proofs.terms import ArrayTable, Cells, Term, instances, raw
from takeover_proofs.transition import Step, take
from takeover_proofs.world import Nature, World

TableOf = Callable[[Any], Any]


def _literal(value: int) -> Term:
    return Term(z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(int(value)))


def _cells(table: Any) -> Any:
    return Cells([_literal(table[key]) for key in range(SIZE)], table[-1])


def _array(table: Any) -> Any:
    made = ArrayTable.constant(table[-1])
    for key in range(SIZE):
        made = made.put(key, table[key])
    return made


def _lifted(value: Any, table_of: TableOf) -> Any:
    """The same world, or action, made of terms."""
    if is_dataclass(value) and not isinstance(value, type | Nature):
        changed = {f.name: _lifted(getattr(value, f.name), table_of) for f in fields(value) if f.name != "to"}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(_lifted(item, table_of) for item in value)
    if hasattr(value, "emptied"):
        return table_of(value)
    return _literal(value) if isinstance(value, int) else value


def _differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where a world made of terms is not the executed one."""
    if is_dataclass(expected) and not isinstance(expected, Nature):
        for f in fields(expected):
            yield from _differences(getattr(expected, f.name), getattr(found, f.name), f"{path}.{f.name}")
    elif isinstance(expected, tuple):
        for index, (a, b) in enumerate(zip(expected, found, strict=True)):
            yield from _differences(a, b, f"{path}.{index}")
    elif hasattr(expected, "emptied"):
        for key in range(SIZE):
            yield from _differences(expected[key], found[key], f"{path}[{key}]")
    elif expected != _value(found):
        yield f"{path}: {expected} is read as {_value(found)}"


def _value(found: Any) -> Any:
    if not isinstance(found, Term):
        return found
    simple = z3.simplify(found.z)
    return z3.is_true(simple) if z3.is_bool(simple) else simple.as_long()


def _truths(conditions: list[Any]) -> list[bool]:
    return [bool(_value(condition)) for condition in conditions]


def _compare(world: World, step: Step, table_of: TableOf) -> None:
    lifted_world = _lifted(world, table_of)
    lifted_step = replace(_lifted(step, table_of), actor=step.actor)
    with instances(*range(SIZE)):
        conditions, after = take(lifted_world, lifted_step, CONSTANTS)
        asked = EVERY_RULE.asked(lifted_world, lifted_step, CONSTANTS)
    plain_conditions, plain_after = take(world, step, CONSTANTS)
    plain_asked = EVERY_RULE.asked(world, step, CONSTANTS)
    assert _truths(plain_conditions) == _truths(conditions)
    assert [allows for _, allows in plain_asked] == _truths([allows for _, allows in asked])
    assert [] == list(_differences(plain_after, after))


@pytest.mark.parametrize("table_of", [_cells, _array], ids=["cells", "arrays"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_both_readings_agree_along_the_examples(
    name: str, table_of: TableOf, run_of: Callable[[str], Run]
) -> None:
    """For each step of each example: the same conditions, the same judgement by every rule, the same world after."""
    run = run_of(name)
    for world, step in zip(replay(run, EXAMPLES[name].goal), run.steps, strict=False):
        _compare(world, step, table_of)


@pytest.mark.parametrize(
    "name",
    ["SYNC-1:weaker", "REJOIN-2:twice", "ROLE-1", "LEASE-4", "durable", "truthful", "silence", "operator"],
)
def test_both_readings_agree_along_runs_that_break_rules(name: str) -> None:
    """The same for runs in which a rule is broken: a reading of a rule that is always true would be noticed here."""
    entry = GALLERY[name]
    assert entry.breaks is not None
    run = gallery.search(entry, 60_000)
    assert isinstance(run, Run)
    for world, step in zip(replay(run, gallery.goal_of(entry.breaks), entry.rules), run.steps, strict=False):
        _compare(world, step, _cells)


@pytest.mark.parametrize("name", ["two-failovers", "switchover"])
def test_both_readings_of_the_invariant_agree(name: str, run_of: Callable[[str], Run]) -> None:
    """A clause says the same of a world of values and of the same world made of terms."""
    run = run_of(name)
    for world in replay(run, EXAMPLES[name].goal)[:: len(run.steps) // 6]:
        lifted = replace(_lifted(world, _cells), leader=world.leader)
        for clause in CLAUSES:
            for seq in range(SIZE):
                plain = clause.holds(world, CONSTANTS, Place(seq, seq))
                read = clause.holds(lifted, CONSTANTS, Place(_literal(seq), _literal(seq)))  # type: ignore[arg-type]
                assert (clause.name, plain) == (clause.name, _value(read))


def test_a_difference_between_readings_would_be_seen(run_of: Callable[[str], Run]) -> None:
    """The comparison is not blind: a world that differs in one number or one cell is told apart."""
    world = replay(run_of("two-failovers"), EXAMPLES["two-failovers"].goal)[-1]
    assert [] == list(_differences(world, _lifted(world, _cells)))
    other = replace(world, epoch=world.epoch + 1, owner=world.owner.put(2, 0))
    assert 2 == len(list(_differences(world, _lifted(other, _cells))))
    assert raw(_literal(True)).eq(z3.BoolVal(True))
