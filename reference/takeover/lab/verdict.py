"""The verdict on a campaign: a function of its evidence and nothing else.

What complicates it: "nothing was found" must not pass for "nothing is wrong". A campaign whose faults hit nothing,
in which nothing was acknowledged, nobody was ever seen to hold the address, or the observer looked too seldom
(`looking`), is incomplete. A trace may be cut short only if its run was.
And a service that came back because somebody promoted a server did not come back by itself: that is a violation, unless
the traces show that the rules need a person there (`promotions`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from takeover.demo.client import End, WriteRecord
from takeover.demo.judgement import Finding, judge_holders, judge_traces
from takeover.lab.evidence import Evidence
from takeover.lab.holding import played_between
from takeover.lab.looking import judge_looking, looking_of
from takeover.lab.promotions import Need, Promotion

_SHOWN_MAX = 8


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong; nothing if all holds."""
    return [
        *_holders(evidence),
        *_witness(evidence),
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


def _witness(evidence: Evidence) -> list[Finding]:
    if not evidence.knew:
        return []
    text = (
        f"a witness that had lost its disk had a record before it was told what it is, {evidence.knew} times"
    )
    return [Finding("violated", "LEASE-3", text)]


def _holders(evidence: Evidence) -> list[Finding]:
    seen = evidence.observation
    looking = looking_of(seen, *played_between(evidence.rounds))
    findings = judge_looking(looking, evidence.lease_ns) if evidence.rounds or seen is None else []
    return findings if seen is None else [*findings, *judge_holders(seen)]


def _activity(evidence: Evidence) -> list[Finding]:
    findings = []
    if evidence.problem:
        findings.append(Finding("incomplete", "campaign", evidence.problem))
    if not any(played.hit for played in evidence.rounds):
        findings.append(Finding("incomplete", "campaign", "no fault hit anything"))
    if not any(write.end is End.ACKNOWLEDGED for write in evidence.writes):
        findings.append(Finding("incomplete", "load", "no write was acknowledged"))
    return findings


def _availability(evidence: Evidence) -> list[Finding]:
    findings = [
        Finding("violated", "SWITCH-2", f"{order}, and the pair goes on in epoch {order.settled_epoch}")
        for order in evidence.orders
        if order.outcome == "accepted" and 0 < order.settled_epoch <= order.epoch
    ]
    findings += [
        Finding("violated", "takes-over-in-time", f"round {each.ordered.round}: {_promoted(each)}")
        for each in evidence.promotions
        if each.need is Need.NONE
    ]
    if not evidence.not_back:
        return findings
    cut = evidence.rounds and any(order.outcome != "refused" for order in evidence.rounds[-1].orders)
    about = "switchover-settles" if cut else "takes-over-in-time"
    return [*findings, Finding("violated", about, f"the service did not come back: {evidence.not_back}")]


def _promoted(promotion: Promotion) -> str:
    asked = promotion.ordered
    return f"the {asked.server} was promoted by hand, and the rules did not need it: {promotion.evidence}"


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


def _some(names: Sequence[str]) -> str:
    """The first few of them."""
    return ", ".join(names[:_SHOWN_MAX]) + (", …" if len(names) > _SHOWN_MAX else "")
