"""Campaigns in the lab: the pair as it is holds, and each way of weakening it is caught by the faults that are drawn.

The weakened programs are in `weakened/`. A seed was looked for whose first rounds break what finds the weakness out,
so that a test need not play hundreds; the pair as it is goes through the hardest of them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from takeover.cli import Exit, main
from takeover.lab.campaign import WRITERS, Campaign
from takeover.lab.faults import Kill, PowerCut, Role, Round, Target, draw_rounds
from takeover.lab.keepalived import program
from takeover.lab.report import report_of
from takeover.lab.scene import LAB_TIMING, LabScene, Programs

DEADLINE_S = 200
SCHEMA = json.loads(files("takeover").joinpath("lab", "campaign.schema.json").read_text())
WEAKENED = Path(__file__).parent / "weakened"

NODE = [sys.executable, "-P", str(WEAKENED / "node.py")]
WITNESS = [sys.executable, "-P", str(WEAKENED / "witness.py")]

LONE_ACTIVE = Round(
    (
        PowerCut(Target.PASSIVE, 0, 6_000, also_peer=False),
        Kill(Target.ACTIVE, 3_500, 100, Role.SERVICE),
    )
)
"""The active server goes on without its peer, and is then restarted. No seed draws that."""


@dataclass(frozen=True)
class Play:
    """A campaign that is not the command's: other programs, times or rounds."""

    seed: int = 0
    faults: int = 0
    """How many are drawn; 0 for the rounds given."""
    rounds: tuple[Round, ...] = ()
    programs: Programs = field(default_factory=Programs)
    lease_ms: int = 1_000
    promise_ms: int = 1_000
    patience_ms: int = 2_000


PLAYS = {
    "no-expiry": Play(179, 2, programs=Programs(node=[*NODE, "no-expiry"])),
    "re-enables": Play(
        179, 2, programs=Programs(node=[*NODE, "re-enables"]), lease_ms=2_000, promise_ms=2_000
    ),  # the kernel ends an address in whole seconds
    "no-wait": Play(
        32, 3, programs=Programs(witness=[*WITNESS, "no-wait"]), lease_ms=3_000, promise_ms=3_000
    ),
    "guesses": Play(66, 1, programs=Programs(witness=[*WITNESS, "guesses"])),
    "as-it-is": Play(32, 3, lease_ms=3_000, promise_ms=3_000),
    "lone-active": Play(rounds=(LONE_ACTIVE,), patience_ms=1_000),
}


# --- what runs inside ----------------------------------------------------------------------------


async def play(directory: Path, kind: str) -> dict[str, Any]:
    """A campaign; its report."""
    it = PLAYS[kind]
    timing = LAB_TIMING.of(lease_ms=it.lease_ms, promise_ms=it.promise_ms, patience_ms=it.patience_ms)
    rounds = list(it.rounds or draw_rounds(it.seed, it.faults, it.lease_ms))
    scene = LabScene(directory, True, timing, it.programs, writers=WRITERS, writes_per_second=60)
    evidence = await Campaign(scene, rounds, lambda line: print(line, file=sys.stderr)).run()
    asked = sum(len(drawn.faults) for drawn in rounds)
    return report_of(evidence, it.seed, asked, scene.witness.kind)


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
    assert ("violated", 2) == (report["verdict"], report["holders_max"])
    assert about <= violated(report)


def test_a_witness_that_guesses_is_caught(tmp_path: Path) -> None:
    """One that lost its disk grants nothing before a person has told it what it is (LEASE-3)."""
    report = inside("guesses", tmp_path)
    assert ("violated", 0) == (report["verdict"], report["witness_told"])
    assert "LEASE-3" in violated(report)


def test_the_pair_as_it_is_goes_through_the_same(tmp_path: Path) -> None:
    """What found the witness out that does not wait: one holder, nothing lost, and the service back after it."""
    report = inside("as-it-is", tmp_path)
    assert ("holds", [], 3) == (report["verdict"], report["findings"], report["faults"])
    assert (1, 0, 0) == tuple(report[key] for key in ("holders_max", "acknowledged_lost", "traces_broken"))
    assert report["acknowledged"] > 30


