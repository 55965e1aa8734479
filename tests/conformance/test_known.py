"""Known failures are told apart from new ones, are never a level, and fail the run when they do not fail."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from takeover.cli import main
from takeover_conformance.cases import shipped
from takeover_conformance.known import Known, read_known, stale
from takeover_conformance.suite import KNOWN, VIOLATES
from takeover_spec.codec import Malformed

REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]
WRONG = [*REFERENCE, "--like", "reads-anything"]
CASES = ["--case", "frame-released-small", "--case", "malformed-field-unknown"]
WHY = {"reason": "the decoder is replaced in June", "link": "https://example.org/7"}


def judged(
    directory: Path, adapter: list[str], *failures: dict[str, str], options: list[str] = CASES
) -> tuple[int, dict[str, Any]]:
    """The status and the verdict on an adapter of which these failures are known."""
    known, verdict = directory / "known.json", directory / "verdict.json"
    known.write_text(json.dumps({"known": 1, "failures": [WHY | failure for failure in failures]}))
    words = ["conform", *options, "--known", str(known), "--json", str(verdict), "--", *adapter]
    return main(words), json.loads(verdict.read_text())


@pytest.mark.parametrize(
    "failure",
    [
        {"case": "malformed-field-unknown"},
        {"check": "§12.1"},
        {"case": "malformed-field-unknown", "check": "§12.1"},
    ],
)
def test_what_is_known_does_not_fail_the_run(
    tmp_path: Path, failure: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told as a number of known failures, and not as a level."""
    status, verdict = judged(tmp_path, WRONG, failure)
    assert (0, KNOWN) == (status, verdict["verdict"])
    assert [] == verdict["failed"]
    assert ["malformed-field-unknown"] == [told["case"] for told in verdict["known"]]
    assert "verdict: known-failures, 1 known failure, and no level for that" in capsys.readouterr().out


def test_the_runs_above_a_known_failure_are_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its level is not reached, nor one above it."""
    few = [case for case in shipped() if "-meets-" not in case.name]
    monkeypatch.setattr("takeover_conformance.selecting.shipped", lambda: few)
    options = ["--level", "1"]
    status, verdict = judged(tmp_path, WRONG, {"check": "§12.1"}, options=options)
    assert (0, KNOWN, None) == (status, verdict["verdict"], verdict["level"])
    assert {False} == set(verdict["levels"].values())
    assert verdict["planned"] == verdict["played"]


def test_another_failure_of_the_same_case_is_new(tmp_path: Path) -> None:
    """The list would hide it."""
    status, verdict = judged(tmp_path, WRONG, {"case": "malformed-field-unknown", "check": "ROLE-1"})
    assert (1, VIOLATES) == (status, verdict["verdict"])
    assert 1 == len(verdict["failed"])


def test_one_that_stops_failing_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And is named, with its reason and its link."""
    status, verdict = judged(tmp_path, REFERENCE, {"case": "malformed-field-unknown"})
    assert (1, VIOLATES) == (status, verdict["verdict"])
    told = capsys.readouterr().out
    assert "listed as a known failure, and does not fail" in told
    assert f"{WHY['reason']} ({WHY['link']})" in told


def test_one_that_was_not_looked_for_is_not_missed(tmp_path: Path) -> None:
    """A part of the suite may be run with the list of the whole."""
    failures = ({"case": "malformed-field-unknown"}, {"case": "failover"})
    status, _ = judged(tmp_path, WRONG, *failures)
    assert 0 == status
    entry = Known("reason", "link", check="ADDR-1")
    assert [] == stale([entry], [], whole=False)
    assert [entry] == stale([entry], [], whole=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ('{"known": 2, "failures": []}', "format 1"),
        ('{"known": 1, "failures": []}', "failures: is not a list with something in it"),
        ('{"known": 1, "failures": [{"case": "x", "link": "y"}]}', "failures[0].reason: is missing"),
        (
            '{"known": 1, "failures": [{"case": "x", "reason": "y", "link": ""}]}',
            "failures[0].link: is not a text",
        ),
        ('{"known": 1, "failures": [{"reason": "y", "link": "z"}]}', "neither a case nor a check"),
        (
            '{"known": 1, "failures": [{"case": "x", "reason": "", "link": "z"}]}',
            "reason: is not a text",
        ),
        ('{"known": 1, "failures": [{"case": "x", "reasn": "y", "link": "z"}]}', "reasn: is unknown"),
    ],
)
def test_a_list_that_says_less_is_refused(
    tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the place; and nothing is played."""
    file = tmp_path / "known.json"
    file.write_text(text)
    with pytest.raises(Malformed, match=re.escape(told)):
        read_known(file)
    assert 2 == main(["conform", "--known", str(file), "--", *REFERENCE])
    assert told in capsys.readouterr().err


def test_a_case_that_there_is_not_is_no_known_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip of the pen would be a failure that is looked for nowhere."""
    file = tmp_path / "known.json"
    file.write_text(json.dumps({"known": 1, "failures": [{"case": "falover", **WHY}]}))
    assert 2 == main(["conform", "--known", str(file), "--", *REFERENCE])
    assert "no case called falover" in capsys.readouterr().err
    assert 2 == main(["conform", "--known", str(tmp_path / "absent"), "--", *REFERENCE])
