"""What is told of a failure fits a screen, quotes the protocol, and leads to the next thing to do."""

import shlex
import sys
from importlib.resources import files

import pytest

from takeover.cli import main
from takeover_conformance import documents
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.talk import Talk
from takeover_conformance.cases import FrameCase, RunCase, shipped
from takeover_conformance.easiest import difficulty
from takeover_conformance.judging import Spectator, concluded
from takeover_conformance.playing.bench import Bench, Outcome, play
from takeover_conformance.reports.sequence import diagram
from takeover_conformance.reports.telling import WIDTH, failure
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.suite import Result, Selection
from takeover_models.findings import Finding
from takeover_models.network import TOLD_MAX
from takeover_spec import wire
from takeover_spec.rules import RULES, Rule

REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]
SKELETON = [sys.executable, str(files("takeover_conformance.adapter").joinpath("skeletons", "adapter.py"))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.clause}-{rule.name}")
def test_every_rule_is_quoted_by_its_own_sentence(rule: Rule) -> None:
    """The bullet that names its predicate, and the heading of its clause."""
    clause, name = rule.clause, rule.name
    (sentence,) = documents.sentences(clause, name)
    assert f"(`{name}`)" in sentence
    assert sentence.endswith((".", ";")), sentence
    assert documents.title(clause)


def test_properties_and_frames_are_quoted_too() -> None:
    """What is no clause is nowhere made up."""
    for name in ("one-holder", "nothing-acknowledged-is-lost", "exact-prefix"):
        assert documents.sentences(name)
    assert "malformed" in " ".join(documents.sentences("§12.1"))
    assert not any("certificate" in sentence for sentence in documents.sentences("§12.1"))
    assert () == documents.sentences("progress")


def test_a_diagram_points_where_the_messages_went() -> None:
    """Three lifelines; a heartbeat that says nothing new is not shown again."""
    beat: list[tuple[str, wire.Message]] = [
        ("0w", wire.AskLease(3, 1, 5, False)),
        ("w0", wire.Leased(3, 1, 5)),
    ]
    said = [
        (n * 10**6, link, message)
        for n, (link, message) in enumerate([*beat * 5, ("10", wire.Safe(3, 7, 9))])
    ]
    head, ask, lease, gap, safe = diagram(said, "secondary")
    assert ["primary", "secondary*", "witness"] == head.split()
    assert ask.startswith("       0.0  |")
    assert ask.endswith("->|")
    assert lease.count("|") == 2
    assert "|<-" in lease
    assert not gap.strip(" |")
    assert "|<-" in safe
    assert "safe epoch=3 upto=7 latest=9" in safe
    assert safe.endswith("|")
    assert not list(diagram([], "both"))


def test_a_diagram_leaves_nothing_of_a_message_out() -> None:
    """What does not fit on its arrow is below it; the last row is the failure, at whoever it is of."""
    said: list[tuple[int, str, wire.Message]] = [
        (1, "1w", wire.DeclareEligible(3, 1, eligible=False)),
        (2, "01", wire.Position(3, 7, 7, resynchronise=True)),
    ]
    finding = Finding("SYNC-1", "the secondary should have: say something")
    _, *rows, failed = diagram(said, "secondary", 2_500_000, finding)
    drawn = " ".join(" ".join(rows).replace("|", " ").replace("-", " ").split())
    assert "eligible=false" in drawn
    assert "resynchronise=true" in drawn
    assert WIDTH >= max(map(len, rows))
    assert ["2.5", "|", "X", "SYNC", "1"] == failed.replace("-", " ").split()[:5]


def test_a_failure_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """With the clause quoted, the run drawn, the last lines exchanged, and the line that plays it again."""
    wrong = [*REFERENCE, "--like", "reported-too-early"]
    assert 1 == main(["conform", "--case", "tells-reported-too-early", "--", *wrong])
    told = capsys.readouterr().out
    assert 50 > len(told.splitlines())
    drawn = [line for line in told.splitlines() if not line.startswith("again:") and "{" not in line]
    assert WIDTH >= max(map(len, drawn))
    assert "PROTOCOL.md, QUEUE-4: only what is durable is reported" in told
    assert "> `ReportSafe` (`report_only_durable`): every update above both" in told
    assert "primary " in told
    assert "secondary*" in told
    assert "update epoch=1 seq=1" in told
    assert '"do":"report-safe"' in told
    assert f"again: takeover conform --case tells-reported-too-early -- {shlex.join(wrong)}" in told
    first, *_ = [line for line in told.splitlines() if "QUEUE-4: the " in line]
    assert told.index(first) < told.index("this case is about: ")
    assert TOLD_MAX > told.count("->|")


