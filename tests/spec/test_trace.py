"""The trace and its checker: good traces obey, spoilt ones are judged at the first bad line, with the reason.

The good traces are made by hand, one of each party, and hold every action there is; the bad ones are copies of them
with one line changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from itertools import pairwise
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from takeover_spec import actions as act
from takeover_spec import trace
from takeover_spec.codec import GREATEST
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.logic import Sparse, Unbroken
from takeover_spec.trace import Header, Line, Verdict, action_line, check, follows, header_line
from takeover_spec.words import Cause, Constants, Identity, Queue, Status

C = Constants(lease_ns=1100, promise_ns=2200, drift_ppm=100_000, expiry_slack_ns=10, synchronous=True)
"""With clocks off by a tenth, a lease of 1100 is counted for 900 from its sending, and a promise of 2200 for 1800."""

NONE, DONE, FAILED = Status.NONE, Status.DONE, Status.FAILED
PRIMARY, SECONDARY = Identity.PRIMARY, Identity.SECONDARY

Actions = list[tuple[int, act.Action]]


def _safe_queue(know: Knowledge, **ends: Status) -> Knowledge:
    """`_safe_queue(know, u11=DONE)`: with update 11 in its safe queue, which is done."""
    for name, status in ends.items():
        seq = int(name[1:])
        stored, statuses = know.stored.put(seq, True), know.status.put(seq, status)
        know = replace(know, stored=stored, status=statuses, newest=seq)
    return know


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a party: what it found, and what it did."""

    party: str
    found: Knowledge | WitnessKnowledge
    actions: Actions

    def lines(self) -> list[bytes]:
        """The lines of its trace."""
        text = [header_line(Header(self.party, "db", C, self.found))]
        text += [action_line(n, t, action) for n, (t, action) in enumerate(self.actions, 1)]
        return [line.encode() for line in text]

    def knew(self) -> Iterator[Any]:
        """What it knew, at first and after each action."""
        know = self.found
        yield know
        for t, action in self.actions:
            know = party_after(know, action, t)
            yield know


LEADS = Run(
    "primary",
    Knowledge(),
    [
        (0, act.Start(False, False, 0, 2200)),
        (2200, act.CountLease(1, 2150, 3050)),
        (2200, act.Discard(0, 0, 0)),
        (2200, act.TakeRole(1, Cause.FIRST)),
        (2200, act.Enable(3040)),
        (2200, act.StartInterception()),
        (2200, act.StartApplications()),
        (2300, act.Log(1, 1)),
        (2300, act.CarryOut(1, 1, DONE, 0)),
        (2310, act.Acknowledge(1, 1)),
        (2400, act.Copy(1, 0, 1)),
        (2500, act.CountPromise(1, 2450, 4250)),
        (2500, act.Enable(4240)),
        (2600, act.HearSafe(1, 1, 1)),
        (2600, act.Declare(1, 1, True)),
        (2650, act.HearRecorded(1, 1, True)),
        (2700, act.Log(1, 2)),
        (2700, act.CarryOut(1, 2, FAILED, 1)),
        (2750, act.HearSafe(1, 2, 2)),
        (2750, act.Acknowledge(1, 2)),
        (2760, act.Trim(1, 2)),
        (2800, act.HearGoodbye(1)),
        (2850, act.HearReturn(1)),
        (2900, act.Declare(1, 2, False)),
        (2950, act.HearRecorded(1, 2, False)),
        (2960, act.Log(1, 3)),
        (2960, act.CarryOut(1, 3, DONE, 0)),
        (2970, act.Drop(1, 3)),
        (3000, act.HearSafe(1, 3, 3)),
        (3000, act.Declare(1, 3, True)),
        (3050, act.HearRecorded(1, 3, True)),
        (3100, act.StopApplications()),
        (3100, act.Disable()),
        (3110, act.Release(1)),
        (3120, act.StepDown(1)),
        (3500, act.HearEpoch(2)),
        (3600, act.SetAside(1, 3, 3)),
        (3600, act.Resynchronise(2, 3)),
        (3700, act.Store(2, 4)),
        (3700, act.StoreStatus(2, 4, DONE)),
        (3710, act.ReportSafe(2, 4, 4)),
        (3720, act.Apply(2, 4, True, Queue.SAFE)),
        (3800, act.Promise(2, 6000)),
        (3900, act.HearRelease(2)),
        (4000, act.Refrain("ROLE-4", "this server is shutting down")),
    ],
)
"""The primary begins, leads epoch 1, hands over to epoch 2, and follows. Its clock stands still between some of it."""

