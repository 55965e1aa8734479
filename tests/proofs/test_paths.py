"""Running ordinary code on symbols visits every path, and no other."""

from __future__ import annotations

import pytest
import z3

from takeover.core import counted_ns
from takeover.core.span import Span
from takeover_proofs.paths import TooManyPaths, paths
from takeover_proofs.terms import Term
from takeover_spec.logic import SymbolicTruthError
from takeover_spec.words import PPM

X = Term(z3.Int("x"))


def test_every_way_is_taken_once() -> None:
    """Three ways through a function are three paths; a way the assumptions exclude is none."""

    def classify(x: Term = X) -> str:
        if x < 0:
            return "negative"
        return "zero" if x == 0 else "positive"

    assert ["negative", "positive", "zero"] == sorted(str(p.result) for p in paths(classify, []))
    assert ["positive", "zero"] == sorted(str(p.result) for p in paths(classify, [X >= 0]))


def test_a_branch_decided_by_an_earlier_one_is_not_open() -> None:
    """What the path so far implies is not asked twice."""

    def nested(x: Term = X) -> int:
        return (1 if x > 5 else 2) if x > 3 else (3 if x > 4 else 4)

    assert [1, 2, 4] == sorted(p.result or 0 for p in paths(nested, []))


def test_a_failing_assertion_is_found() -> None:
    """The path on which an assertion fails is reported as such."""

    def careful(x: Term = X) -> None:
        assert x != 7, "seven"

    assert ["seven"] == [str(p.failed)[:5] for p in paths(careful, []) if p.failed]
    assert [] == [p for p in paths(careful, [X > 7]) if p.failed]


def test_too_many_paths_are_not_a_proof() -> None:
    """A loop whose end depends on a symbol ends in an error, and not in a claim."""

    def endless(x: Term = X) -> None:
        count = 0
        while x > count:
            count += 1

    with pytest.raises(TooManyPaths):
        list(paths(endless, [], most=20))


def test_outside_of_paths_a_term_has_no_truth() -> None:
    """The permission to branch ends with the exploration."""
    list(paths(lambda: bool(X > 0), []))
    with pytest.raises(SymbolicTruthError):
        bool(X > 0)


def test_a_span_is_a_run() -> None:
    """A span grows at its end, shrinks at its beginning, and refuses anything else."""
    span = Span(True, False).put(5, True).put(6, True).put(7, True).put(5, False)
    assert [False, True, True, False] == [span[n] for n in (5, 6, 7, 8)]
    assert not span.emptied()[6]
    assert span.emptied().put(100, True)[100]
    for key, value in ((9, True), (7, False)):
        with pytest.raises(AssertionError):
            span.put(key, value)


def test_what_is_counted_of_a_grant_is_what_the_proof_assumes() -> None:
    """`counted_ns` is a quotient rounded down, and such a quotient satisfies LEASE-4; the next number does not."""
    product, divisor = z3.Ints("product divisor")
    assert z3.unsat == _check(divisor > 0, (product / divisor) * divisor > product)
    for length, drift in ((1_000_000_000, 1000), (7, 999_999), (123_456_789, 0)):
        counted = counted_ns(length, drift)
        assert counted * (PPM + drift) <= length * (PPM - drift) < (counted + 1) * (PPM + drift)


def _check(*claims: object) -> object:
    solver = z3.Solver()
    solver.add(*claims)
    return solver.check()
