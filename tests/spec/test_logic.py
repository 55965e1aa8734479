"""The operators in which rules are written, on Python values, and the tables that hold what a party knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takeover_spec.logic import (
    Sparse,
    Symbolic,
    SymbolicTruthError,
    Table,
    Unbroken,
    choose,
    each,
    greatest,
    implies,
    not_,
)

TRUTH = (False, True)


# --- operators on Python values -------------------------------------------------------------------


def test_operators_compute_on_python_values() -> None:
    """`not_`, `implies`, `choose` and `greatest` are the usual ones, and give real truth values."""
    assert [True, False] == [not_(a) for a in TRUTH]
    assert [True, True, False, True] == [implies(a, b) for a in TRUTH for b in TRUTH]
    assert ["no", "yes"] == [choose(a, "yes", "no") for a in TRUTH]
    assert [7, 7, 7] == [greatest(3, 7), greatest(7, 3), greatest(7, 7)]


@pytest.mark.parametrize(
    ("first", "last", "good", "expected"),
    [
        (1, 3, {1, 2, 3}, True),
        (1, 3, {1, 3}, False),
        (1, 3, {2, 3}, False),
        (1, 3, {1, 2}, False),
        (2, 2, {2}, True),
        (2, 2, set(), False),
        (3, 2, set(), True),
        (0, -5, set(), True),
    ],
)
def test_each_asks_every_number_of_the_range_both_ends_included(
    first: int, last: int, good: set[int], expected: bool
) -> None:
    """`each` holds when its predicate holds of all from `first` to `last`, and of an empty range."""
    assert expected is each(first, last, lambda n: n in good)


def test_each_stops_at_the_first_that_does_not_hold() -> None:
    """A range of any length is asked only as far as it decides."""
    asked: list[int] = []

    def small(n: int) -> bool:
        asked.append(n)
        return n < 4

    assert each(2, 2**63, small) is False
    assert [2, 3, 4] == asked


# --- symbolic terms -------------------------------------------------------------------------------


class _Noted(Symbolic):
    """A term that remembers what was built of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __invert__(self) -> _Noted:
        return _Noted(f"~{self.text}")

    def __or__(self, other: object) -> _Noted:
        return _Noted(f"({self.text} | {other})")

    def __add__(self, other: object) -> _Noted:
        return _Noted(f"({self.text} + {other})")

    def __sub__(self, other: object) -> _Noted:
        return _Noted(f"({self.text} - {other})")

    def __le__(self, other: object) -> _Noted:
        return _Noted(f"({self.text} <= {other})")

    def __ge__(self, other: object) -> _Noted:
        return _Noted(f"({self.text} >= {other})")

    def __str__(self) -> str:
        return self.text

    def choose(self, yes: Any, no: Any) -> Any:
        return _Noted(f"if {self} then {yes} else {no}")

    def each(self, first: Any, holds: Callable[[Any], Any]) -> Any:
        return _Noted(f"each from {first} to {self}: {holds('n')}")


X: Any = _Noted("x")
Y: Any = _Noted("y")


@pytest.mark.parametrize(
    "use",
    [
        lambda: bool(X),
        lambda: "yes" if X else "no",
        lambda: X and True,
        lambda: X or True,
        lambda: not X,
        lambda: 1 <= X <= 3,
        lambda: all([X, True]),
    ],
    ids=["bool", "if", "and", "or", "not", "chain", "all"],
)
def test_a_symbolic_term_has_no_truth_value(use: Callable[[], object]) -> None:
    """Whatever asks a term for a truth value is refused, so no rule is proved about one branch only."""
    with pytest.raises(SymbolicTruthError, match=r"has no truth value: in a rule write &"):
        use()


def test_the_operators_build_terms_of_terms() -> None:
    """On a term the same functions compute nothing: they build."""
    assert "~x" == str(not_(X))
    assert "(~x | y)" == str(implies(X, Y))
    assert "if x then 1 else 2" == str(choose(X, 1, 2))
    assert "if (x >= y) then x else y" == str(greatest(X, Y))
    assert "each from 1 to x: n?" == str(each(1, X, lambda n: f"{n}?"))  # type: ignore[arg-type,return-value]  # text stands for a term
    assert "each from x to ((x - x) + 9): n?" == str(each(X, 9, lambda n: f"{n}?"))  # type: ignore[arg-type,return-value]  # as above


# --- tables ---------------------------------------------------------------------------------------


def test_a_table_is_total() -> None:
    """What was never put has the default, at any number."""
    assert [0, 0, 0] == [Sparse(0)[key] for key in (-1, 0, 10**12)]


def test_a_put_makes_a_new_version_and_leaves_the_old_one() -> None:
    """Every version stays what it was, whatever is put into its successors."""
    v0 = Sparse(0)
    v1 = v0.put(1, 10)
    v2 = v1.put(2, 20)
    v3 = v2.put(1, 11)
    v4 = v3.put(2, 0)
    read = [[v[1], v[2]] for v in (v0, v1, v2, v3, v4)]
    assert [[0, 0], [10, 0], [10, 20], [11, 20], [11, 0]] == read


def test_two_successors_of_one_version_are_independent() -> None:
    """A version that is not the newest can be built upon, too."""
    v1 = Sparse(0).put(1, 10)
    left, right = v1.put(2, 20), v1.put(2, 30)
    assert [10, 10, 20, 30, 0] == [left[1], right[1], left[2], right[2], v1[2]]


def test_emptied_has_the_default_everywhere_and_leaves_the_old_one() -> None:
    """An emptied table starts again."""
    full = Sparse(0).put(1, 10)
    empty = full.emptied()
    assert [0, 10] == [empty[1], full[1]]
    assert [5, 10] == [empty.put(1, 5)[1], full[1]]


