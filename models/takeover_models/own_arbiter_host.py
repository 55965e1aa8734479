"""The own arbiter of a server of the virtual world, where there is no witness: the shell around the real core.

It is in the server's process and answers at once; the answer then waits on the link from the witness, which leads
nowhere else. What it does is held against the rules on its own record. That the two records are as good as one is not
looked at here, but whether what follows from it is so: `truth.py` judges what really happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from takeover.core import own_arbiter as own
from takeover.core.witness import Answer
from takeover_models.findings import RuleBroken
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge, witness_after
from takeover_spec.trace import Line, judge
from takeover_spec.words import Arbiter

if TYPE_CHECKING:
    from takeover_models.server_host import ServerHost

Stepped = tuple[own.OwnArbiter, tuple[own.OwnEffect, ...]]


class OwnArbiterHost:
    """See the module. It lasts as long as a run of its server."""

    def __init__(self, server: ServerHost, kind: Arbiter, found: Knowledge, now: int) -> None:
        self._server = server
        self.arbiter, effects = own.begin_own(kind, server.me, server.account.constants, found, now)
        self._do(effects, now)

    @property
    def looks_at(self) -> int:
        """When it wants to be looked at next, at the latest."""
        return self.arbiter.called_at + self._server.account.constants.lease_ns // own.LOOKS_PER_LEASE

    def look(self) -> None:
        """The server's process runs; whoever was stopped makes the channel anew."""
        now = self._server.clock.shows
        if own.has_forgotten(self.arbiter, now):
            self._server.around.network.disconnect(lose=False)
        self.arbiter = own.look(self.arbiter, now)

    def say(self, message: wire.Message) -> None:
        """The server says this."""
        self.look()
        self._step(lambda now: own.own_said(self.arbiter, message, now))

    def hear(self, message: wire.Message) -> None:
        """The peer says this."""
        self.look()
        self.arbiter = own.hear(self.arbiter, message, self._server.clock.shows)
        self._step(lambda now: own.peer_said(self.arbiter, message, now))

    def connected(self) -> None:
        """The channel is there."""
        self._do(own.peer_connected(self.arbiter), self._server.clock.shows)

    def _step(self, step: Callable[[int], Stepped]) -> None:
        now = self._server.clock.shows
        after, effects = step(now)
        self._do(effects, now)
        self.arbiter = after

    def _do(self, effects: tuple[own.OwnEffect, ...], now: int) -> None:
        server, know = self._server, self.arbiter.witness.know
        for effect in effects:
            match effect:
                case own.Tell(message):
                    server.say(message)
                case Answer(message):
                    server.around.network.send(f"w{server.index}", message)
                    if isinstance(message, wire.NotLeased):
                        server.around.tally[f"refused by {message.clause}"] += 1
                case _:
                    broken = judge(know, Line(1, now, effect), 2, server.account.constants)
                    if broken:
                        raise RuleBroken(f"own arbiter of the {server.party}", broken)
                    know = witness_after(know, effect, now)