TAKES_OVER = Run(
    "secondary",
    _safe_queue(
        Knowledge(epoch=3, seen=3, applied=10, reported=12), u11=DONE, u12=FAILED, u13=NONE, u15=DONE
    ),
    [
        (5000, act.Start(False, False, 0, 7200)),
        (5100, act.Apply(3, 11, True, Queue.SAFE)),
        (7200, act.CountLease(4, 7100, 8000)),
        (7210, act.Apply(3, 12, False, Queue.SAFE)),
        (7220, act.Discard(3, 12, 15)),
        (7230, act.TakeRole(4, Cause.SILENCE)),
        (7240, act.Enable(7990)),
        (7250, act.StartInterception()),
        (7260, act.StartApplications()),
        (7300, act.Log(4, 13)),
        (7310, act.CarryOut(4, 13, DONE, 12)),
        (7320, act.Acknowledge(4, 13)),
    ],
)
"""The secondary finds 11 and 12 settled, 13 without its status and 15 behind a gap; it takes over, and 13 and 15 are
discarded."""

GRANTS = Run(
    "witness",
    WitnessKnowledge(epoch=1, holder=PRIMARY, version=1, eligible=True),
    [
        (0, act.WitnessStart(1100)),
        (200, act.Grant(PRIMARY, 1, 1300, False)),
        (300, act.Record(1, 2, False)),
        (310, act.Record(1, 3, True)),
        (400, act.EndLease(1)),
        (1200, act.Grant(SECONDARY, 2, 2300, False)),
    ],
)
"""The witness renews the primary's lease, and grants the next epoch after its release."""

PROMOTED = Run(
    "secondary",
    Knowledge(
        epoch=3, seen=3, returned=True, drained=True, unsafe=True, begun=8, applied=10, newest=10, logged=13,
        carried=Unbroken(int(DONE), 11, 12, Sparse(int(NONE))),
    ),
    [
        (5000, act.Start(False, False, 0, 7200)),
        (5100, act.Promote(3, 12, 13, True)),
        (7200, act.CountLease(4, 7100, 8000)),
        (7230, act.TakeRole(4, Cause.OPERATOR)),
        (7300, act.Copy(4, 8, 12)),
    ],
)  # fmt: skip
"""The secondary was active last; it is ordered to go on without 13, which it had only logged."""

RUNS = [LEADS, TAKES_OVER, GRANTS, PROMOTED]


def _judged(lines: Iterable[bytes]) -> tuple[str, str, int]:
    verdict = check(lines)
    return verdict.verdict, verdict.problem, verdict.actions


# --- good traces ----------------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.party))
def test_a_good_trace_obeys(run: Run) -> None:
    """Every action is read, and the verdict says what the party knows at the end."""
    header = Header(run.party, "db", C, run.found)
    started, begin = run.actions[0]
    assert isinstance(begin, act.Start | act.WitnessStart)
    waits_ns = begin.wait_until - started
    knows = list(run.knew())[-1]
    assert Verdict("obeys", header, len(run.actions), knows=knows, waits_ns=waits_ns) == check(run.lines())


def test_the_good_traces_have_every_action() -> None:
    """So none is left out of what follows."""
    assert set(get_args(act.Action)) == {type(action) for run in RUNS for _, action in run.actions}


# --- traces that break a rule ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A good run in which `was` has become `now`; what that breaks, and all that the rule read."""

    run: Run
    was: act.Action
    now: act.Action
    clause: str
    rule: str
    read: dict[str, Any]

    @property
    def index(self) -> int:
        return [action for _, action in self.run.actions].index(self.was)

    def lines(self) -> list[bytes]:
        lines = self.run.lines()
        t = self.run.actions[self.index][0]
        lines[self.index + 1] = action_line(self.index + 1, t, self.now).encode()
        return lines


