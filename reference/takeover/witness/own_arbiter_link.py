"""The link of a server to its own arbiter, where there is no witness: the same face as `links.WitnessLink`.

It is reached in the process and answers at once; what it tells the peer's arbiter, and hears of it, goes over the
channel. What is decided, and why two arbiters are as good as one witness where the assumption is true, is in
`core/own_arbiter.py`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from takeover.channel.links import Refusals
from takeover.core import events as ev
from takeover.core import own_arbiter as own
from takeover.core.witness import Answer
from takeover.linux import boottime_ns
from takeover_spec import wire
from takeover_spec.words import Arbiter

if TYPE_CHECKING:
    from takeover.node import Node

log = logging.getLogger("takeover.arbiter")

_DANGER = {
    Arbiter.CRASH_STOP: "there is no witness, and silence means dead: if the link between the servers is cut while"
    " both run, both become active, and what one of them writes then is lost",
    Arbiter.OPERATOR: "there is no witness: if the active server is gone, the other waits for a person"
    " (`takeover promote`)",
}


class OwnArbiterLink:
    """The link to the server's own arbiter."""

    connected = True
    """It is always there."""

    def __init__(self, node: Node) -> None:
        config = node.config
        self._node = node
        self._arbiter, _ = own.begin_own(
            config.arbiter, config.identity, config.constants, node.core.know, boottime_ns()
        )
        self._refusals = Refusals()
        self._listening: asyncio.Task[None] | None = None

    @property
    def waits_for_a_person(self) -> bool:
        """Whether this server, being passive, will not become active by itself."""
        return own.waits_for_a_person(self._arbiter)

    def start(self) -> None:
        """Listen from now on."""
        log.warning(_DANGER[self._arbiter.kind])
        self._listening = self._node.start_task(self._listen())

    def say(self, message: wire.Message) -> None:
        """The server says this, and has the answer at once."""
        now = self._look()
        self._arbiter, effects = own.own_said(self._arbiter, message, now)
        self._do(effects)

    def peer_said(self, message: wire.Message) -> None:
        """The peer said this, over the channel."""
        now = self._look()
        self._arbiter = own.hear(self._arbiter, message, now)
        self._arbiter, effects = own.peer_said(self._arbiter, message, now)
        self._do(effects)

    def peer_connected(self) -> None:
        """The channel is there (again)."""
        self._do(own.peer_connected(self._arbiter))

    def hang_up(self) -> None:
        """There is no connection to make anew."""

    async def close(self) -> None:
        """Listen no more."""
        if self._listening:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        pause_s = self._node.config.constants.lease_ns / own.LOOKS_PER_LEASE / 1e9
        while True:
            self._look()
            await asyncio.sleep(pause_s)

    def _look(self) -> int:
        """Notice how long nobody listened; what time it is now."""
        now = boottime_ns()
        forgotten = own.has_forgotten(self._arbiter, now)
        self._arbiter = own.look(self._arbiter, now)
        if forgotten:
            log.warning(
                "this process was held up: it waits, and wants to be told anew, as if it had restarted"
            )
            self._node.peer.hang_up()
        return now

    def _do(self, effects: tuple[own.OwnEffect, ...]) -> None:
        """Nothing of it needs the disk: what an arbiter has to know after a restart, its server keeps."""
        for effect in effects:
            match effect:
                case own.Tell(message):
                    self._node.peer.say(message)
                case Answer(message):
                    self._refusals.heard(message, self._node.core.know.epoch)
                    self._node.tell(ev.WitnessSaid(message))
                case _:
                    log.debug("the own arbiter: %s", effect)
