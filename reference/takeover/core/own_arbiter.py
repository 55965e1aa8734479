"""The core of a server's own arbiter: the witness's part, where there is no witness (PROTOCOL.md §8.9). Pure, like
the others.

Each server carries the witness's core out for itself, over a record of its own. It answers its own server alone, and
hears what the peer says over the channel. The rules bind it on its record like any witness. But the proof has one
record, and here are two; so this module has to see to it that they are one, as long as the assumption is true: with
*crash-stop*, that a server which was not heard for a lease is dead; with *operator*, and for every order with either,
that a person was right who said that the other server is down, or waits for a person too, and that this one's data is
the latest. `takeover_proofs.two_records` proves what follows, but for times and for messages that a run hears of an
earlier one. The argument, for a pair in epoch e, led by A:

- *Who has been granted what.* Each arbiter grants to its own server alone. So an epoch that the peer names as its
  own, and that is not known here, was granted to the peer: it is adopted. B's arbiter grants e + 1 only when A is
  out. A dead A starts anew as one that returned; its arbiter grants nothing but on an order, and whoever orders that
  knows of e + 1. So no epoch is granted twice.
- *Who is eligible.* B's arbiter says so only while B's run lasts in which A told it: a new run begins with *not
  eligible*. When A declares *not eligible*, A's arbiter records it after B's has, or after B was silent for a lease.
  Then B's run is dead, and the next one will be told A's last word; or nothing, if A is dead by then, and B waits for
  a person. Any other way would lose what A acknowledged alone: A goes on without B, A dies, B starts with an old
  *eligible*. What B hears was said to this run of its, since a session belongs to two runs; an older declaration on a
  session that came to an end has a lower version.
- *How long.* A renews its lease and says so to B (`AskPromise`) in one turn. B's arbiter waits a full lease from
  hearing it, which outlasts what A counts on from sending it (LEASE-4). So an A that is merely stopped has lapsed
  before B takes over; two servers are active only where A runs and cannot be heard.
- *Who listens.* A silence counts only while this arbiter listened. After a gap in its own life (its process was
  stopped) it waits anew, for what was said meanwhile is in a buffer, unread; after a longer one it is as good as a
  new run, for the peer may have taken it for dead.

Nothing is kept on a disk: what an arbiter has to know after a restart is in the durable state of its server
(`begin_own`). A grant of an epoch that was not begun is forgotten with the run that counted on it.

What complicates it: an active server that was promoted in the epoch after one that its peer began in secret. No
record tells; that is what the person vouches for. Refused: to let an old server that took the role, and logged
nothing, go on by itself (REJOIN-4): with a witness the epoch is its own until another is granted, and here nobody
knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from takeover.core.witness import Answer, Witness, adopted, begin_witness, observe, witness_step
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.words import Arbiter, Constants, Identity

LOOKS_PER_LEASE = 8
"""How often in a lease's length the shell calls `look`."""

GAPS_PER_LEASE = 4
"""After a gap of this part of a lease's length between two calls it waits anew."""

LIVES_PER_LEASE = 2
"""After a gap of this part of a lease's length it is as good as a new run: well before the peer may record it as
gone."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a message to the peer's arbiter, over the channel, or lose it."""

    message: wire.Message


OwnEffect = act.WitnessAction | Answer | Tell


@dataclass(frozen=True, slots=True)
class OwnArbiter:
    """The state of the core of an own arbiter."""

    kind: Arbiter
    me: Identity
    witness: Witness
    heard_at: int
    """When the peer was heard last in this run, or this arbiter began to listen."""
    called_at: int
    """When it was called last."""
    declared: wire.DeclareEligible | None = None
    """What its own server declared last."""


def begin_own(
    kind: Arbiter, me: Identity, constants: Constants, found: Knowledge, now: int
) -> tuple[OwnArbiter, tuple[OwnEffect, ...]]:
    """The arbiter of a server that starts with `found` on its disk."""
    witness, effects = begin_witness(constants, deduced(me, found), now)
    return OwnArbiter(kind, me, witness, heard_at=now, called_at=now), effects


def deduced(me: Identity, found: Knowledge) -> WitnessKnowledge:
    """What is left of the record after a restart: the latest epoch, whose it is, and whether this server gave it up.

    That the peer gave it up is heard again, or else a person may have had the peer go on meanwhile.
    """
    led = (found.returned or found.active) and found.seen == found.epoch
    know = adopted(found.seen, me if led else me.peer)
    return replace(know, ended=led and found.released == found.seen)


def look(arbiter: OwnArbiter, now: int) -> OwnArbiter:
    """The arbiter at `now`, `LOOKS_PER_LEASE` times a lease at least: whoever did not listen waits anew."""
    witness = arbiter.witness
    if (now - arbiter.called_at) * GAPS_PER_LEASE > witness.constants.lease_ns:
        know = witness.know
        if has_forgotten(arbiter, now):
            know = replace(know, version=0, eligible=False, ended=know.ended & (know.holder == arbiter.me))
        return replace(arbiter, witness=observe(witness, know, now), heard_at=now, called_at=now)
    return replace(arbiter, called_at=now)


