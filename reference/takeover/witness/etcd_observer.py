"""Watches a witness's record in etcd, and writes down what the witness did, to be held against the rules.

A witness that every server carries out for itself has no trace of its own. But its record has: etcd tells whoever
watches of every change, in order, without a gap. Each change is one action of a witness, and the observer writes it as
such; a change that is none, or that no witness may make, is found by whoever reads the trace (`takeover check-trace`),
or at once (`problem`). It trusts no server, and only reads.

It dates an action by its own clock when it hears of it, which is a little later, and not always equally so. So it
judges leases that are shorter than the pair's by `LATE_NS`: a grant that comes earlier than that is none of its making.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from takeover.channel.links import REDIAL_S
from takeover.linux import boottime_ns
from takeover.storage.tracing import TraceWriter
from takeover.witness.etcd_client import Entry, EtcdClient, EtcdFailure
from takeover.witness.etcd_witness import Kept, decode
from takeover.witness.record import record_of, shown
from takeover_spec import actions as act
from takeover_spec.knowledge import WitnessKnowledge, witness_after
from takeover_spec.trace import Header
from takeover_spec.words import Constants, Identity

LATE_NS = 300_000_000
"""How much later than another change the observer may hear of one, in nanoseconds."""


class EtcdObserver:
    """An observer of one witness. It has to be there before the record is."""

    def __init__(
        self,
        client: EtcdClient,
        pair: str,
        constants: Constants,
        directory: Path,
        late_ns: int = LATE_NS,
    ) -> None:
        """Its trace is written into `directory`. With a `late_ns` of a lease, only the order of actions is judged."""
        self._client = client
        self._pair = pair
        self._constants = constants
        self._shorter = replace(constants, lease_ns=max(1, constants.lease_ns - late_ns))
        self._directory = directory
        self._trace: TraceWriter | None = None
        self._know = WitnessKnowledge()
        self.revision = 0
        """Of the last change that was seen; 0 before the first."""
        self.problem = ""
        """What no witness does, if it was seen."""

    async def watch(self) -> None:
        """Watch until cancelled, or until there is a problem; where etcd fails, go on when it is back."""
        while not self.problem:
            with contextlib.suppress(EtcdFailure):
                async for entry in self._client.changes(self.revision):
                    self._see(entry)
                    if self.problem:
                        return
            await asyncio.sleep(REDIAL_S)

    def _see(self, entry: Entry) -> None:
        try:
            self._saw(entry, boottime_ns())
        except EtcdFailure as error:
            self.problem = str(error)
        self.revision = entry.revision

    def _saw(self, entry: Entry, now: int) -> None:
        if entry.revision == 0:
            self.problem = "the record was deleted"
            return
        kept = decode(entry.value, self._constants)
        found = kept.know
        if self._trace is None:
            self._trace = TraceWriter(self._directory, Header("witness", self._pair, self._shorter, found))
            self._know = found
            self._note(act.WitnessStart(now + self._shorter.lease_ns), now)
            return
        before = self._know
        self._note(self._action(kept, now), now)
        if record_of(self._know) != record_of(found):
            self.problem = f"{shown(before)} became {shown(found)}, which is no action of a witness"

    def _action(self, kept: Kept, now: int) -> act.WitnessAction:
        """The one action that can have made the record what it is now."""
        know, found = self._know, kept.know
        if (found.epoch, found.holder) == (know.epoch, know.holder):
            if found.ended and not know.ended:
                return act.EndLease(found.epoch)
            if (found.version, found.eligible) != (know.version, know.eligible):
                return act.Record(found.epoch, found.version, found.eligible)
        begins = found.epoch > know.epoch
        promoted = begins and kept.promoted
        if (
            begins and kept.promoted is None
        ):  # a server of an earlier version: what nothing else allows was ordered
            promoted = not (know.epoch == 0 or (know.eligible and found.holder != know.holder))
        return act.Grant(Identity(found.holder), found.epoch, now + self._shorter.lease_ns, bool(promoted))

    def _note(self, action: act.WitnessAction, now: int) -> None:
        assert self._trace is not None
        self._know = witness_after(self._know, action, now)
        self._trace.note(action, now)
        self._trace.flush()
