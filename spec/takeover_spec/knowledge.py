"""What a server, and a witness, knows: the state that its own actions add up to.

`after(know, action, now)` is the one account of what an action means to the party that does it. The trace checker
folds it over a trace, the prover over symbolic actions, and the reference server uses it as its own bookkeeping,
so a rule means the same everywhere. It judges nothing: whether an action is allowed is for `rules.py`.

A restart is an action like any other, so what survives it is said here too: `after` keeps at `Start` what a server
must have made durable, and forgets the rest. Not here: what only a proof needs (who really holds what, the whole
history of the data).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, assert_never

from takeover_spec import actions as act
from takeover_spec.logic import Sparse, Table, choose, greatest, not_
from takeover_spec.records import replace
from takeover_spec.words import Identity, Status


def _no_flags() -> Table[bool]:
    return Sparse(False)


def _no_statuses() -> Table[int]:
    return Sparse[int](Status.NONE)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What one server knows. The defaults are a server that never ran: passive, hidden, no data."""

    # role and epoch
    active: bool = False
    epoch: int = 0
    """The epoch whose history this server's data belongs to; the one it is active in, if it is. Durable."""
    seen: int = 0
    """The highest epoch it has heard of. Durable."""
    returned: bool = False
    """It was active, stopped being so, and has not been resynchronised since. Durable."""
    drained: bool = False
    """It has ended a drain in this epoch: its safe queue is closed. Durable."""
    unsafe: bool = False
    """There is an unsafe queue that has not been set aside. Durable."""
    released: int = 0
    """The highest epoch in which it gave the role up. Durable."""
    begun: int = 0
    """Where the first of the epochs began that it led without following in between. Durable."""
    promoted: bool = False
    """It is to begin the next epoch with its own data, on an operator's order or because its takeover was cut."""
    keeps: int = 0
    """If so, and it was active: the last update of its own that the next epoch begins with."""
    started: int = 0
    """When its process started."""

    # grants it counts on, promises it gave, the public identity
    lease_epoch: int = 0
    lease_until: int = 0
    """Until when it counts on the witness's lease for `lease_epoch`."""
    promise_until: int = 0
    """Until when it counts on the peer's promise for its own epoch."""
    given_until: int = 0
    """Until when its own promise to the peer binds it; given to the epoch that is `seen`."""
    enabled: bool = False
    """It has enabled the public identity; the kernel ends it at `until`, asked or not."""
    until: int = 0

    # serving
    exposed: bool = False
    """The public identity has been enabled in this epoch."""
    intercepting: bool = False
    serving: bool = False
    """The protected applications run."""
    peer_left: bool = False
    """The peer said goodbye and has not been heard since. Durable."""
    peer_released: int = 0
    """The highest epoch of which it heard that the peer gave the role up. Durable."""

    # the passive server's data and its safe queue
    applied: int = 0
    """The last update applied; at an active server, the last one of the epochs before."""
    stored: Table[bool] = field(default_factory=_no_flags)
    status: Table[int] = field(default_factory=_no_statuses)
    newest: int = 0
    """The highest update that was in the safe queue, or applied."""
    reported: int = 0
    """It told the active server that everything up to here is safe."""

    # the active server's data and its unsafe queue
    logged: int = 0
    """The last update logged."""
    carried: Table[int] = field(default_factory=_no_statuses)
    """How each logged update ended, as far as it has."""
    safe_upto: int = 0
    """The passive server reported that everything up to here is safe."""
    safe_latest: int = 0
    """The passive server reported that it has this one, whatever is missing below it."""
    acknowledged: int = 0
    """The highest update acknowledged to an application."""
    trimmed: int = 0
    """Everything up to here has left the unsafe queue."""
    peer_follows: bool = False
    """The passive server has reported in this epoch."""
    version: int = 0
    """The last version of the passive server's eligibility that the witness was asked to record."""
    alone: bool = False
    """The witness has recorded that the passive server is not eligible, and nothing newer was asked of it."""
    successor: bool = False
    """The witness has recorded that the passive server is eligible, and nothing newer was asked of it."""


@dataclass(frozen=True, slots=True)
class WitnessKnowledge:
    """What the witness knows. The defaults are one that never ran."""

    epoch: int = 0
    """The latest epoch it has granted a lease for. Durable."""
    holder: int = Identity.PRIMARY
    """To whom; means nothing in epoch 0. Durable."""
    version: int = 0
    """The version of `eligible`. Durable."""
    eligible: bool = False
    """Whether the other server may take over from the holder. Durable."""
    ended: bool = False
    """The holder gave this epoch up. Durable."""
    lease_until: int = 0
    wait_until: int = 0


def grant_until(know: Knowledge) -> int:
    """Until when a server may hold the public identity: the later of its two grants (LEASE-1)."""
    return greatest(choose(know.lease_epoch == know.epoch, know.lease_until, 0), know.promise_until)


