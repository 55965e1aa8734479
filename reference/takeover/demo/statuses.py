"""What the servers of a demonstration say of themselves, asked all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from takeover.control.client import ask
from takeover.demo.configurations import SERVERS
from takeover.demo.parties import Party
from takeover.errors import EnvironmentFault, PeerError

Statuses = dict[str, dict[str, Any]]

ANSWER_TIMEOUT_S = 1.0
"""How long a server may take to answer, in seconds; one that is stopped never does."""


async def statuses_of(parties: Mapping[str, Party]) -> Statuses:
    """What each server that answers says of itself."""
    answers = await asyncio.gather(*(asyncio.to_thread(_status, parties[name]) for name in SERVERS))
    return {name: answer for name, answer in zip(SERVERS, answers, strict=True) if answer is not None}


def _status(party: Party) -> dict[str, Any] | None:
    try:
        return ask(party.data_directory, "status", ANSWER_TIMEOUT_S)
    except (EnvironmentFault, PeerError):
        return None  # it is starting, stopped or killed


def active_of(statuses: Statuses) -> str | None:
    """The server that is active, whatever its peer is; None when none says so."""
    return next((name for name, said in statuses.items() if said["role"] == "active"), None)


def in_sync(statuses: Statuses) -> str | None:
    """The server that is active with a peer that may take over from it; None when there is none."""
    if set(statuses) != set(SERVERS):
        return None
    for name, other in (SERVERS, SERVERS[::-1]):
        mine, peers = statuses[name], statuses[other]
        follows = (
            peers["role"] == "passive" and not peers["resynchronise"] and peers["epoch"] == mine["epoch"]
        )
        if mine["role"] == "active" and mine["serving"] and mine["eligible_declared"] and follows:
            return name
    return None


def caught_up(statuses: Statuses) -> bool:
    """Whether the pair is in sync, and the passive server has applied everything."""
    name = in_sync(statuses)
    if name is None:
        return False
    other = other_server(name)
    return bool(statuses[other]["applied"] == statuses[name]["logged"] == statuses[name]["acknowledged"])


def other_server(name: str) -> str:
    """The peer of a server."""
    return SERVERS[1 - SERVERS.index(name)]
