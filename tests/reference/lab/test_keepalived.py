"""The comparison with keepalived, as far as it goes without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from takeover.demo.parties import Party
from takeover.lab import keepalived
from takeover.observer import Observation


def test_it_is_looked_for_where_it_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the path of whoever asks."""
    program = tmp_path / "keepalived"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(program) == keepalived.program()


def test_the_time_of_two_holders_is_added_up() -> None:
    """From each change to the next."""
    changes = ((0, 0), (10, 1), (20, 2), (25, 1), (40, 3), (47, 0))
    assert 5 + 7 == keepalived._two_holders_ns(Observation(9, 3, changes, 1))


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
