"""What a run leaves behind for machines says what the run said, and can be read back."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from tinyhtml5.parser import HTMLParser

from takeover.cli import main
from takeover_conformance.cases import PAIRED_LEVEL, files_of_cases, shipped
from takeover_conformance.playing.bench import Bench
from takeover_conformance.reports.page import page
from takeover_conformance.reports.result_lines import digests, today
from takeover_conformance.reports.saved import read_result
from takeover_conformance.reports.statement import badge
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.suite import VIOLATES, Selection, run
from takeover_spec.codec import Malformed

SCHEMA = json.loads(files("takeover_conformance.reports").joinpath("result_lines.schema.json").read_text())
SHIPPED_FRAMES = sum(case.level == 0 for case in shipped())
REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """A suite without the thousands of moments, played by this process alone."""
    few = [file for file in files_of_cases() if file[0] != "moments.ndjson"]
    with pytest.MonkeyPatch.context() as patched:
        for module in ("cases", "reports.result_lines"):
            patched.setattr(f"takeover_conformance.{module}.files_of_cases", lambda: few)
        patched.setattr("os.sched_getaffinity", lambda pid: {0})
        yield


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
    assert digests() == header["digests"]
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
    for case, failure in zip(failed, failures, strict=True):
        again = [
            "takeover",
            "conform",
            "--case",
            str(case["case"]),
            "--",
            *REFERENCE,
            "--like",
            "little-endian",
        ]
        assert shlex.join(again) == case["again"]
        assert f"again: {shlex.join(again)}" in (failure.text or "")
        assert "PROTOCOL.md, §12.1" in (failure.text or "")
    assert "asked:" in (failures[0].text or "")
    assert 3 < len((tmp_path / "junit.xml").read_text().splitlines())
    assert [0] == verdict["levels_played"]


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


def test_an_adapter_at_fault_in_a_case_is_told_with_it(tmp_path: Path) -> None:
    """What was asked, what it said and where, in all that is written; what XML has not is not in it."""
    told = [sys.executable, "-c", BREAKS_OFF]
    status, verdict, (*_, footer), junit = reported(tmp_path, *told)
    assert 3 == status
    assert validated("verdict", verdict)["fault"] == footer["fault"]
    fault = validated("verdict", verdict)["fault"]
    assert fault["case"].startswith("frame-")
    assert '"op":"decode"' in fault["asked"]
    assert ["\x07not today"] == fault["errors"]
    assert shlex.join(["takeover", "conform", "--case", fault["case"], "--", *told]) == fault["again"]
    (error,) = junit.findall(".//error")
    assert "| ?not today" in (error.text or "")
    assert f"again: {fault['again']}" in (error.text or "")
    saved = page([read_result(tmp_path / "run.ndjson")])
    assert f"during: {fault['case']}" in saved
    assert "not today" in saved


BREAKS_OFF = """
import sys
sys.stdin.readline()
print('{"id":1,"is":"metadata","protocol":1,"name":"x","version":"1","language":"x"}')
print('{"id":1,"is":"end"}', flush=True)
sys.stdin.readline()
print("\\x07not today", file=sys.stderr)
"""


def test_a_case_that_fails_by_something_else_is_told_apart(results: Path) -> None:
    """From one that is not played, and from one about which nothing is judged."""
    bad = read_result(results / "bad.ndjson")
    others = tuple(outcome | {"clause": outcome["clause"] and "ROLE-1"} for outcome in bad.outcomes)
    row = re.compile(r"<th scope=.row.>§12.1 .*?<td class=.(\w+)")
    assert ["other"] == row.findall(page([replace(bad, outcomes=others)]))


def validated(kind: str, values: object) -> Any:
    """What keeps to the published schema."""
    Draft202012Validator(SCHEMA | {"$ref": f"#/$defs/{kind}"}).validate(values)
    return values


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of results, good.ndjson to level 1 and others to level 0, and what else was written of them."""
    directory = tmp_path_factory.mktemp("results")
    known = {
        "known": 1,
        "failures": [{"check": "§12.1", "reason": "<later>", "link": "https://example.org/1"}],
    }
    (directory / "known.json").write_text(json.dumps(validated("known", known)))
    for name, status, more in (
        ("good", 0, REFERENCE),
        ("bad", 1, [*REFERENCE, "--like", "little-endian"]),
        ("old", 0, [*REFERENCE, "--like", "little-endian"]),
        ("part", 0, REFERENCE),
    ):
        options = ["--known", str(directory / "known.json")] if name == "old" else []
        options += ["--case", "frame-released-small"] if name == "part" else []
        for option, end in (("lines", "ndjson"), ("statement", "json"), ("badge", "svg"), ("junit", "xml")):
            options += [f"--{option}", str(directory / f"{name}.{end}")]
        level = "1" if name == "good" else "0"
        assert status == main(["conform", "--level", level, *options, "--", *more])
    return directory


