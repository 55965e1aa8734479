"""The suite is tested itself: who is right passes, who does nothing fails. Who is wrong is caught: test_matrix.py."""

import json
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from takeover.cli import main
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.adapter.process import Adapter
from takeover_conformance.cases import ADAPTER_LEVEL, LEVELS, Case, FrameCase, RunCase, shipped
from takeover_conformance.playing.bench import Bench, Outcome, play
from takeover_conformance.playing.sharing import Helpers
from takeover_conformance.servers.blanks import BLANKS
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.servers.variants import VARIANTS
from takeover_conformance.suite import CONFORMS, SEEDS, UNDECIDED, VIOLATES, Result, Selection, jobs, run

CASES = tuple(shipped())
MOMENTS = [case for case in CASES if isinstance(case, RunCase) and case.situation is not None]
OTHERS = tuple(case for case in CASES if isinstance(case, FrameCase) or case.situation is None)
SOME = (*OTHERS, *MOMENTS[::20])
"""All cases but the moments, of which there are thousands; and some of those."""
REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]


def ignore(outcome: Outcome) -> None:
    """Nobody listens."""


def judged(like: str, cases: tuple[Case, ...], seeds: int) -> tuple[str, list[str]]:
    """The verdict on an adapter like this, and what failed."""
    result = run(Bench(lambda: InProcess(like)), Selection(cases, 3, range(seeds)), ignore)
    return result.verdict, [f"{outcome.case}: {outcome.finding}" for outcome in result.failed]