def lapsed(know: Knowledge, now: int) -> bool:
    """Whether no grant is left."""
    return grant_until(know) <= now


def settled(know: Knowledge, seq: int) -> bool:
    """Whether update `seq` is in the safe queue with its completion status, or applied already."""
    return (seq <= know.applied) | (know.stored[seq] & (know.status[seq] != Status.NONE))


def after(know: Knowledge, action: act.ServerAction, now: int) -> Knowledge:
    """What a server knows once it has done `action` at `now` on its clock."""
    match action:
        case act.Start():
            return _after_start(know, action, now)
        case act.Store() | act.StoreStatus() | act.ReportSafe() | act.Apply() | act.Resynchronise():
            return _after_following(know, action)
        case (
            act.Promise()
            | act.CountPromise()
            | act.CountLease()
            | act.Release()
            | act.HearRelease()
            | act.Enable()
            | act.Disable()
        ):
            return _after_grant(know, action, now)
        case (
            act.Promote() | act.Discard() | act.TakeRole() | act.StartInterception() | act.StartApplications()
        ):
            return _after_takeover(know, action)
        case (
            act.Log()
            | act.CarryOut()
            | act.HearSafe()
            | act.Acknowledge()
            | act.Trim()
            | act.Drop()
            | act.Declare()
            | act.Copy()
            | act.HearRecorded()
        ):
            return _after_leading(know, action)
        case (
            act.StopApplications()
            | act.Refrain()
            | act.HearEpoch()
            | act.StepDown()
            | act.SetAside()
            | act.HearGoodbye()
            | act.HearReturn()
        ):
            return _after_leaving(know, action)
        case _:
            assert_never(action)


def _after_start(know: Knowledge, action: act.Start, now: int) -> Knowledge:
    return replace(
        know,
        active=action.active,
        returned=know.returned | know.active,
        promoted=False,
        keeps=0,
        started=now,
        lease_epoch=0,
        lease_until=0,
        promise_until=0,
        given_until=action.wait_until,
        enabled=action.enabled,
        until=action.until,
        exposed=False,
        intercepting=False,
        serving=False,
        alone=False,
        successor=False,
    )


def _after_following(
    know: Knowledge, action: act.Store | act.StoreStatus | act.ReportSafe | act.Apply | act.Resynchronise
) -> Knowledge:
    match action:
        case act.Store(seq=seq):
            return replace(know, stored=know.stored.put(seq, True), newest=greatest(know.newest, seq))
        case act.StoreStatus(seq=seq, status=status):
            return replace(know, status=know.status.put(seq, status))
        case act.ReportSafe(upto=upto):
            return replace(know, reported=greatest(know.reported, upto))
        case act.Apply(seq=seq):
            return replace(
                know,
                applied=seq,
                newest=greatest(know.newest, seq),
                stored=know.stored.put(seq, False),
                status=know.status.put(seq, Status.NONE),
            )
        case act.Resynchronise(epoch=epoch, upto=upto):
            return replace(
                know,
                epoch=epoch,
                seen=greatest(know.seen, epoch),
                returned=False,
                promoted=False,
                drained=False,
                applied=upto,
                stored=know.stored.emptied(),
                status=know.status.emptied(),
                newest=upto,
                reported=choose(know.epoch == epoch, know.reported, 0),
            )
        case _:
            assert_never(action)


def _after_grant(
    know: Knowledge,
    action: act.Promise
    | act.CountPromise
    | act.CountLease
    | act.Release
    | act.HearRelease
    | act.Enable
    | act.Disable,
    now: int,
) -> Knowledge:
    match action:
        case act.Promise(epoch=epoch, until=until):
            return replace(know, given_until=until, seen=greatest(know.seen, epoch), promoted=False)
        case act.CountPromise(until=until):
            return replace(know, promise_until=greatest(know.promise_until, until))
        case act.CountLease(epoch=epoch, until=until):
            longer = greatest(know.lease_until, until)
            return replace(
                know, lease_epoch=epoch, lease_until=choose(know.lease_epoch == epoch, longer, until)
            )
        case act.Release(epoch=epoch):
            return replace(know, released=greatest(know.released, epoch))
        case act.HearRelease(epoch=epoch):
            given_until = choose(epoch >= know.seen, now, know.given_until)
            return replace(know, given_until=given_until, peer_released=greatest(know.peer_released, epoch))
        case act.Enable(until=until):
            return replace(know, enabled=True, until=until, exposed=True)
        case act.Disable():
            return replace(know, enabled=False, until=0)
        case _:
            assert_never(action)