def test_what_only_an_operator_can_end_is_called_by_its_name(tmp_path: Path) -> None:
    """An active server that was alone, and restarts, stays passive (REJOIN-3) until it is promoted (REJOIN-4)."""
    report = inside("lone-active", tmp_path)
    assert ("holds", []) == (report["verdict"], report["findings"])
    assert (1, 1, 0) == (report["promoted"], report["holders_max"], report["acknowledged_lost"])


def violated(report: dict[str, Any]) -> set[str]:
    """What was found to be violated."""
    return {finding["about"] for finding in report["findings"] if finding["verdict"] == "violated"}


def takeover(*words: str) -> subprocess.CompletedProcess[str]:
    """A command, as a user runs it."""
    command = [sys.executable, "-P", "-m", "takeover", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def campaign(tmp_path: Path, *words: str) -> tuple[dict[str, Any], str]:
    """A campaign that holds: its report, and what it printed."""
    ended = takeover("lab", "campaign", "--json", str(tmp_path / "report.json"), *words)
    report = validated(json.loads((tmp_path / "report.json").read_text()))
    print(ended.stdout)
    assert (Exit.HOLDS, "holds", []) == (ended.returncode, report["verdict"], report["findings"]), (
        ended.stderr
    )
    assert report["faults_asked"] == report["faults"] + report["faults_missed"]
    assert (1, 0, 0) == tuple(report[key] for key in ("holders_max", "acknowledged_lost", "traces_broken"))
    assert report["observer_samples"] > 500
    return report, ended.stdout


def test_a_short_campaign_holds_and_is_put_beside_keepalived(tmp_path: Path) -> None:
    """Random faults and orders, one holder, nothing lost, every trace obeys; keepalived has two holders."""
    assert program() is not None, "keepalived is not installed: see .ci/run"
    report, printed = campaign(tmp_path, "--faults", "8", "--seed", "442")
    assert "8 faults of seed 442" in printed
    assert (2, 1) == (report["switchovers"]["ordered"], report["witness_told"])
    rival = report["keepalived"]
    assert ("violated", 2) == (rival["verdict"], rival["holders_max"])
    assert rival["two_holders_ms"] > 100
    assert report["rounds"] == rival["rounds"]
    assert ["holders", "at", "most", "1", "2"] in [line.split() for line in printed.splitlines()]
    drawn = [
        [(fault.kind, fault.target.value, fault.at_ms, fault.lasts_ms) for fault in drawn.faults]
        for drawn in draw_rounds(442, 8, LAB_TIMING.lease_ms)
    ]
    assert drawn == [
        [(fault["kind"], fault["target"], fault["at_ms"], fault["lasts_ms"]) for fault in played["faults"]]
        for played in report["rounds_played"]
    ]


def test_a_campaign_with_the_witness_in_etcd_holds(tmp_path: Path) -> None:
    """A real one, which is killed and loses its disk as the built-in one does; its record's history is a trace."""
    report, _ = campaign(tmp_path, "--faults", "5", "--seed", "13718", "--witness", "etcd")
    assert ("etcd", 1, 2) == (report["witness"], report["witness_told"], report["switchovers"]["ordered"])
    assert {"kill service", "wiped disk"} <= set(report["faults_by_kind"])


def test_nothing_but_help_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and what there is."""
    assert Exit.USAGE == main(["lab"])
    assert "campaign" in capsys.readouterr().out


def test_times_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    """Status 2, with what is wrong, and nothing is played."""
    ended = takeover("lab", "campaign", "--lease-ms", "200", "--keep", str(tmp_path / "kept"))
    assert Exit.USAGE == ended.returncode
    assert "lease_ms" in ended.stderr


def test_a_witness_in_etcd_needs_etcd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 2, and what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = takeover("lab", "campaign", "--witness", "etcd", "--keep", str(tmp_path / "kept"))
    assert Exit.USAGE == ended.returncode
    assert "etcd is not installed here" in ended.stderr


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play(Path(sys.argv[2]), sys.argv[1]))))
