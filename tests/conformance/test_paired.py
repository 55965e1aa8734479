"""Two implementations as one pair (level 5): both ways round, and whoever of them is wrong is named."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from takeover.cli import main
from takeover_conformance.adapter.process import Adapter
from takeover_conformance.cases import PAIRED_LEVEL, Case, RunCase, shipped
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.suite import CONFORMS, SEEDS, VIOLATES, Result, Selection, jobs, run

CASES: tuple[Case, ...] = tuple(
    case for case in shipped() if isinstance(case, RunCase) and case.level >= 2 and case.origin == "spec"
)
JAVASCRIPT = Path(__file__).with_name("javascript") / "adapter.js"
OTHER = InProcess().metadata
REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]


def of_pairs(result: Result) -> list[Outcome]:
    """The outcomes of the paired level."""
    return [outcome for outcome in result.outcomes if outcome.level == PAIRED_LEVEL]


def judged(bench: Bench, names: tuple[str, ...]) -> Result:
    """What becomes of it in these cases, with another implementation."""
    selection = Selection(CASES, PAIRED_LEVEL, range(0), names, paired=OTHER)
    return run(bench, selection, lambda outcome: None)


def test_it_is_paired_both_ways_round() -> None:
    """Every run for a pair is played with either one as the primary; random ones too."""
    planned = [job for job in jobs(Selection(CASES, PAIRED_LEVEL, range(3), paired=OTHER)) if job.level == 5]
    assert {"primary", "secondary"} == {job.tested for job in planned}
    assert 6 == sum(job.name.startswith("seed-") for job in planned)
    assert len(CASES) > 20
    assert not [job for job in jobs(Selection(CASES, PAIRED_LEVEL, range(3))) if job.level == PAIRED_LEVEL]


def test_a_server_in_javascript_pairs_with_the_reference() -> None:
    """Through pipes, each of the two with an adapter process of its own."""
    node = shutil.which("node")
    assert node, "Node.js is missing: make tools"
    bench = Bench(InProcess, lambda: Adapter([node, str(JAVASCRIPT)]))
    result = judged(bench, tuple(case.name for case in CASES if "both" in getattr(case, "tested", ()))[:8])
    assert [] == [f"{outcome.case} {outcome.tested}: {outcome.finding}" for outcome in result.failed]
    assert (CONFORMS, True) == (result.verdict, len(of_pairs(result)) >= 8)


def test_whoever_of_the_two_is_wrong_is_named() -> None:
    """The tested one is right, at all levels below; the fault that shows with the other one is the other one's."""
    bench = Bench(InProcess, partial(InProcess, "reported-too-early"))
    selection = Selection(CASES[:4], PAIRED_LEVEL, range(8), paired=OTHER)
    result = run(bench, selection, lambda outcome: None)
    assert result.verdict == VIOLATES
    assert {PAIRED_LEVEL} == {outcome.level for outcome in result.failed}
    for outcome in result.failed:
        other = {"primary": "secondary", "secondary": "primary"}[outcome.tested]
        if outcome.finding is not None and outcome.finding.name == "QUEUE-4":
            assert f"the {other}" in str(outcome.finding)
    assert any(outcome.finding and outcome.finding.name == "QUEUE-4" for outcome in result.failed)


def test_it_is_said_with_whom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, and in the lines; a few cases are no level, and so no statement names a partner."""
    lines, said = tmp_path / "lines", tmp_path / "statement"
    options = [
        "--with",
        " ".join(REFERENCE),
        "--case",
        CASES[0].name,
        "--lines",
        str(lines),
        "--statement",
        str(said),
    ]
    assert 0 == main(["conform", *options, "--", *REFERENCE])
    assert f"paired with {OTHER.name}" in capsys.readouterr().out
    header = json.loads(lines.read_text().splitlines()[0])
    assert header["paired"]["name"] == header["adapter"]["name"]
    assert json.loads(said.read_text())["paired"] is None


def test_the_paired_level_needs_another_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    """It is wrong usage to ask for it alone."""
    assert 2 == main(["conform", "--level", "5", "--", *REFERENCE])
    assert "level 5 needs --with" in capsys.readouterr().err


def test_the_other_adapter_is_not_left_out_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names one and a level below thinks that it was paired."""
    assert 2 == main(["conform", "--level", "3", "--with", " ".join(REFERENCE), "--", *REFERENCE])
    assert "--with is for level 5, and --level 3 is below it" in capsys.readouterr().err


def test_the_paired_level_is_no_badge_for_the_service() -> None:
    """What is called the level is the highest without a gap: nobody has seen the service."""
    for seeds, expected in ((0, (False, False, 2)), (SEEDS, (True, False, 3))):
        selection = Selection(tuple(shipped()), PAIRED_LEVEL, range(seeds), paired=OTHER)
        result = Result(selection)
        result.outcomes = [Outcome(job.name, job.level, job.tested, None) for job in jobs(selection)]
        assert expected == (result.reached(PAIRED_LEVEL), result.reached(4), result.level)
