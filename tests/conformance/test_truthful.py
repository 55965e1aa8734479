"""What a server tells of is held against what arrived in this run."""

import re
from pathlib import Path

import pytest

from takeover_conformance.playing.truthful import CLAUSES, REFUSED_BY, Heard, Taken, untrue_copy
from takeover_spec import actions as act
from takeover_spec import wire

DOCUMENT = (Path(__file__).parents[2] / "spec" / "PROTOCOL.md").read_text(encoding="utf-8")
ASKED, GOODBYE = wire.AskPromise(3, 9, 5), wire.Goodbye(3)


@pytest.mark.parametrize(
    ("messages", "action", "clause"),
    [
        ([wire.Promised(3, 7, 5)], act.CountPromise(3, 5, 9), ""),
        ([wire.Promised(3, 8, 5)], act.CountPromise(3, 5, 9), "LEASE-4"),
        ([wire.Leased(3, 8, 5)], act.CountLease(3, 5, 9), "LEASE-4"),
        ([ASKED], act.Promise(3, 9), ""),
        ([ASKED], act.Promise(4, 9), "LEASE-2"),
        ([GOODBYE], act.HearGoodbye(3), ""),
        ([GOODBYE], act.HearGoodbye(2), "ROLE-4"),
        ([ASKED, GOODBYE], act.HearReturn(3), "ROLE-4"),
        ([GOODBYE, ASKED], act.HearReturn(3), ""),
        ([GOODBYE, ASKED], act.HearReturn(2), "ROLE-4"),
        ([GOODBYE, wire.Position(2, 0, 0, True)], act.HearReturn(2), ""),
        ([wire.Newer(4)], act.HearEpoch(4), ""),
        ([wire.NotLeased(3, 7, 5, 4, "", ""), wire.Recorded(4, 1, True)], act.HearEpoch(4), "REJOIN-1"),
        ([], act.Promote(3, 0, 0, False), ""),
        ([], act.Promote(3, 0, 0, True), "REJOIN-4"),
        ([], act.Refrain("ADDR-3", "there is another holder"), ""),
        ([], act.Refrain("ADDR-" + "9", "there is another holder"), "§12.7"),
    ],
)
def test_what_is_told_was_heard(messages: list[wire.Message], action: act.Action, clause: str) -> None:
    """With its run, its epoch, and in its order."""
    heard = Heard()
    for message in messages:
        heard.add(message)
    found = heard.untrue(action, run=7)
    assert clause == (found[0] if found else "")


def test_a_clause_is_one_of_the_documents() -> None:
    """All those of its section 7, and no other."""
    assert set(re.findall(r"^#### ([A-Z]+-[0-9]+): ", DOCUMENT, re.MULTILINE)) == CLAUSES


def test_orders_are_refused_by_the_clauses_of_the_document() -> None:
    """Those of its table, order by order."""
    table = DOCUMENT[DOCUMENT.index("### 8.10 ") : DOCUMENT.index("## 9. Properties")]
    names = {"switchover": "switchover", "promotion": "promote", "copy": "resync"}
    documented: dict[str, set[str]] = {name: set() for name in names.values()}
    for orders, clause in re.findall(r"^\| ([a-z, ]+) \| ([A-Z]+-[0-9]+) \|", table, re.MULTILINE):
        for order in orders.split(", "):
            documented[names[order]].add(clause)
    assert documented == {order: set(clauses) for order, clauses in REFUSED_BY.items()}


@pytest.mark.parametrize(
    ("number", "accepted", "clause", "right"),
    [
        (7, True, "", True),
        (7, False, "SWITCH-2", True),
        (7, False, "REJOIN-4", False),
        (7, False, "", False),
        (8, True, "", False),
    ],
)
def test_an_order_is_answered_that_was_given(number: int, accepted: bool, clause: str, right: bool) -> None:
    """And refused by a clause that can forbid it."""
    heard = Heard(orders={7: "switchover"})
    assert right is (heard.wrong_answer(number, accepted=accepted, clause=clause) is None)


@pytest.mark.parametrize(
    ("message", "clause"),
    [
        (wire.CopyBegin(3, 2, 6), ""),
        (wire.CopyBegin(3, 1, 6), "LOSS-1"),
        (wire.CopyBegin(3, 2, 5), "REJOIN-2"),
        (wire.CopyPart(3, 6, 1, b"b"), ""),
        (wire.CopyPart(3, 6, 0, b"b"), "REJOIN-2"),
        (wire.CopyPart(3, 6, 2, b""), "REJOIN-2"),
        (wire.CopyEnd(3, 6, 2, b""), ""),
        (wire.CopyEnd(3, 6, 1, b""), "REJOIN-2"),
    ],
)
def test_what_is_sent_is_the_copy_that_was_taken(
    message: wire.CopyBegin | wire.CopyPart | wire.CopyEnd, clause: str
) -> None:
    """Each piece in its place."""
    found = untrue_copy(message, {(3, 6): Taken(2, (b"a", b"b"))})
    assert clause == (found[0] if found else "")
