"""Symbolic terms: what the rules compute on when Z3 reads them.

A `Term` wraps one Z3 expression and offers the operators of `takeover_spec.logic`. It exists because Z3's own
expressions are quietly truthful: `bool(a == b)` is false for two different symbols, so a rule that said
`if a == b` would be proved about nothing. A `Term` refuses instead (`SymbolicTruthError`).

`each(first, last, …)` says something of every number in a range whose ends are symbols. In a hypothesis we may use
any of its instances, so a term instantiates it at the points the caller named (`instances`). That is sound only
where the range is a hypothesis, which a rule always is in a proof. Refused: a Z3 quantifier. It would be exact, and
the solver would answer *unknown* wherever it fails to instantiate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import z3

from takeover_spec.logic import Symbolic, implies

_points: ContextVar[tuple[Any, ...]] = ContextVar("points")


_branch: ContextVar[Callable[[Any], bool] | None] = ContextVar("branch", default=None)


@contextmanager
def branching(decide: Callable[[Any], bool]) -> Iterator[None]:
    """Within this block a term has a truth value: the one that `decide` gives. Only for ordinary code (`paths.py`)."""
    token = _branch.set(decide)
    try:
        yield
    finally:
        _branch.reset(token)


@contextmanager
def instances(*points: Any) -> Iterator[None]:
    """Within this block, `each` over symbolic bounds is instantiated at `points` (terms or numbers)."""
    token = _points.set(points)
    try:
        yield
    finally:
        _points.reset(token)


class UninstantiatedError(LookupError):
    """`each` over symbolic bounds, and no point to look at: it would be true of anything."""

    def __init__(self, bound: object) -> None:
        super().__init__(f"each(…, {bound}, …) says nothing outside a block of `instances`")


class Term(Symbolic):
    """One Z3 expression with Python's operators; see the module."""

    __slots__ = ("z",)

    def __init__(self, z: z3.ExprRef) -> None:
        self.z = z

    def __repr__(self) -> str:
        return str(self.z)

    def __bool__(self) -> bool:
        branch = _branch.get()
        return super().__bool__() if branch is None else branch(self.z)

    __hash__ = None  # type: ignore[assignment]  # equality builds a term

    def __eq__(self, other: object) -> Term:  # type: ignore[override]  # equality builds a term
        return Term(self.z == raw(other))

    def __ne__(self, other: object) -> Term:  # type: ignore[override]  # inequality builds a term
        return Term(self.z != raw(other))

    def __lt__(self, other: object) -> Term:
        return Term(self.z < raw(other))

    def __le__(self, other: object) -> Term:
        return Term(self.z <= raw(other))

    def __gt__(self, other: object) -> Term:
        return Term(self.z > raw(other))

    def __ge__(self, other: object) -> Term:
        return Term(self.z >= raw(other))

    def __add__(self, other: object) -> Term:
        return Term(self.z + raw(other))

    def __radd__(self, other: object) -> Term:
        return Term(raw(other) + self.z)

    def __sub__(self, other: object) -> Term:
        return Term(self.z - raw(other))

    def __rsub__(self, other: object) -> Term:
        return Term(raw(other) - self.z)

    def __mul__(self, other: object) -> Term:
        return Term(self.z * raw(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Term:
        """Whole numbers only, and a positive divisor: there Z3 and Python round alike."""
        assert other > 0
        assert z3.is_int(self.z)
        return Term(cast(Any, self.z) / other)

    def __and__(self, other: object) -> Term:
        return Term(z3.And(self.z, raw(other)))

    __rand__ = __and__

    def __or__(self, other: object) -> Term:
        return Term(z3.Or(self.z, raw(other)))

    __ror__ = __or__

    def __invert__(self) -> Term:
        return Term(z3.Not(self.z))

    def choose(self, yes: Any, no: Any) -> Any:
        if isinstance(yes, Cells) or isinstance(no, Cells):
            return yes.merged(self, no)
        if isinstance(yes, ArrayTable):
            return ArrayTable(z3.If(self.z, yes.z, no.z), yes.default)
        return Term(z3.If(self.z, *_same_sort(raw(yes), raw(no))))

    def each(self, first: Any, holds: Callable[[Any], Any]) -> Any:
        points = _points.get(())
        if not points:
            raise UninstantiatedError(self)
        result: Any = True
        for point in points:
            result = implies((first <= point) & (point <= self), holds(point)) & result
        return result


def raw(value: Any) -> Any:
    """The Z3 expression of a term; a Python number or truth value as it is."""
    if isinstance(value, Term | ArrayTable):
        return value.z
    if isinstance(value, bool):
        return z3.BoolVal(value)
    return int(value) if isinstance(value, int) else value


def _same_sort(yes: Any, no: Any) -> tuple[Any, Any]:
    for value, other in ((yes, no), (no, yes)):
        if isinstance(value, int) and isinstance(other, z3.ArithRef):
            literal = z3.RealVal(value) if other.is_real() else z3.IntVal(value)
            return (literal, no) if value is yes else (yes, literal)
    if isinstance(yes, int) and isinstance(no, int):
        return z3.IntVal(yes), z3.IntVal(no)
    return yes, no


class ArrayTable:
    """An unbounded table: a Z3 array from whole numbers. For proofs."""

    __slots__ = ("default", "z")

    def __init__(self, z: z3.ArrayRef, default: Any) -> None:
        self.z = z
        self.default = default

    @classmethod
    def constant(cls, default: Any) -> ArrayTable:
        """The table that has the default everywhere."""
        return cls(z3.K(z3.IntSort(), _literal(default)), default)

    def __getitem__(self, key: Any) -> Term:
        return Term(z3.Select(self.z, raw(key)))

    def put(self, key: Any, value: Any) -> ArrayTable:
        return ArrayTable(z3.Store(self.z, raw(key), raw(value)), self.default)

    def emptied(self) -> ArrayTable:
        return ArrayTable.constant(self.default)


def _literal(value: Any) -> Any:
    return z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(int(value))


class Cells:
    """A table of a few cells, 0 to its length less one: for the search for a run, where numbers are small.

    A key outside reads as the default and is lost when put; the search keeps its numbers inside.
    """

    __slots__ = ("cells", "default")

    def __init__(self, cells: Sequence[Any], default: Any) -> None:
        self.cells = tuple(cells)
        self.default = default

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self.cells[key] if 0 <= key < len(self.cells) else Term(_literal(self.default))
        value: Any = _literal(self.default)
        for index, cell in enumerate(self.cells):
            value = z3.If(raw(key) == index, raw(cell), value)
        return Term(value)

    def put(self, key: Any, value: Any) -> Cells:
        literal = _literal(value) if isinstance(value, int) else raw(value)
        return Cells(
            [Term(z3.If(raw(key) == i, literal, raw(cell))) for i, cell in enumerate(self.cells)],
            self.default,
        )

    def emptied(self) -> Cells:
        return Cells([Term(_literal(self.default)) for _ in self.cells], self.default)

    def merged(self, condition: Term, other: Cells) -> Cells:
        """These cells where the condition holds, the other's elsewhere."""
        pairs = zip(self.cells, other.cells, strict=True)
        return Cells([Term(z3.If(condition.z, raw(a), raw(b))) for a, b in pairs], self.default)