def _after_takeover(
    know: Knowledge,
    action: act.Promote | act.Discard | act.TakeRole | act.StartInterception | act.StartApplications,
) -> Knowledge:
    match action:
        case act.Promote(kept=kept):
            return replace(know, promoted=True, keeps=kept)
        case act.Discard():
            return replace(
                know,
                drained=True,
                stored=know.stored.emptied(),
                status=know.status.emptied(),
                newest=know.applied,
            )
        case act.TakeRole(epoch=epoch):
            begins = choose(know.returned, know.keeps, know.applied)
            return replace(
                know,
                active=True,
                epoch=epoch,
                seen=greatest(know.seen, epoch),
                returned=False,
                unsafe=True,
                begun=choose(know.returned, know.begun, know.applied),
                promoted=False,
                keeps=0,
                promise_until=0,
                exposed=False,
                applied=begins,
                newest=begins,
                logged=begins,
                carried=know.carried.emptied(),
                safe_upto=0,
                safe_latest=0,
                acknowledged=0,
                trimmed=begins,
                peer_follows=False,
                version=0,
                alone=True,  # the witness knows nobody eligible in a new epoch until it is told (LEASE-3)
                successor=False,
            )
        case act.StartInterception():
            return replace(know, intercepting=True)
        case act.StartApplications():
            return replace(know, serving=True)
        case _:
            assert_never(action)


def _after_leading(
    know: Knowledge,
    action: act.Log
    | act.CarryOut
    | act.HearSafe
    | act.Acknowledge
    | act.Trim
    | act.Drop
    | act.Declare
    | act.Copy
    | act.HearRecorded,
) -> Knowledge:
    match action:
        case act.Log(seq=seq):
            return replace(know, logged=seq)
        case act.CarryOut(seq=seq, status=status):
            return replace(know, carried=know.carried.put(seq, status))
        case act.HearSafe(upto=upto, latest=latest):
            safe_upto = greatest(know.safe_upto, upto)
            return replace(know, safe_upto=safe_upto, safe_latest=latest, peer_follows=True)
        case act.Acknowledge(seq=seq):
            return replace(know, acknowledged=greatest(know.acknowledged, seq))
        case act.Trim(upto=upto):
            return replace(know, trimmed=upto)
        case act.Drop(upto=upto):
            return replace(know, trimmed=upto)
        case act.Declare(version=version):
            return replace(know, version=version, alone=False, successor=False)
        case act.Copy():
            return know
        case act.HearRecorded(version=version, eligible=eligible):
            last = version == know.version
            return replace(
                know,
                alone=choose(last, not_(eligible), know.alone),
                successor=choose(last, eligible, know.successor),
            )
        case _:
            assert_never(action)


def _after_leaving(
    know: Knowledge,
    action: act.StopApplications
    | act.Refrain
    | act.HearEpoch
    | act.StepDown
    | act.SetAside
    | act.HearGoodbye
    | act.HearReturn,
) -> Knowledge:
    match action:
        case act.StopApplications():
            return replace(know, serving=False, intercepting=False)
        case act.Refrain():
            return know
        case act.HearEpoch(epoch=epoch):
            return replace(know, seen=greatest(know.seen, epoch))
        case act.StepDown():
            return replace(
                know,
                active=False,
                returned=True,
                promise_until=0,
                lease_until=0,
                enabled=False,
                until=0,
                intercepting=False,
                serving=False,
                alone=False,
                successor=False,
            )
        case act.SetAside():
            return replace(know, unsafe=False)
        case act.HearGoodbye():
            return replace(know, peer_left=True)
        case act.HearReturn():
            return replace(know, peer_left=False)
        case _:
            assert_never(action)


def witness_after(know: WitnessKnowledge, action: act.WitnessAction, now: int) -> WitnessKnowledge:
    """What the witness knows once it has done `action` at `now` on its clock."""
    match action:
        case act.WitnessStart(wait_until=wait_until):
            return replace(know, wait_until=wait_until, lease_until=wait_until)
        case act.Grant(to=to, epoch=epoch, until=until):
            newer = epoch > know.epoch
            return replace(
                know,
                epoch=epoch,
                holder=to,
                lease_until=until,
                version=choose(newer, 0, know.version),
                eligible=not_(newer) & know.eligible,
                ended=not_(newer) & know.ended,
            )
        case act.Record(version=version, eligible=eligible):
            return replace(know, version=version, eligible=eligible)
        case act.EndLease():
            return replace(know, ended=True, lease_until=now)
        case _:
            assert_never(action)


Party = Knowledge | WitnessKnowledge


def party_after(know: Any, action: act.Action, now: int) -> Any:
    """`after` or `witness_after`, by whose knowledge it is."""
    if isinstance(know, WitnessKnowledge):
        return witness_after(know, action, now)  # type: ignore[arg-type]  # a trace is of one party
    return after(know, action, now)  # type: ignore[arg-type]  # a trace is of one party
