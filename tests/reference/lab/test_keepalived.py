"""The comparison with keepalived, as far as it goes without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from takeover.demo.parties import Party
from takeover.lab import keepalived
from takeover.lab.faults import Cut, Fault, Kill, Restart, Role, Stop, Target
from takeover.lab.holding import Played
from takeover.lab.looking import Looked
from takeover.lab.networks import Direction, Network
from takeover.lab.report import figures


def test_it_is_looked_for_where_it_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the path of whoever asks."""
    program = tmp_path / "keepalived"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(program) == keepalived.program()


def test_two_holders_are_a_violation_and_nothing_seen_is_nothing_shown() -> None:
    """It has a verdict of its own, from what is asked of both."""
    seen = Looked(9, 2, ((0, 0), (10, 2)), 1, (), (9,))
    played = Played("primary", 0, 20, [Stop(Target.ACTIVE, 0, 1, Role.SERVICE)])

    def verdict(played: Played, seen: Looked | None) -> object:
        return keepalived.report_of_rival(figures([played], seen))["verdict"]

    assert "violated" == verdict(played, seen)
    assert "holds" == verdict(played, replace(seen, holders_max=1))
    assert "incomplete" == verdict(played, replace(seen, holders_max=0))
    assert "incomplete" == verdict(played, None)
    assert "incomplete" == verdict(Played("primary", 0, 20), seen)


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        (Stop(Target.ACTIVE, 0, 1, Role.SERVICE), True),
        (Stop(Target.PASSIVE, 0, 1, Role.ALL), True),
        (Cut(Target.CLIENT, 0, 1, Network.PUBLIC, (Direction.IN,)), True),
        (Restart(Target.WITNESS, 0, 1), False),
        *((Kill(Target.ACTIVE, 0, 1, role), False) for role in (Role.GUARD, Role.APPLICATION, Role.KEEPER)),
    ],
)
def test_what_it_does_not_have_is_left_out(fault: Fault, there: bool) -> None:
    """The witness, the guard, the application and its keeper."""
    assert there == keepalived.has(fault)


def test_what_is_left_out_is_counted_apart_from_what_was_missed() -> None:
    """By kind, so that the two sides can be compared."""
    missed, absent = Stop(Target.ACTIVE, 0, 1, Role.SERVICE), Kill(Target.ACTIVE, 0, 1, Role.GUARD)
    told = figures([Played("primary", 0, 20, [], [missed], [], [absent])], None)
    assert (0, 1, 1) == (told["faults"], told["faults_missed"], told["faults_absent"])
    assert ({}, {"kill guard": 1}) == (told["faults_by_kind"], told["faults_absent_by_kind"])


def test_both_get_the_same_but_for_their_priority() -> None:
    """Adverts come as often as the pair's beat, and the address is the pair's."""
    one, other = (keepalived._configuration(priority, 100) for priority in (150, 100))
    assert one.replace("priority 150", "priority 100") == other
    assert "advert_int 0.1\n" in one
    assert "10.77.0.10/24" in one


def test_a_stranger_runs_as_it_is_told(tmp_path: Path) -> None:
    """Its command is its own: there is no option for a configuration of takeover's."""
    assert ["sleep", "9"] == Party("witness", tmp_path, None, ["sleep", "9"], configured=False).argv
    assert "--config" in Party("witness", tmp_path).argv
