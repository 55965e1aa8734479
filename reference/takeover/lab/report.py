"""The report of a campaign: its figures as plain values (`campaign.schema.json`), and in words for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from takeover.demo.client import End
from takeover.demo.judgement import verdict_of
from takeover.errors import TakeoverError
from takeover.lab.evidence import Evidence
from takeover.lab.holding import Played, holding_of, played_between
from takeover.lab.looking import APART_NS, LOOKS_PER_S_MIN, Looked, looking_of
from takeover.lab.verdict import judge, lost

_SHOWN_MAX = 8
_LABEL = 16
_TABLE_LABEL, _CELL = 22, 12


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
        "promotions": [promotion.values for promotion in evidence.promotions],
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


def figures(rounds: Sequence[Played], seen: Looked | None) -> dict[str, Any]:
    """What can be said of whoever is under test, from outside."""
    hit = [fault.kind for played in rounds for fault in played.hit]
    absent = [fault.kind for played in rounds for fault in played.absent]
    looking = looking_of(seen, *played_between(rounds))
    return {
        "faults": len(hit),
        "faults_missed": sum(len(played.missed) for played in rounds),
        "faults_absent": len(absent),
        "faults_by_kind": dict(sorted(Counter(hit).items())),
        "faults_absent_by_kind": dict(sorted(Counter(absent).items())),
        "rounds": len(rounds),
        "holders_max": seen.holders_max if seen else None,
        "changes_of_holder": len(seen.changes) - 1 if seen else 0,
        **holding_of(seen, rounds).values,
        "observer_samples": seen.samples if seen else 0,
        "observer": looking.values if looking else None,
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
        *_held(report),
        *(_line("ended unasked", what) for what in report["ended_unasked"][:_SHOWN_MAX]),
        "",
        *_side_by_side(report),
        "",
        *(f"{finding['verdict']}: {finding['about']}: {finding['what']}" for finding in report["findings"]),
        _line("verdict", f"{report['verdict']} (seed {report['seed']})"),
    ]


def _broken(report: dict[str, Any]) -> list[str]:
    """What was done to the pair."""
    orders = report["switchovers"]
    refused = ", ".join(f"{count} for {clause}" for clause, count in orders["refused"].items())
    rounds: dict[str, list[str]] = {}
    for promotion in report["promotions"]:
        rounds.setdefault(promotion["need"], []).append(str(promotion["round"]))
    told = f"told {_times(report['witness_told'])} what it is, after its disk was lost"
    return [
        _line(
            "faults",
            f"{report['faults']} in {report['rounds']} rounds; {report['faults_missed']} more found nothing to hit",
        ),
        _line(
            "switchovers",
            f"{orders['ordered']} ordered, {orders['hit']} of them hit by a fault: {orders['carried_out']} carried"
            f" out, {sum(orders['refused'].values())} refused{f' ({refused})' if refused else ''},"
            f" {orders['unanswered']} cut off",
        ),
        _line("witness", f"{report['witness']}; {told}"),
        _line(
            "by hand",
            f"a server was promoted {_times(len(report['promotions']))}"
            + "".join(f"; {need}: in round {', '.join(those)}" for need, those in sorted(rounds.items())),
        ),
    ]


def _held(report: dict[str, Any]) -> list[str]:
    """What came of it."""
    back = f"after every round, within {report['back_ms_max'] / 1000:.1f} s of the mending"
    failed = next((f["what"] for f in report["findings"] if "did not come back" in f["what"]), "")
    return [
        _line("service back", "NO" if failed else back),
        _line(
            "writes",
            f"{report['acknowledged']} acknowledged, {report['acknowledged_lost']} of them lost;"
            f" {report['refused']} refused, {report['unknown']} with an unknown end",
        ),
        _line(
            "lost, as stated", f"{report['updates_lost']} updates, in {report['loss_statements']} statements"
        ),
        _line(
            "traces",
            f"{report['traces_checked']}, of {report['actions_checked']} actions;"
            f" {report['traces_broken']} break a rule",
        ),
        _line(
            "address", f"held by at most {report['holders_max']} at once, as seen by an observer that looked"
        ),
        *(_line("", words) for words in _looked(report["observer"])),
    ]


def _looked(looking: dict[str, Any] | None) -> list[str]:
    if looking is None:
        return ["for less than a second"]
    return [
        f"{looking['looks_per_second']:.0f} times a second (in the poorest {looking['looks_per_second_min']}; under"
        f" {LOOKS_PER_S_MIN} in {looking['seconds_below_200']} of {looking['seconds']} s),",
        f"for {looking['covered']:.2%} of the time at most {APART_NS // 1_000_000} ms apart, and never more than"
        f" {looking['gap_ms_max']:.0f} ms",
    ]


def _side_by_side(report: dict[str, Any]) -> list[str]:
    rival = report["keepalived"]
    both = [report] if rival is None else [report, rival]
    names = ["takeover", "keepalived"][: len(both)]
    rows = {
        "holders at most": "holders_max",
        "two holders, ms": "two_holders_ms",
        "no holder, ms": "no_holder_ms",
        "watched, ms": "watched_ms",
        "faults that hit": "faults",
        "  found nothing": "faults_missed",
        "  not there to hit": "faults_absent",
    }
    kinds = sorted(
        {kind for each in both for kind in (*each["faults_by_kind"], *each["faults_absent_by_kind"])}
    )
    lines = [
        _row("the same faults", *names),
        *(_row(label, *(_figure(each[name]) for each in both)) for label, name in rows.items()),
        "",
        _row(
            "of each kind", *(cell for name in names for cell in (f"{name}: hit", "not there", "outage, ms"))
        ),
        *(_row(kind, *(cell for each in both for cell in _of_kind(each, kind))) for kind in kinds),
        "An outage is the longest of a round with such a fault; others of the round may have had their part in it.",
    ]
    if rival is None:
        lines.append(
            "keepalived was not played: it is not installed here (Debian: keepalived), or the pair broke off"
        )
    return lines


def _of_kind(report: dict[str, Any], kind: str) -> list[str]:
    """How many hit, how many had nothing there that they could, and the longest outage."""
    counts = [
        report[name].get(kind) for name in ("faults_by_kind", "faults_absent_by_kind", "longest_outage_ms")
    ]
    return [_figure(count) for count in counts]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _row(label: str, *cells: str) -> str:
    return f"{label:{_TABLE_LABEL}}" + "".join(f"{cell:>{max(_CELL, len(cell) + 2)}}" for cell in cells)


def _line(label: str, text: str) -> str:
    return f"{label:{_LABEL}}{text}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
