"""The witness's core: whom it grants a lease, and what it records. Pure, like the server's.

It stores no data and knows no queue: an epoch, its holder, and whether the other one may succeed. Its clock serves
only to tell when a lease it granted has run out.

What it knows has to be durable, and a disk can be lost. A witness that finds nothing cannot tell that from a pair that
never ran, so it grants nothing until a person has told it which of the two it is: `NEW_PAIR`, or `adopted`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import WitnessKnowledge, witness_after
from takeover_spec.words import Constants, Identity


@dataclass(frozen=True, slots=True)
class Answer:
    """Send a message to the server that asked, or lose it."""

    message: wire.Message


WitnessEffect = act.WitnessAction | Answer

NEW_PAIR = WitnessKnowledge()
"""What a witness is told of a pair that never ran."""


def adopted(epoch: int, holder: Identity) -> WitnessKnowledge:
    """What a witness is told of a pair that runs: nobody is eligible, until the holder says so again (LEASE-3)."""
    return WitnessKnowledge(epoch=epoch, holder=holder)


def answer_untold(message: wire.Message) -> tuple[Answer, ...]:
    """What a witness answers that found nothing on its disk, and was not told what it is."""
    match message:
        case wire.AskLease(epoch, run, sent):
            reason = "the witness has no record: tell it whether the pair is new, or which epoch to adopt"
            return (Answer(wire.NotLeased(epoch, run, sent, 0, "LEASE-3", reason)),)
    return ()


@dataclass(frozen=True, slots=True)
class Witness:
    """The state of the witness's core."""

    constants: Constants
    know: WitnessKnowledge


class _Turn:
    """One call of the core: the state as it changes, and the effects so far."""

    def __init__(self, witness: Witness, now: int) -> None:
        self.witness = witness
        self.now = now
        self.effects: list[WitnessEffect] = []

    def do(self, action: act.WitnessAction) -> None:
        know = witness_after(self.witness.know, action, self.now)
        self.witness = replace(self.witness, know=know)
        self.effects.append(action)

    def answer(self, message: wire.Message) -> None:
        self.effects.append(Answer(message))


def begin_witness(
    constants: Constants, found: WitnessKnowledge, now: int, leased_ns: int = 0
) -> tuple[Witness, tuple[WitnessEffect, ...]]:
    """The witness starts with what it finds on its disk, bound by what it may have granted (LEASE-3).

    `leased_ns` is the length of a lease in an earlier run, if it was told another then.
    """
    turn = _Turn(Witness(constants, found), now)
    turn.do(act.WitnessStart(now + max(constants.lease_ns, leased_ns)))
    return turn.witness, tuple(turn.effects)


def observe(witness: Witness, found: WitnessKnowledge, now: int) -> Witness:
    """The witness whose record another one changed to `found`, or confirmed, some time before `now`.

    So several may keep one record, as long as each changes it only from what it last saw there. Whatever was granted
    was asked for before it could be seen here, so a full lease from now outlasts it (LEASE-3). Where the holder gave
    the epoch up there is nothing to wait for (LEASE-5): earlier leases had run out before this one was granted.
    """
    until = now if found.ended else now + witness.constants.lease_ns
    return replace(witness, know=replace(found, lease_until=until, wait_until=witness.know.wait_until))


def witness_step(
    witness: Witness, sender: Identity, message: wire.Message, now: int
) -> tuple[Witness, tuple[WitnessEffect, ...]]:
    """The state after a server's message at `now`, and what has to be done, in this order."""
    turn = _Turn(witness, now)
    match message:
        case wire.AskLease(epoch, run, sent, promoted):
            refusal = _refusal(witness, sender, message, now)
            if refusal:
                turn.answer(wire.NotLeased(epoch, run, sent, witness.know.epoch, *refusal))
            else:
                until = max(witness.know.lease_until, now + witness.constants.lease_ns)
                turn.do(act.Grant(sender, epoch, until, promoted))
                turn.answer(wire.Leased(epoch, run, sent))
        case wire.DeclareEligible(epoch, version, eligible):
            know = witness.know
            if epoch == know.epoch and sender == know.holder and version > know.version:  # ROLE-5, REJOIN-2
                turn.do(act.Record(epoch, version, eligible))
            known = turn.witness.know
            if (epoch, version, eligible) == (known.epoch, known.version, known.eligible):
                turn.answer(wire.Recorded(epoch, version, eligible))
        case wire.Released(epoch):
            know = witness.know
            if epoch == know.epoch and epoch >= 1 and sender == know.holder and not know.ended:
                turn.do(act.EndLease(epoch))
        case _:
            pass  # nothing else is for the witness
    return turn.witness, tuple(turn.effects)


def _refusal(witness: Witness, sender: Identity, asked: wire.AskLease, now: int) -> tuple[str, str] | None:
    """Why this lease is not granted: a clause and a reason; None if it is."""
    know, epoch = witness.know, asked.epoch
    if epoch == know.epoch and sender == know.holder and epoch >= 1:
        return ("LEASE-5", "this epoch was released") if know.ended else None
    if epoch == know.epoch and epoch >= 1:
        return "ROLE-5", "the other server is recorded as the holder of this epoch"
    if epoch > know.epoch + 1:
        return "ROLE-5", "the record knows only older epochs: it was lost, or told wrong"
    if epoch != know.epoch + 1:
        return "ROLE-5", "the epoch asked for is over"
    ordered = know.epoch == 0 or asked.promoted  # REJOIN-4
    if not ordered and sender == know.holder:
        return "LEASE-3", "the holder of an epoch does not succeed itself"
    if not ordered and not know.eligible:
        return "LEASE-3", "this server is not recorded as eligible"
    if now < know.wait_until:
        return (
            "LEASE-3",
            "who arbitrates has restarted, and waits until every lease that may be granted has run out",
        )
    if now < know.lease_until:
        return "LEASE-3", "the lease of the holder has not run out"
    return None
