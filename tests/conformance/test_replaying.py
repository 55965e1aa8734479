"""What is told of a random run that failed is what whoever plays it again sees: its short form, played once more."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from takeover.cli import main
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.lines import Decode, Reply, Request
from takeover_conformance.adapter.talk import Talk
from takeover_conformance.cases import read, shipped
from takeover_conformance.judging import Spectator
from takeover_conformance.keeping import keep
from takeover_conformance.playing.bench import Bench, Outcome, play, play_seed
from takeover_conformance.playing.replaying import made_short, play_decisions
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.suite import Selection, run

WRONG = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter", "--like"]
LIKE = "skips-a-number"


def ignore(outcome: Outcome) -> None:
    """Nobody listens."""


def test_what_is_told_of_a_random_run_is_its_short_form(tmp_path: Path) -> None:
    """Everywhere: in the outcome as it comes, in the result, in the file that is kept."""
    heard: list[Outcome] = []
    shortened: list[str] = []
    result = run(
        Bench(lambda: InProcess(LIKE)),
        Selection((), 3, range(3)),
        heard.append,
        shortening=lambda outcome: shortened.append(outcome.case),
    )
    failed = result.failed[0]
    assert heard == result.outcomes
    assert [failed.case] == shortened
    assert failed.world is not None
    assert len(failed.world.decisions) < failed.decided
    again = play_decisions(
        Bench(lambda: InProcess(LIKE)), failed.world.setup, failed.world.decisions, failed.tested
    )
    assert str(again.finding) == str(failed.finding)
    file = keep(tmp_path, result)
    assert file is not None
    assert failed.finding is not None
    assert read(file.name, file.read_bytes())[0].why == failed.finding.text.partition("\n")[0]


def test_it_is_made_short_behind_another_failure_to_be_kept(tmp_path: Path) -> None:
    """A case that fails first is what is told; without --keep nobody waits for the run to become short."""
    (case,) = (case for case in shipped() if case.name == f"tells-{LIKE}")
    for keeps in (False, True):
        result = run(Bench(lambda: InProcess(LIKE)), Selection((case,), 3, range(2), keeps=keeps), ignore)
        assert case.name == result.failed[0].case
        assert keeps is (keep(tmp_path / "kept", result) is not None)


class Forgetful(InProcess):
    """Is wrong for so many requests, and right from there on."""

    def __init__(self, wrong: int) -> None:
        super().__init__(LIKE)
        self.left = wrong
        self.right = InProcess()

    def ask(self, request: Request) -> list[Reply]:
        """The answer."""
        self.left -= 1
        said = self.right.ask(request)
        return super().ask(request) if self.left > 0 else said


def test_a_short_form_that_fails_no_more_is_the_adapters_fault() -> None:
    """Nothing else is told of it."""
    world = play_seed(Bench(lambda: InProcess(LIKE)), 0, 40, "primary")
    assert world.finding is not None
    with pytest.raises(AdapterFault, match="nondeterministic: seed-0 failed by"):
        made_short(Bench(lambda: Forgetful(0)), world)


def test_a_random_run_is_played_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that plays its short form works as it is printed, and so does the name."""
    assert 1 == main(["conform", "--case", "seed-0", "--", *WRONG, LIKE])
    told = capsys.readouterr().out
    assert "L3 a pair under faults: 1 failed" in told
    assert "seed-0, made short: " in told
    (line,) = (line for line in told.splitlines() if line.startswith("again: "))
    assert 1 == main(shlex.split(line)[2:])
    finding = told[told.index("QUEUE-") : told.index("PROTOCOL.md")].partition("\n\n")[2]
    assert finding in capsys.readouterr().out


def test_a_kept_case_is_played_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the last line says."""
    assert 1 == main(["conform", "--case", "seed-0", "--keep", str(tmp_path / "kept"), "--", *WRONG, LIKE])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("kept as a case"))
    command = line.partition("played by: ")[2]
    assert 1 == main(shlex.split(command)[1:])
    told = capsys.readouterr().out
    assert "found-by-seed-0-as-primary fails by" in told
    assert f"again: {command}" in told


def test_a_short_form_is_looked_for_aloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal alone, and beside what is told; so is how far a level is, and of how many."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    spectator = Spectator(Selection((), 3, range(3)), Talk())
    outcome = play_seed(Bench(lambda: InProcess(LIKE)), 0, 40, "primary")
    spectator.shorten(outcome)
    spectator.hear(outcome)
    told = capsys.readouterr()
    assert "making it short" in told.err
    assert "L3: 1 of 3 played" in told.err
    assert "" == told.out


def test_the_talk_is_of_the_case_alone() -> None:
    """What was asked in the case before is not told of this one."""
    talk = Talk()
    bench = Bench(lambda: talk.overheard(InProcess()), begins=talk.forget)
    frame, *_, other = [case for case in shipped() if case.level < 2]
    play(bench, frame, "")
    assert isinstance(talk.last()[0].request, Decode)
    play(bench, other, "secondary")
    assert not [exchange for exchange in talk.last() if isinstance(exchange.request, Decode)]


def test_a_fault_says_what_was_under_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The case, who was tested, and how to play it again."""
    report = tmp_path / "report.json"
    breaks = [sys.executable, "-c", _BREAKS_OFF]
    assert 3 == main(["conform", "--case", "frame-released-small", "--json", str(report), "--", *breaks])
    told = capsys.readouterr().out
    assert "  during:   frame-released-small, of level 0; tested: the codec" in told
    assert (
        f"again: {shlex.join(['takeover', 'conform', '--case', 'frame-released-small', '--', *breaks])}"
        in told
    )
    fault = json.loads(report.read_text())["fault"]
    assert "exited" == fault["fault"]


_BREAKS_OFF = """
import sys
sys.stdin.readline()
print('{"id":1,"is":"metadata","protocol":1,"name":"x","version":"1","language":"x"}')
print('{"id":1,"is":"end"}', flush=True)
sys.stdin.readline()
"""
