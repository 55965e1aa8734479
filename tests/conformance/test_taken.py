"""Every action occurs in the cases, and is asked for, in every role in which the rules let a server take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
import z3

from takeover_conformance.cases import RunCase, shipped
from takeover_conformance.making.taken import (
    NOT_ASKED,
    NOT_TAKEN,
    PAIRS,
    ROLES,
    Pair,
    failures,
    shipped_taken,
    taken_in,
)
from takeover_proofs.symbols import number, symbolic_constants, symbols
from takeover_proofs.terms import instances, raw
from takeover_spec import actions as act
from takeover_spec.codec import kind_of
from takeover_spec.knowledge import Knowledge
from takeover_spec.rules import rules_about

TAKEN = shipped_taken()


def is_permitted(kind: type, *, active: bool) -> bool:
    """Whether the rules let some server of this role do something of this kind: as the solver finds."""
    know, action, now = symbols(Knowledge, "know", active=active), symbols(kind, "action"), number("clock")
    constants, bounds = symbolic_constants()
    solver = z3.Solver()
    solver.add(*(raw(bound) for bound in bounds))
    with instances(know.applied + 1):
        solver.add(*(raw(rule.holds(know, action, now, constants)) for rule in rules_about(kind)))
    found = solver.check()
    assert found != z3.unknown
    return bool(found == z3.sat)


def permitted() -> Iterator[Pair]:
    """What the rules let a server do, in which role."""
    for kind in get_args(act.ServerAction):
        for role in ROLES:
            if is_permitted(kind, active=role == "active"):
                yield kind_of(kind), role


PERMITTED = tuple(permitted())


def test_every_action_is_taken_and_asked_for_in_every_role_it_can_be_taken_in() -> None:
    """Or it is said why not; and what is said is so."""
    assert [] == list(failures(TAKEN, PERMITTED))


def test_what_the_rules_permit_is_some_of_all_there_is() -> None:
    """Who stores is passive and who logs is active; a server starts whatever it was."""
    assert set(PERMITTED) < set(PAIRS)
    for pair, can in (
        (("store", "passive"), True),
        (("store", "active"), False),
        (("log", "passive"), False),
        (("log", "active"), True),
        (("start", "passive"), True),
        (("start", "active"), True),
    ):
        assert can is (pair in PERMITTED)


@pytest.mark.parametrize(
    ("of", "spoil", "told"),
    [
        (("log", "active"), None, "log of an active server is in no case"),
        (("refrain", "passive"), "asked", "refrain of a passive server is asked for by no case"),
    ],
)
def test_what_is_missing_is_told(of: Pair, spoil: str | None, told: str) -> None:
    """An action that nobody takes any more in that role, or that nobody asks for."""
    lines = [
        line | ({spoil: None} if spoil and (line["action"], line["role"]) == of else {})
        for line in TAKEN
        if spoil or (line["action"], line["role"]) != of
    ]
    assert [told] == list(failures(lines, PERMITTED))


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (NOT_TAKEN, "log of an active server is in a case, and listed as in none"),
        (NOT_ASKED, "log of an active server is asked for, and listed as what is not"),
    ],
)
def test_a_reason_that_is_none_any_more_is_told(
    listed: dict[Pair, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hide what is missing later."""
    monkeypatch.setitem(listed, ("log", "active"), "nobody logs")
    assert [told] == list(failures(TAKEN, PERMITTED))
    assert "log of a server that is passive is not permitted by the rules" in failures(
        [*TAKEN, {"action": "log", "role": "passive", "case": "failover", "asked": None}], PERMITTED
    )


def test_what_is_said_of_a_case_is_what_the_server_does_in_it() -> None:
    """In the role it has then: a server that was active starts again, hears of an epoch, steps down."""
    cases = {case.name: case for case in shipped() if isinstance(case, RunCase)}
    taken, asked = taken_in(cases["recorded-meets-newer-newer"])
    assert {("hear-epoch", "active"), ("step-down", "active"), ("disable", "active")} <= asked <= taken
    assert ("start", "passive") in taken
    taken, asked = taken_in(cases["recorded-meets-restarted-with-all"])
    assert ("start", "active") in asked <= taken
