"""The verdict on a campaign: every way in which one can fail, or show nothing, made up and found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from takeover.commands.check_trace import Break, Judged
from takeover.demo.client import End, WriteRecord
from takeover.demo.judgement import Loss, verdict_of
from takeover.demo.records import Record
from takeover.demo.statuses import Statuses
from takeover.errors import EnvironmentFault
from takeover.lab.evidence import BOTH_DOWN_TO_ONE, Evidence, situation
from takeover.lab.faults import Kill, Role, Target
from takeover.lab.holding import Played
from takeover.lab.keepalived import report_of_rival
from takeover.lab.looking import Looked
from takeover.lab.operating import Order
from takeover.lab.promotions import Need, Ordered, Promotion
from takeover.lab.report import figures, report_of, summary, without_rival
from takeover.lab.verdict import judge
from takeover_spec.trace import Verdict

MS = 1_000_000
SCHEMA = json.loads(files("takeover").joinpath("lab", "campaign.schema.json").read_text())


def write(key: str, end: End = End.ACKNOWLEDGED) -> WriteRecord:
    return WriteRecord(key, key.upper(), 10 * MS, 15 * MS, end)


def trace(name: str, verdict: str = "obeys") -> Judged:
    return Judged(Path(name), Verdict(verdict, None, 10))


def played(order: Order | None = None) -> Played:
    """A round with a fault that hit, and perhaps with a switchover."""
    kill = Kill(Target.ACTIVE, 0, 1, Role.SERVICE)
    return Played("primary", 1 * MS, 2300 * MS, [kill], [], [order] if order else [])


def order(outcome: str, settled_epoch: int) -> Order:
    """A switchover that was to end epoch 3."""
    return Order("primary", 3, 2 * MS, 3 * MS, outcome, settled_epoch=settled_epoch)


SEEN = Looked(500, 1, ((0, 0), (5 * MS, 1)), 20 * MS, ((100 * MS, 120 * MS),), (250, 250, 90))


def promotion(need: Need) -> Promotion:
    return Promotion(Ordered(1, "primary", 3), need, "…")


EVIDENCE = Evidence(
    lease_ns=1000 * MS,
    rounds=[played(order("accepted", 4))],
    back_ns=[1200 * MS],
    writes=(write("a"), write("refused", End.REFUSED), write("unknown", End.UNKNOWN), write("b")),
    found={"a": "A", "b": "B"},
    observation=SEEN,
    traces=(trace("1"), trace("2")),
    losses=(Loss(1, 2, 3, (3,), (Record("unknown", "UNKNOWN"),)),),
)


def found_in(evidence: Evidence) -> tuple[str, set[str]]:
    findings = judge(evidence)
    return verdict_of(findings), {finding.about for finding in findings}


def test_a_good_campaign_holds() -> None:
    """There is nothing to be found in it."""
    assert ("holds", set()) == found_in(EVIDENCE)


@pytest.mark.parametrize(
    ("spoil", "verdict", "about"),
    [
        (lambda e: replace(e, rounds=[Played("primary", 1 * MS)]), "incomplete", "campaign"),
        (lambda e: replace(e, problem="interrupted"), "incomplete", "campaign"),
        (lambda e: replace(e, observation=None), "incomplete", "one-holder"),
        (lambda e: replace(e, observation=replace(e.observation, holders_max=0)), "incomplete", "one-holder"),
        (lambda e: replace(e, observation=replace(e.observation, holders_max=2)), "violated", "one-holder"),
        (
            lambda e: replace(
                e, observation=replace(SEEN, gaps=((900 * MS, 1402 * MS),), per_second=(250,) * 9)
            ),
            "incomplete",
            "one-holder",
        ),
        (lambda e: replace(e, observation=replace(SEEN, per_second=(250, 149))), "incomplete", "one-holder"),
        (
            lambda e: replace(
                e,
                observation=replace(SEEN, gaps=tuple((i * MS, i * MS + 12 * MS) for i in range(10, 190, 18))),
            ),
            "incomplete",
            "one-holder",
        ),
        (lambda e: replace(e, promotions=[promotion(Need.NONE)]), "violated", "takes-over-in-time"),
        (lambda e: replace(e, writes=e.writes[1:3], found={}), "incomplete", "load"),
        (lambda e: replace(e, found=None), "incomplete", "nothing-acknowledged-is-lost"),
        (lambda e: replace(e, found={"a": "A"}), "violated", "nothing-acknowledged-is-lost"),
        (lambda e: replace(e, found={**e.found, "b": "X"}), "violated", "nothing-acknowledged-is-lost"),
        (lambda e: replace(e, found={**e.found, "refused": "REFUSED"}), "violated", "no-ghost"),
        (lambda e: replace(e, found={**e.found, "unknown": "UNKNOWN"}), "violated", "exact-loss"),
        (lambda e: replace(e, losses=(replace(e.losses[0], seqs=()),)), "violated", "LOSS-1"),
        (lambda e: replace(e, differing=("f",)), "violated", "exact-prefix"),
        (
            lambda e: replace(e, not_back="not in sync: primary is passive", rounds=[played()]),
            "violated",
            "takes-over-in-time",
        ),
        (
            lambda e: replace(e, not_back="…", rounds=[played(order("unanswered", 0))]),
            "violated",
            "switchover-settles",
        ),
        (
            lambda e: replace(e, not_back="…", rounds=[played(order("refused", 0))]),
            "violated",
            "takes-over-in-time",
        ),
        (lambda e: replace(e, rounds=[played(order("accepted", 3))]), "violated", "SWITCH-2"),
        (lambda e: replace(e, knew=1), "violated", "LEASE-3"),
        (lambda e: replace(e, not_back=f"{BOTH_DOWN_TO_ONE}: …"), "violated", "switchover-settles"),
        (lambda e: replace(e, traces=()), "incomplete", "trace"),
        (lambda e: replace(e, traces=(trace("1", "incomplete"),)), "incomplete", "trace"),
        (lambda e: replace(e, breaks=(Break(Path("1"), Path("2"), "epoch"),)), "violated", "durable"),
    ],
)
def test_every_failure_is_found(spoil: Callable[[Evidence], Evidence], verdict: str, about: str) -> None:
    """And called by its name."""
    found, abouts = found_in(spoil(EVIDENCE))
    assert (verdict, True) == (found, about in abouts)


@pytest.mark.parametrize("need", [need for need in Need if need is not Need.NONE])
def test_a_promotion_that_the_rules_need_is_told_and_no_violation(need: Need) -> None:
    """It has a name and evidence of its own in the report."""
    evidence = replace(EVIDENCE, promotions=[promotion(need)])
    assert ("holds", set()) == found_in(evidence)
    report = report_of(evidence, 7, 2, "built-in")
    Draft202012Validator(SCHEMA).validate(report)
    assert [(1, "primary", 3, need.value)] == [
        (told["round"], told["server"], told["epoch"], told["need"]) for told in report["promotions"]
    ]
    assert f"promoted once; {need.value}: in round 1" in "\n".join(summary(report))


def test_a_killed_run_may_end_in_the_middle_of_a_line() -> None:
    """Only a killed one."""
    cut = replace(EVIDENCE, traces=(trace("1"), trace("2", "incomplete")))
    assert "incomplete" == found_in(cut)[0]
    assert "holds" == found_in(replace(cut, cut={Path("2")}))[0]


def passive(clause: str, reason: str = "…") -> dict[str, object]:
    return {"role": "passive", "epoch": 3, "last_refrain": {"clause": clause, "reason": reason}}


def test_the_case_for_an_operator_has_a_name() -> None:
    """The last active server was alone and has returned; the other is not eligible. Anything else is not that."""
    not_eligible = passive("LEASE-3", "this server is not recorded as eligible")
    stuck: Statuses = {"primary": passive("REJOIN-3"), "secondary": not_eligible}
    assert situation(stuck).startswith(BOTH_DOWN_TO_ONE)
    over = passive("ROLE-3", "this server's data belongs to an epoch that is over")
    assert situation({**stuck, "secondary": over}).startswith(BOTH_DOWN_TO_ONE)
    assert situation({"primary": stuck["primary"], "secondary": stuck["primary"]}).startswith(
        BOTH_DOWN_TO_ONE
    )
    for other in (
        {"primary": passive("REJOIN-3")},
        {**stuck, "secondary": passive("ROLE-4")},
        {"primary": not_eligible, "secondary": not_eligible},
        {**stuck, "secondary": passive("LEASE-3", "the lease of the holder has not run out")},
        {
            **stuck,
            "primary": {"role": "active", "epoch": 3, "last_refrain": None, "eligible_declared": False},
        },
    ):
        assert not situation(other).startswith(BOTH_DOWN_TO_ONE)


def test_the_report_has_the_figures_and_tells_them() -> None:
    """As its schema says, with nothing beside it and with keepalived."""
    report = report_of(EVIDENCE, 7, 2, "built-in")
    assert (1, 1, 2, 0, 2, 0) == tuple(
        report[key]
        for key in (
            "faults",
            "holders_max",
            "acknowledged",
            "acknowledged_lost",
            "traces_checked",
            "traces_broken",
        )
    )
    assert {"ordered": 1, "carried_out": 1, "refused": {}, "unanswered": 0, "hit": 0} == report["switchovers"]
    assert 1200.0 == report["back_ms_max"]
    alone = "\n".join(summary(report))
    assert ["verdict", "holds", "(seed", "7)"] in [line.split() for line in alone.splitlines()]
    assert "keepalived was not played: it is not installed here" in alone
    rival = replace(EVIDENCE.observation, holders_max=2) if EVIDENCE.observation else None
    report["keepalived"] = report_of_rival(figures(EVIDENCE.rounds, rival))
    Draft202012Validator(SCHEMA).validate(report)
    assert ["holders", "at", "most", "1", "2"] in [line.split() for line in summary(report)]


def test_the_report_counts_what_became_of_the_orders() -> None:
    """By clause; and those that a fault hit before they were answered."""
    refused = replace(order("refused", 4), clause="SWITCH-1")
    hit = replace(order("unanswered", 4), asked_ns=0)
    report = report_of(
        replace(EVIDENCE, rounds=[played(refused), played(refused), played(hit)]), 7, 2, "etcd"
    )
    expected = {"ordered": 3, "carried_out": 0, "refused": {"SWITCH-1": 2}, "unanswered": 1, "hit": 1}
    assert expected == report["switchovers"]
    assert "2 refused (2 for SWITCH-1)" in "\n".join(summary(report))


def test_a_campaign_that_was_broken_off_has_a_report() -> None:
    """Whatever there is of it."""
    report = report_of(Evidence(lease_ns=1000 * MS, problem="interrupted"), 7, 2, "built-in")
    Draft202012Validator(SCHEMA).validate(report)
    assert "incomplete: campaign: interrupted" in summary(report)


def test_a_comparison_that_was_broken_off_is_not_passed_over() -> None:
    """The pair's own figures stay, and the verdict is not `holds`."""
    report = report_of(EVIDENCE, 7, 2, "built-in")
    without_rival(report, EnvironmentFault("machine primary did not start"))
    Draft202012Validator(SCHEMA).validate(report)
    assert "incomplete" == report["verdict"]
    assert "incomplete: keepalived: machine primary did not start" in summary(report)
    violated = report_of(replace(EVIDENCE, knew=1), 7, 2, "built-in")
    without_rival(violated, EnvironmentFault("…"))
    assert "violated" == violated["verdict"]