@pytest.mark.parametrize(
    ("case", "like", "said"),
    [
        ("turned-lease-1", "promise-forgotten", "what comes of it: takeover verify --without LEASE-1"),
        ("killed-with-its-address", "starts-active", "where it happened: https://github.com/"),
    ],
)
def test_where_a_mistake_led_is_told(case: str, like: str, said: str) -> None:
    """By the command that shows it, or the address."""
    (of_that_name,) = (one for one in shipped() if one.name == case)
    assert isinstance(of_that_name, RunCase)
    outcome = play(Bench(lambda: InProcess(like)), of_that_name, of_that_name.tested[-1])
    assert [line for line in failure(outcome, of_that_name, ()) if line.startswith(f"  {said}")]


def test_what_was_not_done_is_told_with_the_event_after_which_it_should_have_been() -> None:
    """And with what was on the disk, where a case begins with a disk that is not empty."""
    (case,) = (case for case in shipped() if case.name == "left-meets-ask-promise-same")
    talk = Talk()
    bench = Bench(lambda: talk.overheard(InProcess("promise-not-kept")), begins=talk.forget)
    outcome = play(bench, case, "secondary")
    assert isinstance(talk.last()[-1].request, lines.Idle)
    told = "\n".join(failure(outcome, case, talk.last()))
    assert "the secondary should have: do promise" in told
    assert 'asked:    {"id":5,"op":"frame"' in told
    assert '{"kind":"ask-promise","epoch":1' in told
    assert "came after it)" in told
    assert '"op":"idle"' not in told
    assert (
        "on its disk it found: epoch = 1, seen = 1, applied = 3, newest = 3, reported = 3, peer_left = true"
        in told
    )


def test_those_that_failed_beside_the_first_are_named_by_their_clauses() -> None:
    """As many as fit a screen; the others are counted. The levels after it were not played."""
    selection = Selection(tuple(shipped()), 3, range(3))
    result = Result(selection)
    for number in range(30):
        clause = "SYNC-1" if number % 3 else "LEASE-2"
        result.outcomes.append(Outcome(f"case-{number}", 1, "primary", Finding(clause, "wrong")))
    told = "\n".join(concluded(result, (result.outcomes[0], ())))
    assert "L0, L2, L3: not played, because L1 failed" in told
    assert "30 failed, by" in told
    assert "  SYNC-1, 20: case-1 (primary), case-2 (primary), case-4 (primary)" in told
    assert "and 15 more" in " ".join(told.split())
    assert told.index("SYNC-1, 20") < told.index("LEASE-2, 10")


def test_what_a_case_says_for_others_is_drawn_too() -> None:
    """The peer and the witness that it plays."""
    (case,) = (case for case in shipped() if case.name == "turned-lease-1")
    told = list(failure(play(Bench(lambda: InProcess("promise-forgotten")), case, "secondary"), case, ()))
    arrows = [
        next((word for word in ("ask-promise", "promised", "leased") if word in line), "") for line in told
    ]
    assert ["ask-promise", "promised", "leased"] == [word for word in arrows if word][-3:]


def test_the_easiest_comes_first() -> None:
    """Frames before runs, good ones before malformed ones, short ones before long ones."""
    first, *_, last = sorted(shipped(), key=difficulty)
    assert isinstance(first, FrameCase)
    assert first.message in ({"kind": "newer", "epoch": 1}, {"kind": "goodbye", "epoch": 1})
    assert 3 == last.level


def test_next_leads_a_skeleton_on(capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked and answered, and what is expected instead."""
    assert 1 == main(["conform", "--next", "--", *SKELETON])
    told = capsys.readouterr().out
    assert told.startswith("0 pass; what comes next is")
    assert '"op":"decode"' in told
    assert '{"kind":"newer","epoch":1}' in told
    assert '{"id":2,"is":"refused"}' in told
    assert '{"id":2,"is":"decoded","kind":"newer","epoch":1}' in told
    assert 1 == main(["conform", "--next", "--case", "says-where-it-stands", "--", *SKELETON])
    told = capsys.readouterr().out
    assert "should have: say position" in told
    assert '"op":"connected"' in told


def test_next_has_nothing_to_say_of_what_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """But that the random runs are left; and of bad manners, what is wrong with them."""
    assert 0 == main(["conform", "--next", "--level", "0", "--", *REFERENCE])
    assert "pass, one by one" in capsys.readouterr().out
    assert 3 == main(["conform", "--next", "--", "true"])
    told = capsys.readouterr().out
    assert "exited: exited 0" in told
    assert "again: takeover conform --case frame-" in told


def test_what_was_exchanged_is_told_with_the_case_it_was_about() -> None:
    """And with no other: one that another process played brings none."""
    talk = Talk()
    adapter = talk.overheard(InProcess())
    spectator = Spectator(Selection((), 0, range(0)), talk)
    failed = Outcome("frame-x", 0, "", Finding("§12.1", "wrong"))
    adapter.ask(lines.Decode(b"\0"))
    spectator.hear(Outcome("frame-w", 0, "", None))
    spectator.hear(failed)
    assert (failed, ()) == spectator.first
    other = Spectator(Selection((), 0, range(0)), talk)
    adapter.ask(lines.Decode(b"\1"))
    other.hear(failed)
    assert other.first is not None
    assert [lines.Decode(b"\1")] == [exchange.request for exchange in other.first[1]]
