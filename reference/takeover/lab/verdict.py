"""The verdict on a campaign: a function of its evidence and nothing else, and the report that says it.

What complicates it: "nothing was found" must not pass for "nothing is wrong". A campaign whose faults hit nothing,
in which nothing was acknowledged, nobody was ever seen to hold the address, or the observer looked away for as long
as a lease, is incomplete. A trace may be cut short only if its run was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from takeover.demo.client import End, WriteRecord
from takeover.demo.judgement import Finding, judge_holders, judge_traces, verdict_of
from takeover.lab.campaign import BOTH_DOWN_TO_ONE, Evidence

_SHOWN_MAX = 8


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong; nothing if all holds."""
    return [
        *_holders(evidence),
        *_activity(evidence),
        *_availability(evidence),
        *_data(evidence),
        *_losses(evidence),
        *judge_traces(
            [
                item
                for item in evidence.traces
                if item.verdict.verdict != "incomplete" or item.file not in evidence.cut
            ],
            evidence.breaks,
        ),
    ]


def lost(evidence: Evidence) -> list[WriteRecord]:
    """The writes that were acknowledged and are not there; none if it could not be looked."""
    if evidence.found is None:
        return []
    acknowledged = (write for write in evidence.writes if write.end is End.ACKNOWLEDGED)
    return [write for write in acknowledged if evidence.found.get(write.key) != write.value]


def _holders(evidence: Evidence) -> list[Finding]:
    if evidence.observation is None:
        return [Finding("incomplete", "one-holder", "nobody observed")]
    return judge_holders(evidence.observation, evidence.lease_ns)


def _activity(evidence: Evidence) -> list[Finding]:
    findings = []
    if evidence.problem:
        findings.append(Finding("incomplete", "campaign", evidence.problem))
    if not evidence.hit:
        findings.append(Finding("incomplete", "campaign", "no fault hit anything"))
    if not any(write.end is End.ACKNOWLEDGED for write in evidence.writes):
        findings.append(Finding("incomplete", "load", "no write was acknowledged"))
    return findings


def _availability(evidence: Evidence) -> list[Finding]:
    if not evidence.not_back:
        return []
    if BOTH_DOWN_TO_ONE in evidence.not_back:  # the protocol says so, and an operator has to choose
        return [Finding("incomplete", BOTH_DOWN_TO_ONE, evidence.not_back)]
    return [Finding("violated", "takes-over-in-time", f"the service did not come back: {evidence.not_back}")]


def _data(evidence: Evidence) -> list[Finding]:
    """What is there, against what was written."""
    if evidence.found is None:
        return [Finding("incomplete", "nothing-acknowledged-is-lost", "the values were not read back")]
    findings = []
    if missing := [write.key for write in lost(evidence)]:
        text = f"{len(missing)} are missing: {_some(missing)}"
        findings.append(Finding("violated", "nothing-acknowledged-is-lost", text))
    may_be = {write.key: write.value for write in evidence.writes if write.end is not End.REFUSED}
    if ghosts := [key for key, value in evidence.found.items() if may_be.get(key) != value]:
        findings.append(
            Finding("violated", "no-ghost", f"{len(ghosts)} were never written so: {_some(ghosts)}")
        )
    if evidence.differing:
        text = f"the two copies differ in {_some(evidence.differing)}"
        findings.append(Finding("violated", "exact-prefix", text))
    return findings


def _losses(evidence: Evidence) -> list[Finding]:
    """Each loss statement, against itself and against what is there."""
    findings = []
    for loss in evidence.losses:
        if tuple(range(loss.kept + 1, loss.last + 1)) != loss.seqs:
            text = (
                f"epoch {loss.epoch}: kept up to {loss.kept} of {loss.last}, and {len(loss.seqs)} are listed"
            )
            findings.append(Finding("violated", "LOSS-1", text))
    found = evidence.found or {}
    stated = Counter(record for loss in evidence.losses for record in loss.records)
    if there := [record.key for record in stated if found.get(record.key) == record.value]:
        findings.append(
            Finding("violated", "exact-loss", f"{len(there)} are stated as lost and there: {_some(there)}")
        )
    return findings


