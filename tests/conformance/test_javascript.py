"""A server in JavaScript, written from the protocol's document and not from the reference, conforms.

Here it is put through some of the cases; through all of them, and level 5, by `make conform` (`whole.py`).
"""

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.whole import LEVELS, SERVERS, problems

from takeover_conformance.adapter.process import Adapter
from takeover_conformance.cases import Case, RunCase, shipped
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.reports.result_lines import digests
from takeover_conformance.suite import CONFORMS, Selection, run

ADAPTER = Path(__file__).with_name("javascript") / "adapter.js"


def ignore(outcome: Outcome) -> None:
    """Nobody listens."""


def is_written(case: Case) -> bool:
    """Whether somebody wrote it for this protocol."""
    return isinstance(case, RunCase) and case.origin == "spec"


def test_it_conforms() -> None:
    """The frames, what was written by hand, as one of the servers, and some of the rest; through pipes, in Node.js."""
    node = shutil.which("node")
    assert node, "Node.js is missing: make tools"
    bench = Bench(lambda: Adapter([node, str(ADAPTER)]))
    some = [case for n, case in enumerate(shipped()) if n % 50 == 0 or case.level == 0 or is_written(case)]
    once = (replace(case, tested=case.tested[-1:]) if isinstance(case, RunCase) else case for case in some)
    result = run(bench, Selection(tuple(once), 3, range(3)), ignore)
    assert [] == [f"{outcome.case} {outcome.tested}: {outcome.finding}" for outcome in result.failed]
    assert result.verdict == CONFORMS, result.fault


PLAYED = 7000
VERDICT: dict[str, Any] = {
    "verdict": CONFORMS,
    "levels": LEVELS,
    "played": PLAYED,
    "planned": PLAYED,
    "failed": [],
    "known": [],
    "fault": None,
}
STATEMENT: dict[str, Any] = {
    "implementation": {"name": "reference"},
    "paired": {"name": "takeover in JavaScript"},
    "verdict": CONFORMS,
    "level": 3,
    "digests": digests(),
}


def test_a_whole_run_that_conforms_has_no_problem() -> None:
    """The reference's, with the server in JavaScript beside it."""
    assert {"reference", "takeover in JavaScript"} == SERVERS.keys()
    assert [] == list(problems("reference", PLAYED, 0, VERDICT, STATEMENT))


@pytest.mark.parametrize(
    ("where", "key", "value", "told"),
    [
        ("verdict", "verdict", "violates", "verdict should be conforms, and is violates"),
        ("verdict", "levels", LEVELS | {"5": False}, "levels should be"),
        ("verdict", "played", PLAYED - 1, f"played should be {PLAYED}, and is {PLAYED - 1}"),
        ("verdict", "failed", [{"case": "failover"}], "failed should be [], and is"),
        ("statement", "paired", None, "paired with should be takeover in JavaScript, and is None"),
        ("statement", "level", 2, "the statement's level should be 3, and is 2"),
        ("statement", "digests", {}, "the statement's digests should be"),
    ],
)
def test_a_whole_run_that_does_not_conform_is_seen(where: str, key: str, value: object, told: str) -> None:
    """Whatever of what it says differs; its status alone too."""
    said = {"verdict": deepcopy(VERDICT), "statement": deepcopy(STATEMENT)}
    said[where][key] = value
    (problem,) = problems("reference", PLAYED, 0, said["verdict"], said["statement"])
    assert problem.startswith(f"reference: {told}")
    assert ["reference: status should be 0, and is 1"] == list(
        problems("reference", PLAYED, 1, VERDICT, STATEMENT)
    )