SPOILT = [
    Spoilt(
        LEADS, act.Start(False, False, 0, 2200), act.Start(True, False, 0, 2200),
        "ROLE-1", "starts_passive_and_hidden", {},
    ),
    Spoilt(
        LEADS, act.CountLease(1, 2150, 3050), act.CountLease(1, 2150, 3051),
        "LEASE-4", "lease_counted_from_sending", {"started": 0},
    ),
    Spoilt(
        LEADS, act.Discard(0, 0, 0), act.StartInterception(),
        "ROLE-2", "exposed_before_interception", {"active": False, "exposed": False},
    ),
    Spoilt(
        LEADS, act.Enable(3040), act.Enable(3041), "ADDR-2", "ends_with_the_grant",
        {"lease_epoch": 1, "epoch": 1, "lease_until": 3050, "promise_until": 0},
    ),
    Spoilt(
        LEADS, act.Log(1, 2), act.Log(1, 3), "QUEUE-1", "next_number",
        {"active": True, "intercepting": True, "logged": 1},
    ),
    Spoilt(
        LEADS, act.HearSafe(1, 2, 2), act.Acknowledge(1, 2), "SYNC-1", "acknowledged_when_safe",
        {"safe_upto": 1, "alone": False},
    ),
    Spoilt(
        LEADS, act.CarryOut(1, 2, FAILED, 1), act.CarryOut(1, 1, FAILED, 0), "QUEUE-1", "log_first",
        {"applied": 0, "logged": 2, "active": True, "carried[1]": "done"},
    ),
    Spoilt(
        LEADS, act.Declare(1, 3, True), act.Declare(1, 2, True), "REJOIN-2", "eligible_when_nothing_is_missing",
        {"acknowledged": 2, "safe_upto": 3, "applied": 0, "peer_follows": True, "version": 2},
    ),
    Spoilt(
        LEADS, act.Disable(), act.Release(1), "LEASE-5", "hidden_before_releasing",
        {"active": True, "epoch": 1, "enabled": True},
    ),
    Spoilt(LEADS, act.SetAside(1, 3, 3), act.Resynchronise(2, 3), "REJOIN-1", "set_aside_first", {"unsafe": True}),
    Spoilt(
        TAKES_OVER, act.Apply(3, 12, False, Queue.SAFE), act.Apply(3, 12, True, Queue.SAFE),
        "APPLY-3", "failed_changes_nothing", {"status[12]": "failed"},
    ),
    Spoilt(
        TAKES_OVER, act.Apply(3, 12, False, Queue.SAFE), act.Discard(3, 11, 15), "APPLY-4", "drain_to_the_end",
        {"applied": 11, "stored[12]": True, "status[12]": "failed"},
    ),
    Spoilt(
        TAKES_OVER, act.Discard(3, 12, 15), act.Discard(3, 12, 13), "LOSS-1", "states_what_is_discarded",
        {"epoch": 3, "applied": 12, "newest": 15},
    ),
    Spoilt(
        TAKES_OVER, act.TakeRole(4, Cause.SILENCE), act.TakeRole(5, Cause.SILENCE),
        "LEASE-1", "challenger_needs_both", {"lease_epoch": 4, "lease_until": 8000, "given_until": 7200},
    ),
    Spoilt(
        GRANTS, act.Grant(PRIMARY, 1, 1300, False), act.Grant(SECONDARY, 1, 1300, False),
        "LEASE-3", "one_holder_at_a_time",
        {"epoch": 1, "holder": "primary", "lease_until": 1100, "wait_until": 1100},
    ),
    Spoilt(
        GRANTS, act.Record(1, 3, True), act.Record(1, 2, True),
        "REJOIN-2", "newer_declarations_only", {"version": 2},
    ),
    Spoilt(
        GRANTS, act.Grant(SECONDARY, 2, 2300, False), act.Grant(PRIMARY, 1, 2300, False),
        "LEASE-5", "released_at_the_witness", {"epoch": 1, "ended": True},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: f"{case.clause} {case.rule}")
def test_the_first_broken_line_is_named_with_clause_and_values(case: Spoilt) -> None:
    """The line, the rule, and everything that the rule read of what the party knew; what is known is left at that."""
    verdict = check(case.lines())
    found = verdict.violation
    assert found
    assert "breaks" == verdict.verdict
    assert (case.index + 2, case.now, case.clause, case.rule) == (
        found.line, found.action, found.rule.clause, found.rule.name,
    )  # fmt: skip
    assert case.read == dict(found.read)
    assert (case.index, list(case.run.knew())[case.index]) == (verdict.actions, verdict.knows)


def test_the_first_of_two_broken_lines_ends_the_check() -> None:
    """What follows it is not read, whatever it is."""
    lines = SPOILT[3].lines()
    lines[8:] = [b"no line at all\n", b"cut"]
    assert ("breaks", "", 4) == _judged(lines)


def test_a_violation_is_told_in_three_lines() -> None:
    """What a person reads: where and what, what was done, what was known."""
    violation = check(SPOILT[3].lines()).violation
    assert (
        "line 6 breaks ADDR-2 (ends_with_the_grant): The end handed to the kernel is in the future and, with the "
        "kernel's slack, not after the grant's end.\n"
        "  it does:  enable until = 3041 at t = 2200\n"
        "  it knew:  lease_epoch = 1, epoch = 1, lease_until = 3050, promise_until = 0"
    ) == str(violation)
    assert str(check(SPOILT[0].lines()).violation).endswith("it knew:  nothing")


def test_of_many_values_only_those_at_the_ends_are_told() -> None:
    """A rule about many updates stops at the one that decides; that one is shown, and the rest can be had."""
    found = _safe_queue(Knowledge(epoch=1, seen=1), **{f"u{n}": DONE for n in range(1, 501)})
    run = Run("primary", found, [(0, act.Start(False, False, 0, 2200)), (1, act.ReportSafe(1, 502, 502))])
    violation = check(run.lines()).violation
    assert violation
    assert {"stored[501]": False, "status[501]": "none"}.items() <= dict(violation.read).items()
    assert len(violation.read) > 1000
    told = str(violation).splitlines()[-1]
    assert "reported = 0" in told
    assert "…" in told
    assert told.endswith("stored[501] = false, status[501] = none, stored[502] = false, status[502] = none")
    assert len(told) < 300


# --- traces that are incomplete -------------------------------------------------------------------


@pytest.mark.parametrize(
    "run", [GRANTS, replace(LEADS, actions=LEADS.actions[:8])], ids=["witness", "server"]
)
def test_a_trace_cut_anywhere_is_incomplete_or_ends_with_a_whole_line(run: Run) -> None:
    """Wherever a good trace is cut, the checker never says that it is bad, and never that it is good too early."""
    text = b"".join(run.lines())
    whole = {len(b"".join(run.lines()[: count + 1])): count for count in range(1, len(run.actions) + 1)}
    for length in range(len(text) + 1):
        verdict = check(text[:length].splitlines(keepends=True))
        expected = (
            ("obeys", whole[length]) if length in whole else ("incomplete", text.count(b"\n", 0, length) - 1)
        )
        assert (expected[0], max(expected[1], 0)) == (verdict.verdict, verdict.actions)


def test_what_is_incomplete_says_what_is_missing() -> None:
    """A cut-off last line, an empty file, and a header alone."""
    lines = GRANTS.lines()
    assert ("incomplete", "line 7 was cut off", 5) == _judged([*lines[:-1], lines[-1][:-1]])
    assert ("incomplete", "line 1 was cut off", 0) == _judged([lines[0][:-1]])
    assert ("incomplete", "the file is empty", 0) == _judged([])
    assert ("incomplete", "there is no action in it", 0) == _judged(lines[:1])


def test_a_broken_rule_before_the_cut_is_still_a_broken_rule() -> None:
    """A trace that was cut off is judged up to there."""
    lines = SPOILT[3].lines()
    assert ("breaks", "", 4) == _judged([*lines[:-1], lines[-1][:-1]])


# --- lines that are malformed ---------------------------------------------------------------------

LINE = '{"n":2,"t":2200,"do":"count-lease","epoch":1,"sent":2150,"until":3050}'
"""The third line of the primary's trace."""

FROM_0 = f"is not a whole number from 0 to {GREATEST}"

MALFORMED = [
    # fields
    ('"epoch":1', '"epoch":1,"extra":1', "line 3: 'extra' is not a field of count-lease"),
    ('"epoch":1', '"epoch":1,"\\ud800\\n":1', "line 3: '\\ud800\\n' is not a field of count-lease"),
    ('"epoch":1,', "", "line 3.epoch: is missing"),
    ('"epoch":1', '"epoch":1,"epoch":1', "line 3: 'epoch' appears twice"),
    ('"n":2,', "", f"line 3.n: None {FROM_0}"),
    ('"t":2200,', "", f"line 3.t: None {FROM_0}"),
    ('"do":"count-lease",', "", "line 3: None is no kind of record here"),
    # values
    ('"epoch":1', '"epoch":true', f"line 3.epoch: True {FROM_0}"),
    ('"epoch":1', '"epoch":-1', f"line 3.epoch: -1 {FROM_0}"),
    ('"epoch":1', '"epoch":"1"', f"line 3.epoch: '1' {FROM_0}"),
    ('"epoch":1', '"epoch":null', f"line 3.epoch: None {FROM_0}"),
    ('"epoch":1', f'"epoch":{GREATEST + 1}', f"line 3.epoch: {GREATEST + 1} {FROM_0}"),
    ('"epoch":1', '"epoch":1.0', "line 3: 1.0 is not a whole number"),
    ('"n":2', '"n":true', f"line 3.n: True {FROM_0}"),
    ('"n":2', '"n":"2"', f"line 3.n: '2' {FROM_0}"),
    ('"t":2200', '"t":-1', f"line 3.t: -1 {FROM_0}"),
    ('"t":2200', f'"t":{GREATEST + 1}', f"line 3.t: {GREATEST + 1} {FROM_0}"),
    ('"count-lease"', '"countlease"', "line 3: 'countlease' is no kind of record here"),
    ('"count-lease"', "[]", "line 3: [] is no kind of record here"),
    # order
    ('"n":2', '"n":3', "line 3: n = 3 where 2 was expected"),
    ('"n":2', '"n":1', "line 3: n = 1 where 2 was expected"),
    ('"t":2200', '"t":1999', "line 3: the clock runs backwards, from 2000 to 1999"),
    # whose action
    (LINE, '{"n":2,"t":2200,"do":"end-lease","epoch":1}', "line 3: a primary does not do end-lease"),
    (
        LINE,
        '{"n":2,"t":2200,"do":"start","active":false,"enabled":false,"until":0,"wait_until":5000}',
        "line 3: a run starts with its start, and has one start only",
    ),
    # not a line at all
    (LINE, "", "line 3: is not JSON: Expecting value at character 1"),
    (LINE, "[]", "line 3: is not a JSON object"),
    (LINE, LINE + LINE, "line 3: is not JSON: Extra data at character 70"),
    (LINE, "\ufeff" + LINE, "line 3: is not JSON: Unexpected UTF-8 BOM"),
]


@pytest.mark.parametrize(("old", "new", "problem"), MALFORMED, ids=[case[2] for case in MALFORMED])
def test_a_malformed_line_is_named(old: str, new: str, problem: str) -> None:
    """It is never judged: the verdict is on the file, and says where and why."""
    lines = LEADS.lines()
    lines[1] = action_line(1, 2000, act.Start(False, False, 0, 4200)).encode()
    assert (LINE + "\n").encode() == lines[2]
    lines[2] = (LINE.replace(old, new) + "\n").encode()
    verdict = check(lines)
    assert ("malformed", 1) == (verdict.verdict, verdict.actions)
    assert verdict.problem.startswith(problem)


def test_a_line_that_is_not_utf_8_is_malformed() -> None:
    """Latin-1 is not, and UTF-16 is not."""
    lines = LEADS.lines()
    refrain = '{"n":2,"t":2200,"do":"refrain","clause":"é","reason":""}\n'
    assert ("malformed", "line 3: is not text in UTF-8", 1) == _judged(
        [*lines[:2], refrain.encode("latin-1")]
    )
    utf_16 = refrain.replace("é", "e").encode("utf-16-be") + b"\n"
    assert ("malformed", "line 3: is not JSON: Expecting value at character 0", 1) == _judged(
        [*lines[:2], utf_16]
    )


def test_a_run_begins_with_its_start() -> None:
    """Not with another action, and not with the other party's start."""
    once = "line 2: a run starts with its start, and has one start only"
    head, start, lease, *_ = LEADS.lines()
    first = lease.replace(b'"n":2', b'"n":1')
    assert ("malformed", once, 0) == _judged([head, first])
    witness_start = GRANTS.lines()[1]
    assert ("malformed", "line 2: a primary does not do witness-start", 0) == _judged([head, witness_start])
    assert ("malformed", "line 2: a witness does not do start", 0) == _judged([GRANTS.lines()[0], start])
    again = GRANTS.lines()[1].replace(b'"n":1', b'"n":2')
    assert once.replace("2", "3", 1) == check([*GRANTS.lines()[:2], again]).problem


# --- headers that are damaged ---------------------------------------------------------------------

HEADER = (
    '{"trace":1,"party":"secondary","pair":"db","constants":{"lease_ns":1100,"promise_ns":2200,"drift_ppm":100000,'
    '"expiry_slack_ns":10,"synchronous":true},"found":{"active":false,"epoch":3,"seen":3,"returned":false,'
    '"drained":false,"unsafe":false,"released":0,"begun":0,"applied":10,"newest":15,"reported":12,"logged":0,'
    '"peer_left":false,"peer_released":0,"settled":[[11,11,"done"],[12,12,"failed"],[13,13,"none"],[15,15,"done"]]}}'
)
"""That of the secondary's trace."""

RUN = "[12,12,"
NO_HEADER = "line 1: is not the header of a trace of format 1"

DAMAGED = [
    ('"trace":1,', "", NO_HEADER),
    ('"trace":1', '"trace":2', NO_HEADER),
    ('"trace":1', '"trace":true', NO_HEADER),
    ('"trace":1', '"trace":"1"', NO_HEADER),
    (HEADER, LINE, NO_HEADER),
    ('"trace":1', '"trace":1,"extra":1', "line 1: 'extra' is not a field of header-line"),
    ('"party":"secondary",', "", "line 1.party: is missing"),
    ('"secondary"', '"tertiary"', "line 1.party: 'tertiary' is not one of primary, secondary, witness"),
    ('"secondary"', "[]", "line 1.party: [] is not a str"),
    ('"pair":"db"', '"pair":7', "line 1.pair: 7 is not a str"),
    ('"pair":"db"', '"pair":"\\ud800"', "line 1.pair: '\\ud800' is not text that UTF-8 can hold"),
    ('"lease_ns":1100,', "", "line 1.constants.lease_ns: is missing"),
    ('"lease_ns":1100', '"lease_ns":0', "line 1.constants: lease_ns = 0 is out of range"),
    ('"drift_ppm":100000', '"drift_ppm":1000000', "line 1.constants: drift_ppm = 1000000 is out of range"),
    ('"synchronous":true', '"synchronous":1', "line 1.constants.synchronous: 1 is not a bool"),
    ('"synchronous":true', '"synchronous":true,"beat_ns":1', "line 1.constants: 'beat_ns' is not a field of constants"),
    ('"epoch":3', '"epoch":3,"serving":true', "line 1.found: 'serving' is not something found on a disk"),
    ('"epoch":3', '"epoch":-3', f"line 1.found.epoch: -3 {FROM_0}"),
    ('"epoch":3', '"epoch":true', f"line 1.found.epoch: True {FROM_0}"),
    ('"epoch":3', f'"epoch":{GREATEST + 1}', f"line 1.found.epoch: {GREATEST + 1} {FROM_0}"),
    ('"active":false', '"active":0', "line 1.found.active: 0 is not a bool"),
    ('"newest":15', '"newest":16', "line 1.found.newest: is 16, and the highest update there is 15"),
    ('"newest":15', '"newest":14', "line 1.found.newest: is 14, and the highest update there is 15"),
    (HEADER[HEADER.index('[[11') :], "7}}", "line 1.found.settled: 7 is not a list"),
    (RUN + '"failed"]', "7", "line 1.found.settled[1]: 7 is not [first, last, status]"),
    (RUN + '"failed"]', "[12,12]", "line 1.found.settled[1]: [12, 12] is not [first, last, status]"),
    (RUN, '["12",12,', f"line 1.found.settled[1][0]: '12' {FROM_0}"),
    (RUN, "[12,true,", f"line 1.found.settled[1][1]: True {FROM_0}"),
    ('"failed"', '"gone"', "line 1.found.settled[1][2]: 'gone' is not one of none, done, failed"),
    ('"failed"', "[]", "line 1.found.settled[1][2]: [] is not one of none, done, failed"),
    (RUN, "[12,11,", "line 1.found.settled[1]: the run from 12 to 11 is not above 11, and upwards"),
    (RUN, "[11,12,", "line 1.found.settled[1]: the run from 11 to 12 is not above 11, and upwards"),
    ('"peer_released":0', '"peer_released":0,"carried":"12"', f"line 1.found.carried: '12' {FROM_0}"),
    ("[11,11,", "[10,11,", "line 1.found.settled[0]: the run from 10 to 11 is not above 10, and upwards"),
    (
        "[15,15,", "[15,10000012,",
        "line 1.found.settled[3]: there are more than 10000000 updates by 10000012",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "problem"), DAMAGED, ids=[f"{case[1]}: {case[2]}" for case in DAMAGED]
)
def test_a_damaged_header_is_named(old: str, new: str, problem: str) -> None:
    """Nothing after it is read."""
    assert HEADER + "\n" == TAKES_OVER.lines()[0].decode()
    assert old in HEADER
    lines = [(HEADER.replace(old, new) + "\n").encode(), *TAKES_OVER.lines()[1:]]
    verdict = check(lines)
    assert ("malformed", problem, 0, None) == (
        verdict.verdict,
        verdict.problem,
        verdict.actions,
        verdict.header,
    )


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ('"holder":2', "line 1.found.holder: 2 is neither 0 nor 1"),
        ('"holder":"primary"', f"line 1.found.holder: 'primary' {FROM_0}"),
        ('"eligible":1', "line 1.found.eligible: 1 is not a bool"),
        ('"settled":[]', "line 1.found: 'settled' is not something found on a disk"),
        ('"applied":1', "line 1.found: 'applied' is not something found on a disk"),
        ('"lease_until":1', "line 1.found: 'lease_until' is not something found on a disk"),
    ],
)
def test_a_damaged_header_of_a_witness_is_named(found: str, problem: str) -> None:
    """It has other things on its disk than a server."""
    head = GRANTS.lines()[0].decode()
    damaged = head[: head.index('"found":')] + '"found":{' + found + "}}\n"
    assert ("malformed", problem, 0) == _judged([damaged.encode(), *GRANTS.lines()[1:]])