def test_the_reference_conforms() -> None:
    """In the cases, and in random runs. It is led through the other moments when they are made again."""
    assert (CONFORMS, []) == judged("", SOME, seeds=6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_legal_conforms(variant: str) -> None:
    """Where the rules leave a choice, every choice passes."""
    written = [case for case in CASES if isinstance(case, FrameCase) or case.origin == "spec"]
    once = [
        case if isinstance(case, FrameCase) else replace(case, tested=case.tested[-1:]) for case in written
    ]
    counting = [case for case in MOMENTS if case.counts][list(VARIANTS).index(variant) :: 12]
    assert (CONFORMS, []) == judged(variant, (*once, *counting), seeds=1)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("level", range(ADAPTER_LEVEL + 1))
def test_what_does_nothing_reaches_no_level(blank: str, level: int) -> None:
    """Safety alone is cheap: at every level there is something that has to be done."""
    cases = tuple(case for case in SOME if case.level == level)
    result = run(Bench(lambda: InProcess(blank)), Selection(cases, level, range(0)), ignore)
    assert result.verdict == VIOLATES
    assert not result.reached(level)


@pytest.mark.parametrize("blank", BLANKS)
def test_what_does_nothing_passes_nothing_that_counts(blank: str) -> None:
    """What it passes asks only that nothing wrong is done."""
    bench = Bench(lambda: InProcess(blank))
    for case in SOME:
        if case.counts:
            for tested in ("",) if isinstance(case, FrameCase) else case.tested:
                assert play(bench, case, tested).finding is not None, case.name


def test_a_level_is_not_reached_by_safety_alone() -> None:
    """Though every case was passed."""
    safety = tuple(case for case in MOMENTS[::50] if not case.counts)
    result = run(Bench(InProcess), Selection((*safety, *_frames()), 1, range(0)), ignore)
    assert result.verdict == CONFORMS
    assert result.reached(0)
    assert not result.reached(1)


def _frames() -> list[Case]:
    return [case for case in CASES if isinstance(case, FrameCase)]


def test_several_processes_say_what_one_does() -> None:
    """The same outcomes in the same order; what failed first has a world to be shown."""
    cases = (*_frames(), *MOMENTS[::40])
    start = partial(InProcess, "older-epoch-unanswered")
    alone = run(Bench(start), Selection(cases, 1, range(0)), ignore)
    shared = run(Bench(start), Selection(cases, 1, range(0)), ignore, Helpers(start, 2))
    assert [_told(outcome) for outcome in alone.outcomes] == [_told(outcome) for outcome in shared.outcomes]
    assert shared.failed
    assert shared.failed[0].world is not None


def _told(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.case, outcome.tested, str(outcome.finding)


def test_a_fault_in_another_process_is_told_in_full() -> None:
    """The line that was asked, and what was wrong."""
    start = partial(Adapter, [sys.executable, "-c", _BREAKS_OFF])
    cases = (*_frames(), *MOMENTS[:60])
    result = run(Bench(start), Selection(cases, 1, range(0)), ignore, Helpers(start, 2))
    assert result.verdict == UNDECIDED
    assert result.fault is not None
    assert "exited" == result.fault.fault
    assert b"decode" in result.fault.asked
    assert result.fault.during is not None
    assert result.fault.during[0].startswith("frame-")


_BREAKS_OFF = """
import sys
sys.stdin.readline()
print('{"id":1,"is":"metadata","protocol":1,"name":"x","version":"1","language":"x"}')
print('{"id":1,"is":"end"}', flush=True)
sys.stdin.readline()
"""


def test_a_run_of_nothing_is_no_pass() -> None:
    """Nothing selected is undecided, and reaches no level."""
    result = run(Bench(InProcess), Selection((), 3, range(0)), ignore)
    assert result.verdict == UNDECIDED
    assert not any(result.reached(level) for level in LEVELS)


def test_a_level_is_not_reached_over_one_that_was_not() -> None:
    """Whoever fails in frames has no level 1, and is not asked for it."""
    result = run(Bench(lambda: InProcess("little-endian")), Selection(CASES, 3, range(3)), ignore)
    assert {0} == {outcome.level for outcome in result.outcomes}
    assert not any(result.reached(level) for level in LEVELS)


def test_what_fails_only_once_is_no_verdict_on_a_server() -> None:
    """It is the adapter's fault, and says where."""
    wrong, right = InProcess("little-endian"), InProcess()
    frames = tuple(case for case in CASES if case.level == 0)

    class Moody(InProcess):
        """Makes the first frame wrong, and never again any."""

        asked = 0

        def ask(self, request: Request) -> list[Reply]:
            self.asked += 1
            return (wrong if self.asked == 2 else right).ask(request)

    result = run(Bench(Moody), Selection(frames, 0, range(0)), ignore)
    assert result.verdict == UNDECIDED
    assert result.fault is not None
    assert "nondeterministic: frame-" in str(result.fault)
    assert str(result.fault).endswith("and when it was played again it passed")


def test_the_command_judges_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through pipes, with a report."""
    report = tmp_path / "report.json"
    assert main(["conform", "--level", "0", "--json", str(report), "--", *REFERENCE]) == 0
    told = json.loads(report.read_text())
    assert "conforms" == told["verdict"]
    assert {str(level): level == 0 for level in LEVELS} == told["levels"]
    assert told["planned"] == told["played"] == len(_frames())
    assert "verdict: conforms" in capsys.readouterr().out


def test_the_command_tells_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """The clause, its sentence, and the line that plays it again."""
    wrong = [*REFERENCE, "--like", "reported-too-early"]
    assert main(["conform", "--case", "tells-reported-too-early", "--", *wrong]) == 1
    told = capsys.readouterr().out
    assert "PROTOCOL.md, QUEUE-4: only what is durable is reported" in told
    assert f"again: takeover conform --case tells-reported-too-early -- {shlex.join(wrong)}" in told


def test_cases_of_another_format_are_not_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newer suite's may mean something else."""
    newer = [("newer.ndjson", b'{"cases":2}\n')]
    monkeypatch.setattr("takeover_conformance.cases.files_of_cases", lambda: newer)
    assert 2 == main(["conform", "--", *REFERENCE])
    assert "newer.ndjson:1: this is no file of cases in format 1" in capsys.readouterr().err


def test_the_list_is_short_unless_more_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts and clauses; the cases of a level, a clause or a pattern; what a run is made of."""
    told = {}
    for what in ("", "L2", "ROLE-4", "left-*", "runs"):
        assert 0 == main(["conform", "--list", *([what] if what else [])])
        told[what] = capsys.readouterr().out
    assert f"L0 frames: {len(_frames())} cases" in told[""]
    assert "ROLE-4: " in told[""]
    assert 150 > len(told[""].splitlines())
    assert {"L2"} == {line.partition(" ")[0] for line in told["L2"].splitlines()}
    assert all("ROLE-4" in line for line in told["ROLE-4"].splitlines())
    assert all(line.startswith("L1 left-") for line in told["left-*"].splitlines())
    assert "  calm: so many milliseconds without new faults" in told["runs"]


def test_seeds_are_two_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """One would be taken for how many."""
    with pytest.raises(SystemExit):
        main(["conform", "--seeds", "5", "--", *REFERENCE])
    assert "'5' is not two numbers such as 0-99" in capsys.readouterr().err


def test_an_unknown_level_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """And there is no guessing which was meant."""
    with pytest.raises(SystemExit) as ended:
        main(["conform", "--level", "9", "--", *REFERENCE])
    assert 2 == ended.value.code
    assert "invalid choice: 9" in capsys.readouterr().err


def test_a_few_cases_are_no_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However they went; nor is level 3 reached with fewer random runs."""
    report = tmp_path / "report.json"
    assert main(["conform", "--case", "frame-released-small", "--json", str(report), "--", *REFERENCE]) == 0
    assert {False} == set(json.loads(report.read_text())["levels"].values())
    assert "in what was selected, which is not a whole level" in capsys.readouterr().out
    for seeds in (SEEDS, SEEDS - 1):
        whole = Selection(CASES, 3, range(seeds))
        passed = [Outcome(job.name, job.level, job.tested, None) for job in jobs(whole)]
        result = Result(whole, passed, len(passed))
        assert (CONFORMS, 3 if seeds == SEEDS else 2) == (result.verdict, result.level)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--case", "no-such", "--", *REFERENCE], 2, "no case called no-such"),
        (["--case", "failover", "--level", "2", "--", *REFERENCE], 2, "no case is selected"),
        ([], 2, "name the command"),
        (["--replay", "default:jump", "--", *REFERENCE], 2, "'jump' is not one of"),
        (["--replay", "foo", "--", *REFERENCE], 2, "a run is such as 'lease=600:heal,calm//1250"),
        (["--tested", "both", "--", *REFERENCE], 2, "--tested is for --replay"),
        (["--seeds", "0-1", "--case", "failover", "--", *REFERENCE], 2, "--seeds is not read beside --case"),
        (["--next", "--smoke", "--", *REFERENCE], 2, "--next is not read beside --smoke"),
        (["--next", "--json", "f", "--", *REFERENCE], 2, "--json is not read beside --next"),
        (["--replay", "default:heal", "--level", "0", "--", "x"], 2, "--level is not read beside --replay"),
        (
            ["--html", "p.html", "--", "./adapter"],
            2,
            "--html: ./adapter is no file; it makes a page of results",
        ),
        (
            ["--known", "nothere.json", "--", *REFERENCE],
            2,
            "--known: nothere.json: No such file or directory",
        ),
        (["--with", "nope", "--", *REFERENCE], 2, "the other implementation's adapter (--with) is at fault"),
        (["--list", "nothing-*"], 2, "'nothing-*' is no level such as L1"),
        (["--", "/no/such/adapter"], 2, "cannot-start"),
        (["--", "true"], 3, "exited 0"),
        (["--", "yes"], 3, "answered: y"),
    ],
)
def test_bad_usage_and_broken_adapters_have_their_own_status(
    words: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither is ever taken for a wrong server."""
    assert status == main(["conform", *words])
    output = capsys.readouterr()
    assert told in output.out + output.err
