"""What a party knows after an action: what survives a restart, and what each action changes and leaves."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, get_args

import pytest

from takeover_spec import actions as act
from takeover_spec import knowledge
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, grant_until, lapsed, party_after, settled
from takeover_spec.logic import Sparse
from takeover_spec.words import Cause, Identity, Queue, Status

FULL = Knowledge(
    active=True,
    epoch=5,
    seen=6,
    returned=True,
    drained=True,
    unsafe=True,
    released=4,
    begun=9,
    promoted=True,
    keeps=26,
    started=7,
    lease_epoch=5,
    lease_until=800,
    promise_until=700,
    given_until=600,
    enabled=True,
    until=650,
    exposed=True,
    intercepting=True,
    serving=True,
    peer_left=True,
    peer_released=3,
    applied=20,
    stored=Sparse(False).put(21, True).put(23, True),
    status=Sparse[int](Status.NONE).put(21, Status.FAILED),
    newest=23,
    reported=19,
    logged=30,
    carried=Sparse[int](Status.NONE).put(22, Status.DONE),
    safe_upto=25,
    safe_latest=27,
    acknowledged=24,
    trimmed=22,
    peer_follows=True,
    version=3,
    alone=True,
    successor=True,
)
"""A server in whose knowledge nothing is as at first: no such one exists, but every field can be seen to change."""

WITNESS = WitnessKnowledge(
    epoch=5, holder=Identity.SECONDARY, version=3, eligible=True, ended=True, lease_until=800, wait_until=750
)
"""The same for a witness."""

NOW = 500
NO_STATUS = Sparse[int](Status.NONE)


def _values(know: Any) -> dict[str, Any]:
    return {field.name: getattr(know, field.name) for field in fields(know)}


def _changed(know: Any, action: act.Action) -> dict[str, Any]:
    """What is different after the action, and how."""
    before, after = _values(know), _values(party_after(know, action, NOW))
    return {name: value for name, value in after.items() if value != before[name]}


@pytest.mark.parametrize("know", [FULL, WITNESS], ids=["server", "witness"])
def test_the_example_has_nothing_as_at_first(know: Any) -> None:
    """Otherwise a field that is reset, or kept, might look like the other."""
    fresh = _values(type(know)())
    assert [] == [name for name, value in _values(know).items() if value == fresh[name]]


# --- what survives a restart ----------------------------------------------------------------------

SAID_BY_START = {"active": False, "enabled": False, "until": 0, "given_until": 1500, "started": NOW}
"""What the start itself says."""

KEPT_WITH_THE_DATA = {
    "applied", "stored", "status", "newest", "reported", "logged", "carried", "safe_upto", "safe_latest",
    "acknowledged", "trimmed", "peer_follows", "version",
}  # fmt: skip
"""Kept without being marked as durable: they are on the disk with the data and the queues, or nothing reads them before
they are set anew."""


def _marked_durable(kind: type) -> set[str]:
    """The fields whose docstring says that they are durable."""
    source = ast.parse(inspect.getsource(knowledge))
    body = next(
        node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    return {
        ast.unparse(field.target)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and "Durable." in ast.unparse(text)
    }


def _fates(know: Any, start: act.Action, said: dict[str, Any]) -> dict[str, set[str]]:
    """By fate, the fields of a party that starts: kept, forgotten (as at first), or as the start says."""
    fresh, before, after = _values(type(know)()), _values(know), _values(party_after(know, start, NOW))
    found: dict[str, set[str]] = {"kept": set(), "forgotten": set(), "said": set(), "otherwise": set()}
    for name, value in after.items():
        if name in said:
            fate = "said" if value == said[name] else "otherwise"
        else:
            fate = "kept" if value == before[name] else "forgotten" if value == fresh[name] else "otherwise"
        found[fate].add(name)
    return found


def test_a_start_keeps_what_is_durable_and_forgets_the_rest() -> None:
    """Every field of a server is durable, kept with the data, said by the start, or forgotten; none is in between."""
    start = act.Start(active=False, enabled=False, until=0, wait_until=1500)
    fates = _fates(FULL, start, SAID_BY_START)
    durable = _marked_durable(Knowledge)
    names = "epoch seen returned drained unsafe released begun peer_left peer_released"
    assert set(names.split()) == durable
    assert durable | KEPT_WITH_THE_DATA == fates["kept"]
    assert set(SAID_BY_START) == fates["said"]
    assert set() == fates["otherwise"]
    assert set(_values(FULL)) - durable - KEPT_WITH_THE_DATA - set(SAID_BY_START) == fates["forgotten"]


def test_a_witness_start_keeps_what_is_durable() -> None:
    """A witness keeps the epoch, its holder and what was declared; it waits instead of remembering the lease."""
    fates = _fates(WITNESS, act.WitnessStart(1500), {"lease_until": 1500, "wait_until": 1500})
    assert (
        {"epoch", "holder", "version", "eligible", "ended"}
        == fates["kept"]
        == _marked_durable(WitnessKnowledge)
    )
    assert {"lease_until", "wait_until"} == fates["said"]
    assert set() == fates["forgotten"] | fates["otherwise"]


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("returned", [False, True])
def test_a_server_that_was_active_has_returned_once_it_starts(active: bool, returned: bool) -> None:
    """Whether it stepped down or was cut off makes no difference, and a passive one that starts has not returned."""
    know = party_after(replace(FULL, active=active, returned=returned), act.Start(False, False, 0, 1500), NOW)
    assert (False, active or returned) == (know.active, know.returned)


def test_the_check_of_restarts_notices_a_field_that_is_kept_by_mistake() -> None:
    """The check above can fail: a party that forgets nothing has its grants in the wrong class."""
    kept = _fates(FULL, act.Refrain("", ""), {})["kept"]
    assert {"lease_until", "promise_until", "given_until"} <= kept


# --- what each action changes ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """An action, what it changes in `FULL` (or `WITNESS`), and nothing else; `given` differs from that at first."""

    action: act.Action
    changes: dict[str, Any]
    given: dict[str, Any] | None = None


CASES = [
    # the passive server's data path
    Case(act.Store(5, 22), {"stored": Sparse(False).put(21, True).put(22, True).put(23, True)}),
    Case(act.Store(5, 25), {"stored": FULL.stored.put(25, True), "newest": 25}),
    Case(act.StoreStatus(5, 23, Status.DONE), {"status": FULL.status.put(23, Status.DONE)}),
    Case(act.ReportSafe(5, 21, 23), {"reported": 21}),
    Case(act.ReportSafe(5, 18, 23), {}),
    Case(
        act.Apply(5, 21, False, Queue.SAFE),
        {"applied": 21, "stored": Sparse(False).put(23, True), "status": NO_STATUS},
    ),
    Case(act.Apply(5, 24, True, Queue.SAFE), {"applied": 24, "newest": 24}),
    Case(
        act.Resynchronise(7, 40),
        {
            "epoch": 7, "seen": 7, "returned": False, "promoted": False, "drained": False, "applied": 40, "newest": 40,
            "stored": Sparse(False), "status": NO_STATUS, "reported": 0,
        },
    ),
    Case(
        act.Resynchronise(5, 40),
        {
            "returned": False, "promoted": False, "drained": False, "applied": 40, "newest": 40,
            "stored": Sparse(False), "status": NO_STATUS,
        },
    ),
    # promises and grants
    Case(act.Promise(7, 1500), {"given_until": 1500, "seen": 7, "promoted": False}),
    Case(act.Promise(5, 1500), {"given_until": 1500, "promoted": False}),
    Case(act.CountPromise(5, 450, 900), {"promise_until": 900}),
    Case(act.CountPromise(5, 450, 690), {}),
    Case(act.CountLease(5, 450, 900), {"lease_until": 900}),
    Case(act.CountLease(5, 450, 790), {}),
    Case(act.CountLease(6, 450, 790), {"lease_epoch": 6, "lease_until": 790}),
    Case(act.Release(5), {"released": 5}),
    Case(act.Release(3), {}),
    Case(act.HearRelease(6), {"given_until": NOW, "peer_released": 6}),
    Case(act.HearRelease(5), {"peer_released": 5}),
    Case(act.HearRelease(2), {}),
    Case(act.Promote(5, 28, 30, True), {"promoted": True, "keeps": 28}, {"promoted": False}),
    # taking over
    Case(
        act.Discard(5, 20, 23),
        {"drained": True, "stored": Sparse(False), "status": NO_STATUS, "newest": 20},
        {"drained": False},
    ),
    Case(
        act.TakeRole(7, Cause.SILENCE),
        {
            "active": True, "epoch": 7, "seen": 7, "unsafe": True, "begun": 20, "promise_until": 0, "exposed": False,
            "newest": 20, "logged": 20, "carried": NO_STATUS, "safe_upto": 0, "safe_latest": 0, "acknowledged": 0,
            "trimmed": 20, "peer_follows": False, "version": 0, "alone": True, "successor": False, "promoted": False,
            "keeps": 0,
        },
        {"active": False, "returned": False, "unsafe": False, "alone": False},
    ),
    Case(
        act.TakeRole(6, Cause.OPERATOR),
        {
            "active": True, "epoch": 6, "returned": False, "unsafe": True, "promise_until": 0, "exposed": False,
            "applied": 26, "newest": 26, "logged": 26, "carried": NO_STATUS, "safe_upto": 0, "safe_latest": 0,
            "acknowledged": 0, "trimmed": 26, "peer_follows": False, "version": 0, "alone": True, "successor": False,
            "promoted": False, "keeps": 0,
        },
        {"active": False, "unsafe": False, "alone": False},
    ),
    Case(
        act.Enable(900), {"enabled": True, "until": 900, "exposed": True}, {"enabled": False, "exposed": False}
    ),
    Case(act.Disable(), {"enabled": False, "until": 0}),
    Case(act.StartInterception(), {"intercepting": True}, {"intercepting": False}),
    Case(act.StartApplications(), {"serving": True}, {"serving": False}),
    Case(act.StopApplications(), {"serving": False, "intercepting": False}),
    Case(act.Refrain("ROLE-3", "behind"), {}),
    # the active server's data path
    Case(act.Log(5, 31), {"logged": 31}),
    Case(act.CarryOut(5, 23, Status.FAILED, 22), {"carried": FULL.carried.put(23, Status.FAILED)}),
    Case(act.HearSafe(5, 26, 28), {"safe_upto": 26, "safe_latest": 28}),
    Case(act.HearSafe(5, 24, 26), {"safe_latest": 26}),
    Case(act.HearSafe(5, 0, 0), {"safe_latest": 0, "peer_follows": True}, {"peer_follows": False}),
    Case(act.Acknowledge(5, 26), {"acknowledged": 26}),
    Case(act.Acknowledge(5, 23), {}),
    Case(act.Trim(5, 24), {"trimmed": 24}),
    Case(act.Drop(5, 29), {"trimmed": 29}),
    Case(act.Declare(5, 4, True), {"version": 4, "alone": False, "successor": False}),
    Case(act.Declare(5, 4, False), {"version": 4, "alone": False, "successor": False}),
    Case(act.Copy(5, 0, 30), {}),
    Case(act.HearRecorded(5, 3, False), {"alone": True, "successor": False}, {"alone": False}),
    Case(act.HearRecorded(5, 3, True), {"alone": False, "successor": True}, {"successor": False}),
    Case(act.HearRecorded(5, 2, True), {}),
    # leaving and coming back
    Case(act.HearEpoch(8), {"seen": 8}),
    Case(act.HearEpoch(4), {}),
    Case(
        act.StepDown(5),
        {
            "active": False, "returned": True, "promise_until": 0, "lease_until": 0, "enabled": False, "until": 0,
            "intercepting": False, "serving": False, "alone": False, "successor": False,
        },
        {"returned": False},
    ),
    Case(act.SetAside(5, 25, 30), {"unsafe": False}),
    Case(act.HearGoodbye(5), {"peer_left": True}, {"peer_left": False}),
    Case(act.HearReturn(5), {"peer_left": False}),
    # the witness
    Case(act.Grant(Identity.SECONDARY, 5, 1500, False), {"lease_until": 1500}),
    Case(
        act.Grant(Identity.PRIMARY, 6, 1500, False),
        {
            "epoch": 6, "holder": Identity.PRIMARY, "lease_until": 1500, "version": 0, "eligible": False,
            "ended": False,
        },
    ),
    Case(act.Record(5, 4, False), {"version": 4, "eligible": False}),
    Case(act.EndLease(5), {"ended": True, "lease_until": NOW}, {"ended": False}),
]  # fmt: skip


def _name(case: Case) -> str:
    return str(case.action)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_an_action_changes_this_and_nothing_else(case: Case) -> None:
    """What is different after the action is exactly what the table says."""
    know: Any = WITNESS if isinstance(case.action, get_args(act.WitnessAction)) else FULL
    assert case.changes == _changed(replace(know, **(case.given or {})), case.action)


def test_the_table_has_every_action() -> None:
    """No action is left out of the table; the two starts have tests of their own."""
    in_table = {type(case.action) for case in CASES}
    assert set(get_args(act.Action)) - {act.Start, act.WitnessStart} == in_table


def test_what_was_known_is_left_as_it_was() -> None:
    """Knowledge is a value: an action makes another and does not touch the one before."""
    before = repr(FULL)
    for case in CASES:
        if not isinstance(case.action, get_args(act.WitnessAction)):
            party_after(FULL, case.action, NOW)
    assert before == repr(FULL)


# --- what is read of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ({}, 800),
        ({"promise_until": 900}, 900),
        ({"lease_epoch": 4}, 700),
        ({"lease_epoch": 6}, 700),
        ({"lease_epoch": 6, "promise_until": 0}, 0),
    ],
)
def test_the_grants_end_is_the_later_of_the_two_in_this_epoch(given: dict[str, Any], until: int) -> None:
    """LEASE-1: either grant is enough; a lease of another epoch is none. At its end a grant is over."""
    know = replace(FULL, **given)
    assert until == grant_until(know)
    assert [False, True] == [lapsed(know, until - 1), lapsed(know, until)]


def test_settled_is_applied_or_stored_with_its_status() -> None:
    """An update without a status is not settled, nor is a status without its update."""
    know = replace(FULL, status=FULL.status.put(22, Status.DONE))
    assert [19, 20, 21] == [seq for seq in range(19, 25) if settled(know, seq)]
