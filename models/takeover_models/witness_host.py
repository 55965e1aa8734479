"""The witness of the virtual world: the shell around the real witness core."""

from __future__ import annotations

from typing import Any

from takeover.core.witness import Answer, Witness
from takeover_models.account import found_by_the_witness
from takeover_models.findings import CoreFailed
from takeover_models.host import Host, Surroundings
from takeover_models.shells import EAGER
from takeover_spec import wire
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import Identity


class WitnessHost(Host):
    """The witness's machine. What it recorded is durable before it answers, and what it did not answer may be lost."""

    def __init__(self, around: Surroundings, shows: int) -> None:
        super().__init__(around, "witness", shows)
        self.core: Witness | None = None
        self.durable = WitnessKnowledge()
        self.written: list[WitnessKnowledge] = []
        self.asked_by = Identity.PRIMARY

    def start(self) -> None:
        """The process starts."""
        if self.running:
            return
        self.running = True
        self.now = self.clock.shows
        self.account.begin(self.durable)
        self.core, effects = self.around.cores.begin_witness(self.account.constants, self.durable, self.now)
        self.carry_out(effects)

    def hear(self, sender: Identity, message: wire.Message) -> None:
        """A server's message arrives."""
        assert self.core is not None
        self.now, self.asked_by = self.clock.shows, sender
        try:
            self.core, effects = self.around.cores.witness_step(self.core, sender, message, self.now)
        except (AssertionError, LookupError) as error:
            raise CoreFailed(self.party, message, error) from error
        self.carry_out(effects)

    def perform(self, effect: Any) -> None:
        """Carry one effect out."""
        if isinstance(effect, Answer):
            self.sync()
            self.around.network.send(f"w{int(self.asked_by)}", effect.message)
            if isinstance(effect.message, wire.NotLeased):
                self.around.tally[f"refused by {effect.message.clause}"] += 1
            return
        self.written.append(found_by_the_witness(self.account.do(effect, self.now)))
        if self.around.setup.shell == EAGER:
            self.sync()

    def sync(self) -> None:
        """Make everything durable."""
        if self.written:
            self.durable = self.written[-1]
            self.written.clear()
        self.account.write()

    def crash(self, keep: int, *, machine: bool) -> None:
        """The process dies."""
        if not self.running:
            return
        survived = self.written[: keep % (len(self.written) + 1)]
        self.durable = survived[-1] if survived else self.durable
        self.written.clear()
        self.core = None
        self.end()
        self.around.tally["witness crash"] += 1
        if machine:
            self.clock.shows = 0
