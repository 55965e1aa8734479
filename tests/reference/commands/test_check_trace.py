"""`takeover check-trace`: what it says of good traces and of bad ones, and its exit status."""

import json
from dataclasses import replace
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from takeover.cli import Exit, main
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.trace import Header, action_line, header_line
from takeover_spec.words import Cause, Constants, Identity

C = Constants(lease_ns=1000, promise_ns=1000, drift_ppm=0, expiry_slack_ns=10, synchronous=True)
START = act.Start(active=False, enabled=False, until=0, wait_until=1000)
TAKES_OVER: list[tuple[int, act.Action]] = [
    (0, START),
    (2000, act.CountLease(1, 2000, 3000)),
    (2000, act.Discard(0, 0, 0)),
    (2000, act.TakeRole(1, Cause.FIRST)),
    (2000, act.Enable(2990)),
    (2000, act.StartInterception()),
    (2000, act.Log(1, 1)),
]

SCHEMA = json.loads(resources("takeover").joinpath("commands", "check_trace.schema.json").read_text())


def trace(
    file: Path,
    actions: list[tuple[int, act.Action]],
    party: str = "primary",
    found: Knowledge | WitnessKnowledge | None = None,
    pair: str = "db",
) -> Path:
    lines = [header_line(Header(party, pair, C, found or Knowledge()))]
    lines += [action_line(n, t, action) for n, (t, action) in enumerate(actions, 1)]
    file.write_text("".join(lines))
    return file


def checked(tmp_path: Path, *files: Path) -> tuple[int, dict[str, Any]]:
    """The exit status, and the verdict as JSON."""
    report = tmp_path / "report.json"
    status = main(["check-trace", *map(str, files), "--json", str(report)])
    written = json.loads(report.read_text())
    jsonschema.validate(written, SCHEMA)
    return status, written


def test_a_good_trace_obeys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, with the number of actions that were judged."""
    file = trace(tmp_path / "a", TAKES_OVER)
    assert Exit.HOLDS == main(["check-trace", str(file)])
    assert f"{file}: obeys (primary of pair db, 7 actions)\n" == capsys.readouterr().out


def test_a_broken_rule_is_named_with_line_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1. Here the public identity is held beyond the grant (ADDR-2)."""
    actions = [*TAKES_OVER[:4], (2000, act.Enable(2991))]
    status, report = checked(tmp_path, trace(tmp_path / "a", actions))
    assert Exit.VIOLATED == status
    violation = report["files"][0]["violation"]
    assert ("ADDR-2", 6, 2000) == (violation["clause"], violation["line"], violation["t"])
    assert {"do": "enable", "until": 2991} == violation["action"]
    assert violation["knew"]["lease_until"] == 3000
    assert "line 6 breaks ADDR-2" in capsys.readouterr().out


def test_a_trace_that_was_cut_off_is_incomplete(tmp_path: Path) -> None:
    """Exit 3, also when it is empty or holds no action; never 0."""
    whole = trace(tmp_path / "a", TAKES_OVER)
    whole.write_bytes(whole.read_bytes()[:-1])
    assert (Exit.UNDECIDED, "incomplete") == _word(checked(tmp_path, whole))
    (tmp_path / "empty").touch()
    assert (Exit.UNDECIDED, "incomplete") == _word(checked(tmp_path, tmp_path / "empty"))
    assert (Exit.UNDECIDED, "incomplete") == _word(checked(tmp_path, trace(tmp_path / "b", [])))


def _word(checked: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    return checked[0], checked[1]["verdict"]


def test_what_is_no_trace_is_malformed(tmp_path: Path) -> None:
    """Exit 2."""
    (tmp_path / "a").write_text("good morning\n")
    status, report = checked(tmp_path, tmp_path / "a")
    assert (Exit.USAGE, "malformed") == (status, report["verdict"])
    assert report["files"][0]["problem"].startswith("line 1: is not JSON")


def test_an_absent_file_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and the report is written all the same."""
    assert (Exit.USAGE, "unreadable") == _word(checked(tmp_path, tmp_path / "absent"))
    assert f"{tmp_path / 'absent'}: cannot be read" in capsys.readouterr().err


def test_of_several_files_the_most_telling_decides(tmp_path: Path) -> None:
    """A violation before a malformed file before an incomplete one before a good one."""
    good = trace(tmp_path / "good", TAKES_OVER)
    bad = trace(tmp_path / "bad", [(0, replace(START, active=True))], pair="bad")
    cut = trace(tmp_path / "cut", [], pair="cut")
    (tmp_path / "none").write_text("{}\n")
    none = tmp_path / "none"
    assert (Exit.VIOLATED, "breaks") == _word(checked(tmp_path, good, none, cut, bad))
    assert (Exit.USAGE, "malformed") == _word(checked(tmp_path, good, none, cut))
    assert (Exit.UNDECIDED, "incomplete") == _word(checked(tmp_path, good, cut))


def test_consecutive_runs_are_held_against_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that finds less than it made durable broke its word, though each run by itself obeys."""
    first = trace(tmp_path / "1", TAKES_OVER)
    found = Knowledge(active=True, epoch=1, seen=1, drained=True, unsafe=True, logged=1)
    second = trace(tmp_path / "2", [(5000, replace(START, wait_until=6000))], found=found)
    assert (Exit.HOLDS, "obeys") == _word(checked(tmp_path, first, second))
    forgetful = trace(tmp_path / "3", [(5000, replace(START, wait_until=6000))], found=Knowledge())
    status, report = checked(tmp_path, first, forgetful)
    assert (Exit.VIOLATED, "breaks") == (status, report["verdict"])
    assert ["obeys", "obeys"] == [file["verdict"] for file in report["files"]]
    assert ["epoch was 1 and is 0"] == [run["problem"] for run in report["runs"]]
    assert "does not follow" in capsys.readouterr().out


def test_runs_of_different_parties_are_not(tmp_path: Path) -> None:
    """The secondary need not find what the primary wrote; nor the witness."""
    first = trace(tmp_path / "1", TAKES_OVER)
    other = trace(tmp_path / "2", [(0, START)], "secondary")
    witness_actions: list[tuple[int, act.Action]] = [
        (0, act.WitnessStart(1000)),
        (1000, act.Grant(Identity.PRIMARY, 1, 2000, False)),
    ]
    witness = trace(tmp_path / "3", witness_actions, "witness", WitnessKnowledge())
    assert (Exit.HOLDS, "obeys") == _word(checked(tmp_path, first, other, witness))


def test_a_run_that_was_cut_off_still_binds_the_next(tmp_path: Path) -> None:
    """What stands before the cut was done."""
    first = trace(tmp_path / "1", TAKES_OVER)
    first.write_bytes(first.read_bytes() + b'{"n"')
    second = trace(tmp_path / "2", [(5000, replace(START, wait_until=6000))])
    assert (Exit.VIOLATED, "breaks") == _word(checked(tmp_path, first, second))


def test_no_file_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing selected is never 0."""
    with pytest.raises(SystemExit) as caught:
        main(["check-trace"])
    assert Exit.USAGE == caught.value.code
