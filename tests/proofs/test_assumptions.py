"""Which assumption which proof uses: found by dropping it, and an assumption enters no other obligation."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import z3

from takeover_proofs import assumptions
from takeover_proofs.assumptions import ASSUMPTIONS, USED, WITHSTOOD
from takeover_proofs.induction import PROVED, UNDECIDED, Obligation, Result, _any_step
from takeover_proofs.invariant import CLAUSES, Place
from takeover_proofs.proving import Task
from takeover_proofs.selection import PROPERTIES
from takeover_proofs.symbols import STEPS, number, symbolic_constants, symbolic_world
from takeover_proofs.terms import ArrayTable, Term, instances, raw
from takeover_proofs.transition import take
from takeover_proofs.world import Nature

LEASE = {"clocks": "used", "kernel": "used", "durable": "used", "truthful": "used"}
QUEUE = {"clocks": "not used", "kernel": "not used", "durable": "used", "truthful": "used"}
ADVERSITIES = {"messages": WITHSTOOD, "restarts": WITHSTOOD}


def test_the_table() -> None:
    """`one-holder` rests on every assumption; what is in the data, on neither the clocks nor the kernel."""
    tasks = assumptions.tasks(["lease", "queue"], 20_000)
    rows = assumptions.table(PROPERTIES, assumptions.used((task, task.done()) for task in tasks))
    expected = {p.name: (LEASE if p.layer == "lease" else QUEUE) | ADVERSITIES for p in PROPERTIES}
    assert expected == rows
    text = "\n".join(assumptions.lines(rows))
    assert all(word in text for word in [*rows, *ASSUMPTIONS.values()])


def test_every_assumption_is_a_field_of_nature() -> None:
    """There is nothing that can be dropped and is not in the table."""
    assert {f.name for f in fields(Nature)} == set(ASSUMPTIONS)


def _leaves(value: Any) -> list[Any]:
    if is_dataclass(value) and not isinstance(value, type | Nature):
        return [leaf for f in fields(value) for leaf in _leaves(getattr(value, f.name))]
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [raw(value)] if isinstance(value, Term | ArrayTable) else []


def _formulas(kind: type, name: str | None) -> list[z3.ExprRef]:
    nature = replace(Nature(), **({name: False} if name else {}))
    c, _ = symbolic_constants()
    with instances(number("seq")):
        conditions, after = take(
            symbolic_world(0, nature), _any_step(kind, 1 if kind.__name__ == "Grant" else None), c
        )
    clauses = [raw(clause.holds(after, c, Place(number("seq"), number("version")))) for clause in CLAUSES]
    return [*map(raw, conditions), *_leaves(after), *clauses]


@pytest.mark.parametrize("name", [name for name in ASSUMPTIONS if name != "truthful"])
def test_an_assumption_enters_no_other_obligation(name: str) -> None:
    """Where an obligation is not asked again without the assumption, its formulas are the same without it."""
    one_holder = next(i for i, clause in enumerate(CLAUSES) if clause.name == "one-holder") - len(CLAUSES)
    for kind in STEPS:
        with_it, without_it = _formulas(kind, None), _formulas(kind, name)
        if name == "kernel":
            del with_it[one_holder], without_it[one_holder]
        same = len(with_it) == len(without_it) and all(
            a.eq(b) for a, b in zip(with_it, without_it, strict=True)
        )
        assert same == (name != "clocks" or kind.__name__ != "Tick"), kind.__name__


@pytest.mark.parametrize(("name", "expected"), [("clocks", "not used"), ("truthful", "undecided")])
def test_what_does_not_fail_is_called_unused_only_if_all_of_it_was_asked(name: str, expected: str) -> None:
    """If the few obligations asked without `truthful` were all proved, others might still fail: that is undecided."""
    task = Task("CountLease", frozenset(), nature=replace(Nature(), **{name: False}))
    proved = [Result(Obligation("CountLease", CLAUSES[0]), PROVED, 0.0)]
    assert {(CLAUSES[0].layer, name): expected} == assumptions.used([(task, proved)])


def test_a_time_out_is_undecided() -> None:
    """An obligation that is undecided leaves open whether the assumption is used."""
    task = Task("Tick", frozenset(), nature=Nature(clocks=False))
    unknown = [Result(Obligation("Tick", CLAUSES[0]), UNDECIDED, 0.0)]
    assert USED not in assumptions.used([(task, unknown)]).values()
    assert ["undecided"] == list(assumptions.used([(task, unknown)]).values())