def test_a_table_says_which_keys_it_holds() -> None:
    """In order, and without those that have the default (again); an old version says what it held."""
    old = Sparse(0).put(7, 70).put(2, 20)
    new = old.put(2, 0).put(9, 90)
    assert [[2, 7], [7, 9], []] == [old.held(), new.held(), new.emptied().held()]


def test_tables_are_equal_by_what_they_hold() -> None:
    """The way by which a table came about does not matter, nor which version it is."""
    direct = Sparse(0).put(2, 20)
    detour = Sparse(0).put(1, 10).put(2, 20).put(1, 0)
    overtaken = Sparse(0).put(2, 20)
    overtaken.put(3, 30)
    assert direct == detour == overtaken
    assert 1 == len({hash(direct), hash(detour), hash(overtaken)})
    assert direct != Sparse(1).put(2, 20)
    assert direct != direct.put(2, 21)


KEYS, VALUES = st.integers(0, 4), st.integers(0, 2)
PUT = st.tuples(st.just("put"), st.integers(0, 1000), KEYS, VALUES)
EMPTIED = st.tuples(st.just("emptied"), st.integers(0, 1000), KEYS, VALUES)


def _differences(fresh: Table[int], steps: list[tuple[str, int, int, int]]) -> list[str]:
    """Every version of a table, each grown from any earlier one, against a plain copied dict."""
    versions: list[tuple[Table[int], dict[int, int]]] = [(fresh, {})]
    for what, which, key, value in steps:
        table, plain = versions[which % len(versions)]
        if what == "put":
            versions.append((table.put(key, value), {**plain, key: value}))
        else:
            versions.append((table.emptied(), {}))
    return [
        f"version {number} at {key}"
        for number, (table, plain) in enumerate(versions)
        for key in range(5)
        if table[key] != plain.get(key, 0)
    ]


@given(st.lists(PUT | EMPTIED, max_size=30))
def test_every_version_agrees_with_a_plain_dict(steps: list[tuple[str, int, int, int]]) -> None:
    """However versions branch, each reads like the dict that was copied at every step."""
    assert [] == _differences(Sparse(0), steps)


class _OneForAll(Sparse[int]):
    """A broken table: every version writes where all read."""

    __slots__ = ("all",)

    def __init__(self) -> None:
        super().__init__(0)
        self.all: dict[int, int] = {}

    def __getitem__(self, key: int) -> int:
        return self.all.get(key, 0)

    def put(self, key: int, value: int) -> Sparse[int]:
        self.all[key] = value
        return self


def test_the_comparison_notices_a_table_that_forgets_its_versions() -> None:
    """The check above can fail."""
    assert ["version 0 at 1"] == _differences(_OneForAll(), [("put", 0, 1, 7)])


class _Counted(dict[int, int]):
    """A dictionary that counts what is done to it."""

    touched = 0
    copied = 0

    def get(self, key: int, default: Any = None) -> Any:
        self.touched += 1
        return super().get(key, default)

    def pop(self, key: int, default: Any = None) -> Any:
        self.touched += 1
        return super().pop(key, default)

    def __setitem__(self, key: int, value: int) -> None:
        self.touched += 1
        super().__setitem__(key, value)

    def keys(self) -> Any:
        self.copied += 1
        return super().keys()

    def __iter__(self) -> Iterator[int]:
        self.copied += 1
        return super().__iter__()


def _cost(length: int) -> tuple[int, int]:
    """How often the entries are touched, and copied, by a chain of puts and reads of this length."""
    entries = _Counted()
    table: Table[int] = Sparse(0, entries)
    for n in range(length):
        table = table.put(n, n + 1)
        assert n + 1 == table[n]
    return entries.touched, entries.copied


def test_a_long_chain_of_puts_costs_a_constant_for_each() -> None:
    """Folding a trace is linear: no put and no read of the newest version copies the entries."""
    (short, copied_short), (long, copied_long) = _cost(100), _cost(10_000)
    assert 100 * short == long
    assert (0, 0) == (copied_short, copied_long)


def test_the_count_notices_a_copy() -> None:
    """The check above can fail: a put on an old version does copy."""
    entries = _Counted()
    old = Sparse(0, entries)
    old.put(1, 10)
    old.put(2, 20)
    assert entries.copied > 0


def test_the_first_of_very_many_versions_can_be_read_and_let_go() -> None:
    """Neither reading across a long chain nor freeing it recurses."""
    first: Table[int] | None = Sparse(0)
    assert first is not None
    table: Table[int] = first
    for n in range(200_000):
        table = table.put(n % 7, n)
    assert 0 == first[3]
    del table
    first = None


@given(
    first=st.integers(1, 5),
    length=st.integers(1, 5),
    others=st.sets(st.integers(1, 12)),
    after=st.integers(0, 12),
)
def test_an_unbroken_table_is_the_sparse_one_with_the_same_values(
    first: int, length: int, others: set[int], after: int
) -> None:
    """In what it reads, in how far it goes without a gap, and emptied."""
    last = first + length - 1
    outside = others - set(range(first, last + 1))
    unbroken, sparse = Unbroken(1, first, last, Sparse(0)), Sparse(0)
    for key in range(first, last + 1):
        sparse = sparse.put(key, 1)
    for key in outside:
        unbroken, sparse = unbroken.put(key, 1), sparse.put(key, 1)
    assert [sparse[key] for key in range(15)] == [unbroken[key] for key in range(15)]
    assert Sparse(0) == unbroken.emptied()
    assert sparse.unbroken(after) == unbroken.unbroken(after)
    assert unbroken == Unbroken(1, first, last, unbroken._rest)
    assert unbroken != Unbroken(2, first, last, unbroken._rest)
