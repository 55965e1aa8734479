"""The operator of a campaign: what a person does at a pair, with the commands and orders that a person has.

Three things: order a switchover, tell a witness that lost its disk what it is, and promote a server when both are
down to one. It looks at nothing but what `takeover status` shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from takeover.control.client import NotRunning, ask
from takeover.demo.statuses import Statuses, active_of, in_sync, statuses_of
from takeover.errors import EnvironmentFault, PeerError
from takeover.lab.faults import Switchover
from takeover.lab.promotions import Ordered
from takeover.lab.scene import LabScene
from takeover.linux import boottime_ns

ANSWER_S = 15.0
"""How long a server may take to answer beyond the time that it was given, in seconds."""

BACK_TIMEOUT_S = 8.0
"""For how long the operator waits for a pair in sync before it gives up ordering the switchover back, in seconds."""

_LOOK_S = 0.05


@dataclass(slots=True)
class Order:
    """A switchover that was ordered, and what came of it."""

    server: str
    epoch: int
    """The epoch that it was to end."""
    asked_ns: int
    ended_ns: int = 0
    """When the order was answered, or it was clear that it would not be."""
    outcome: str = "unanswered"
    """`accepted`: the role was released; `refused`; or `unanswered`: a fault had taken the server, or took it."""
    clause: str = ""
    """Of a refusal."""
    reason: str = ""
    """Of a refusal, or why there was no answer."""
    settled_epoch: int = 0
    """The epoch of the pair when it was in sync again; 0 if it never was."""

    def __str__(self) -> str:
        words = f"{self.clause}: {self.reason}" if self.clause else self.reason
        return f"a switchover of the {self.server} was {self.outcome}" + (f" ({words})" if words else "")


class Operator:
    """Acts on one scene, and keeps account of it."""

    def __init__(self, scene: LabScene, note: Callable[[str], None]) -> None:
        """`note` tells what it does."""
        self._scene = scene
        self._note = note
        self.promoted: list[Ordered] = []
        """The promotions that it ordered, and that were accepted."""
        self.told = 0
        """How often it told a witness what it is that had lost its disk."""
        self.knew = 0
        """How often a witness that had lost its disk had a record already when it was to be told."""

    async def switch_over(self, wanted: Switchover, active: str, epoch: int, orders: list[Order]) -> None:
        """Order it when its time comes, and back if that is wanted; on return both were answered.

        Each order is added to `orders` when it is given.
        """
        await asyncio.sleep(wanted.at_ms / 1000)
        first = await self._order(active, epoch, wanted.within_ms, orders)
        if wanted.back and first.outcome == "accepted":
            statuses = await self._in_sync()
            other = active_of(statuses)
            if other is not None:
                await self._order(other, statuses[other]["epoch"], wanted.within_ms, orders)

    async def _order(self, server: str, epoch: int, within_ms: int, orders: list[Order]) -> Order:
        order = Order(server, epoch, boottime_ns())
        orders.append(order)
        directory = self._scene.parties[server].data_directory
        words, timeout_s = f"switchover {within_ms}", within_ms / 1000 + ANSWER_S
        try:
            answer = await asyncio.to_thread(ask, directory, words, timeout_s)
        except (EnvironmentFault, PeerError) as error:
            gone = isinstance(error, NotRunning)
            order.reason = "it did not run, or ended before it answered" if gone else str(error)
        else:
            order.outcome = "accepted" if answer["accepted"] else "refused"
            order.clause, order.reason = answer["clause"], answer["reason"]
        order.ended_ns = boottime_ns()
        self._note(str(order))
        return order

    async def _in_sync(self) -> Statuses:
        """Wait until the pair is, unless its witness has to be told first, and no longer than `BACK_TIMEOUT_S`."""
        until_ns = boottime_ns() + int(BACK_TIMEOUT_S * 1e9)
        while True:
            statuses = await statuses_of(self._scene.parties)
            if in_sync(statuses) is not None or self._scene.witness.untold or boottime_ns() > until_ns:
                return statuses
            await asyncio.sleep(_LOOK_S)

    async def tell_witness(self, statuses: Statuses) -> None:
        """Tell it the highest epoch that either server shows, and whose that is or was. Both have answered."""
        holder = latest(statuses)
        epoch = int(statuses[holder]["epoch"])
        self._note(f"the witness has lost its disk; the operator tells it: --adopt {epoch} --holder {holder}")
        if await self._scene.witness.tell("--adopt", str(epoch), "--holder", holder):
            self.told += 1
        else:
            self.knew += 1

    async def promote(self, statuses: Statuses, round_number: int) -> str:
        """Promote the server with the latest data, which was active last; why it refused, if it did."""
        name = latest(statuses)
        self._note(f"the operator promotes the {name}")
        answer = await asyncio.to_thread(ask, self._scene.parties[name].data_directory, "promote")
        if not answer["accepted"]:
            return f"the {name} refused to be promoted: {answer}"
        self.promoted.append(Ordered(round_number, name, int(statuses[name]["epoch"])))
        return ""


def latest(statuses: Statuses) -> str:
    """The server that is active in the highest epoch, or was: of two in it, the other one only follows."""

    def rank(name: str) -> tuple[int, bool, bool]:
        said = statuses[name]
        returned = said["resynchronise"] and said["seen"] == said["epoch"]  # it led that epoch, and stopped
        return int(said["epoch"]), said["role"] == "active", returned

    return max(statuses, key=rank)
