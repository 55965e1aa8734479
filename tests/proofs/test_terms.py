"""A term means what Python means: for every operator, on all small numbers; and it is never a truth value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import product
from typing import Any, cast

import pytest
import z3

from takeover_proofs.terms import ArrayTable, Cells, Term, UninstantiatedError, instances, raw
from takeover_spec import logic
from takeover_spec.logic import Sparse, SymbolicTruthError

NUMBERS = range(-3, 4)
FLAGS = (False, True)

ARITHMETIC: tuple[Callable[[Any, Any], Any], ...] = (
    operator.add,
    operator.sub,
    operator.mul,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    logic.greatest,
)
LOGICAL: tuple[Callable[[Any, Any], Any], ...] = (operator.and_, operator.or_, logic.implies)


def _term(value: int) -> Term:
    return Term(z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(value))


def _value(term: Any) -> Any:
    """What a term without symbols comes to."""
    found = z3.simplify(raw(term)) if isinstance(term, Term) else term
    if z3.is_bool(found):
        return z3.is_true(found)
    return found.as_long() if z3.is_int_value(found) else found


def _readings(a: int, b: int) -> list[tuple[Any, Any]]:
    """Two numbers, of which at least one is a term."""
    return [(_term(a), _term(b)), (_term(a), b), (a, _term(b))]


@pytest.mark.parametrize("does", ARITHMETIC, ids=lambda does: does.__name__)
def test_arithmetic_and_comparison_agree_with_python(does: Callable[[Any, Any], Any]) -> None:
    """An operator on terms, or on a term and a number on either side, comes to what Python computes."""
    for a, b in product(NUMBERS, NUMBERS):
        for left, right in _readings(a, b):
            assert does(a, b) == _value(does(left, right)), (a, b)


@pytest.mark.parametrize("does", LOGICAL, ids=lambda does: does.__name__)
def test_connectives_agree_with_python(does: Callable[[Any, Any], Any]) -> None:
    """So does a connective, on terms and on plain truth values."""
    for a, b in product(FLAGS, FLAGS):
        for left, right in _readings(a, b):
            assert does(a, b) == _value(does(left, right)), (a, b)


def test_negation_agrees_with_python() -> None:
    """`not_` and `~` of a term are what `not` is of a truth value."""
    for a in FLAGS:
        assert (not a) == _value(logic.not_(cast(bool, _term(a)))) == _value(~_term(a))


def test_choose_agrees_with_python() -> None:
    """`choose` takes the one alternative or the other, whatever of it is a term."""
    for condition, yes, no in product(FLAGS, NUMBERS, NUMBERS):
        expected = yes if condition else no
        for left, right in [*_readings(yes, no), (yes, no)]:
            assert expected == _value(logic.choose(cast(bool, _term(condition)), left, right))
            assert expected == _value(logic.choose(condition, left, right))


def test_choose_between_truth_values_agrees_with_python() -> None:
    """The alternatives may be truth values."""
    for condition, yes, no in product(FLAGS, FLAGS, FLAGS):
        chosen = logic.choose(cast(bool, _term(condition)), cast(bool, _term(yes)), no)
        assert (yes if condition else no) == _value(chosen)


def test_each_that_is_looked_at_nowhere_is_refused() -> None:
    """`each` over symbolic bounds with no point named would be true of anything, so it is an error."""
    with pytest.raises(UninstantiatedError):
        logic.each(1, Term(z3.Int("last")), lambda n: n < 0)  # type: ignore[arg-type]  # a term stands for a number


def test_each_agrees_with_python_where_it_is_instantiated() -> None:
    """`each` over symbolic bounds says what Python's says, if it is instantiated at every number in the range."""
    for first, last, limit in product(NUMBERS, NUMBERS, NUMBERS):
        expected = all(n < limit for n in range(first, last + 1))
        with instances(*NUMBERS):
            for low, high in _readings(first, last):
                said = logic.each(low, high, limit.__gt__)
                assert expected == _value(said), (first, last)


@pytest.mark.parametrize("kind", ["array", "cells"])
@pytest.mark.parametrize("default", [0, False], ids=["numbers", "flags"])
def test_tables_agree_with_python(kind: str, default: int) -> None:
    """A table of terms, read and put at terms, holds what the table of Python values holds, also by a choice."""
    values = FLAGS if default is False else (0, 1, 2)
    for key, value, again, condition in product(range(3), values, range(3), FLAGS):
        plain = Sparse(default).put(1, values[-1])
        table: Any = ArrayTable.constant(default) if kind == "array" else Cells([_term(default)] * 3, default)
        table = table.put(_term(1), values[-1])
        put = table.put(_term(key), _term(value))
        chosen = logic.choose(cast(bool, _term(condition)), put, table)
        expected = plain.put(key, value) if condition else plain
        assert expected[again] == _value(chosen[_term(again)]) == _value(chosen[again])
        assert default == _value(chosen.emptied()[_term(again)])


@pytest.mark.parametrize(
    "use",
    [
        lambda a, b: 1 if a == b else 2,
        lambda a, b: a == b and b == a,
        lambda a, b: a == b or b == a,
        lambda a, b: not (a < b),
        lambda a, b: 0 <= a <= b,
        lambda a, b: a in (b, 1),
        lambda a, b: max(a, b),
        lambda a, b: bool(a),
    ],
    ids=["if", "and", "or", "not", "chained", "in", "max", "bool"],
)
def test_a_term_is_no_truth_value(use: Callable[[Any, Any], Any]) -> None:
    """Whatever asks for a term's truth value is told off, and told what to write instead."""
    with pytest.raises(SymbolicTruthError, match="not_"):
        use(Term(z3.Int("a")), Term(z3.Int("b")))
