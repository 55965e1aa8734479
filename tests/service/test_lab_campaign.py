"""Campaigns in the lab: the pair as it is holds, and each way of weakening it is caught.

The weakened programs are in `weakened/`; what they are subjected to is a round of its own that finds the weakness
out, and the pair as it is goes through the same rounds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from takeover.cli import Exit, main
from takeover.lab.campaign import WRITERS, Campaign
from takeover.lab.faults import Cut, Fault, Kill, PowerCut, Role, Stop, Target
from takeover.lab.scene import LAB_TIMING, LabScene, Programs
from takeover.lab.verdict import report_of
from takeover.lab.wire import Direction, Network

DEADLINE_S = 200
SCHEMA = json.loads(files("takeover").joinpath("lab", "campaign.schema.json").read_text())
WEAKENED = Path(__file__).parent / "weakened"
BOTH_WAYS = tuple(Direction)

STOPPED: tuple[Fault, ...] = (Stop(Target.ACTIVE, 0, 3_500, Role.SERVICE),)
"""The active server is stopped for longer than its grants last, and goes on."""

GRANTED_TOO_SOON: tuple[Fault, ...] = (
    Cut(Target.ACTIVE, 0, 8_000, Network.CHANNEL, BOTH_WAYS),
    Cut(Target.ACTIVE, 3_300, 4_000, Network.PUBLIC, BOTH_WAYS),
    Kill(Target.WITNESS, 3_300, 50, Role.SERVICE),
)
"""The active server has only its lease left; the witness that gave it is restarted, and nobody hears the active one."""

LONE_ACTIVE: tuple[Fault, ...] = (
    PowerCut(Target.PASSIVE, 0, 6_000, also_peer=False),
    Kill(Target.ACTIVE, 3_500, 100, Role.SERVICE),
)
"""The active server goes on without its peer, and is then restarted."""

DOUBLE_POWER_CUT: tuple[Fault, ...] = (PowerCut(Target.ACTIVE, 0, 500, also_peer=True),)


# --- what runs inside ----------------------------------------------------------------------------


async def play(directory: Path, kind: str) -> dict[str, Any]:
    """A campaign of given rounds; its report."""
    node = [sys.executable, "-P", str(WEAKENED / "node.py"), kind]
    witness = [sys.executable, "-P", str(WEAKENED / "witness.py")]
    programs, rounds, grant_ms, patience_ms = {
        "no-expiry": (Programs(node=node), [STOPPED], 1_000, 30_000),
        "re-enables": (Programs(node=node), [STOPPED], 2_000, 30_000),
        "no-wait": (Programs(witness=witness), [GRANTED_TOO_SOON], 3_000, 30_000),
        "as-it-is": (Programs(), [STOPPED, GRANTED_TOO_SOON, DOUBLE_POWER_CUT], 2_000, 30_000),
        "lone-active": (Programs(), [LONE_ACTIVE], 1_000, 1_000),
    }[kind]
    timing = LAB_TIMING.of(lease_ms=grant_ms, promise_ms=grant_ms, patience_ms=patience_ms)
    scene = LabScene(directory, True, timing, programs, writers=WRITERS, writes_per_second=60)
    evidence = await Campaign(scene, rounds, lambda line: print(line, file=sys.stderr)).run()
    return report_of(evidence, seed=0, asked=sum(map(len, rounds)))


def inside(kind: str, directory: Path) -> dict[str, Any]:
    """Play inside a lab's namespaces; the report, which is as its schema says."""
    launcher = [sys.executable, "-P", "-m", "takeover.lab.namespaces", "--"]
    command = [*launcher, sys.executable, "-P", __file__, kind, str(directory)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    print(ended.stderr)
    return validated(json.loads(ended.stdout))


def validated(report: Any) -> dict[str, Any]:
    Draft202012Validator(SCHEMA).validate(report)
    assert isinstance(report, dict)
    return report


# --- the tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("no-expiry", {"one-holder"}),  # ADDR-2
        ("re-enables", {"one-holder"}),  # ADDR-2
        ("no-wait", {"one-holder", "LEASE-3"}),
    ],
)
def test_a_weakened_pair_is_caught(tmp_path: Path, kind: str, about: set[str]) -> None:
    """An address that nothing ends, a resumed process that puts it back, a witness that does not wait."""
    report = inside(kind, tmp_path)
    violated = {finding["about"] for finding in report["findings"] if finding["verdict"] == "violated"}
    assert ("violated", 2) == (report["verdict"], report["holders_max"])
    assert about <= violated


def test_the_pair_as_it_is_goes_through_the_same(tmp_path: Path) -> None:
    """One holder, nothing lost, and the service back after each."""
    report = inside("as-it-is", tmp_path)
    assert ("holds", []) == (report["verdict"], report["findings"])
    assert (5, 3, 1, 0, 0) == tuple(
        report[key] for key in ("faults", "rounds", "holders_max", "acknowledged_lost", "traces_broken")
    )
    assert report["acknowledged"] > 100
    assert 3 + 1 + 2 == report["traces_checked"]


def test_what_only_an_operator_can_end_is_called_by_its_name(tmp_path: Path) -> None:
    """An active server that was alone, and restarts, stays passive (REJOIN-3) until it is promoted (REJOIN-4)."""
    report = inside("lone-active", tmp_path)
    assert ("holds", []) == (report["verdict"], report["findings"])
    assert (1, 1, 0) == (report["promoted"], report["holders_max"], report["acknowledged_lost"])


def takeover(*words: str) -> subprocess.CompletedProcess[str]:
    """A command, as a user runs it."""
    command = [sys.executable, "-P", "-m", "takeover", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def rounds_in(output: str) -> Sequence[str]:
    """What was broken when, and for how long; which machine had which role is left out."""
    words = (" ".join(line.split()[2:]) for line in output.splitlines() if " round " in line)
    return [line.replace("(primary)", "").replace("(secondary)", "") for line in words]


def test_a_short_campaign_holds(tmp_path: Path) -> None:
    """Random faults, one holder, nothing lost, every trace obeys; it says its seed."""
    ended = takeover(
        "lab", "campaign", "--faults", "12", "--seed", "3", "--json", str(tmp_path / "report.json")
    )
    report = validated(json.loads((tmp_path / "report.json").read_text()))
    assert (Exit.HOLDS, "holds", []) == (ended.returncode, report["verdict"], report["findings"]), (
        ended.stdout
    )
    assert 12 == report["faults"] + report["faults_missed"] == report["faults_asked"]
    assert 1 == report["holders_max"]
    assert 0 == report["acknowledged_lost"] == report["traces_broken"]
    assert report["observer_samples"] > 500
    assert "12 faults of seed 3" in ended.stdout


def test_nothing_but_help_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and what there is."""
    assert Exit.USAGE == main(["lab"])
    assert "campaign" in capsys.readouterr().out


def test_times_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    """Status 2, with what is wrong, and nothing is played."""
    ended = takeover("lab", "campaign", "--lease-ms", "200", "--keep", str(tmp_path / "kept"))
    assert Exit.USAGE == ended.returncode
    assert "lease_ms" in ended.stderr


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play(Path(sys.argv[2]), sys.argv[1]))))