@pytest.mark.parametrize("name", ["good", "bad", "old"])
def test_lines_and_statement_keep_to_their_schema(results: Path, name: str) -> None:
    """And what is left out of one does not."""
    for line in (results / f"{name}.ndjson").read_text().splitlines():
        values = validated("line", json.loads(line))
        first = next(iter(values))
        assert not Draft202012Validator(SCHEMA | {"$ref": "#/$defs/line"}).is_valid(
            {key: value for key, value in values.items() if key != first}
        )
    validated("statement", json.loads((results / f"{name}.json").read_text()))
    footer = json.loads((results / f"{name}.ndjson").read_text().splitlines()[-1])
    del footer["end"]
    validated("verdict", footer)


def test_a_statement_says_what_was_found_and_who_says_so(results: Path) -> None:
    """A level only where there is one; failures that are known, with their reasons."""
    good, bad, old = (json.loads((results / f"{name}.json").read_text()) for name in ("good", "bad", "old"))
    assert ("reference", 1) == (good["implementation"]["name"], good["level"])
    assert "one server, its peer scripted" == good["means"]
    assert (None, "violates") == (bad["level"], bad["verdict"])
    assert (None, "known-failures", "<later>") == (old["level"], old["verdict"], old["known"][0]["reason"])
    assert all(
        told["says"].startswith("Self-declared") and told["digests"] == digests() for told in (good, bad, old)
    )


@pytest.mark.parametrize(
    ("name", "told", "green"),
    [("good", "level 1", True), ("bad", "no level", False), ("old", "known failures", False)],
)
def test_a_badge_is_green_for_a_level_alone(results: Path, name: str, told: str, green: bool) -> None:
    """And is an image that needs nothing else."""
    drawn = ElementTree.parse(results / f"{name}.svg").getroot()
    texts = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert told in texts[-1]
    assert green is ("#1a7f37" in (results / f"{name}.svg").read_text())
    assert "self-declared" in (results / f"{name}.svg").read_text()


def test_a_badge_of_a_run_that_failed_is_not_green() -> None:
    """Though a level below was reached."""
    cases = tuple(case for case in shipped() if case.level < 2)
    bench = Bench(lambda: InProcess("older-epoch-unanswered"))
    result = run(bench, Selection(cases, 1, range(0)), lambda outcome: None)
    assert (VIOLATES, 0) == (result.verdict, result.level)
    assert "level 0" in badge(result)
    assert "#1a7f37" not in badge(result)


def test_a_page_puts_them_side_by_side(results: Path) -> None:
    """A row for each level and clause, what failed below; whole HTML, and nothing of it from a network."""
    page = results / "page.html"
    files = [str(results / f"{name}.ndjson") for name in ("good", "bad", "old", "part")]
    assert 0 == main(["conform", "--html", str(page), *files])
    text = page.read_text()
    whole = ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<meta [^>]*>|<br>", "", text))
    rows = {
        (row.findtext("th") or "").strip(): [cell.get("class") for cell in row.findall("td")]
        for row in whole.findall(".//tbody/tr")
    }
    assert ["passed", "failed", "known", "part"] == rows["level 0"] == rows["§12.1"]
    assert {"none"} == {*rows["level 3"], *rows["ADDR-2"][1:]}
    assert "part" == rows["ADDR-2"][0]
    assert {"unjudged"} == {*rows["LEASE-3"]}
    assert "not judged: a rule of the witness" in text
    assert f"<small>{SHIPPED_FRAMES}/{SHIPPED_FRAMES}</small>" in text
    heads = [" ".join(head.itertext()) for head in whole.findall(".//thead//th")]
    assert len(heads) == len(set(heads))
    assert "good.ndjson" in heads[1]
    assert today() in heads[2]
    assert "again: takeover conform --case frame-" in text
    assert "little-endian" in text
    assert "&lt;later&gt;" in text
    assert "<later>" not in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    failed = [entry.findtext("b") for entry in whole.findall(".//li")]
    assert "frame-released-small" in failed


