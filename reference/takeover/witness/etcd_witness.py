"""A witness whose record is in etcd: each server carries it out for itself, and nothing else runs.

The record is one value. Whoever wants a lease reads it, lets the witness's core decide on it, and puts the outcome in
its place *if it is still the same*; a renewal puts the same record there again, which makes it a later one. So the
changes have one order, and each follows from what was there before, whichever server made it.

What the core asks beside the record is whether the lease has run out. That is told by the asker's own clock: a lease
runs for its full length from when the asker **saw** the record that it belongs to. It was asked for before it was seen,
so it is over by then at its holder (LEASE-4), whatever the cluster did meanwhile; and if it was renewed unseen, the
record is a later one and the change is refused. In the rules' words: the witness is one party, which moves. Where a
server reads what another one wrote, the witness starts there, with what it finds and a full lease to wait (LEASE-3).
A server that lies in wait watches the record, so that it has waited already when it asks.

Refused: etcd's own leases, with a key that goes when the lease ends. They come in whole seconds, and the cluster adds
to them (a minimum of 1.5 election timeouts, a full length after every change of its leader); worse, they may end
early. In etcd before 3.4.31 and 3.5.13 a leader that was stalled and replaced takes away leases that were renewed at
its successor (etcd issues 12528 and 15247). A record costs a write for each renewal instead, so the cluster has to
compact its history.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from takeover.core.witness import Answer, Witness, answer_untold, begin_witness, observe, witness_step
from takeover.errors import CallerError
from takeover.linux import boottime_ns
from takeover.witness.etcd_client import Entry, EtcdClient, EtcdFailure
from takeover.witness.record import parse_record, record_of, shown
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.codec import Malformed, parse_json, parse_value, plain, record
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import Constants, Identity

FORMAT = 2
"""The version of the value's format. The first one did not say `promoted`; it is read, and not written any more."""

_NAMES = {1: {"format", "record", "constants"}, FORMAT: {"format", "record", "promoted", "constants"}}

TRIES = 4
"""How often a decision is made anew because the record was changed meanwhile, before the message counts as lost."""


def key_of(prefix: str, pair: str) -> str:
    """The key that holds the record of a pair's witness."""
    return f"{prefix}{pair}/witness"


@dataclass(frozen=True, slots=True)
class Kept:
    """What etcd keeps for a witness."""

    know: WitnessKnowledge
    promoted: bool | None
    """Whether the lease that began this epoch was asked for by a server that is promoted (REJOIN-4), so that whoever
    watches the record can tell an operator's order from a witness that grants too much. None where nobody said."""


class EtcdWitness:
    """The witness, as one server carries it out."""

    def __init__(
        self,
        client: EtcdClient,
        me: Identity,
        constants: Constants,
        clock_ns: Callable[[], int] = boottime_ns,
    ) -> None:
        self._client = client
        self._me = me
        self._constants = constants
        self._clock_ns = clock_ns
        self._entry: Entry | None = None  # what was seen last
        self._core: Witness | None = None  # what it means; None where there is no record
        self._promoted: bool | None = None

    @property
    def know(self) -> WitnessKnowledge | None:
        """What the witness knows, as seen last; None where it knows nothing."""
        return self._core.know if self._core else None

    async def look(self) -> None:
        """See what is there now. Raises `EtcdFailure`."""
        self._see(await self._client.read())

    async def watch(self) -> None:
        """See each change as it comes, without end. Not all may come: look as well. Raises `EtcdFailure`."""
        async for entry in self._client.changes():
            if self._entry is not None and entry.revision > self._entry.revision:
                self._see(entry)

    async def hear(self, message: wire.Message) -> tuple[wire.Message, ...]:
        """The witness's answers to a message of this server. None when others were faster. Raises `EtcdFailure`."""
        if self._entry is None:
            await self.look()
        for _ in range(TRIES):
            decided_on = self._entry
            after, answers = self._decide(message)
            if after is None:
                await self.look()  # what is answered has to be true now
                done = self._entry == decided_on
            else:
                done = await self._commit(after)
            if done:
                return answers
        return ()

    async def tell(self, know: WitnessKnowledge) -> None:
        """Make the first record. Raises `CallerError` where there is one, or `EtcdFailure`."""
        await self.look()
        if self._core is None:
            done, entry = await self._client.replace(Entry(), encode(Kept(know, None), self._constants))
            if done:
                return
            self._see(entry)
        assert self._core is not None
        raise CallerError(f"etcd has a record of this witness, and keeps it: {shown(self._core.know)}")

    def _decide(self, message: wire.Message) -> tuple[Kept | None, tuple[wire.Message, ...]]:
        """What to keep after the message, and its answers; None if nothing was done."""
        if self._core is None:
            return None, tuple(answer.message for answer in answer_untold(message))
        after, effects = witness_step(self._core, self._me, message, self._clock_ns())
        answers = tuple(effect.message for effect in effects if isinstance(effect, Answer))
        if len(answers) == len(effects):
            return None, answers
        promoted = self._promoted
        for effect in effects:
            if isinstance(effect, act.Grant) and effect.epoch > self._core.know.epoch:
                promoted = effect.promoted
        return Kept(after.know, promoted), answers

    async def _commit(self, kept: Kept) -> bool:
        """Put the record in the place of the one that was decided on; whether that was done."""
        assert self._entry is not None
        done, entry = await self._client.replace(self._entry, encode(kept, self._constants))
        self._see(entry)
        return done

    def _see(self, entry: Entry) -> None:
        """This was there a moment ago."""
        if entry == self._entry:
            return
        if entry.revision == 0:
            self._core = None
        else:
            kept, now = decode(entry.value, self._constants), self._clock_ns()
            if self._core is None:
                self._core, _ = begin_witness(self._constants, kept.know, now)
            else:
                self._core = observe(self._core, kept.know, now)
            self._promoted = kept.promoted
        self._entry = entry


def encode(kept: Kept, constants: Constants) -> bytes:
    """The value for a record, with what all parties must have been told alike."""
    value = {"format": FORMAT, "record": record_of(kept.know), "promoted": kept.promoted}
    return json.dumps(value | {"constants": plain(constants)}, separators=(",", ":")).encode()


def decode(value: bytes, constants: Constants) -> Kept:
    """The record in a value. Raises `EtcdFailure` for one that is none, or of a pair with other constants."""
    try:
        values = parse_json(value, "record")
        if set(values) != _NAMES.get(parse_value(int, values.get("format"), "record.format")):
            raise Malformed("record", f"is not of format {FORMAT}, nor of an earlier one")
        theirs = record(Constants, values["constants"], "record.constants")
        if not isinstance(values["record"], dict):
            raise Malformed("record.record", "is not an object")
        found = parse_record(values["record"], "record.record")
        promoted = values.get("promoted")
        if promoted is not None:
            promoted = parse_value(bool, promoted, "record.promoted")
    except Malformed as error:
        raise EtcdFailure(f"what etcd holds for this witness cannot be read: {error}") from error
    for name, mine in plain(constants).items():
        if getattr(theirs, name) != mine:
            raise EtcdFailure(f"{name} is {mine!r} here and {getattr(theirs, name)!r} in etcd")
    return Kept(found, promoted)
