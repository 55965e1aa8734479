"""How each application is, for the operator: stopped, starting, well or failing; since when; and what was wrong last.

That the applications were told to start says nothing about whether one of them runs. So each is followed here from what
is done to it and what its checks say. One that fails is `failing` until it is well again, however often it is started
in between: an operator wants to know since when it does not work, and not that it is being tried once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any


class State(Enum):
    """How an application is."""

    STOPPED = "stopped"
    STARTING = "starting"
    WELL = "well"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Condition:
    """How one application is."""

    name: str
    state: State
    since: datetime
    reason: str = ""
    """What was wrong with it last, also when that is over; empty if nothing was since the node started."""


class Conditions:
    """How all applications of a node are."""

    def __init__(self, names: Iterable[str]) -> None:
        """All are stopped."""
        now = datetime.now(UTC)
        self._conditions = {name: Condition(name, State.STOPPED, now) for name in names}

    def __getitem__(self, name: str) -> Condition:
        return self._conditions[name]

    @property
    def all_are_well(self) -> bool:
        """Whether each is well; so it is where there is none."""
        return all(condition.state is State.WELL for condition in self._conditions.values())

    def starts(self, name: str) -> None:
        """It is being started, perhaps once more."""
        if self[name].state is not State.FAILING:
            self._change(name, State.STARTING)

    def is_well(self, name: str) -> None:
        """It is ready, or a check found it well."""
        self._change(name, State.WELL)

    def fails(self, name: str, reason: str) -> None:
        """It ended, did not start, or a check found it unwell."""
        self._change(name, State.FAILING, reason)

    def is_stopped(self, name: str) -> None:
        """It was stopped, to be started again with the others."""
        if self[name].state is not State.FAILING:
            self._change(name, State.STOPPED)

    def are_stopped(self) -> None:
        """The role is lost: none of them runs, or should."""
        for name in self._conditions:
            self._change(name, State.STOPPED)

    def as_values(self) -> list[dict[str, Any]]:
        """Plain values, for the status."""
        return [
            {
                "name": condition.name,
                "state": condition.state.value,
                "since": condition.since.isoformat(timespec="milliseconds"),
                "reason": condition.reason,
            }
            for condition in self._conditions.values()
        ]

    def _change(self, name: str, state: State, reason: str = "") -> None:
        before = self[name]
        since = before.since if before.state is state else datetime.now(UTC)
        self._conditions[name] = replace(before, state=state, since=since, reason=reason or before.reason)