def html_errors(page: str) -> list[object]:
    """Whatever in it is not as HTML is defined."""
    parser = HTMLParser()
    parser.parse(page.encode())
    return list(parser.errors)


def test_a_page_is_html_without_an_error(results: Path) -> None:
    """With what failed and what is known in it, and for nobody."""
    read = [read_result(results / f"{name}.ndjson") for name in ("good", "bad", "old", "part")]
    assert [] == html_errors(page(read)) == html_errors(page([]))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<!DOCTYPE html>", ""),
        ("</table>", ""),
        ("</details>", ""),
        ("</h1>", "</h2>"),
        ("</ul>", "</ul></b>"),
        ('<th scope="row"', '<th scope="row" scope="row"'),
        ("&lt;later&gt;", "<later"),
        ("little-endian", "little&endian;"),
        ("</html>\n", "</html"),
    ],
)
def test_a_page_that_is_broken_is_seen(results: Path, right: str, wrong: str) -> None:
    """A tag too few or too many, twice the same attribute, text that is not escaped, an end that is missing."""
    text = page([read_result(results / f"{name}.ndjson") for name in ("bad", "old")])
    assert right in text
    assert html_errors(text.replace(right, wrong, 1))


def test_what_is_played_again_in_a_pair_is_not_counted_twice(results: Path) -> None:
    """A clause stays green when its cases are played beside another implementation as well."""
    good = read_result(results / "good.ndjson")
    again = [outcome | {"level": PAIRED_LEVEL} for outcome in good.outcomes]
    row = re.compile(r"<th scope=.row.>§12.1 .*?<td class=.(\w+)")
    for result in (good, replace(good, outcomes=(*good.outcomes, *again))):
        assert ["passed"] == row.findall(page([result]))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: lines[:-1], "there is no footer"),
        (lambda lines: [*lines[:-1], lines[-1].rstrip("\n")], "there is no footer"),
        (lambda lines: [lines[0], *lines[2:]], "cases were played, and"),
        (lambda lines: lines[1:], "no result in format 1"),
        (lambda lines: [lines[0].replace('"report": 1', '"report": 2'), *lines[1:]], "no result in format 1"),
        (lambda lines: [*lines[:5], "{\n", *lines[5:]], "ndjson:6: is not JSON"),
        (lambda lines: [], "no result in format 1"),
    ],
)
def test_what_is_no_whole_result_is_refused(results: Path, tmp_path: Path, spoil: Any, told: str) -> None:
    """With the place and the reason, and no page is made of it."""
    lines = (results / "good.ndjson").read_text().splitlines(keepends=True)
    spoilt = tmp_path / "spoilt.ndjson"
    spoilt.write_text("".join(spoil(lines)))
    with pytest.raises(Malformed, match=told):
        read_result(spoilt)
    assert 2 == main(["conform", "--html", str(tmp_path / "page.html"), str(spoilt)])
    assert not (tmp_path / "page.html").exists()


def test_results_of_other_cases_are_not_put_beside_these(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would say something else by the same name."""
    text = (results / "good.ndjson").read_text().replace(digests()["cases"], "0" * 64)
    (tmp_path / "other.ndjson").write_text(text)
    assert 2 == main(["conform", "--html", str(tmp_path / "page.html"), str(tmp_path / "other.ndjson")])
    assert "a result of other cases than this suite has" in capsys.readouterr().err


def test_a_known_failure_is_skipped_in_junit(results: Path) -> None:
    """Whoever reads it sees that it is not passed, and why."""
    (suite,) = ElementTree.parse(results / "old.xml").getroot()
    known = [element.get("message") or "" for element in suite.iter("skipped")]
    assert (str(len(known)), "0") == (suite.get("skipped"), suite.get("failures"))
    assert all("<later>" in message for message in known)


def test_what_an_earlier_run_wrote_is_not_left_behind(tmp_path: Path) -> None:
    """By an adapter that cannot be started."""
    left = [tmp_path / name for name in ("lines", "statement", "badge", "junit")]
    options = []
    for file in left:
        file.write_text("old")
        options += [f"--{file.name}", str(file)]
    assert 2 == main(["conform", *options, "--", "/no/such/adapter"])
    assert not any(file.exists() and file.read_text() == "old" for file in left)
