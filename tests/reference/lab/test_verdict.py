"""The verdict on a campaign: every way in which one can fail, or show nothing, made up and found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from takeover.commands.check_trace import Break, Judged
from takeover.demo.client import End, WriteRecord
from takeover.demo.judgement import Loss, verdict_of
from takeover.demo.records import Record
from takeover.demo.statuses import Statuses
from takeover.lab.campaign import BOTH_DOWN_TO_ONE, Evidence, situation
from takeover.lab.faults import Kill, Role, Target
from takeover.lab.verdict import judge, report_of, summary
from takeover.observer import Observation
from takeover_spec.trace import Verdict

MS = 1_000_000


def write(key: str, end: End = End.ACKNOWLEDGED) -> WriteRecord:
    return WriteRecord(key, key.upper(), 10 * MS, 15 * MS, end)


def trace(name: str, verdict: str = "obeys") -> Judged:
    return Judged(Path(name), Verdict(verdict, None, 10))


EVIDENCE = Evidence(
    lease_ns=1000 * MS,
    hit=[Kill(Target.ACTIVE, 0, 1, Role.SERVICE)],
    rounds=1,
    back_ns=[1200 * MS],
    writes=(write("a"), write("refused", End.REFUSED), write("unknown", End.UNKNOWN), write("b")),
    found={"a": "A", "b": "B"},
    observation=Observation(1000, 1, ((0, 0), (5 * MS, 1)), 20 * MS),
    traces=(trace("1"), trace("2")),
    losses=(Loss(1, 2, 3, (3,), (Record("unknown", "UNKNOWN"),)),),
)


def found_in(evidence: Evidence) -> tuple[str, set[str]]:
    findings = judge(evidence)
    return verdict_of(findings), {finding.about for finding in findings}


def test_a_good_campaign_holds() -> None:
    """Its report has the figures, and is told in words."""
    assert ("holds", set()) == found_in(EVIDENCE)
    report = report_of(EVIDENCE, 7, 2)
    assert (1, 1, 2, 0) == tuple(
        report[key] for key in ("faults", "holders_max", "acknowledged", "acknowledged_lost")
    )
    assert (2, 0, 1200.0) == (report["traces_checked"], report["traces_broken"], report["back_ms_max"])
    assert "verdict              holds (seed 7)" == summary(report)[-1]


@pytest.mark.parametrize(
    ("spoil", "verdict", "about"),
    [
        (lambda e: replace(e, hit=[]), "incomplete", "campaign"),
        (lambda e: replace(e, problem="interrupted"), "incomplete", "campaign"),
        (lambda e: replace(e, observation=None), "incomplete", "one-holder"),
        (lambda e: replace(e, observation=replace(e.observation, holders_max=0)), "incomplete", "one-holder"),
        (lambda e: replace(e, observation=replace(e.observation, holders_max=2)), "violated", "one-holder"),
        (
            lambda e: replace(e, observation=replace(e.observation, gap_ns_max=1000 * MS)),
            "incomplete",
            "one-holder",
        ),
        (lambda e: replace(e, writes=e.writes[1:3], found={}), "incomplete", "load"),
        (lambda e: replace(e, found=None), "incomplete", "nothing-acknowledged-is-lost"),
        (lambda e: replace(e, found={"a": "A"}), "violated", "nothing-acknowledged-is-lost"),
        (lambda e: replace(e, found={**e.found, "b": "X"}), "violated", "nothing-acknowledged-is-lost"),
        (lambda e: replace(e, found={**e.found, "refused": "REFUSED"}), "violated", "no-ghost"),
        (lambda e: replace(e, found={**e.found, "unknown": "UNKNOWN"}), "violated", "exact-loss"),
        (lambda e: replace(e, losses=(replace(e.losses[0], seqs=()),)), "violated", "LOSS-1"),
        (lambda e: replace(e, differing=("f",)), "violated", "exact-prefix"),
        (lambda e: replace(e, not_back="not in sync: primary is passive"), "violated", "takes-over-in-time"),
        (lambda e: replace(e, not_back=f"{BOTH_DOWN_TO_ONE}: …"), "incomplete", BOTH_DOWN_TO_ONE),
        (lambda e: replace(e, traces=()), "incomplete", "trace"),
        (lambda e: replace(e, traces=(trace("1", "incomplete"),)), "incomplete", "trace"),
        (lambda e: replace(e, breaks=(Break(Path("1"), Path("2"), "epoch"),)), "violated", "durable"),
    ],
)
def test_every_failure_is_found(spoil: Callable[[Evidence], Evidence], verdict: str, about: str) -> None:
    """And called by its name."""
    found, abouts = found_in(spoil(EVIDENCE))
    assert (verdict, True) == (found, about in abouts)


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
