"""Where a demo plays, and that it says why."""

from __future__ import annotations

import pytest

from takeover.cli import Exit, main
from takeover.demo import command


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Not in a lab, on a machine that allows none."""
    monkeypatch.delenv("TAKEOVER_LAB", raising=False)
    monkeypatch.setattr(command, "refusal", lambda: "new network namespace: not on this machine")
    return monkeypatch


def test_without_a_lab_it_is_the_loopback_interface(outside: pytest.MonkeyPatch) -> None:
    """And the reason is told."""
    assert (
        "loopback",
        "no lab on this machine: new network namespace: not on this machine",
    ) == command._choose("synchronous")
    outside.setattr(command, "refusal", lambda: "")
    assert ("lab", "") == command._choose("synchronous")
    assert "loopback" == command._choose("asynchronous")[0]


def test_a_lab_that_was_asked_for_and_cannot_be_is_an_error(
    outside: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, with the kernel's reason, and nothing is started."""
    assert Exit.USAGE == main(["demo", "--where", "lab"])
    assert "no lab on this machine: new network namespace: not on this machine" in capsys.readouterr().err
