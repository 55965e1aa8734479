"""The demo's judge: every way in which a pair could fail it, made up, and found."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from takeover.commands.check_trace import Break, Judged
from takeover.demo.client import End, WriteRecord
from takeover.demo.command import Performance, conclude, summary
from takeover.demo.evidence import check_traces, differing_files, read_loss
from takeover.demo.judgement import Facts, Loss, enabled_ns, failover_ns, judge, missing, verdict_of
from takeover.demo.parties import Party
from takeover.demo.records import Record, decode, encode
from takeover.errors import EnvironmentFault
from takeover.observer import Observation
from takeover_spec.trace import Verdict

MS = 1_000_000


def write(key: str, sent_ms: int, end: End = End.ACKNOWLEDGED) -> WriteRecord:
    return WriteRecord(key, key.upper(), sent_ms * MS, (sent_ms + 5) * MS, end)


WRITES = (
    write("a", 10),
    write("b", 20),
    write("lost", 90),
    write("refused", 91, End.REFUSED),
    write("unknown", 95, End.UNKNOWN),
    write("c", 1500),
)
FACTS = Facts(
    synchronous=False,
    lease_ns=1000 * MS,
    killed_ns=100 * MS,
    writes=WRITES,
    found={"a": "A", "b": "B", "c": "C"},
    loss=Loss(1, 2, 4, (3, 4), (Record("lost", "LOST"), Record("unknown", "UNKNOWN"))),
    observation=Observation(1000, 1, ((0, 0), (5 * MS, 1), (101 * MS, 0), (1200 * MS, 1)), 20 * MS),
    traces=(Judged(Path("trace"), Verdict("obeys", None, 10)),),
    breaks=(),
    differing=(),
)


def found_in(facts: Facts) -> tuple[str, set[str]]:
    """The verdict, and what it is about."""
    findings = judge(facts)
    return verdict_of(findings), {finding.about for finding in findings}


def test_a_good_demo_holds() -> None:
    """An asynchronous pair may lose what it acknowledged, if it states so."""
    assert ("holds", set()) == found_in(FACTS)
    assert ["lost"] == [w.key for w in missing(FACTS)]
    assert (1405 * MS, 1100 * MS) == (failover_ns(FACTS), enabled_ns(FACTS))


@pytest.mark.parametrize(
    ("spoil", "verdict", "about"),
    [
        (lambda f: replace(f, synchronous=True), "violated", "nothing-acknowledged-is-lost"),
        (lambda f: replace(f, found=f.found | {"b": "other"}), "violated", "no-ghost"),
        (lambda f: replace(f, found=f.found | {"refused": "REFUSED"}), "violated", "no-ghost"),
        (lambda f: replace(f, found=f.found | {"nobody": "WROTE"}), "violated", "no-ghost"),
        (lambda f: replace(f, found={"a": "A", "c": "C"}), "violated", "exact-loss"),
        (lambda f: replace(f, found=f.found | {"unknown": "UNKNOWN"}), "violated", "exact-loss"),
        (lambda f: replace(f, loss=replace(f.loss, seqs=(3,))), "violated", "LOSS-1"),
        (lambda f: replace(f, loss=replace(f.loss, seqs=(4, 3))), "violated", "LOSS-1"),
        (lambda f: replace(f, loss=replace(f.loss, records=())), "violated", "exact-loss"),
        (lambda f: replace(f, observation=replace(f.observation, holders_max=2)), "violated", "one-holder"),
        (lambda f: replace(f, observation=replace(f.observation, holders_max=0)), "incomplete", "one-holder"),
        (
            lambda f: replace(f, observation=replace(f.observation, gap_ns_max=1000 * MS)),
            "incomplete",
            "one-holder",
        ),
        (lambda f: replace(f, differing=("0/f",)), "violated", "exact-prefix"),
        (
            lambda f: replace(f, breaks=(Break(Path("1"), Path("2"), "epoch was 1 and is 0"),)),
            "violated",
            "durable",
        ),
        (lambda f: replace(f, traces=()), "incomplete", "trace"),
        (
            lambda f: replace(f, traces=(Judged(Path("t"), Verdict("incomplete", None, 3)),)),
            "incomplete",
            "trace",
        ),
        (lambda f: replace(f, writes=f.writes[:-1], found={"a": "A", "b": "B"}), "incomplete", "load"),
        (
            lambda f: replace(f, writes=f.writes[2:], found={"c": "C"}, killed_ns=92 * MS),
            "incomplete",
            "load",
        ),
    ],
)
def test_every_failure_is_found(spoil: Callable[[Facts], Facts], verdict: str, about: str) -> None:
    """And called by the property that does not hold."""
    assert (verdict, True) == (found_in(spoil(FACTS))[0], about in found_in(spoil(FACTS))[1])


def test_a_violation_outweighs_what_is_incomplete() -> None:
    """Something that was seen is not unseen because something else was not looked at."""
    facts = replace(FACTS, synchronous=True, traces=())
    assert ("violated", {"nothing-acknowledged-is-lost", "trace"}) == found_in(facts)


def test_a_record_is_whole_or_is_none() -> None:
    """A cut, a changed byte and a hole end the records of a file."""
    whole = encode(Record("k", "v")) + encode(Record("l", "w"))
    first = len(encode(Record("k", "v")))
    assert ([Record("k", "v"), Record("l", "w")], len(whole)) == decode(whole)
    for spoilt in (
        whole[:-1],
        whole[:first] + b"x" + whole[first + 1 :],
        whole[:first] + bytes(9) + whole[first:],
    ):
        assert ([Record("k", "v")], first) == decode(spoilt)


def test_a_loss_statement_is_read_as_the_application_would_have(tmp_path: Path) -> None:
    """Writes that were done, or may have been, are lost records; what had failed, or is no write, stores nothing."""
    aside = tmp_path / "primary" / "aside" / "1"
    aside.mkdir(parents=True)
    written, failed = (
        {"kind": "Write", "path": "f", "offset": 0, "data": b64encode(encode(Record(key, "v"))).decode()}
        for key in ("written", "failed")
    )
    lost = [
        {"seq": 8, "done": True, "operation": written},
        {"seq": 9, "done": False, "operation": failed},
        {"seq": 10, "done": None, "operation": {"kind": "Truncate", "path": "f", "size": 0}},
    ]
    lines = [{"epoch": 1, "kept": 7, "last": 10}, *lost]
    (aside / "loss.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    party = Party("primary", tmp_path)
    assert Loss(1, 7, 10, (8, 9, 10), (Record("written", "v"),)) == read_loss(party, 1)
    with pytest.raises(EnvironmentFault):
        read_loss(party, 2)


def test_only_the_killed_run_may_end_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """The others are incomplete then."""
    party = Party("primary", tmp_path)
    party.traces.mkdir(parents=True)
    trace = party.traces / "000001.ndjson"
    trace.write_bytes(b'{"trace": 1, "par')
    assert "incomplete" == check_traces([party.traces], [])[0].verdict.verdict
    assert "the file is empty" == check_traces([party.traces], [trace])[0].verdict.problem


def test_two_directories_differ_by_content_and_by_name(tmp_path: Path) -> None:
    """Also by a directory that only one of them has."""
    for root in ("one", "other"):
        (tmp_path / root / "d").mkdir(parents=True)
        (tmp_path / root / "d" / "same").write_text("same")
    assert [] == differing_files(tmp_path / "one", tmp_path / "other")
    (tmp_path / "one" / "d" / "same").write_text("else")
    (tmp_path / "other" / "empty").mkdir()
    assert ["d/same", "empty"] == differing_files(tmp_path / "one", tmp_path / "other")


def test_a_holder_that_never_let_go_is_told_in_words() -> None:
    """The address was not seen free, so there is no time at which it was enabled again; the report is written."""
    stuck = replace(FACTS.observation, holders_max=2, changes=((0, 1), (1200 * MS, 2)))
    findings, report = conclude(Performance(replace(FACTS, observation=stuck), "", stuck, FACTS.traces))
    assert (None, 2, "violated") == (report["enabled_ms"], report["holders_max"], report["verdict"])
    assert any("never from the kill to the public identity" in line for line in summary(report, findings))
