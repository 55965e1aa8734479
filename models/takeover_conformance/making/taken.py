"""Which action a server takes in which role, and in which case: as the reference's does when it plays them all.

What the rules let a server do in a role has to happen in some case, and some case has to ask for it; or it is said here
why not. The role is the one that the server has before it acts; of a start, the one in which it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Any, get_args

from takeover_conformance.cases import Check, RunCase, Step, shipped
from takeover_conformance.playing.adapter_host import AdapterHost
from takeover_conformance.playing.bench import Bench, Playing, matches
from takeover_conformance.servers.inprocess import InProcess
from takeover_models.account import Account
from takeover_spec import actions as act
from takeover_spec.codec import kind_of

ROLES = ("passive", "active")

Pair = tuple[str, str]
"""An action and a role."""

PAIRS: tuple[Pair, ...] = tuple(
    (kind_of(kind), role) for kind in get_args(act.ServerAction) for role in ROLES
)

NOT_TAKEN: dict[Pair, str] = {
    ("drop", "active"): "whether a full queue drops anything is in a server's configuration (QUEUE-6), and no "
    "adapter is told how long its queue may be",
    ("disable", "passive"): "it has nothing to disable: it started hidden (ROLE-1), or was hidden as it stepped down",
    ("stop-applications", "passive"): "none run: they were stopped before it stepped down",
    ("hear-return", "active"): "a return is what a passive server takes it for (§8.7, §12.4)",
}  # fmt: skip
"""What the rules permit and the reference does in no case, and why that is no gap."""

NOT_ASKED: dict[Pair, str] = {
    ("trim", "active"): "an update may leave the unsafe queue once it is safe (§8.1), and need not",
    ("hear-release", "active"): "its peer's epoch is over, and it has nothing to take over",
    ("hear-goodbye", "active"): "it may leave that out (§8.7)",
}
"""What happens, and no case asks for, and why."""

Row = dict[str, Any]
"""A pair; the first case in which it occurs, and the first that asks for it."""


class Watched(Playing):
    """A case that is played, and what the server did in it that was asked for."""

    def __init__(self, bench: Bench, case: RunCase) -> None:
        tested = case.tested[-1]
        super().__init__(bench.world(case.setup, tested), case, tested)
        self.asked: set[Pair] = set()
        if case.situation is not None:
            self.enter(case.situation)
        for step in case.steps:
            self.take(step)

    def take(self, step: Step) -> None:
        """One step, and what it asks for."""
        super().take(step)
        if isinstance(step, Check) and step.must and "do" in step.pattern:
            pattern = {name: value for name, value in step.pattern.items() if name != "who"}
            host = self.about(step)
            done = list(_done(host.account))[self.looked.get(host.index, (0, 0, 0))[0] :]
            if isinstance(host, AdapterHost):
                self.asked |= {pair for action, pair in done if matches(pattern, "do", action)}

    def taken(self) -> set[Pair]:
        """What the servers did that are tested."""
        hosts = (host for host in self.world.servers if isinstance(host, AdapterHost))
        return {pair for host in hosts for _, pair in _done(host.account)}


def _done(account: Account) -> Iterator[tuple[act.Action, Pair]]:
    """What was done, with the roles in which it was."""
    active = bool(account.runs) and getattr(account.runs[0].header.found, "active", False)
    for action in account.actions():
        yield action, (kind_of(type(action)), ROLES[active])
        match action:
            case act.Start(active=starts):
                active = starts
            case act.TakeRole():
                active = True
            case act.StepDown():
                active = False
            case _:
                pass


def taken_in(case: RunCase) -> tuple[set[Pair], set[Pair]]:
    """What is done in a case, and what of it was asked for."""
    played = Watched(Bench(InProcess), case)
    return played.taken(), played.asked


@cache
def _runs() -> tuple[RunCase, ...]:
    return tuple(case for case in shipped() if isinstance(case, RunCase))


def _of(place: int) -> tuple[set[Pair], set[Pair]]:
    return taken_in(_runs()[place])


def rows() -> Iterator[Row]:
    """Each pair that occurs, on all cores."""
    runs = _runs()
    with ProcessPoolExecutor() as workers:
        played = list(workers.map(_of, range(len(runs)), chunksize=50))
    for pair in PAIRS:
        where = [
            next((run.name for run, sets in zip(runs, played, strict=True) if pair in sets[n]), None)
            for n in (0, 1)
        ]
        if where[0] is not None:
            yield {"action": pair[0], "role": pair[1], "case": where[0], "asked": where[1]}


def taken_text(lines: Iterable[Row]) -> str:
    """As a file."""
    return "".join(json.dumps(line) + "\n" for line in lines)


def shipped_taken() -> list[Row]:
    """What comes with the suite."""
    text = files("takeover_conformance.making").joinpath("taken.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def failures(lines: Sequence[Row], permitted: Iterable[Pair]) -> Iterator[str]:
    """What is wrong with a suite in which this is taken, if this is permitted."""
    taken = {(line["action"], line["role"]): line["asked"] for line in lines}
    permitted = tuple(permitted)
    for pair in permitted:
        told = f"{pair[0]} of {'an' if pair[1] == 'active' else 'a'} {pair[1]} server"
        if (pair in taken) is (pair in NOT_TAKEN):
            yield (
                f"{told} is in no case"
                if pair not in taken
                else f"{told} is in a case, and listed as in none"
            )
        elif pair in taken and (taken[pair] is not None) is (pair in NOT_ASKED):
            asked = (
                "is asked for, and listed as what is not" if pair in NOT_ASKED else "is asked for by no case"
            )
            yield f"{told} {asked}"
    for pair in {*taken, *NOT_TAKEN, *NOT_ASKED} - {*permitted}:
        yield f"{pair[0]} of a server that is {pair[1]} is not permitted by the rules"