def test_what_is_left_out_of_found_is_as_at_first() -> None:
    """A header may be short; `newest` follows from the rest."""
    server = HEADER[: HEADER.index('"found":')] + '"found":{"applied":7,"settled":[[9,9,"none"]]}}\n'
    assert _safe_queue(Knowledge(applied=7), u9=NONE) == trace.parse_header(server).found
    witness = server[: server.index('"found":')].replace("secondary", "witness") + '"found":{}}\n'
    assert WitnessKnowledge() == trace.parse_header(witness).found


# --- between two runs -----------------------------------------------------------------------------

LED = Knowledge(
    active=True, epoch=4, seen=5, drained=True, unsafe=True, released=3, applied=12, newest=12, logged=15, reported=12
)  # fmt: skip
"""What a server knew that was active when it was killed."""

RETURNED = replace(LED, active=False, returned=True)
"""The same server after its next start."""

FOLLOWED = _safe_queue(
    Knowledge(epoch=4, seen=4, applied=12, reported=14, peer_left=True), u13=DONE, u14=FAILED, u16=NONE
)
"""What a passive server knew."""

LOST = [
    ("epoch was 4 and is 3", LED, {"epoch": 3}),
    ("seen was 5 and is 4", LED, {"seen": 4}),
    ("released was 3 and is 2", LED, {"released": 2}),
    ("drained was true and is false", LED, {"drained": False}),
    ("it was active, and does not know it any more", LED, {"active": False}),
    ("it had an unsafe queue, and does not know it any more", LED, {"unsafe": False}),
    ("applied was 12 and is 11, and update 12 is not in the safe queue", LED, {"applied": 11}),
    ("logged was 15 and is 14", LED, {"logged": 14}),
    ("returned was true and is false", RETURNED, {"returned": False}),
    ("logged was 15 and is 14", RETURNED, {"logged": 14}),
    ("applied was 12 and is 11, and update 12 is not in the safe queue", FOLLOWED, {"applied": 11}),
    ("update 13 was in the safe queue and is not", FOLLOWED, {"stored": FOLLOWED.stored.put(13, False)}),
    ("update 16 was in the safe queue and is not", FOLLOWED, {"stored": FOLLOWED.stored.put(16, False)}),
    ("the status of update 13 was in the safe queue and is not", FOLLOWED, {"status": FOLLOWED.status.put(13, NONE)}),
    ("the status of update 14 was in the safe queue and is not", FOLLOWED, {"status": FOLLOWED.status.put(14, DONE)}),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "earlier", "lost"), LOST, ids=[f"{c[0]} {c[2]}" for c in LOST])
