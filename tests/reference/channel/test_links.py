"""What the links log of what they hear."""

from __future__ import annotations

import logging

import pytest

from takeover.channel.links import Refusals
from takeover_spec import wire


def refusal(current: int, reason: str) -> wire.NotLeased:
    """The witness, which knows of this epoch, refuses."""
    return wire.NotLeased(7, 1, 1, current, "LEASE-3", reason)


def test_a_refusal_is_logged_once_until_another_or_a_lease(caplog: pytest.LogCaptureFixture) -> None:
    """A challenger asks many times a second; its log is for people."""
    refusals = Refusals()
    with caplog.at_level(logging.INFO, "takeover"):
        for message in (
            refusal(7, "a"),
            refusal(7, "a"),
            refusal(7, "b"),
            wire.Recorded(7, 1, True),
            refusal(7, "b"),
            wire.Leased(7, 1, 1),
            refusal(7, "b"),
        ):
            refusals.heard(message, 7)
    assert ["a", "b", "b"] == [record.getMessage().split(": ")[1] for record in caplog.records]


def test_a_witness_behind_its_server_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Its record was lost or is an older one: an operator has to see that, with both epochs."""
    with caplog.at_level(logging.INFO, "takeover"):
        Refusals().heard(refusal(5, "it knows only older epochs"), 6)
        Refusals().heard(refusal(6, "the lease of the holder has not run out"), 6)
    behind, usual = caplog.records
    assert (logging.ERROR, logging.INFO) == (behind.levelno, usual.levelno)
    assert "is behind this server" in behind.getMessage()
    assert {"clause": "LEASE-3", "witness_epoch": 5, "epoch": 6} == vars(behind)["fields"]
