"""The decisions that a virtual world runs: the real cores, unless something else is put in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from takeover import core as real
from takeover.core import witness as real_witness
from takeover.core.effects import Effect
from takeover.core.events import Event
from takeover.core.state import Core, Settings
from takeover.core.witness import Witness, WitnessEffect
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.wire import Message
from takeover_spec.words import Constants, Identity

Begin = Callable[[Settings, Knowledge, int], tuple[Core, tuple[Effect, ...]]]
Step = Callable[[Core, Event, int], tuple[Core, tuple[Effect, ...]]]
BeginWitness = Callable[[Constants, WitnessKnowledge, int], tuple[Witness, tuple[WitnessEffect, ...]]]
WitnessStep = Callable[[Witness, Identity, Message, int], tuple[Witness, tuple[WitnessEffect, ...]]]


@dataclass(frozen=True, slots=True)
class Cores:
    """The four pure functions; both servers have the same."""

    begin: Begin = real.begin
    step: Step = real.step
    begin_witness: BeginWitness = real_witness.begin_witness
    witness_step: WitnessStep = real_witness.witness_step


REAL = Cores()