def test_what_a_server_lost_is_noticed(problem: str, earlier: Knowledge, lost: dict[str, Any]) -> None:
    """What was durable in one run and is not there in the next."""
    assert "" == follows(earlier, earlier)
    assert problem == follows(earlier, replace(earlier, **lost))


NO_LOSS = [
    ("it started and was passive", LED, {"active": False, "returned": True}),
    ("it stepped down and heard more", LED, {"active": False, "returned": True, "seen": 9}),
    ("it logged more", LED, {"logged": 16}),
    ("it released more", LED, {"released": 4}),
    ("what was reported is not durable", FOLLOWED, {"reported": 0}),
    ("more was stored", FOLLOWED, {"stored": FOLLOWED.stored.put(15, True), "newest": 17}),
    ("a status came", FOLLOWED, {"status": FOLLOWED.status.put(16, DONE)}),
    ("more was applied", FOLLOWED, {"applied": 14, "stored": FOLLOWED.stored.put(13, False).put(14, False)}),
    ("a drain ended", FOLLOWED, {"drained": True, "stored": Sparse(False), "status": Sparse[int](NONE)}),
    ("the peer returned", FOLLOWED, {"peer_left": False}),
    ("a lone status", replace(FOLLOWED, status=FOLLOWED.status.put(17, DONE)), {"status": FOLLOWED.status}),
    ("the unsafe queue was set aside", RETURNED, {"unsafe": False, "logged": 0}),
    ("a newer epoch voids all else", RETURNED, {"epoch": 5, "returned": False, "drained": False, "applied": 0}),
    ("a newer epoch, taken over", FOLLOWED, {"epoch": 5, "seen": 5, "active": True, "stored": Sparse(False)}),
]  # fmt: skip


