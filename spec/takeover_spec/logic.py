"""The few operators in which rules are written, so that one text has two readings.

On Python values an operator computes; on a symbolic term it builds a larger term. A rule therefore uses
comparison and arithmetic operators as they are, `&` and `|` for *and* and *or*, and the functions below for the
rest. It never uses `and`, `or`, `not`, `if` or a chained comparison on what a server knows: those ask for a truth
value, which a symbolic term does not have, and it says so (`SymbolicTruthError`).

The symbolic terms themselves live with the prover; this module only names what they must offer (`Symbolic`), so
that the rules need no solver. Refused: a syntax tree of our own for rules. It would need an evaluator, a
translator and a proof that the two agree; here Python is the evaluator and the term is its own translator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

T = TypeVar("T")
V = TypeVar("V", covariant=False)


class SymbolicTruthError(TypeError):
    """A symbolic term was used where Python wants a truth value (`if`, `and`, `or`, `not`, a chained `<`)."""

    def __init__(self, term: object) -> None:
        super().__init__(
            f"the symbolic term {term} has no truth value: in a rule write & for `and`, | for `or`, "
            "not_(…) for `not`, choose(…) for `if`, and split a chained comparison"
        )


class Symbolic(ABC):
    """What a prover's term must offer beyond Python's operators. The base class refuses to be a truth value."""

    def __bool__(self) -> bool:
        raise SymbolicTruthError(self)

    @abstractmethod
    def choose(self, yes: Any, no: Any) -> Any:
        """The term that is `yes` where this one holds and `no` elsewhere."""

    @abstractmethod
    def each(self, first: Any, holds: Callable[[Any], Any]) -> Any:
        """The term that says `holds(n)` for every whole number n from `first` to this one."""


def not_(a: bool) -> bool:
    """The negation of `a`."""
    return not a if isinstance(a, bool) else cast(bool, ~a)


def implies(a: bool, b: bool) -> bool:
    """`b` wherever `a`."""
    return not_(a) | b


def choose(condition: bool, yes: T, no: T) -> T:
    """`yes` where `condition` holds and `no` elsewhere; both are evaluated."""
    if isinstance(condition, bool):
        return yes if condition else no
    return cast(T, cast(Symbolic, condition).choose(yes, no))


def greatest(a: int, b: int) -> int:
    """The greater of two numbers."""
    return choose(a >= b, a, b)


def each(first: int, last: int, holds: Callable[[int], bool]) -> bool:
    """Whether `holds(n)` for every n from `first` to `last`, both included; true where there is none."""
    if isinstance(first, Symbolic) and not isinstance(last, Symbolic):
        last = first - first + last  # a term, like the other bound
    if isinstance(last, Symbolic):
        return cast(bool, last.each(first, holds))
    result = True
    for n in range(first, last + 1):
        result = holds(n) & result
        if result is False:
            break
    return result


class Table(Protocol[V]):
    """An immutable map from numbers to values, total: what was never put has the table's default."""

    def __getitem__(self, key: int) -> V: ...

    def put(self, key: int, value: V) -> Table[V]:
        """This table with `value` at `key`."""
        ...

    def emptied(self) -> Table[V]:
        """The table that has the default everywhere."""
        ...


class Sparse(Table[V]):
    """A table of Python values whose newest version reads and writes in constant time.

    All versions share one dictionary, which belongs to the newest; an older version remembers the one entry in
    which it differs from its successor (Baker's trick). So a checker that folds a long trace pays nothing for
    immutability, and an old version, wanted for an error message, is still right.
    """

    __slots__ = ("_default", "_entries", "_key", "_newer", "_old")

    def __init__(self, default: V, entries: dict[int, V] | None = None) -> None:
        self._default = default
        self._entries: dict[int, V] | None = {} if entries is None else entries
        self._newer: Sparse[V] | None = None
        self._key = 0
        self._old = default

    def __getitem__(self, key: int) -> V:
        version = self
        while version._entries is None:
            assert version._newer is not None
            if version._key == key:
                return version._old
            version = version._newer
        return version._entries.get(key, self._default)

    def put(self, key: int, value: V) -> Sparse[V]:
        entries = self._entries
        if entries is None:  # not the newest any more: copy, which happens only off the beaten path
            entries = self._copied()
            newer = Sparse(self._default, entries)
        else:
            newer = Sparse(self._default, entries)
            self._newer, self._key, self._old = newer, key, entries.get(key, self._default)
            self._entries = None
        if value == self._default:
            entries.pop(key, None)
        else:
            entries[key] = value
        return newer

    def emptied(self) -> Sparse[V]:
        return Sparse(self._default)

    def held(self) -> list[int]:
        """The keys that do not have the default, in order."""
        return sorted(self._copied())

    def unbroken(self, after: int) -> int:
        """The last of the keys from `after` + 1 on that have no gap; `after` if there is none."""
        last = after
        for key in self.held():
            if key == last + 1:
                last = key
        return last

    def _copied(self) -> dict[int, V]:
        changes: list[Sparse[V]] = []
        version = self
        while version._entries is None:
            assert version._newer is not None
            changes.append(version)
            version = version._newer
        entries = dict(version._entries)
        for change in reversed(changes):
            if change._old == change._default:
                entries.pop(change._key, None)
            else:
                entries[change._key] = change._old
        return entries

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sparse) and (self._default, self._copied()) == (
            other._default,
            other._copied(),
        )

    def __hash__(self) -> int:
        return hash((self._default, frozenset(self._copied().items())))

    def __repr__(self) -> str:
        return f"Sparse({self._default!r}, {self._copied()!r})"


class Unbroken(Table[V]):
    """A table with one value from `first` to `last` that no number of entries makes large; the rest is a `Sparse`."""

    __slots__ = ("_first", "_inside", "_last", "_rest")

    def __init__(self, inside: V, first: int, last: int, rest: Sparse[V]) -> None:
        self._inside, self._first, self._last, self._rest = inside, first, last, rest

    def __getitem__(self, key: int) -> V:
        return self._inside if self._first <= key <= self._last else self._rest[key]

    def put(self, key: int, value: V) -> Unbroken[V]:
        assert not self._first <= key <= self._last, f"{key} is there already"
        return Unbroken(self._inside, self._first, self._last, self._rest.put(key, value))

    def emptied(self) -> Sparse[V]:
        return self._rest.emptied()

    def unbroken(self, after: int) -> int:
        """As of a `Sparse`."""
        last = self._rest.unbroken(after)
        return self._rest.unbroken(self._last) if self._first <= last + 1 <= self._last else last

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unbroken) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"Unbroken{self._parts()!r}"

    def _parts(self) -> tuple[V, int, int, Sparse[V]]:
        return self._inside, self._first, self._last, self._rest
