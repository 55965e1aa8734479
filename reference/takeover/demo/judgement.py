"""The verdict on a demo: the client's account, what is there at the end, a loss statement, the observer and the traces.

The intuition: everything that the demo learned is in `Facts`, and `judge` is a function of that and nothing else, which
holds the five against each other. So each way in which a pair could fail can be made up in a test, and must be found.

What complicates it: "incomplete" must not pass for "holds". A demo in which nothing was acknowledged before the kill,
or nothing after it, or whose observer was looking away for as long as a lease lasts, has shown nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from takeover.commands.check_trace import Break, Judged
from takeover.demo.client import End, WriteRecord
from takeover.demo.records import Record
from takeover.observer import Observation

Verdict = Literal["holds", "violated", "incomplete"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss statement, with what was lost as the application would have read it."""

    epoch: int
    kept: int
    """The last update that was kept."""
    last: int
    """The last update that was logged."""
    seqs: tuple[int, ...]
    """The numbers of the updates listed as lost."""
    records: tuple[Record, ...]
    """What those updates would have stored."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a demo learned."""

    synchronous: bool
    lease_ns: int
    killed_ns: int
    """When the active server was killed (CLOCK_BOOTTIME)."""
    writes: Sequence[WriteRecord]
    found: Mapping[str, str]
    """Every key and value, as the application answered at the end."""
    loss: Loss
    observation: Observation
    """Of the holders of the public address, from before the start to after the end."""
    traces: Sequence[Judged]
    breaks: Sequence[Break]
    """What a server lost between two of its runs."""
    differing: Sequence[str]
    """The files in which the two servers' copies of the data differ at the end."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    verdict: Verdict
    """`violated` or `incomplete`."""
    about: str
    """The property or clause that it is about."""
    what: str

    def __str__(self) -> str:
        return f"{self.verdict}: {self.about}: {self.what}"


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """What several findings amount to."""
    verdicts = {finding.verdict for finding in findings}
    return "violated" if "violated" in verdicts else "incomplete" if verdicts else "holds"


def missing(facts: Facts) -> list[WriteRecord]:
    """The writes that were acknowledged, and whose value is not there."""
    return [w for w in facts.writes if w.end is End.ACKNOWLEDGED and facts.found.get(w.key) != w.value]


def failover_ns(facts: Facts) -> int | None:
    """From the kill to the end of the first write that was begun after it and was acknowledged; None if none was."""
    ends = [w.ended_ns for w in facts.writes if w.sent_ns > facts.killed_ns and w.end is End.ACKNOWLEDGED]
    return min(ends) - facts.killed_ns if ends else None


def enabled_ns(facts: Facts) -> int | None:
    """From the kill to the first time that the address was seen held again, after nobody held it; None if never."""
    vacant = False
    for t, holders in facts.observation.changes:
        if t > facts.killed_ns:
            if vacant and holders:
                return t - facts.killed_ns
            vacant = vacant or holders == 0
    return None


def judge(facts: Facts) -> list[Finding]:
    """Everything that is wrong; nothing if all holds."""
    return [
        *judge_holders(facts.observation),
        *judge_gap(facts.observation, facts.lease_ns),
        *_activity(facts),
        *_data(facts),
        *_loss(facts),
        *judge_traces(facts.traces, facts.breaks),
    ]


def _violated(about: str, what: str) -> Finding:
    return Finding("violated", about, what)


def judge_holders(seen: Observation) -> list[Finding]:
    """What the observer saw that must not be, or did not see that should have been."""
    findings = []
    if seen.holders_max > 1:
        findings.append(_violated("one-holder", f"{seen.holders_max} holders of the public address at once"))
    if seen.holders_max < 1:
        findings.append(
            Finding("incomplete", "one-holder", "nobody was ever seen to hold the public address")
        )
    return findings


def judge_gap(seen: Observation, lease_ns: int) -> list[Finding]:
    """Whether the observer looked away for so long that two holders could have come and gone."""
    if seen.gap_ns_max < lease_ns:
        return []
    text = f"the observer did not look for {seen.gap_ns_max // 1_000_000} ms, as long as a lease"
    return [Finding("incomplete", "one-holder", text)]


def _activity(facts: Facts) -> list[Finding]:
    acknowledged = [w for w in facts.writes if w.end is End.ACKNOWLEDGED]
    findings = []
    if not any(w.ended_ns < facts.killed_ns for w in acknowledged):
        findings.append(Finding("incomplete", "load", "no write was acknowledged before the kill"))
    if failover_ns(facts) is None:
        findings.append(Finding("incomplete", "load", "no write was acknowledged after the kill"))
    return findings


def _data(facts: Facts) -> list[Finding]:
    """What is there, against what was written."""
    findings = []
    lost = missing(facts)
    if facts.synchronous and lost:
        findings.append(
            _violated(
                "nothing-acknowledged-is-lost", f"{len(lost)} are missing: {_some(w.key for w in lost)}"
            )
        )
    may_be = {w.key: w.value for w in facts.writes if w.end is not End.REFUSED}
    ghosts = [key for key, value in facts.found.items() if may_be.get(key) != value]
    if ghosts:
        findings.append(_violated("no-ghost", f"{len(ghosts)} were never written so: {_some(ghosts)}"))
    if facts.differing:
        findings.append(_violated("exact-prefix", f"the two copies differ in {_some(facts.differing)}"))
    return findings


def _loss(facts: Facts) -> list[Finding]:
    """The loss statement, against itself and against what is there."""
    loss, findings = facts.loss, []
    if tuple(range(loss.kept + 1, loss.last + 1)) != loss.seqs:
        text = f"kept up to {loss.kept}, logged up to {loss.last}, and {len(loss.seqs)} updates are listed"
        findings.append(_violated("LOSS-1", text))
    stated = Counter(loss.records)
    unstated = [w.key for w in missing(facts) if Record(w.key, w.value) not in stated]
    if unstated:
        findings.append(
            _violated("exact-loss", f"{len(unstated)} are missing and not stated as lost: {_some(unstated)}")
        )
    there = [record.key for record in stated if facts.found.get(record.key) == record.value]
    if there:
        findings.append(_violated("exact-loss", f"{len(there)} are stated as lost and there: {_some(there)}"))
    return findings


def judge_traces(traces: Sequence[Judged], breaks: Sequence[Break]) -> list[Finding]:
    """What the traces say that must not be."""
    findings = []
    for item in traces:
        if item.verdict.violation:
            clause = item.verdict.violation.rule.clause
            findings.append(_violated(clause, f"{item.file}: {item.verdict.violation}"))
        elif item.verdict.verdict != "obeys":
            text = f"{item.file}: {item.verdict.verdict}: {item.verdict.problem}"
            findings.append(Finding("incomplete", "trace", text))
    findings += [_violated("durable", f"{b.later} does not follow {b.earlier}: {b.problem}") for b in breaks]
    if not traces:
        findings.append(Finding("incomplete", "trace", "there are no traces"))
    return findings


def _some(names: Any, most: int = 8) -> str:
    """The first few of them."""
    names = list(names)
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