@pytest.mark.parametrize(("earlier", "differs"), [c[1:] for c in NO_LOSS], ids=[c[0] for c in NO_LOSS])
def test_a_difference_that_is_no_loss_is_let_pass(earlier: Knowledge, differs: dict[str, Any]) -> None:
    """More than was told, a newer epoch, and whatever one more action explains."""
    assert "" == follows(earlier, replace(earlier, **differs))


def test_the_far_end_of_a_safe_queue_is_found_at_once() -> None:
    """An update may have any number; the comparison looks at those that there are."""
    far = replace(FOLLOWED, stored=FOLLOWED.stored.put(GREATEST, True), newest=GREATEST)
    assert "" == follows(far, far)
    assert f"update {GREATEST} was in the safe queue and is not" == follows(far, FOLLOWED)


WITNESSED = WitnessKnowledge(epoch=4, holder=SECONDARY, version=3, eligible=True, ended=True)


@pytest.mark.parametrize(
    ("problem", "found"),
    [
        ("epoch was 4 and is 3", {"epoch": 3}),
        ("the holder of epoch 4 was secondary and is primary", {"holder": PRIMARY}),
        ("version was 3 and is 2", {"version": 2}),
        ("eligible is another in version 3", {"eligible": False}),
        ("ended was true and is false", {"ended": False}),
        ("", {"epoch": 5, "holder": PRIMARY, "version": 0, "eligible": False, "ended": False}),
        ("", {"version": 4, "eligible": False}),
        ("", {"lease_until": 0, "wait_until": 0}),
    ],
)
def test_what_a_witness_lost_is_noticed(problem: str, found: dict[str, Any]) -> None:
    """Its lease is not durable; the rest is."""
    earlier = replace(WITNESSED, lease_until=5000, wait_until=4000)
    assert "" == follows(earlier, earlier)
    assert problem == follows(earlier, replace(earlier, **found))
    fresh = WitnessKnowledge()
    assert "" == follows(fresh, replace(fresh, holder=SECONDARY)), "there is no holder before the first epoch"


