"""Campaigns in the lab: the pair as it is holds, and each way of weakening it is caught by the faults that are drawn.

The weakened programs are in `weakened/`. A seed was looked for whose first round breaks what finds the weakness out,
so that a test need not play hundreds; the pair as it is goes through all of these rounds. What hardly any seed draws is
directed: everything loses its power at once, the processor of the active server is taken.
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
from takeover.lab.faults import Cut, Kill, PowerCut, Role, Round, Starve, Switchover, Target, draw_rounds
from takeover.lab.keepalived import program
from takeover.lab.networks import Direction, Network
from takeover.lab.priority import keep_in_a_thread
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


OUTAGES = (
    Round((PowerCut(Target.ACTIVE, 600, 300, also_peer=True),)),
    Round(
        (
            PowerCut(Target.ACTIVE, 600, 300, also_peer=True),
            PowerCut(Target.WITNESS, 600, 300, also_peer=False),
        )
    ),
)
"""Every process of both servers is killed at one time, and then of the witness too."""

UNHEARD = Round(
    (Cut(Target.CLIENT, 125, 1_400, Network.PUBLIC, tuple(Direction)),), Switchover(100, 3_000, back=False)
)
"""The client's cable is out from before the takeover until its neighbours have been told five times of it."""

STARVED = Round((Starve(Target.ACTIVE, 0, 3_500, 400),))
"""The active server gets hardly any processor time for longer than its grants last."""

STOPPED, ISOLATED = (166, 1), (28867, 3)
"""A seed and its faults: the whole active server is stopped for longer than a grant lasts; it is cut off from
everybody, first from its peer, and the witness restarts."""


@dataclass(frozen=True)
class Play:
    """A campaign that is not the command's: other programs, times or rounds."""

    drawn: tuple[tuple[int, int], ...] = ()
    """Seeds, and how many faults of each."""
    rounds: tuple[Round, ...] = ()
    programs: Programs = field(default_factory=Programs)
    lease_ms: int = 1_000
    promise_ms: int = 1_000
    patience_ms: int = 2_000


GRANT_MS = 2_000
"""Of the plays of a weakened pair: the kernel ends an address in whole seconds."""

PLAYS = {
    "no-expiry": Play(
        (STOPPED,), programs=Programs(node=[*NODE, "no-expiry"]), lease_ms=GRANT_MS, promise_ms=GRANT_MS
    ),
    "re-enables": Play(
        (STOPPED,) * 3, programs=Programs(node=[*NODE, "re-enables"]), lease_ms=GRANT_MS, promise_ms=GRANT_MS
    ),
    "no-wait": Play(
        (ISOLATED,), programs=Programs(witness=[*WITNESS, "no-wait"]), lease_ms=GRANT_MS, promise_ms=GRANT_MS
    ),
    "as-it-is": Play((STOPPED, ISOLATED), lease_ms=GRANT_MS, promise_ms=GRANT_MS),
    "guesses": Play(((2927, 1),), programs=Programs(witness=[*WITNESS, "guesses"])),
    "lone-active": Play(rounds=(LONE_ACTIVE,), patience_ms=1_000),
    "outages": Play(rounds=(UNHEARD, *OUTAGES)),
    "starved": Play(rounds=(STARVED,), lease_ms=400, promise_ms=400),
}


# --- what runs inside ----------------------------------------------------------------------------


async def play(directory: Path, kind: str) -> dict[str, Any]:
    """A campaign; its report."""
    it = PLAYS[kind]
    timing = LAB_TIMING.of(lease_ms=it.lease_ms, promise_ms=it.promise_ms, patience_ms=it.patience_ms)
    rounds = [*it.rounds, *(drawn for each in it.drawn for drawn in draw_rounds(*each, it.lease_ms))]
    scene = LabScene(directory, True, timing, it.programs, writers=WRITERS, writes_per_second=60)
    evidence = await Campaign(scene, rounds, lambda line: print(line, file=sys.stderr)).run()
    asked = sum(len(drawn.faults) for drawn in rounds)
    return report_of(evidence, it.drawn[0][0] if it.drawn else 0, asked, scene.witness.kind)