def has_forgotten(arbiter: OwnArbiter, now: int) -> bool:
    """Whether it has to be told anew what it knew, because nobody listened for too long. Then make the channel anew."""
    return (now - arbiter.called_at) * LIVES_PER_LEASE > arbiter.witness.constants.lease_ns


def hear(arbiter: OwnArbiter, message: wire.Message, now: int) -> OwnArbiter:
    """The arbiter that has heard the peer say this: what it tells of the epoch, and of the peer's life."""
    arbiter = replace(look(arbiter, now), heard_at=now)
    know = arbiter.witness.know
    match message:
        case wire.AskPromise(epoch) if epoch == know.epoch and know.holder == arbiter.me.peer:
            seen = know  # it goes on under a lease of its own
        case wire.AskPromise(epoch) | wire.DeclareEligible(epoch) | wire.Position(epoch) | wire.Newer(epoch):
            if epoch <= know.epoch:
                return arbiter
            seen = adopted(epoch, arbiter.me.peer)
        case _:
            return arbiter
    return replace(arbiter, witness=observe(arbiter.witness, seen, now))


def peer_said(
    arbiter: OwnArbiter, message: wire.Message, now: int
) -> tuple[OwnArbiter, tuple[OwnEffect, ...]]:
    """The state after a message of the peer that has been heard (`hear`), and what has to be done, in this order."""
    match message:
        case wire.DeclareEligible():
            after, effects = _step(arbiter, arbiter.me.peer, message, now)
            return after, tuple(Tell(e.message) if isinstance(e, Answer) else e for e in effects)
        case wire.Released():
            return _step(arbiter, arbiter.me.peer, message, now)
        case wire.Recorded(epoch, version, eligible):
            mine = arbiter.declared
            if mine and (mine.epoch, mine.version, mine.eligible) == (epoch, version, eligible):
                return _step(arbiter, arbiter.me, mine, now)
    return arbiter, ()


def peer_connected(arbiter: OwnArbiter) -> tuple[OwnEffect, ...]:
    """What to do once the channel is there (again): the peer may have started anew, and knows nothing."""
    return (Tell(arbiter.declared),) if arbiter.declared else ()


def own_said(
    arbiter: OwnArbiter, message: wire.Message, now: int
) -> tuple[OwnArbiter, tuple[OwnEffect, ...]]:
    """The state after a message of its own server, and what has to be done, in this order. Call `look` before."""
    match message:
        case wire.AskLease(epoch, run, sent):
            reason = _why_not(arbiter, message)
            if reason:
                current = arbiter.witness.know.epoch
                return arbiter, (Answer(wire.NotLeased(epoch, run, sent, current, "LEASE-3", reason)),)
            if message.promoted:
                arbiter = replace(arbiter, declared=None)  # the peer is not told any more that it may succeed
        case wire.DeclareEligible():
            arbiter = replace(arbiter, declared=message)
            silent = now - arbiter.heard_at >= arbiter.witness.constants.lease_ns
            if not _is_recorded(arbiter.witness.know, message) and (message.eligible or not silent):
                return arbiter, (Tell(message),)  # the peer's arbiter records it first
    return _step(arbiter, arbiter.me, message, now)


def _step(
    arbiter: OwnArbiter, sender: Identity, message: wire.Message, now: int
) -> tuple[OwnArbiter, tuple[OwnEffect, ...]]:
    witness, effects = witness_step(arbiter.witness, sender, message, now)
    return replace(arbiter, witness=witness), effects


def _is_recorded(know: WitnessKnowledge, said: wire.DeclareEligible) -> bool:
    return (know.epoch, know.version, know.eligible) == (said.epoch, said.version, said.eligible)


def _why_not(arbiter: OwnArbiter, asked: wire.AskLease) -> str:
    """Why the next epoch is not for its server to begin unless a person says so; empty where it is."""
    know = arbiter.witness.know
    if asked.epoch <= know.epoch or asked.promoted:
        return ""
    if know.epoch == 0:
        return "there is no witness, and a new pair waits for a person: `takeover promote` on one of the two"
    if arbiter.kind is Arbiter.OPERATOR and not know.ended:
        return "this waits for a person who has seen that the other server is down: `takeover promote`"
    if not know.eligible and know.holder != arbiter.me:
        return "this server was not told in this run that it is eligible, and waits for a person: `takeover promote`"
    return ""


def waits_for_a_person(arbiter: OwnArbiter) -> bool:
    """Whether its server, being passive, will not begin the next epoch by itself."""
    next_one = wire.AskLease(arbiter.witness.know.epoch + 1, 0, 0, promoted=False)
    return bool(_why_not(arbiter, next_one)) or arbiter.witness.know.holder == arbiter.me