def _found_after(run: Run, know: Any) -> Any:
    """What the party would find of what it knew, as the header of its next run says it."""
    return trace.parse_header(header_line(Header(run.party, "db", C, know))).found


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.party))
def test_a_run_killed_before_the_line_of_any_action_is_followed(run: Run) -> None:
    """The last action may have no line: what the next run then finds is no loss. Nor is what it finds otherwise."""
    for told, done in pairwise(run.knew()):
        assert ["", ""] == [follows(told, _found_after(run, know)) for know in (told, done)]


def test_a_run_followed_by_what_an_earlier_one_found_has_lost_something() -> None:
    """The check above can fail."""
    for run in RUNS:
        assert "" != follows(list(run.knew())[-1], run.found)


# --- what is written can be read ------------------------------------------------------------------


def _values(cls: type) -> st.SearchStrategy[Any]:
    """Any record of this class that may be written."""

    def of(hint: Any) -> st.SearchStrategy[Any]:
        if hint is bool:
            return st.booleans()
        if hint is str:
            return st.text(max_size=20)
        if isinstance(hint, type) and issubclass(hint, IntEnum):
            return st.sampled_from(hint)
        return st.integers(0, GREATEST)

    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: of(hints[field.name]) for field in fields(cls)})


NUMBERS = st.integers(0, GREATEST)
ONE_OF_EACH: st.SearchStrategy[tuple[act.Action, ...]] = st.tuples(*map(_values, get_args(act.Action)))
CONSTANTS = st.builds(
    Constants,
    st.integers(1, GREATEST),
    st.integers(1, GREATEST),
    st.integers(0, 999_999),
    NUMBERS,
    st.booleans(),
)


