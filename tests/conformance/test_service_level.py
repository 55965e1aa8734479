"""Level 4: the service that is shipped is tried on machines of a lab; a right one passes, a weakened one is caught."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from takeover.cli import Exit
from takeover.demo.parties import service
from takeover_conformance.playing.service import ServiceCase, read_service_cases, service_cases
from takeover_spec.codec import Malformed
from takeover_spec.rules import RULES

REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]
WEAKENED = Path(__file__).parents[1] / "service" / "weakened" / "node.py"
DEADLINE_S = 240


def conform(tmp_path: Path, command: list[str], case: str) -> tuple[int, dict[str, Any], str]:
    """Status, verdict and words of a run of one case of level 4."""
    report = tmp_path / "report.json"
    options = ["--service", " ".join(command), "--case", case, "--json", str(report)]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "takeover", "conform", *options, "--", *REFERENCE],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    print(ended.stdout, ended.stderr)
    verdict = json.loads(report.read_text()) if report.exists() else {}
    return ended.returncode, verdict, ended.stdout + ended.stderr


def test_the_reference_gives_the_address_up_when_its_machine_stops(tmp_path: Path) -> None:
    """A real pair, of which every process is stopped past its grants: one holder, nothing lost, and back."""
    status, verdict, _ = conform(tmp_path, service("primary"), "machine-is-stopped-past-its-grants")
    assert (Exit.HOLDS, "conforms", 1) == (status, verdict["verdict"], verdict["played"])


def test_a_holder_that_has_to_run_to_give_up_is_caught(tmp_path: Path) -> None:
    """ADDR-2: nothing ends its address but itself, and so two servers have it."""
    weak = [sys.executable, "-P", str(WEAKENED), "no-expiry"]
    status, verdict, told = conform(tmp_path, weak, "machine-is-stopped-past-its-grants")
    assert (Exit.VIOLATED, ["one-holder"]) == (status, [failed["clause"] for failed in verdict["failed"]])
    assert "2 holders of the public address at once" in told
    again = [
        "takeover",
        "conform",
        "--service",
        shlex.join(weak),
        "--case",
        "machine-is-stopped-past-its-grants",
    ]
    assert f"again: {shlex.join([*again, '--', *REFERENCE])}" in told


def test_a_service_that_does_not_run_is_no_wrong_server(tmp_path: Path) -> None:
    """It has a status of its own, and what it said at its end is told."""
    status, verdict, told = conform(tmp_path, [sys.executable, "-c", "print(1/0)"], "witness-is-killed")
    assert (Exit.UNDECIDED, "undecided") == (status, verdict["verdict"])
    assert "ZeroDivisionError" in told


def test_a_service_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """Before anything is played."""
    status, _, told = conform(tmp_path, ["/no/such/service"], "witness-is-killed")
    assert status == Exit.USAGE
    assert "/no/such/service is no program" in told


def test_an_adapter_is_judged_where_no_lab_can_be_built(tmp_path: Path) -> None:
    """Whoever installed what judging adapters needs does not need what builds a lab; asking for one names the extra."""
    without = "import sys; sys.modules['pyroute2'] = None; from takeover.cli import main; sys.exit(main(sys.argv[1:]))"
    for options, status, told in ((["--list"], 0, "LEASE-1"), (["--service", "true"], 2, "takeover[lab]")):
        command = [sys.executable, "-P", "-c", without, "conform", *options, "--", *REFERENCE]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert (status, True) == (ended.returncode, told in ended.stdout + ended.stderr), ended.stderr


def test_cases_have_names_of_their_own_and_are_about_clauses() -> None:
    """Each says which mistake it hunts; each kind of pair is tried."""
    cases = service_cases()
    assert len(cases) == len({case.name for case in cases}) > 10
    assert {clause for case in cases for clause in case.clauses} <= {rule.clause for rule in RULES}
    assert all(case.why and case.faults for case in cases)
    assert {"both", "primary", "secondary"} == {tested for case in cases for tested in case.tested}


GOOD: dict[str, Any] = {
    "name": "x",
    "clauses": ["ADDR-2"],
    "why": "y",
    "tested": ["both"],
    "faults": [{"fault": "kill", "target": "active", "role": "service", "at_ms": 1, "lasts_ms": 2}],
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"faults": [{**GOOD["faults"][0], "fault": "melt"}]}, "'melt' is no fault of a service"),
        ({"faults": [{**GOOD["faults"][0], "target": "cat"}]}, "cat"),
        ({"faults": [{"fault": "kill"}]}, "'target' is missing"),
        ({"tested": ["nobody"]}, "nobody"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(change: dict[str, Any], told: str) -> None:
    """With its line."""
    assert [ServiceCase] == [type(case) for case in read_service_cases("f", json.dumps(GOOD).encode())]
    with pytest.raises(Malformed, match=told) as caught:
        read_service_cases("f", b"\n".join(json.dumps(line).encode() for line in (GOOD, {**GOOD, **change})))
    assert "f:2" in str(caught.value)
