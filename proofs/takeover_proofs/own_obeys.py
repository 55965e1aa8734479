"""The shipped core of a server's own arbiter obeys the rules on its own record, on every path of its code.

Beyond the rules it has to do what makes two records as good as one (PROTOCOL.md §8.9): what it grants unasked by a
person, what it waits for, and whose word it records first. Those are claims here. That they suffice is argued in the
module itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import z3

from takeover.core.own_arbiter import OwnArbiter, begin_own, hear, look, own_said, peer_said
from takeover.core.witness import Witness
from takeover_proofs.core_obeys import (
    EventResult,
    any_core,
    any_message,
    any_witness,
    claims_of,
    invariant,
    prove_paths,
    whole_constants,
    witness_invariant,
)
from takeover_proofs.terms import Term
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.logic import implies, not_
from takeover_spec.words import Arbiter, Identity, Status

Claims = list[tuple[str, Any]]
OwnStep = Callable[[OwnArbiter, wire.Message, int], tuple[OwnArbiter, tuple[Any, ...]]]

KINDS = (Arbiter.CRASH_STOP, Arbiter.OPERATOR)
ME = Identity.PRIMARY
"""The two servers are alike."""


@dataclass(frozen=True, slots=True)
class OwnTask:
    """The proof for one kind of event at an own arbiter."""

    event: str

    def done(self) -> list[EventResult]:
        """Prove it."""
        return list(prove_own(wanted=lambda event: event == self.event))


def own_tasks() -> list[OwnTask]:
    """The whole proof for both kinds of own arbiter."""
    return [OwnTask(name) for kind in KINDS for name in _names(kind)]


def _names(kind: Arbiter) -> Iterator[str]:
    yield f"{kind} Begin"
    for message in wire.MESSAGES:
        yield f"{kind} {message.__name__}"
        yield f"{kind} peer's {message.__name__}"


def any_arbiter(kind: Arbiter) -> tuple[OwnArbiter, list[Any]]:
    """Any state of an own arbiter, and what is assumed of it."""
    witness, bounds = any_witness()
    heard, called = (Term(z3.Int(name)) for name in ("heard_at", "called_at"))
    declared = any_message(wire.DeclareEligible, Status.NONE)
    return OwnArbiter(kind, ME, witness, heard, called, declared), bounds  # type: ignore[arg-type]  # terms stand for numbers


def prove_own(
    own: OwnStep = own_said, peer: OwnStep = peer_said, wanted: Callable[[str], bool] = lambda event: True
) -> Iterator[EventResult]:
    """Hold own arbiters against the rules and their other duties, a result for each kind of message, and the
    beginning."""
    for kind in KINDS:
        if wanted(f"{kind} Begin"):
            yield _prove_begin(kind)
        for message_kind in wire.MESSAGES:
            said = any_message(message_kind, Status.NONE)
            natural = [getattr(said, f.name) >= 0 for f in fields(message_kind) if f.type == "int"]
            if wanted(f"{kind} {message_kind.__name__}"):
                yield _prove_own(kind, own, said, natural)
            if wanted(f"{kind} peer's {message_kind.__name__}"):
                yield _prove_peer(kind, peer, said, natural)


def _prove_begin(kind: Arbiter) -> EventResult:
    core, bounds = any_core()
    now: Any = Term(z3.Int("now"))
    c, _ = whole_constants()

    def turn() -> Claims:
        arbiter, effects = begin_own(kind, ME, c, core.know, now)
        know = arbiter.witness.know
        begun = Witness(c, know)
        return [
            *claims_of(begun, now, lambda: (begun, effects)),
            ("PROTOCOL 8.9: nobody is eligible before it is told so in this run", not_(know.eligible)),
        ]

    before: Any = Term(z3.Int("before"))
    return prove_paths(f"{kind} Begin", turn, [*bounds, *invariant(core, before).values(), now >= 0])


def _prove_own(kind: Arbiter, own: OwnStep, said: Any, natural: list[Any]) -> EventResult:
    arbiter, bounds = any_arbiter(kind)
    now: Any = Term(z3.Int("now"))

    def turn() -> Claims:
        after, effects = own(arbiter, said, now)
        claims = claims_of(arbiter.witness, now, lambda: (after.witness, effects))
        return claims + [claim for effect in effects for claim in _duties(arbiter, effect, now)]

    assumed = [*bounds, *natural, *witness_invariant(arbiter.witness).values(), now >= 0]
    return prove_paths(f"{kind} {type(said).__name__}", turn, assumed)


def _duties(arbiter: OwnArbiter, effect: Any, now: int) -> Claims:
    know, lease_ns = arbiter.witness.know, arbiter.witness.constants.lease_ns
    if isinstance(effect, act.Grant):
        told = know.eligible & ((arbiter.kind is Arbiter.CRASH_STOP) | know.ended)
        unasked = (effect.epoch > know.epoch) & not_(effect.promoted)
        mine = effect.to == arbiter.me
        return [(f"PROTOCOL 8.9: the next epoch needs a person at {effect}", implies(unasked, told) & mine)]
    if isinstance(effect, act.Record):
        alone = not_(effect.eligible) & (now - arbiter.heard_at >= lease_ns)
        return [(f"PROTOCOL 8.9: the peer's arbiter records first, or is silent at {effect}", alone)]
    return []


def _prove_peer(kind: Arbiter, peer: OwnStep, said: Any, natural: list[Any]) -> EventResult:
    arbiter, bounds = any_arbiter(kind)
    now: Any = Term(z3.Int("now"))

    def turn() -> Claims:
        heard = hear(arbiter, said, now)
        old, new = look(arbiter, now).witness.know, heard.witness.know
        same = (new.lease_until == old.lease_until) & (new.epoch == old.epoch)
        waits = same | new.ended | (now + arbiter.witness.constants.lease_ns <= new.lease_until)
        after, effects = peer(heard, said, now)
        granted = any(isinstance(effect, act.Grant) for effect in effects)
        return [
            *claims_of(heard.witness, now, lambda: (after.witness, effects)),
            ("LEASE-3: a full lease is waited from what was heard", waits),
            ("PROTOCOL 8.9: nothing is granted to the peer", not_(granted)),
            ("PROTOCOL 8.9: an epoch is never gone back on", old.epoch <= new.epoch),
        ]

    assumed = [*bounds, *natural, *witness_invariant(arbiter.witness).values(), now >= 0]
    return prove_paths(f"{kind} peer's {type(said).__name__}", turn, assumed)
