"""`takeover simulate`: what it says, and its exit status."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from takeover.cli import Exit, main
from takeover_spec.trace import check

SCHEMA = json.loads(files("takeover_models").joinpath("simulate.schema.json").read_text())


def verdict(path: Path) -> dict[str, object]:
    """What was written, which is as the schema says."""
    told: dict[str, object] = json.loads(path.read_text())
    jsonschema.validate(told, SCHEMA)
    return told


def test_a_good_campaign_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is found, and everything that matters was seen."""
    path = tmp_path / "verdict.json"
    assert Exit.HOLDS == main(["simulate", "--runs", "30", "--steps", "100", "--json", str(path)])
    assert ("holds", 30) == (verdict(path)["verdict"], verdict(path)["runs"])
    assert "30 runs of 100 decisions: nothing was found" in capsys.readouterr().out


def test_a_small_campaign_is_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run in which nothing happens says nothing, and is never good."""
    path = tmp_path / "verdict.json"
    assert Exit.UNDECIDED == main(["simulate", "--runs", "1", "--steps", "3", "--json", str(path)])
    assert "undecided" == verdict(path)["verdict"]
    assert "nothing was seen of: takeover" in capsys.readouterr().out


def test_what_is_found_is_shrunk_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The traces of all parties, the line that replays the run, and the offence in one of the traces."""
    path, kept = tmp_path / "verdict.json", tmp_path / "kept"
    words = ["simulate", "--broken", "drain-cut-short", "--keep", str(kept), "--json", str(path)]
    assert Exit.VIOLATED == main(words)
    told = verdict(path)
    assert isinstance(told["finding"], dict)
    assert ("violated", "APPLY-4") == (told["verdict"], told["finding"]["name"])
    out = capsys.readouterr().out
    line = f"takeover simulate --broken drain-cut-short --replay '{told['finding']['run']}'"
    assert line in out
    verdicts = {
        trace.name: check(trace.read_bytes().splitlines(keepends=True)) for trace in kept.glob("*.ndjson")
    }
    clauses = [v.violation.rule.clause for v in verdicts.values() if v.violation]
    assert ["APPLY-4"] == clauses
    again = ["simulate", "--broken", "drain-cut-short", "--replay", told["finding"]["run"]]
    assert Exit.VIOLATED == main(again)
    assert told["finding"]["text"] in capsys.readouterr().out


def test_a_run_in_which_nothing_is_found_can_be_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed, and that is all."""
    assert Exit.HOLDS == main(["simulate", "--replay", "shell=1:heal,calm//2500/1"])
    assert "nothing was found" in capsys.readouterr().out


def test_a_broken_core_that_gets_away_is_undecided() -> None:
    """Not finding what is there is no success."""
    assert Exit.UNDECIDED == main(["simulate", "--broken", "loss-not-stated", "--runs", "1", "--steps", "2"])


@pytest.mark.parametrize(
    "words",
    [
        ["--broken", "nothing"],
        ["--runs", "0"],
        ["--steps", "0"],
        ["--replay", "fly"],
        ["--replay", "default:fly"],
    ],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be, and a campaign of nothing, are refused."""
    assert Exit.USAGE == main(["simulate", *words])
    assert capsys.readouterr().err.startswith("takeover simulate: ")
