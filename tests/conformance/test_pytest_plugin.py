"""An implementer's pytest has a test for each case, and says of a failure what the command says."""

import argparse
import json
import re
import sys
from pathlib import Path

import pytest

from takeover_conformance import pytest_items
from takeover_conformance.options import configure

pytest_plugins = ["pytester"]

assert pytest_items  # loaded once, before the runs within this one, which would forget it and load it again

REFERENCE = f"{sys.executable} -P -m takeover_conformance.servers.reference_adapter"
WRONG = f"{REFERENCE} --like reads-anything"
ALONE = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist"]
"""Without other plugins, which take longer to load than a case does to play."""
WHY = {"reason": "not yet", "link": "https://example.org/7"}


@pytest.fixture
def ran(pytester: pytest.Pytester) -> "Ran":
    """Runs pytest in an empty directory."""
    return Ran(pytester)


class Ran:
    """A pytest of somebody else."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def __call__(self, adapter: str, *words: str, level: str = "0", known: str = "") -> pytest.RunResult:
        """Its result, with this adapter."""
        self.pytester.makeini(f"[pytest]\ntakeover_adapter = {adapter}\ntakeover_level = {level}\n{known}")
        return self.pytester.runpytest(*ALONE, *words)

    def knowing(self, *failures: dict[str, str]) -> str:
        """A line of the configuration that says which failures are known."""
        told = {"known": 1, "failures": [WHY | failure for failure in failures]}
        (self.pytester.path / "known.json").write_text(json.dumps(told))
        return "takeover_known = known.json\n"


def test_each_case_is_a_test(ran: Ran) -> None:
    """They pass with an adapter that is right, beside other tests; and can be chosen by name."""
    ran.pytester.makepyfile("def test_mine(): pass")
    result = ran(REFERENCE, "-v", "-k", "released or mine")
    result.assert_outcomes(passed=3, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["*test_mine PASSED*", "takeover::L0::frame-released-small PASSED*"])


def test_a_failure_says_what_the_command_says(ran: Ran) -> None:
    """The clause in the protocol's words, what was asked, answered and expected."""
    result = ran(WRONG, "-k", "malformed-field-unknown or frame-released")
    result.assert_outcomes(passed=2, failed=1, deselected=result.parseoutcomes()["deselected"])
    again = f"again: takeover conform --case malformed-field-unknown -- {WRONG}"
    told = ["PROTOCOL.md, §12.1: Framing", '*asked: *"op":"decode"*', "*expected:*", again]
    result.stdout.fnmatch_lines(told)


def test_what_tests_nothing_does_not_pass(ran: Ran) -> None:
    """No case chosen is no pass, as ever in pytest."""
    assert pytest.ExitCode.NO_TESTS_COLLECTED == ran(REFERENCE, "-k", "nothing-like-it").ret


def test_without_an_adapter_there_is_nothing(pytester: pytest.Pytester) -> None:
    """It does not touch anybody's tests, and loads nothing of the suite."""
    pytester.makepyfile("import sys\ndef test_mine(): assert 'takeover_conformance.suite' not in sys.modules")
    result = pytester.runpytest_subprocess(*ALONE)
    result.assert_outcomes(passed=1)


def test_a_fault_of_the_adapter_fails_every_test_at_once(ran: Ran) -> None:
    """And is told as such; it is not waited for again and again."""
    result = ran("true", "-k", "released")
    result.assert_outcomes(failed=2, deselected=result.parseoutcomes()["deselected"])
    told = ["the adapter is at fault, and nothing is known of the server in it:*", "*exited 0*"]
    result.stdout.fnmatch_lines(told)


def test_an_adapter_that_cannot_be_started_ends_it(ran: Ran) -> None:
    """After the first test: thousands more would say the same."""
    result = ran("/no/such/adapter", "-k", "released")
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["*cannot-start*", "*the adapter cannot be started*"])
    assert 0 != result.ret


def test_known_failures_are_expected_to_fail(ran: Ran) -> None:
    """For the reason that is given; one that passes fails, and so does one that fails by something else."""
    case = "malformed-field-unknown"
    good = ran(WRONG, "-k", case, known=ran.knowing({"case": case}))
    good.assert_outcomes(xfailed=1, deselected=good.parseoutcomes()["deselected"])
    stale = ran(REFERENCE, "-k", case, known=ran.knowing({"case": case}))
    stale.assert_outcomes(failed=1, deselected=stale.parseoutcomes()["deselected"])
    stale.stdout.fnmatch_lines(["*XPASS(strict)*not yet*"])
    other = ran(WRONG, "-k", case, known=ran.knowing({"case": case, "check": "ROLE-1"}))
    other.assert_outcomes(failed=1, deselected=other.parseoutcomes()["deselected"])


@pytest.mark.parametrize(
    ("level", "known", "told"),
    [
        ("9", "", "takeover_level is '9', and not one from 0 to 3"),
        ("0", "takeover_known = absent.json\n", "takeover_known: *absent.json*"),
    ],
)
def test_wrong_settings_are_wrong_usage(ran: Ran, level: str, known: str, told: str) -> None:
    """And nothing is played."""
    result = ran(REFERENCE, level=level, known=known)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"*{told}*"])


def test_a_known_failure_has_to_name_its_case(ran: Ran) -> None:
    """Whether one that names a clause alone has stopped failing, no single test can tell."""
    result = ran(REFERENCE, known=ran.knowing({"check": "ROLE-1"}))
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*each entry has to name its case*"])


def test_a_run_of_a_pair_is_a_test_too(ran: Ran) -> None:
    """As each of the servers that it is played as."""
    words = ("--takeover-adapter", REFERENCE)
    result = ran("true", *words, "-k", "comes-up-one-by-one", level="2")
    assert result.parseoutcomes()["passed"] > 1
    assert 0 == result.ret


def test_the_example_of_a_workflow_calls_what_there_is() -> None:
    """Each of its lines that calls the command is one that the command reads, and only writes what is kept."""
    text = (Path(__file__).parents[2] / "models" / "conformance-workflow.yml").read_text()
    parser = argparse.ArgumentParser()
    configure(parser)
    calls = re.findall(r"- run: takeover conform (.+)", text)
    smoke, whole = [parser.parse_args(call.split()) for call in calls]
    assert smoke.smoke
    assert ["./adapter"] == smoke.adapter == whole.adapter
    kept = text.split("path: |")[1].split()
    assert kept == [file.name for file in (whole.lines, whole.junit, whole.statement, whole.badge)]