def inside(kind: str, directory: Path) -> dict[str, Any]:
    """Play inside a lab's namespaces; the report, which is as its schema says."""
    launcher = [sys.executable, "-P", "-m", "takeover.lab.namespaces", "--ahead", "--"]
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
    """The very rounds that found each weakness out: one holder, nothing lost, and the service back after them."""
    report = inside("as-it-is", tmp_path)
    assert ("holds", [], 4) == (report["verdict"], report["findings"], report["faults"])
    assert (1, 0, 0) == tuple(report[key] for key in ("holders_max", "acknowledged_lost", "traces_broken"))
    assert report["acknowledged"] > 30


def test_what_only_an_operator_can_end_is_called_by_its_name(tmp_path: Path) -> None:
    """An active server that was alone, and restarts, stays passive (REJOIN-3) until it is promoted (REJOIN-4)."""
    report = inside("lone-active", tmp_path)
    assert ("holds", []) == (report["verdict"], report["findings"])
    assert (1, 0) == (report["holders_max"], report["acknowledged_lost"])
    assert ["declared not eligible"] == [promotion["need"] for promotion in report["promotions"]]


def test_everything_comes_back_without_a_person(tmp_path: Path) -> None:
    """After a takeover that the client could not hear of, and after both servers, and then the witness too, lost their
    power at once: under load, every process killed, and nothing acknowledged is lost."""
    report = inside("outages", tmp_path)
    assert ("holds", [], []) == (report["verdict"], report["findings"], report["promotions"])
    assert {"cut public out+in": 1, "double power cut": 2, "power cut": 1} == report["faults_by_kind"]
    assert 1 == report["switchovers"]["carried_out"]
    assert (1, 0) == (report["holders_max"], report["acknowledged_lost"])
    assert report["acknowledged"] > 30
    assert report["unknown"] > 0  # the load was there when the power went


def test_a_server_whose_processor_is_taken_loses_the_address_in_time(tmp_path: Path) -> None:
    """It could not give it up itself: the other one takes over meanwhile, and nobody sees two (ADDR-2)."""
    report = inside("starved", tmp_path)
    assert ("holds", [], {"starve": 1}) == (report["verdict"], report["findings"], report["faults_by_kind"])
    assert (1, 0, []) == (report["holders_max"], report["acknowledged_lost"], report["promotions"])
    assert report["longest_outage_ms"]["starve"] > 0  # it did lapse


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
    report, printed = campaign(tmp_path, "--faults", "8", "--seed", "42350")
    assert "8 faults of seed 42350" in printed
    assert (2, 1) == (report["switchovers"]["ordered"], report["witness_told"])
    assert {"kill keeper", "stop keeper"} <= set(report["faults_by_kind"])
    rival = report["keepalived"]
    assert {"kill keeper", "wiped disk"} <= set(rival["faults_absent_by_kind"])
    assert report["faults_asked"] == sum(rival[f"faults{which}"] for which in ("", "_missed", "_absent"))
    assert ("violated", 2) == (rival["verdict"], rival["holders_max"])
    assert rival["two_holders_ms"] > 100
    assert report["rounds"] == rival["rounds"]
    assert ["holders", "at", "most", "1", "2"] in [line.split() for line in printed.splitlines()]
    drawn = [
        [(fault.kind, fault.target.value, fault.at_ms, fault.lasts_ms) for fault in drawn.faults]
        for drawn in draw_rounds(42350, 8, LAB_TIMING.lease_ms)
    ]
    assert drawn == [
        [(fault["kind"], fault["target"], fault["at_ms"], fault["lasts_ms"]) for fault in played["faults"]]
        for played in report["rounds_played"]
    ]


def test_a_campaign_with_the_witness_in_etcd_holds(tmp_path: Path) -> None:
    """A real one, which is killed and loses its disk as the built-in one does; its record's history is a trace."""
    report, _ = campaign(tmp_path, "--faults", "5", "--seed", "15725", "--witness", "etcd")
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
    keep_in_a_thread()
    print(json.dumps(asyncio.run(play(Path(sys.argv[2]), sys.argv[1]))))
