"""What a campaign learned, and how a pair stands that does not serve."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from takeover.commands.check_trace import Break, Judged
from takeover.demo.client import WriteRecord
from takeover.demo.configurations import SERVERS
from takeover.demo.judgement import Loss
from takeover.demo.statuses import Statuses
from takeover.lab.holding import Played
from takeover.lab.looking import Looked
from takeover.lab.operating import Order
from takeover.lab.promotions import Promotion

BOTH_DOWN_TO_ONE = "both down to one"
"""Neither server may become active by itself: the last active one was alone, and has restarted or lapsed."""

_LEFT_BEHIND = ("not recorded as eligible", "data belongs to an epoch that is over")
"""What the other one says then, on the witness's word or on its own."""


@dataclass(slots=True)
class Evidence:
    """What a campaign learned."""

    lease_ns: int
    rounds: list[Played] = field(default_factory=list)
    """Those that were begun."""
    back_ns: list[int] = field(default_factory=list)
    """After each round, from the mending to the first write that was begun later and acknowledged."""
    promotions: Sequence[Promotion] = ()
    """Every promotion that an operator ordered, with its need."""
    told: int = 0
    """How often an operator told a witness what it is that had lost its disk."""
    knew: int = 0
    """How often a witness that had lost its disk had a record before anybody told it what it is."""
    problem: str = ""
    """Why it was broken off; empty if it was not."""
    not_back: str = ""
    """How it stood when the service did not come back; empty if it always did."""
    ended_unasked: Sequence[str] = ()
    writes: Sequence[WriteRecord] = ()
    found: Mapping[str, str] | None = None
    """Every key and value at the end; None if they could not be read."""
    observation: Looked | None = None
    traces: Sequence[Judged] = ()
    cut: Collection[Path] = ()
    """The traces whose end may be missing: of runs that did not end in good order."""
    breaks: Sequence[Break] = ()
    losses: Sequence[Loss] = ()
    """The loss statements of all servers."""
    differing: Sequence[str] = ()
    """The files in which the copies of two servers that had caught up differ."""

    @property
    def orders(self) -> list[Order]:
        """Every switchover that was ordered."""
        return [order for played in self.rounds for order in played.orders]


def both_down_to_one(statuses: Statuses) -> bool:
    """Whether both servers say that they may not become active, one of them because it was."""
    refrains = [said["last_refrain"] or {} for said in statuses.values() if said["role"] == "passive"]
    returned = [refrain.get("clause") == "REJOIN-3" for refrain in refrains]
    left_behind = [any(word in refrain.get("reason", "") for word in _LEFT_BEHIND) for refrain in refrains]
    each = [one or other for one, other in zip(returned, left_behind, strict=True)]
    return len(refrains) == len(SERVERS) and all(each) and any(returned)


def situation(statuses: Statuses) -> str:
    """How the servers stand, in a line; by its name, if it is the one that only an operator can end."""
    told = "; ".join(
        f"{name} is {said['role']} in epoch {said['epoch']}"
        + (f", refrains: {said['last_refrain']['reason']}" if said["last_refrain"] else "")
        for name, said in statuses.items()
    )
    return f"{BOTH_DOWN_TO_ONE if both_down_to_one(statuses) else 'not in sync'}: {told or 'no answer'}"
