"""The properties, judged on what really happened in a virtual world.

Nothing here reads what a server *knows*. What counts is what its kernel holds in true time, what its disk holds, which
operations were logged, acknowledged and given up, and which server took the role of which epoch. So a core that fools
itself, and the rules with it, does not fool this.

What a takeover gave up is settled once somebody may have relied on it: when the statement is durable, or when the
public identity is enabled. A server that crashed before that has taken nothing over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from takeover_models.data import Operation
from takeover_models.findings import PropertyBroken
from takeover_models.images import Image
from takeover_spec import actions as act
from takeover_spec.words import Cause, Status


class Seen(Protocol):
    """What can be seen of a server from outside, and on its disk."""

    @property
    def party(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def image(self) -> Image: ...
    @property
    def holds_identity(self) -> bool: ...
    @property
    def serving(self) -> bool: ...


class Truth:
    """See the module. Every method raises `PropertyBroken`."""

    def __init__(self, *, synchronous: bool) -> None:
        self.synchronous = synchronous
        self.operations: dict[int, Operation] = {}
        """Everything that was ever logged, by uid."""
        self.acknowledged: dict[int, tuple[int, bool]] = {}
        """By uid, the epoch in which it was acknowledged, and whether it had changed the data."""
        self.lost: dict[int, int] = {}
        """By uid, the epoch of an update that a takeover gave up."""
        self.leaders: dict[int, int] = {}
        """Which server took the role of each epoch."""
        self.begun: dict[int, int] = {}
        """How many updates the data of each epoch's leader had when it took the role."""
        self.released: set[int] = set()
        """The epochs whose leader gave the role up."""
        self.ordered = 0
        """The latest epoch that began on an operator's order, with data that was not the leader's before."""
        self.servers: tuple[Seen, ...] = ()

    def look(self) -> None:
        """`one-holder` and `drained-before-serving`, now."""
        holding = [server.holds_identity for server in self.servers]
        if all(holding):
            raise PropertyBroken("one-holder", "both servers have the public identity enabled")
        for server, holds in zip(self.servers, holding, strict=True):
            if (holds or server.serving) and _can_apply(server.image):
                seqs = sorted(server.image.safe)
                raise PropertyBroken(
                    "drained-before-serving",
                    f"the {server.party} is seen while updates {seqs} wait in its safe queue",
                )

    def acting(self, server: Seen, action: act.ServerAction) -> tuple[tuple[int, int], ...]:
        """A server is about to act, and its image is the one before. What it gives up: uids and their epochs."""
        match action:
            case act.Discard():
                return self.discarding(server, action)
            case act.TakeRole(epoch=epoch, cause=cause):
                if cause is Cause.OPERATOR and self.leaders.get(epoch - 1) != server.index:
                    self.ordered = epoch
                return self.taking_role(server, epoch)
            case act.Release(epoch=epoch):
                self.released.add(epoch)
            case act.Promote():
                self.promoting(server, action)
            case act.SetAside():
                self.setting_aside(server, action)
            case _:
                pass
        return ()

    def discarding(self, server: Seen, action: act.Discard) -> tuple[tuple[int, int], ...]:
        """A drain ends. What is given up."""
        image = server.image
        length = len(image.data.history)
        if _can_apply(image):
            raise PropertyBroken(
                "exact-prefix",
                f"the {server.party} ends its drain after {length}, though the next can be applied",
            )
        last = max(image.safe, default=length)
        if (action.kept, action.last) != (length, last):
            raise PropertyBroken(
                "exact-loss",
                f"the {server.party} states kept {action.kept}, last {action.last}; "
                f"its data has {length} updates, and its safe queue ends with {last}",
            )
        return tuple((queued.operation.uid, image.lineage) for queued in image.safe.values())

    def taking_role(self, server: Seen, epoch: int) -> tuple[tuple[int, int], ...]:
        """A server takes the role of an epoch. What its takeover gives up."""
        data = server.image.data
        length = len(data.history)
        leader = self.leaders.get(epoch - 1)
        before = self.servers[leader].image if leader is not None else Image()
        if data.history != before.data.history[:length]:
            raise PropertyBroken(
                "exact-prefix",
                f"the {server.party} takes over with {_told(data.history)}, "
                f"and the leader before it had {_told(before.data.history)}",
            )
        if not data.is_as_its_history_says(self.operations):
            raise PropertyBroken(
                "exact-prefix", f"the {server.party}'s keys hold {data.keys}, not what was done"
            )
        self._nothing_acknowledged_is_lost(server, epoch)
        self.leaders[epoch], self.begun[epoch] = server.index, length
        there = {entry.uid for entry in data.history}
        left = [uid for uid in uids_by_position(before).values() if uid not in there]
        if epoch - 1 in self.released and left:
            raise PropertyBroken(
                "switchover-loses-nothing",
                f"the {server.party} takes over epoch {epoch - 1}, which was released, without operations {left}",
            )
        return tuple((uid, epoch - 1) for uid in left)

    def promoting(self, server: Seen, action: act.Promote) -> None:
        """`exact-loss` of an order's statement: what is kept is complete, and the queue ends where it says."""
        image = server.image
        kept = len(image.data.history)
        if self.leaders.get(image.lineage) == server.index:
            last = max(uids_by_position(image), default=0)
        else:
            last = max(image.safe, default=kept)
            while kept + 1 in image.safe and image.safe[kept + 1].status is not Status.NONE:
                kept += 1
        if (action.kept, action.last) != (kept, last):
            raise PropertyBroken(
                "exact-loss",
                f"the {server.party} is promoted and states kept {action.kept}, last {action.last}; "
                f"it has {kept} updates complete, and its queue ends with {last}",
            )

    def setting_aside(self, server: Seen, action: act.SetAside) -> None:
        """`exact-loss` of a rejoin's statement: what is kept is in the new leader's data, and the rest is not."""
        mine = uids_by_position(server.image)
        last = max(mine, default=0)
        begun = self.begun.get(action.epoch + 1, 0)
        leader = self.leaders.get(action.epoch + 1)
        theirs = self.servers[leader].image.data.history[:begun] if leader is not None else ()
        there = {entry.uid for entry in theirs}
        kept = {seq for seq, uid in mine.items() if uid in there}
        if kept != set(range(1, action.kept + 1)) or action.last != last:
            raise PropertyBroken(
                "exact-loss",
                f"the {server.party} states kept {action.kept}, last {action.last}; "
                f"the new leader has its updates {sorted(kept)}, and it logged {last}",
            )

    def acknowledging(self, server: Seen, epoch: int, seq: int) -> None:
        """An application is told that its update is complete."""
        entry = server.image.data.history[seq - 1]
        self.acknowledged[entry.uid] = (epoch, entry.changed)
        for other in self.servers:
            if other.image.lineage > epoch:
                self._nothing_acknowledged_is_lost(other, other.image.lineage)

    def changed(self, server: Seen, *, wholly: bool) -> None:
        """`no-ghost`: a server's data has one more update, or is another altogether."""
        image = server.image
        for entry in image.data.history if wholly else image.data.history[-1:]:
            if self.lost.get(entry.uid, image.lineage) < image.lineage:
                raise PropertyBroken(
                    "no-ghost",
                    f"operation {entry.uid}, given up in epoch {self.lost[entry.uid]}, "
                    f"is in the {server.party}'s data of epoch {image.lineage}",
                )

    def settle(self, image: Image) -> None:
        """What this image's takeovers gave up, they gave up for good."""
        if len(image.gone) > 0 and image.gone[-1][0] not in self.lost:
            self.lost.update(image.gone)

    def _nothing_acknowledged_is_lost(self, server: Seen, epoch: int) -> None:
        if not self.synchronous:
            return
        there = dict(server.image.data.history)
        for uid, (since, changed) in self.acknowledged.items():
            if self.ordered <= since < epoch and there.get(uid) is not changed:
                raise PropertyBroken(
                    "nothing-acknowledged-is-lost",
                    f"operation {uid}, acknowledged in epoch {since}, "
                    f"is not in the {server.party}'s data of epoch {epoch}",
                )


def uids_by_position(image: Image) -> Mapping[int, int]:
    """Which operation is at each position of what a server carried out or logged."""
    uids = {seq: entry.uid for seq, entry in enumerate(image.data.history, 1)}
    return uids | {seq: queued.operation.uid for seq, queued in image.unsafe.items()}


def _can_apply(image: Image) -> bool:
    """Whether the next update is in the safe queue with its status."""
    following = image.safe.get(len(image.data.history) + 1) if image.safe else None
    return following is not None and following.status is not Status.NONE


def _told(history: tuple[tuple[int, bool], ...]) -> str:
    return "[" + " ".join(f"{uid}" if changed else f"({uid})" for uid, changed in history) + "]"