def report_of(evidence: Evidence, seed: int, asked: int) -> dict[str, Any]:
    """The report, as plain JSON values (`campaign.schema.json`)."""
    findings = judge(evidence)
    ends = Counter(write.end for write in evidence.writes)
    seen = evidence.observation
    broken = {item.file for item in evidence.traces if item.verdict.verdict in ("breaks", "malformed")}
    broken |= {gap.later for gap in evidence.breaks}
    return {
        "verdict": verdict_of(findings),
        "seed": seed,
        "faults_asked": asked,
        "faults": len(evidence.hit),
        "faults_missed": evidence.missed,
        "faults_by_kind": dict(sorted(Counter(fault.kind for fault in evidence.hit).items())),
        "rounds": evidence.rounds,
        "promoted": evidence.promoted,
        "holders_max": seen.holders_max if seen else None,
        "observer_samples": seen.samples if seen else 0,
        "observer_gap_ms_max": seen.gap_ns_max / 1e6 if seen else None,
        "changes_of_holder": len(seen.changes) - 1 if seen else 0,
        "acknowledged": ends[End.ACKNOWLEDGED],
        "acknowledged_lost": len(lost(evidence)),
        "refused": ends[End.REFUSED],
        "unknown": ends[End.UNKNOWN],
        "back_ms_max": max(evidence.back_ns, default=0) / 1e6,
        "traces_checked": len(evidence.traces),
        "traces_broken": len(broken),
        "actions_checked": sum(item.verdict.actions for item in evidence.traces),
        "loss_statements": len(evidence.losses),
        "updates_lost": sum(len(loss.seqs) for loss in evidence.losses),
        "keepalived": None,
        "ended_unasked": list(evidence.ended_unasked),
        "findings": [{"verdict": f.verdict, "about": f.about, "what": f.what} for f in findings],
    }


def summary(report: dict[str, Any]) -> list[str]:
    """The report for a person."""
    kinds = ", ".join(f"{count} × {kind}" for kind, count in report["faults_by_kind"].items())
    gap_ms = report["observer_gap_ms_max"] or 0
    return [
        "",
        f"faults               {report['faults']} in {report['rounds']} rounds; {report['faults_missed']} hit nothing",
        f"                     {kinds}",
        f"public identity      at most {report['holders_max']} holder at once, in {report['observer_samples']} looks"
        f" from outside (longest gap {gap_ms:.0f} ms)",
        f"writes               {report['acknowledged']} acknowledged, {report['acknowledged_lost']} of them lost;"
        f" {report['refused']} refused, {report['unknown']} with an unknown end",
        f"service              back {report['back_ms_max']:.0f} ms after the mending, at the latest;"
        f" both down to one, and promoted by the operator: {report['promoted']} times",
        f"traces               {report['traces_broken']} of {report['traces_checked']} break a rule;"
        f" {report['actions_checked']} actions",
        f"loss statements      {report['loss_statements']}, of {report['updates_lost']} updates",
        *_side_by_side(report),
        *(f"ended unasked        {what}" for what in report["ended_unasked"][:_SHOWN_MAX]),
        *(f"{finding['verdict']}: {finding['about']}: {finding['what']}" for finding in report["findings"]),
        f"verdict              {report['verdict']} (seed {report['seed']})",
    ]


def _side_by_side(report: dict[str, Any]) -> list[str]:
    rival = report.get("keepalived")
    if rival is None:
        return ["keepalived           is not installed here, so there is nothing to compare with"]
    return [
        f"keepalived           under the same faults: at most {rival['holders_max']} holders at once, more than one for"
        f" {rival['two_holders_ms']:.0f} ms; {rival['faults']} of the faults hit it"
    ]


def _some(names: Sequence[str]) -> str:
    """The first few of them."""
    return ", ".join(names[:_SHOWN_MAX]) + (", …" if len(names) > _SHOWN_MAX else "")