@st.composite
def _server_found(draw: st.DrawFn) -> Knowledge:
    """Anything that a server may find on its disk, its safe queue included."""
    flags: dict[str, Any] = {
        name: draw(st.booleans()) for name in ("active", "returned", "drained", "unsafe", "peer_left")
    }
    numbers: dict[str, Any] = {
        name: draw(NUMBERS) for name in ("epoch", "seen", "released", "reported", "logged")
    }
    applied = draw(st.integers(0, 2**40))
    know = Knowledge(**flags, **numbers, applied=applied, newest=applied)
    ends = draw(st.dictionaries(st.integers(1, 20), st.sampled_from(Status), max_size=12))
    return _safe_queue(know, **{f"u{applied + n}": ends[n] for n in sorted(ends)})


HEADERS = st.one_of(
    st.builds(Header, st.sampled_from(["primary", "secondary"]), st.text(), CONSTANTS, _server_found()),
    st.builds(
        Header, st.just("witness"), st.text(), CONSTANTS,
        st.builds(WitnessKnowledge, NUMBERS, st.sampled_from(Identity), NUMBERS, st.booleans(), st.booleans()),
    ),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(NUMBERS, NUMBERS, ONE_OF_EACH)
def test_an_action_of_any_class_is_read_as_it_was_written(
    n: int, t: int, actions: tuple[act.Action, ...]
) -> None:
    """One line of text, with one newline at its end, that is the same action again."""
    for action in actions:
        line = action_line(n, t, action)
        assert [line] == line.splitlines(keepends=True)
        assert Line(n, t, action) == trace.parse_line(line.encode(), "")


@settings(max_examples=50, deadline=None)
@given(HEADERS)
def test_a_header_is_read_as_it_was_written(header: Header) -> None:
    """One line of text that is the same header again, with what the party found."""
    line = header_line(header)
    assert [line] == line.splitlines(keepends=True)
    assert header == trace.parse_header(line.encode())


def test_the_safe_queue_is_written_as_runs() -> None:
    """A run ends at a gap, and where the status is another; what is applied is in none."""
    know = _safe_queue(
        Knowledge(applied=10, newest=10), u9=DONE, u11=DONE, u12=DONE, u14=DONE, u15=FAILED, u16=NONE
    )
    assert [[11, 12, "done"], [14, 14, "done"], [15, 15, "failed"], [16, 16, "none"]] == trace.found_runs(
        know
    )


# --- the cost of a long trace ---------------------------------------------------------------------


def _long_trace(updates: int) -> list[bytes]:
    """A trace of a passive server that stores, reports and applies; four lines an update."""
    actions: Actions = [(0, act.Start(False, False, 0, 2200))]
    for seq in range(1, updates + 1):
        actions.append((seq, act.Store(1, seq)))
        actions.append((seq, act.StoreStatus(1, seq, DONE)))
    for seq in range(1, updates + 1):
        actions.append((updates, act.ReportSafe(1, seq, seq)))
        actions.append((updates, act.Apply(1, seq, True, Queue.SAFE)))
    return Run("primary", Knowledge(epoch=1, seen=1), actions).lines()


def _steps(work: Callable[[], object]) -> int:
    """How many lines of Python are executed by `work`, wherever they are."""
    count = 0

    def note(frame: object, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _cost(lines: list[bytes]) -> int:
    return _steps(lambda: check(lines))


def test_a_long_trace_is_checked_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the lines are ten times the steps, and no table is ever copied: a long trace is only longer."""
    copies = []

    def copied(table: Sparse[Any]) -> dict[int, Any]:
        copies.append(table)
        return {}

    monkeypatch.setattr(Sparse, "_copied", copied)
    start = _cost(_long_trace(0))
    short, long = _cost(_long_trace(25)) - start, _cost(_long_trace(250)) - start
    assert 9.9 < long / short < 10.1
    assert ("obeys", "", 10_001) == _judged(_long_trace(2500))
    assert [] == copies


def test_the_count_notices_a_checker_that_looks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: a judge that goes through all the lines before is found out."""
    judge = trace.judge

    def looks_back(know: Any, line: Line, number: int, constants: Constants) -> Any:
        for _ in range(number):
            pass
        return judge(know, line, number, constants)

    monkeypatch.setattr(trace, "judge", looks_back)
    assert 12 < _cost(_long_trace(250)) / _cost(_long_trace(25))
