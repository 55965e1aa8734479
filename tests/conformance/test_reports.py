"""What a run leaves behind for machines says what the run said, and can be read back."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from takeover.cli import main
from takeover_conformance.reports import digest

REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.reference_adapter"]


def reported(
    directory: Path, *words: str
) -> tuple[int, dict[str, object], list[dict[str, object]], ElementTree.Element]:
    """Run the command; its status, its verdict, its lines and its XML."""
    verdict, lines, junit = (directory / name for name in ("verdict.json", "run.ndjson", "junit.xml"))
    options = ["--json", str(verdict), "--lines", str(lines), "--junit", str(junit)]
    status = main(["conform", "--level", "0", *options, "--", *words])
    written = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    return status, json.loads(verdict.read_text()), written, ElementTree.parse(junit).getroot()


def test_all_three_say_that_it_passed(tmp_path: Path) -> None:
    """With as many cases as there are, and a footer."""
    status, verdict, (header, *cases, footer), junit = reported(tmp_path, *REFERENCE)
    assert 0 == status
    assert digest() == header["cases"]
    assert header["planned"] == len(cases) == verdict["played"]
    assert all(case["passed"] for case in cases)
    assert {"end": True, **verdict} == footer
    (suite,) = junit.findall("testsuite")
    assert (str(len(cases)), "0") == (suite.get("tests"), suite.get("failures"))
    assert not junit.findall(".//failure")


def test_all_three_say_what_failed(tmp_path: Path) -> None:
    """The same cases, with their clauses."""
    status, verdict, (_, *cases, footer), junit = reported(tmp_path, *REFERENCE, "--like", "little-endian")
    assert 1 == status
    failed = [case for case in cases if not case["passed"]]
    assert failed
    assert verdict["failed"] == footer["failed"] == failed
    failures = junit.findall(".//failure")
    assert [case["clause"] for case in failed] == [failure.get("type") for failure in failures]


@pytest.mark.parametrize(
    ("command", "status", "fault"), [("true", 3, "exited"), ("/absent", 2, "cannot-start")]
)
def test_an_adapter_at_fault_is_an_error_and_no_failure(
    tmp_path: Path, command: str, status: int, fault: str
) -> None:
    """And there is no run of it to be mistaken for a result."""
    found, verdict, lines, junit = reported(tmp_path, command)
    assert status == found
    assert "undecided" == verdict["verdict"]
    assert [] == lines
    assert fault == junit.findall(".//error")[0].get("type")
    assert not junit.findall(".//failure")
