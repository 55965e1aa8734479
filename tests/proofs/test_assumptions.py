"""Which assumption which proof uses: found by dropping it, and an assumption enters no other obligation."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import pytest
import z3

from takeover_proofs import assumptions
from takeover_proofs.assumptions import ASSUMPTIONS, USED, WITHSTOOD
from takeover_proofs.induction import PROVED, UNDECIDED, Obligation, Result, _any_step
from takeover_proofs.invariant import CLAUSES, Place
from takeover_proofs.proving import Task
from takeover_proofs.rulebook import EVERY_RULE
from takeover_proofs.selection import PROPERTIES
from takeover_proofs.symbols import STEPS, number, symbolic_constants, symbolic_world
from takeover_proofs.terms import ArrayTable, Term, instances, raw
from takeover_proofs.transition import take
from takeover_proofs.world import Nature
from takeover_spec.words import Arbiter

LEASE = {"clocks": "used", "kernel": "used", "durable": "used", "truthful": "used"}
QUEUE = {"clocks": "not used", "kernel": "not used", "durable": "used", "truthful": "used"}
ABOUT_THE_OTHER = {
    Arbiter.WITNESS: {"silence": "not used", "operator": "not used"},
    Arbiter.CRASH_STOP: {"silence": "used", "operator": "used"},
    Arbiter.OPERATOR: {"silence": "not used", "operator": "used"},
}
CARRYING = [clause for clause in CLAUSES if not clause.is_carried]
ADVERSITIES = {"messages": WITHSTOOD, "restarts": WITHSTOOD}


def test_the_table() -> None:
    """`one-holder` rests on every assumption; what is in the data, on neither the clocks nor the kernel; and all of it,
    where there is no witness, on who is dead. What does not hold then is said."""
    tasks = assumptions.tasks(["lease", "queue"], 20_000)
    uses = assumptions.used((task, task.done()) for task in tasks)
    tables = {arbiter: assumptions.table(PROPERTIES, uses, arbiter) for arbiter in Arbiter}
    for arbiter, rows in tables.items():
        for prop in PROPERTIES:
            holds = (LEASE if prop.layer == "lease" else QUEUE) | ABOUT_THE_OTHER[arbiter] | ADVERSITIES
            fails = arbiter in prop.fails_under
            assert rows[prop.name] == (dict.fromkeys(holds, "does not hold") if fails else holds)
    text = "\n".join(assumptions.lines(tables))
    assert all(word in text for word in [*tables[Arbiter.WITNESS], *ASSUMPTIONS.values()])
    assert 3 == sum(line.endswith("  does not hold") for line in text.splitlines())


def test_every_assumption_is_a_field_of_nature() -> None:
    """There is nothing that can be dropped and is not in the table."""
    assert {f.name for f in fields(Nature)} - {"arbiter"} == set(ASSUMPTIONS)


def _leaves(value: Any) -> list[Any]:
    if is_dataclass(value) and not isinstance(value, type | Nature):
        return [leaf for f in fields(value) for leaf in _leaves(getattr(value, f.name))]
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [raw(value)] if isinstance(value, Term | ArrayTable) else []


@cache
def _formulas(kind: type, nature: Nature) -> tuple[z3.ExprRef, ...]:
    c, _ = symbolic_constants()
    before, step = symbolic_world(0, nature), _any_step(kind, 1 if kind.__name__ == "Grant" else None)
    with instances(number("seq")):
        conditions, after = take(before, step, c)
        asked = [holds for _, holds in EVERY_RULE.asked(before, step, c)]
    clauses = [raw(clause.holds(after, c, Place(number("seq"), number("version")))) for clause in CARRYING]
    return (*map(raw, conditions), *map(raw, asked), *_leaves(after), *clauses)


def _are_alike(kind: type, one: Nature, other: Nature, left_out: int | None = None) -> bool:
    these, those = list(_formulas(kind, one)), list(_formulas(kind, other))
    if left_out is not None:
        del these[left_out], those[left_out]
    return len(these) == len(those) and all(a.eq(b) for a, b in zip(these, those, strict=True))


def _less(nature: Nature, name: str) -> Nature:
    return replace(nature, **{name: False})  # type: ignore[arg-type]  # a flag, by its name


@pytest.mark.parametrize("arbiter", Arbiter)
@pytest.mark.parametrize("name", [name for name in ASSUMPTIONS if name != "truthful"])
def test_an_assumption_enters_no_other_obligation(name: str, arbiter: Arbiter) -> None:
    """Where an obligation is not asked again without the assumption, its formulas are the same without it."""
    one_holder = next(i for i, clause in enumerate(CARRYING) if clause.name == "one-holder") - len(CARRYING)
    enters = {"clocks": "Tick"}
    if name not in assumptions._NOT_MADE[arbiter]:
        enters |= {"silence": "Grant", "operator": "Grant"}
    made = Nature(arbiter=arbiter)
    for kind in STEPS:
        left_out = one_holder if name == "kernel" else None
        same = _are_alike(kind, made, _less(made, name), left_out)
        assert same == (kind.__name__ != enters.get(name)), kind.__name__


def test_both_arbiters_of_their_own_differ_in_what_is_granted_alone() -> None:
    """So what is proved of the other steps of one is proved of the other."""
    one, other = Nature(arbiter=Arbiter.CRASH_STOP), Nature(arbiter=Arbiter.OPERATOR)
    assert ["Grant"] == [kind.__name__ for kind in STEPS if not _are_alike(kind, one, other)]


@pytest.mark.parametrize(("name", "expected"), [("clocks", "not used"), ("truthful", "undecided")])
def test_what_does_not_fail_is_called_unused_only_if_all_of_it_was_asked(name: str, expected: str) -> None:
    """If the few obligations asked without `truthful` were all proved, others might still fail: that is undecided."""
    task = Task("CountLease", frozenset(), nature=_less(Nature(), name))
    proved = [Result(Obligation("CountLease", CLAUSES[0]), PROVED, 0.0)]
    assert {(Arbiter.WITNESS, CLAUSES[0].layer, name): expected} == assumptions.used([(task, proved)])


def test_a_time_out_is_undecided() -> None:
    """An obligation that is undecided leaves open whether the assumption is used."""
    task = Task("Tick", frozenset(), nature=Nature(clocks=False))
    unknown = [Result(Obligation("Tick", CLAUSES[0]), UNDECIDED, 0.0)]
    assert USED not in assumptions.used([(task, unknown)]).values()
    assert ["undecided"] == list(assumptions.used([(task, unknown)]).values())
