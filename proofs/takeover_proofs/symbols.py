"""Worlds, steps and constants made of symbols, and the two layers' vocabularies.

Whole numbers are integers, times are real numbers: what holds for all real times holds for the nanoseconds of a
server, and the rules round towards safety.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, cast, get_args, get_type_hints

import z3

from takeover_proofs.terms import ArrayTable, Term
from takeover_proofs.transition import Tick
from takeover_proofs.world import Nature, Side, World
from takeover_spec import actions as act
from takeover_spec.words import PPM, Constants

TIMES = frozenset(
    [
        "started",
        "lease_until",
        "promise_until",
        "given_until",
        "until",
        "clock",
        "leased_sent",
        "promised_sent",
        "wait_until",
        "witness_clock",
        "sent",
        "real",
        "clock_0",
        "clock_1",
        "clock_witness",
        "lease_ns",
        "promise_ns",
        "drift_ppm",
        "expiry_slack_ns",
    ]
)
"""The names of the fields that are times (or ratios of times)."""

QUEUE_WORDS = frozenset(
    [
        "applied",
        "stored",
        "status",
        "newest",
        "reported",
        "logged",
        "carried",
        "safe_upto",
        "safe_latest",
        "acknowledged",
        "trimmed",
        "version",
        "alone",
        "peer_follows",
        "data",
        "reported_epoch",
        "reported_latest",
        "declared",
        "recorded",
        "copied",
        "cut_short",
        "parent",
        "parent_length",
        "mark_epoch",
        "mark_seq",
        "lost",
        "effect",
        "eligible",
        "owner",
        "drained",
        "returned",
        "unsafe",
        "peer_left",
        "seq",
        "upto",
        "latest",
        "kept",
        "last",
        "begun",
        "promoted",
        "keeps",
        "successor",
        "peer_released",
        "copied_begun",
        "asked",
        "obeys",
        "parted",
        "misstated",
        "handed",
        "ordered",
    ]
)
"""The names of the fields that only the queue layer speaks of."""

ENUMERATIONS = {"status": (0, 2), "queue": (0, 1), "cause": (0, 4)}
"""The ranges of the fields that are enumerations."""

TableMaker = Callable[[str, type], Any]


def array_table(name: str, value: type) -> ArrayTable:
    """An unbounded table of symbols: of truth values, or of whole numbers."""
    sort = z3.BoolSort() if value is bool else z3.IntSort()
    return ArrayTable(z3.Const(name, z3.ArraySort(z3.IntSort(), sort)), False if value is bool else 0)


def number(name: str, full: str | None = None) -> Any:
    """A symbol for a number: real where the name is a time's."""
    return Term(z3.Real(full or name) if name in TIMES else z3.Int(full or name))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def symbols(kind: type, prefix: str, table: TableMaker = array_table, **given: Any) -> Any:
    """An instance of a dataclass whose every field is a symbol named `prefix.field`, but for those given."""
    made = {f.name: f.name in given for f in fields(kind)}
    return kind(
        **{
            name: given[name] if known else _symbol(_hints(kind)[name], name, f"{prefix}.{name}", table)
            for name, known in made.items()
        }
    )


def _symbol(hint: Any, name: str, full: str, table: TableMaker) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return symbols(hint, full, table)
    if get_args(hint):
        return table(full, get_args(hint)[0])
    if hint is bool:
        return Term(z3.Bool(full))
    return "" if hint is str else number(name, full)


def symbolic_constants() -> tuple[Constants, list[Any]]:
    """Constants that are symbols, and all that is assumed of them."""
    c = symbols(Constants, "c")
    bounds = [c.lease_ns > 0, c.promise_ns > 0, c.drift_ppm >= 0, c.drift_ppm < PPM, c.expiry_slack_ns >= 0]
    return c, bounds


def symbolic_world(leader: int, nature: Nature) -> World:
    """Any world with a given leader."""
    sides = tuple(symbols(Side, f"server{i}") for i in (0, 1))
    return cast(World, symbols(World, "world", sides=sides, leader=leader, nature=nature))


def in_range(step: Any) -> Iterator[Any]:
    """What is assumed of a step's enumerations."""
    for name, (low, high) in ENUMERATIONS.items():
        if hasattr(step, name):
            yield getattr(step, name) >= low
            yield getattr(step, name) <= high


SERVER_ACTIONS: tuple[type, ...] = act.ServerAction.__args__
WITNESS_ACTIONS: tuple[type, ...] = act.WitnessAction.__args__
STEPS: tuple[type, ...] = (Tick, *SERVER_ACTIONS, *WITNESS_ACTIONS)
"""Every kind of step."""
