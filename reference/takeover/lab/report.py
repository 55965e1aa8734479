"""The report of a campaign: its figures as plain values (`campaign.schema.json`), and in words for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from takeover.demo.client import End
from takeover.demo.judgement import verdict_of
from takeover.errors import TakeoverError
from takeover.lab.evidence import Evidence
from takeover.lab.holding import Played, holding_of
from takeover.lab.verdict import judge, lost
from takeover.observer import Observation

_SHOWN_MAX = 8
_LABEL = 18
_TABLE_LABEL, _CELL = 30, 14


def report_of(evidence: Evidence, seed: int, asked: int, witness: str) -> dict[str, Any]:
    """The report, as plain JSON values."""
    findings = judge(evidence)
    ends = Counter(write.end for write in evidence.writes)
    broken = {item.file for item in evidence.traces if item.verdict.verdict in ("breaks", "malformed")}
    broken |= {gap.later for gap in evidence.breaks}
    return {
        "verdict": verdict_of(findings),
        "seed": seed,
        "witness": witness,
        "faults_asked": asked,
        **figures(evidence.rounds, evidence.observation),
        "switchovers": _switchovers(evidence),
        "promoted": evidence.promoted,
        "witness_told": evidence.told,
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
        "rounds_played": [played.values for played in evidence.rounds],
        "keepalived": None,
        "ended_unasked": list(evidence.ended_unasked),
        "findings": [{"verdict": f.verdict, "about": f.about, "what": f.what} for f in findings],
    }


def without_rival(report: dict[str, Any], error: TakeoverError) -> None:
    """The comparison was broken off: say so in the report, whose verdict is not `holds` then."""
    report["findings"].append({"verdict": "incomplete", "about": "keepalived", "what": str(error)})
    if report["verdict"] == "holds":
        report["verdict"] = "incomplete"


def figures(rounds: Sequence[Played], seen: Observation | None) -> dict[str, Any]:
    """What can be said of whoever is under test, from outside."""
    hit = [fault.kind for played in rounds for fault in played.hit]
    return {
        "faults": len(hit),
        "faults_missed": sum(len(played.missed) for played in rounds),
        "faults_by_kind": dict(sorted(Counter(hit).items())),
        "rounds": len(rounds),
        "holders_max": seen.holders_max if seen else None,
        "changes_of_holder": len(seen.changes) - 1 if seen else 0,
        **holding_of(seen, rounds).values,
        "observer_samples": seen.samples if seen else 0,
        "observer_gap_ms_max": seen.gap_ns_max / 1e6 if seen else None,
    }


def _switchovers(evidence: Evidence) -> dict[str, Any]:
    orders = evidence.orders
    outcomes = Counter(order.outcome for order in orders)
    return {
        "ordered": len(orders),
        "carried_out": outcomes["accepted"],
        "refused": dict(sorted(Counter(o.clause for o in orders if o.outcome == "refused").items())),
        "unanswered": outcomes["unanswered"],
        "hit": sum(
            any(
                order.asked_ns <= played.began_ns + fault.at_ms * 1_000_000 <= order.ended_ns
                for fault in played.hit
            )
            for played in evidence.rounds
            for order in played.orders
        ),
    }


# --- for a person --------------------------------------------------------------------------------


def summary(report: dict[str, Any]) -> list[str]:
    """The report for a person."""
    return [
        "",
        *_broken(report),
        "",
        *_held(report),
        "",
        *_side_by_side(report),
        "",
        *(_line("ended unasked", what) for what in report["ended_unasked"][:_SHOWN_MAX]),
        *(f"{finding['verdict']}: {finding['about']}: {finding['what']}" for finding in report["findings"]),
        _line("verdict", f"{report['verdict']} (seed {report['seed']})"),
    ]


def _broken(report: dict[str, Any]) -> list[str]:
    """What was done to the pair."""
    orders = report["switchovers"]
    refused = ", ".join(f"{count} for {clause}" for clause, count in orders["refused"].items())
    return [
        _line(
            "faults",
            f"{report['faults']} in {report['rounds']} rounds; {report['faults_missed']} more hit nothing",
        ),
        _line(
            "switchovers",
            f"{orders['ordered']} ordered, {orders['hit']} of them hit by a fault before they were answered:"
            f" {orders['carried_out']} carried out,",
        ),
        _line(
            "",
            f"{sum(orders['refused'].values())} refused{f' ({refused})' if refused else ''},"
            f" {orders['unanswered']} cut off before an answer",
        ),
        _line(
            "witness",
            f"{report['witness']}; lost its disk and was told what it is {_times(report['witness_told'])}",
        ),
        _line("operator", f"both servers down to one, so one was promoted: {_times(report['promoted'])}"),
    ]


def _held(report: dict[str, Any]) -> list[str]:
    """What came of it."""
    gap_ms = report["observer_gap_ms_max"] or 0
    return [
        _line("public address", f"held by at most {report['holders_max']} at once"),
        _line("", f"seen from outside {report['observer_samples']} times, at most {gap_ms:.0f} ms apart"),
        _line(
            "writes",
            f"{report['acknowledged']} acknowledged, {report['acknowledged_lost']} of them lost;"
            f" {report['refused']} refused, {report['unknown']} with an unknown end",
        ),
        _line(
            "service",
            f"back after every round, {report['back_ms_max']:.0f} ms after the mending at the latest",
        ),
        _line(
            "traces",
            f"{report['traces_broken']} of {report['traces_checked']} break a rule,"
            f" in {report['actions_checked']} actions",
        ),
        _line("loss statements", f"{report['loss_statements']}, of {report['updates_lost']} updates"),
    ]


def _side_by_side(report: dict[str, Any]) -> list[str]:
    rival = report["keepalived"]
    head = ["under the same faults", "takeover"]
    if rival is None:
        note = (
            "keepalived was not played: it is not installed here (Debian: keepalived), or the pair broke off"
        )
        return [_row(*head), *_table([report]), note]
    note = "A round's longest outage is put down to each kind of fault in it; '-' is a kind that did not hit this one."
    return [_row(*head, "keepalived"), *_table([report, rival]), note]


def _table(reports: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each figure, and one for each kind of fault."""
    rows = {
        "  faults that hit": "faults",
        "  holders at most": "holders_max",
        "  watched, ms": "watched_ms",
        "  two holders, ms": "two_holders_ms",
        "  no holder, ms": "no_holder_ms",
    }
    kinds = sorted({kind for each in reports for kind in each["longest_outage_ms"]})
    return [
        *(_row(label, *(_figure(each[name]) for each in reports)) for label, name in rows.items()),
        "  longest outage, ms, after",
        *(
            _row(f"    {kind}", *(_figure(each["longest_outage_ms"].get(kind)) for each in reports))
            for kind in kinds
        ),
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _row(label: str, *cells: str) -> str:
    return f"{label:{_TABLE_LABEL}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)


def _line(label: str, text: str) -> str:
    return f"{label:{_LABEL}}{text}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
