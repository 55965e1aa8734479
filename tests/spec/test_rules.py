"""Each rule in situations that it allows and situations that it forbids.

A case is: what the party knows, what it does, when, and which clauses that breaks. The cases of one clause stand
together. They sit on the edges: the last value that is allowed, and the first that is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.logic import Sparse, Table
from takeover_spec.rules import RULES, Rule, broken, rules_about
from takeover_spec.words import Cause, Constants, Identity, Queue, Status

C = Constants(lease_ns=1100, promise_ns=2200, drift_ppm=100_000, expiry_slack_ns=10, synchronous=True)
"""With clocks off by a tenth, a lease of 1100 is counted for 900 from its sending, and a promise of 2200 for 1800."""

ASYNCHRONOUS = replace(C, synchronous=False)

NONE, DONE, FAILED = Status.NONE, Status.DONE, Status.FAILED
SAFE, UNSAFE = Queue.SAFE, Queue.UNSAFE
PRIMARY, SECONDARY = Identity.PRIMARY, Identity.SECONDARY


def _flags(*keys: int) -> Table[bool]:
    table: Table[bool] = Sparse(False)
    for key in keys:
        table = table.put(key, True)
    return table


def _statuses(**values: Status) -> Table[int]:
    """`_statuses(u11=DONE)`: update 11 is done."""
    table: Table[int] = Sparse[int](NONE)
    for name, status in values.items():
        table = table.put(int(name[1:]), status)
    return table


# Clocks show a little more than 5000 everywhere.

NEW = Knowledge(started=5000)
"""Never had data, never heard of anything."""

FOLLOWER = Knowledge(
    epoch=3,
    seen=3,
    started=1000,
    given_until=5000,
    lease_epoch=4,
    lease_until=5800,
    applied=10,
    stored=_flags(11, 12, 13, 15),
    status=_statuses(u11=DONE, u12=FAILED, u14=DONE, u15=DONE),
    newest=15,
    reported=11,
)
"""Follows epoch 3: 11 and 12 are settled; of 13 the status is missing, of 14 the update; 15 is settled. Its promise has
just run out, and it has a lease for epoch 4."""

STUCK = replace(
    FOLLOWER, applied=12, stored=_flags(13, 15), status=_statuses(u14=DONE, u15=DONE), reported=12
)
"""The follower, when nothing more can be applied."""

CHALLENGER = replace(
    FOLLOWER,
    drained=True,
    applied=12,
    newest=12,
    stored=_flags(),
    status=_statuses(),
)
"""The follower after its drain."""

LEADER = Knowledge(
    active=True,
    epoch=3,
    seen=3,
    drained=True,
    unsafe=True,
    released=1,
    started=1000,
    lease_epoch=3,
    lease_until=5500,
    promise_until=5600,
    given_until=2000,
    enabled=True,
    until=5400,
    exposed=True,
    intercepting=True,
    serving=True,
    applied=10,
    logged=15,
    carried=_statuses(u11=DONE, u12=FAILED, u13=DONE, u14=DONE),
    safe_upto=12,
    safe_latest=14,
    acknowledged=12,
    trimmed=11,
    begun=10,
    peer_follows=True,
    version=4,
    successor=True,
)
"""Leads epoch 3, which began with 10: 15 is logged only, 13 and 14 are carried out, and up to 12 everything is safe."""

ALONE = replace(LEADER, alone=True, successor=False, promise_until=0)
"""The leader, with nobody to succeed it."""

LAPSED = replace(LEADER, lease_until=5000, promise_until=5000)
"""The leader at 5000, when its grants have just ended."""

OVERTAKEN = replace(LEADER, seen=4)
"""The leader, having heard of epoch 4."""

LEAVING = replace(LEADER, enabled=False, until=0, intercepting=False, serving=False, safe_upto=15)
"""The leader in a switchover: hidden, quiet, and everything is safe."""

OLD = replace(
    LEAVING,
    active=False,
    returned=True,
    successor=False,
    seen=4,
    lease_until=0,
    promise_until=0,
    safe_upto=12,
)
"""Was the leader; epoch 4 has begun; its unsafe queue is still there."""

LAST = replace(OLD, seen=3)
"""Was the leader, and nobody has been since."""

UNSERVED = replace(LAST, logged=10, carried=_statuses(), newest=10)
"""The same, when it had logged nothing."""

ORDERED = replace(LAST, promoted=True, keeps=14, lease_epoch=4, lease_until=5800)
"""The same, ordered to go on with what it carried out, and granted the lease for that."""

WITNESS = WitnessKnowledge(
    epoch=3, holder=PRIMARY, version=4, eligible=True, lease_until=5000, wait_until=4000
)
"""The primary's lease of epoch 3 ends at 5000; the secondary may succeed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One situation."""

    says: str
    know: Knowledge | WitnessKnowledge
    action: act.Action
    breaks: str = ""
    """The clauses, separated by spaces."""
    at: int = 5000
    constants: Constants = C


CASES = [
    # APPLY-1
    Case("the next one", FOLLOWER, act.Apply(3, 11, True, SAFE)),
    Case("one is left out", replace(FOLLOWER, applied=9), act.Apply(3, 11, True, SAFE), "APPLY-1"),
    Case("once more", replace(FOLLOWER, applied=11), act.Apply(3, 11, True, SAFE), "APPLY-1"),
    # APPLY-2
    Case("without its status", replace(FOLLOWER, applied=12), act.Apply(3, 13, False, SAFE), "APPLY-2"),
    Case("without the update", replace(FOLLOWER, applied=13), act.Apply(3, 14, True, SAFE), "APPLY-2"),
    # APPLY-3
    Case("a failed one passed over", replace(FOLLOWER, applied=11), act.Apply(3, 12, False, SAFE)),
    Case("a failed one done", replace(FOLLOWER, applied=11), act.Apply(3, 12, True, SAFE), "APPLY-3"),
    Case("a done one passed over", FOLLOWER, act.Apply(3, 11, False, SAFE), "APPLY-3"),
    # APPLY-4
    Case("the status of the next is missing", STUCK, act.Discard(3, 12, 15)),
    Case("the next is missing", replace(STUCK, applied=13), act.Discard(3, 13, 15)),
    Case("the next could be applied", FOLLOWER, act.Discard(3, 10, 15), "APPLY-4"),
    Case("nothing was ever stored", replace(NEW, lease_epoch=1, lease_until=5800), act.Discard(0, 0, 0)),
    # APPLY-5
    Case("applied after the drain", replace(FOLLOWER, drained=True), act.Apply(3, 11, True, SAFE), "APPLY-5"),
    Case("an update arrives", FOLLOWER, act.Store(3, 16)),
    Case("an update arrives after the drain", CHALLENGER, act.Store(3, 16), "APPLY-5"),
    Case("a status arrives", FOLLOWER, act.StoreStatus(3, 13, DONE)),
    Case("a status arrives after the drain", CHALLENGER, act.StoreStatus(3, 13, DONE), "APPLY-5"),
    # QUEUE-1
    Case("the next number", LEADER, act.Log(3, 16)),
    Case("a number left out", LEADER, act.Log(3, 17), "QUEUE-1"),
    Case("a number used twice", LEADER, act.Log(3, 15), "QUEUE-1"),
    Case("nothing is intercepted", replace(LEADER, intercepting=False), act.Log(3, 16), "QUEUE-1"),
    Case("what is logged is carried out", LEADER, act.CarryOut(3, 15, DONE, 14)),
    Case("what is not logged is carried out", LEADER, act.CarryOut(3, 16, DONE, 14), "QUEUE-1"),
    Case("what an earlier epoch logged", LEADER, act.CarryOut(3, 10, DONE, 9), "QUEUE-1"),
    Case("carried out a second time", LEADER, act.CarryOut(3, 14, FAILED, 13), "QUEUE-1"),
    Case("carried out without an outcome", LEADER, act.CarryOut(3, 15, NONE, 14), "QUEUE-1"),
    # QUEUE-2
    Case("alone in what it touches", LEADER, act.CarryOut(3, 15, DONE, 0)),
    Case("after one of an earlier epoch", LEADER, act.CarryOut(3, 15, DONE, 10)),
    Case(
        "before one that touches the same thing",
        replace(LEADER, carried=_statuses(u11=DONE)),
        act.CarryOut(3, 14, DONE, 13),
        "QUEUE-2",
    ),
    Case("after itself", LEADER, act.CarryOut(3, 15, DONE, 15), "QUEUE-2"),
    # QUEUE-3
    Case("what is safe leaves", LEADER, act.Trim(3, 12)),
    Case("what is not safe leaves", LEADER, act.Trim(3, 13), "QUEUE-3"),
    Case("what has left comes back", LEADER, act.Trim(3, 10), "QUEUE-3"),
    # QUEUE-4
    Case("what is settled without a gap", FOLLOWER, act.ReportSafe(3, 12, 15)),
    Case("what has no status", FOLLOWER, act.ReportSafe(3, 13, 15), "QUEUE-4"),
    Case("across a gap", replace(FOLLOWER, reported=0), act.ReportSafe(3, 15, 15), "QUEUE-4"),
    Case("a latest one that is not here", FOLLOWER, act.ReportSafe(3, 12, 14), "QUEUE-4"),
    Case("what is applied", CHALLENGER, act.ReportSafe(3, 12, 12)),
    Case("a status told again", FOLLOWER, act.StoreStatus(3, 12, FAILED)),
    Case("a status that says otherwise", FOLLOWER, act.StoreStatus(3, 12, DONE), "QUEUE-4"),
    Case("a status taken back", FOLLOWER, act.StoreStatus(3, 12, NONE), "QUEUE-4"),
    Case("no status", FOLLOWER, act.StoreStatus(3, 13, NONE), "QUEUE-4"),
    # QUEUE-5
    Case("out of the unsafe queue", FOLLOWER, act.Apply(3, 11, True, UNSAFE), "QUEUE-5"),
    # QUEUE-6
    Case("nobody may succeed", ALONE, act.Drop(3, 15)),
    Case("somebody may succeed", LEADER, act.Drop(3, 15), "QUEUE-6"),
    Case("what was never logged", ALONE, act.Drop(3, 16), "QUEUE-6"),
    Case("what has left already", ALONE, act.Drop(3, 11)),
    Case("what has left comes back", ALONE, act.Drop(3, 10), "QUEUE-6"),
    # SYNC-1
    Case("safe with all before it", LEADER, act.Acknowledge(3, 12)),
    Case("safe with a gap before it", LEADER, act.Acknowledge(3, 14), "SYNC-1"),
    Case("nobody may succeed", ALONE, act.Acknowledge(3, 14)),
    Case("asynchronous mode", LEADER, act.Acknowledge(3, 14), constants=ASYNCHRONOUS),
    Case("not carried out", ALONE, act.Acknowledge(3, 15), "SYNC-1"),
    Case("not logged", LEADER, act.Acknowledge(3, 16), "SYNC-1", constants=ASYNCHRONOUS),
    Case("of an earlier epoch", LEADER, act.Acknowledge(3, 10), "SYNC-1"),
    # ADDR-1
    Case("within the promise", LEADER, act.Enable(5590)),
    Case("before the drain", replace(LEADER, drained=False), act.Enable(5590), "ADDR-1"),
    Case("by a passive server", replace(LEADER, active=False), act.Enable(5590), "ADDR-1"),
    # ADDR-2
    Case("within the lease", replace(LEADER, promise_until=0), act.Enable(5490)),
    Case("too late for the kernel's slack", LEADER, act.Enable(5591), "ADDR-2"),
    Case("another epoch's lease", replace(LEADER, promise_until=0, lease_epoch=4), act.Enable(5490), "ADDR-2 ROLE-6"),
    Case("past the later of the two", replace(LEADER, promise_until=5400), act.Enable(5491), "ADDR-2"),
    Case("ends now", LEADER, act.Enable(5000), "ADDR-2"),
    # LEASE-1
    Case("both grants", CHALLENGER, act.TakeRole(4, Cause.SILENCE)),
    Case("its own promise binds", CHALLENGER, act.TakeRole(4, Cause.SILENCE), "LEASE-1", at=4999),
    Case("its lease ends now", replace(CHALLENGER, lease_until=5000), act.TakeRole(4, Cause.SILENCE), "LEASE-1"),
    Case("a lease of another epoch", replace(CHALLENGER, lease_epoch=3), act.TakeRole(4, Cause.SILENCE), "LEASE-1"),
    Case("drained while its promise binds", STUCK, act.Discard(3, 12, 15), "LEASE-1", at=4999),
    Case("drained as its lease ends", replace(STUCK, lease_until=5000), act.Discard(3, 12, 15), "LEASE-1"),
    Case("drained for another epoch", replace(STUCK, lease_epoch=3), act.Discard(3, 12, 15), "LEASE-1"),
    # LEASE-2
    Case("a full promise", FOLLOWER, act.Promise(3, 7200)),
    Case("too short a promise", FOLLOWER, act.Promise(3, 7199), "LEASE-2"),
    Case("shorter than the one before", replace(FOLLOWER, given_until=7300), act.Promise(3, 7299), "LEASE-2"),
    Case("by an active server", LEADER, act.Promise(3, 7200), "LEASE-2"),
    Case("a full wait", FOLLOWER, act.Start(False, False, 0, 7200)),
    Case("too short a wait", FOLLOWER, act.Start(False, False, 0, 7199), "LEASE-2"),
    # LEASE-3
    Case("renewed while it runs", WITNESS, act.Grant(PRIMARY, 3, 6099, False), at=4999),
    Case("renewed after it ended", WITNESS, act.Grant(PRIMARY, 3, 7100, False), at=6000),
    Case(
        "renewed while it waits",
        replace(WITNESS, lease_until=5600, wait_until=5600),
        act.Grant(PRIMARY, 3, 6100, False),
    ),
    Case("the next epoch, to the other", WITNESS, act.Grant(SECONDARY, 4, 6100, False)),
    Case("a lease still runs", WITNESS, act.Grant(SECONDARY, 4, 6099, False), "LEASE-3", at=4999),
    Case("it still waits", replace(WITNESS, wait_until=5001), act.Grant(SECONDARY, 4, 6100, False), "LEASE-3"),
    Case("an epoch left out", WITNESS, act.Grant(SECONDARY, 5, 6100, False), "LEASE-3"),
    Case("the same epoch, to the other", WITNESS, act.Grant(SECONDARY, 3, 6100, False), "LEASE-3"),
    Case("an epoch that is over", WITNESS, act.Grant(PRIMARY, 2, 6100, False), "LEASE-3"),
    Case("a short lease", WITNESS, act.Grant(PRIMARY, 3, 6099, False), "LEASE-3"),
    Case("a lease made shorter", replace(WITNESS, lease_until=6200), act.Grant(PRIMARY, 3, 6199, False), "LEASE-3"),
    Case("not eligible", replace(WITNESS, eligible=False), act.Grant(SECONDARY, 4, 6100, False), "LEASE-3"),
    Case("the holder succeeds itself", WITNESS, act.Grant(PRIMARY, 4, 6100, False), "LEASE-3"),
    Case("not eligible, and ordered", replace(WITNESS, eligible=False), act.Grant(SECONDARY, 4, 6100, True)),
    Case("the holder, and ordered", WITNESS, act.Grant(PRIMARY, 4, 6100, True)),
    Case("ordered while a lease runs", WITNESS, act.Grant(SECONDARY, 4, 6099, True), "LEASE-3", at=4999),
    Case("the first epoch, to either", WitnessKnowledge(), act.Grant(SECONDARY, 1, 6100, False)),
    Case("a full wait", WITNESS, act.WitnessStart(6100)),
    Case("too short a wait", WITNESS, act.WitnessStart(6099), "LEASE-3"),
    # LEASE-4
    Case("a lease, shortened for drift", CHALLENGER, act.CountLease(4, 4900, 5800)),
    Case("a lease, not shortened enough", CHALLENGER, act.CountLease(4, 4900, 5801), "LEASE-4"),
    Case("asked for in an earlier run", replace(CHALLENGER, started=4901), act.CountLease(4, 4900, 5800), "LEASE-4"),
    Case("asked for in the future", CHALLENGER, act.CountLease(4, 5001, 5800), "LEASE-4"),
    Case("a promise, shortened for drift", LEADER, act.CountPromise(3, 4900, 6700)),
    Case("a promise, not shortened enough", LEADER, act.CountPromise(3, 4900, 6701), "LEASE-4"),
    Case("a promise of an earlier run", replace(LEADER, started=4901), act.CountPromise(3, 4900, 6700), "LEASE-4"),
    # LEASE-5
    Case("released", replace(LEADER, released=3), act.Enable(5590), "LEASE-5"),
    Case("hidden and quiet", LEAVING, act.Release(3)),
    Case("still enabled", replace(LEAVING, enabled=True), act.Release(3), "LEASE-5"),
    Case("another epoch's role", LEAVING, act.Release(4), "LEASE-5"),
    Case("a role it has no more", replace(LEAVING, active=False), act.Release(3), "LEASE-5"),
    Case("renewed after the release", replace(WITNESS, ended=True), act.Grant(PRIMARY, 3, 6100, False), "LEASE-5"),
    Case("the next epoch after the release", replace(WITNESS, ended=True), act.Grant(SECONDARY, 4, 6100, False)),
    # ROLE-1
    Case("passive and hidden", LEADER, act.Start(False, False, 0, 7200)),
    Case("active", LEADER, act.Start(True, False, 0, 7200), "ROLE-1"),
    Case("enabled", LEADER, act.Start(False, True, 5100, 7200), "ROLE-1"),
    # ROLE-2
    Case("before the drain", replace(CHALLENGER, drained=False), act.TakeRole(4, Cause.SILENCE), "ROLE-2"),
    Case("after the identity", LEADER, act.StartInterception()),
    Case("before the identity", replace(LEADER, exposed=False), act.StartInterception(), "ROLE-2"),
    Case("after interception", LEADER, act.StartApplications()),
    Case("before interception", replace(LEADER, intercepting=False), act.StartApplications(), "ROLE-2"),
    # ROLE-3
    Case("a newer epoch was heard of", replace(CHALLENGER, seen=4), act.TakeRole(4, Cause.SILENCE), "ROLE-3"),
    Case("a newer epoch, before the drain ends", replace(STUCK, seen=4), act.Discard(3, 12, 15), "ROLE-3"),
    Case("an active server drains", replace(STUCK, active=True), act.Discard(3, 12, 15), "ROLE-3"),
    Case("an active one takes over", replace(CHALLENGER, active=True), act.TakeRole(4, Cause.SILENCE), "ROLE-2 ROLE-3"),
    # ROLE-4
    Case("the first of all", replace(NEW, drained=True, lease_epoch=1, lease_until=5800), act.TakeRole(1, Cause.FIRST)),
    Case("called the first, and is not", CHALLENGER, act.TakeRole(4, Cause.FIRST), "ROLE-4"),
    Case("silence after a goodbye", replace(CHALLENGER, peer_left=True), act.TakeRole(4, Cause.SILENCE), "ROLE-4"),
    Case("by order, not silence", replace(CHALLENGER, peer_left=True, promoted=True), act.TakeRole(4, Cause.OPERATOR)),
    Case(
        "its takeover goes on",
        replace(UNSERVED, promoted=True, keeps=10, lease_epoch=4, lease_until=5800),
        act.TakeRole(4, Cause.RESUMED),
    ),
    Case("its takeover goes on, with updates", ORDERED, act.TakeRole(4, Cause.RESUMED), "ROLE-4"),
    Case("an order that nobody gave", CHALLENGER, act.TakeRole(4, Cause.OPERATOR), "ROLE-4"),
    Case(
        "released before a goodbye",
        replace(CHALLENGER, peer_left=True, peer_released=3),
        act.TakeRole(4, Cause.RELEASE),
    ),
    Case("released an epoch before", replace(CHALLENGER, peer_released=2), act.TakeRole(4, Cause.RELEASE), "ROLE-4"),
    # ROLE-5
    Case(
        "an epoch left out",
        replace(CHALLENGER, lease_epoch=5),
        act.TakeRole(5, Cause.SILENCE),
        "ROLE-5",
    ),
    Case("the same epoch again", replace(CHALLENGER, lease_epoch=3), act.TakeRole(3, Cause.SILENCE), "ROLE-5"),
    Case("an update of an older epoch", FOLLOWER, act.Store(2, 16), "ROLE-5"),
    Case("an update of a newer epoch", FOLLOWER, act.Store(4, 16), "ROLE-5"),
    Case("an update to a server without data", NEW, act.Store(0, 1), "ROLE-5"),
    Case("an update to a server that returned", replace(FOLLOWER, returned=True), act.Store(3, 16), "ROLE-5"),
    Case("an update to an active server", replace(FOLLOWER, active=True), act.Store(3, 16), "ROLE-5"),
    Case("a status of an older epoch", FOLLOWER, act.StoreStatus(2, 13, DONE), "ROLE-5"),
    Case("a report for an older epoch", FOLLOWER, act.ReportSafe(2, 12, 15), "ROLE-5"),
    Case("applied for an older epoch", FOLLOWER, act.Apply(2, 11, True, SAFE), "ROLE-5"),
    Case("a promise to an older epoch", FOLLOWER, act.Promise(2, 7200), "ROLE-5"),
    Case("a promise to a newer epoch", FOLLOWER, act.Promise(4, 7200)),
    Case("a promise for an older epoch", LEADER, act.CountPromise(2, 4900, 6700), "ROLE-5"),
    Case("counted by a passive server", FOLLOWER, act.CountPromise(3, 4900, 6700), "ROLE-5"),
    Case("logged for another epoch", LEADER, act.Log(2, 16), "ROLE-5"),
    Case("carried out for another epoch", LEADER, act.CarryOut(2, 15, DONE, 14), "ROLE-5"),
    Case("a report of its own epoch", LEADER, act.HearSafe(3, 13, 14)),
    Case("a report of an older epoch", LEADER, act.HearSafe(2, 13, 14), "ROLE-5"),
    Case("acknowledged for another epoch", LEADER, act.Acknowledge(2, 12), "ROLE-5"),
    Case("trimmed for another epoch", LEADER, act.Trim(2, 12), "ROLE-5"),
    Case("dropped for another epoch", ALONE, act.Drop(2, 15), "ROLE-5"),
    Case("declared for another epoch", LEADER, act.Declare(2, 5, False), "ROLE-5"),
    Case("copied for another epoch", replace(LEADER, logged=14), act.Copy(2, 10, 14), "ROLE-5"),
    Case("recorded in its own epoch", LEADER, act.HearRecorded(3, 4, True)),
    Case("recorded in an older epoch", LEADER, act.HearRecorded(2, 4, True), "ROLE-5"),
    Case("gives its own role up", LAPSED, act.StepDown(3)),
    Case("gives another role up", LEADER, act.StepDown(2), "ROLE-5"),
    Case("gives up what it has not", FOLLOWER, act.StepDown(3), "ROLE-5"),
    Case("a declaration of another epoch", WITNESS, act.Record(2, 5, True), "ROLE-5"),
    Case("its holder's release", WITNESS, act.EndLease(3)),
    Case("an old release", WITNESS, act.EndLease(2), "ROLE-5"),
    # ROLE-6
    Case("a lease comes too late", LAPSED, act.CountLease(3, 4900, 5800), "ROLE-6"),
    Case("a promise comes too late", LAPSED, act.CountPromise(3, 4900, 6700), "ROLE-6"),
    Case("a lease comes just in time", LAPSED, act.CountLease(3, 4900, 5800), at=4999),
    Case("logged after the grants", LAPSED, act.Log(3, 16), "ROLE-6"),
    Case("acknowledged after the grants", LAPSED, act.Acknowledge(3, 12), "ROLE-6"),
    Case("started after the grants", LAPSED, act.StartApplications(), "ROLE-6"),
    Case("enabled after the grants", LAPSED, act.Enable(5001), "ADDR-2 ROLE-6"),
    # SWITCH-1
    Case("applications still run", replace(LEAVING, serving=True), act.Release(3), "SWITCH-1"),
    Case("updates are still intercepted", replace(LEAVING, intercepting=True), act.Release(3), "SWITCH-1"),
    Case("an update is not safe yet", replace(LEAVING, safe_upto=14), act.Release(3), "SWITCH-1"),
    Case("nobody has reported", replace(LEAVING, peer_follows=False), act.Release(3), "SWITCH-1"),
    Case("an epoch before was released", replace(LEAVING, released=2), act.StartInterception()),
    Case("intercepted after the release", replace(LEAVING, released=3), act.StartInterception(), "SWITCH-1"),
    Case("started after the release", replace(LEADER, released=3), act.StartApplications(), "SWITCH-1"),
    Case("logged after the release", replace(LEADER, released=3), act.Log(3, 16), "SWITCH-1"),
    Case("acknowledged after the release", replace(LEADER, released=3), act.Acknowledge(3, 12), "SWITCH-1"),
    # SWITCH-2
    Case("nobody is known to succeed", replace(LEAVING, successor=False), act.Release(3), "SWITCH-2"),
    Case("declared after the release", replace(LEADER, released=3), act.Declare(3, 5, False), "SWITCH-2"),
    # REJOIN-1
    Case("logged in an epoch that is over", OVERTAKEN, act.Log(3, 16), "REJOIN-1"),
    Case("acknowledged in it", OVERTAKEN, act.Acknowledge(3, 12), "REJOIN-1"),
    Case("enabled in it", OVERTAKEN, act.Enable(5590), "REJOIN-1"),
    Case("started in it", OVERTAKEN, act.StartApplications(), "REJOIN-1"),
    Case("the unsafe queue is set aside", replace(OLD, unsafe=False), act.Resynchronise(4, 20)),
    Case("the unsafe queue is still there", OLD, act.Resynchronise(4, 20), "REJOIN-1"),
    # REJOIN-2
    Case("never had data", NEW, act.Resynchronise(1, 0)),
    Case("into the same epoch", FOLLOWER, act.Resynchronise(3, 20)),
    Case("back in the same epoch", replace(FOLLOWER, applied=12), act.Resynchronise(3, 11), "REJOIN-2"),
    Case("back before what it reported", replace(FOLLOWER, reported=12), act.Resynchronise(3, 11), "REJOIN-2"),
    Case("into the same epoch after the drain", CHALLENGER, act.Resynchronise(3, 20), "REJOIN-2"),
    Case("into the epoch that it led", replace(LAST, unsafe=False), act.Resynchronise(3, 20), "REJOIN-2"),
    Case("into an epoch that is over", replace(FOLLOWER, seen=5), act.Resynchronise(4, 20), "REJOIN-2"),
    Case("an active server", replace(LEADER, unsafe=False), act.Resynchronise(4, 20), "REJOIN-2"),
    Case("a copy between updates", replace(LEADER, logged=14), act.Copy(3, 10, 14)),
    Case("a copy with an update in the air", LEADER, act.Copy(3, 10, 15), "REJOIN-2"),
    Case("a copy of the past", LEADER, act.Copy(3, 10, 14), "REJOIN-2"),
    Case("nothing acknowledged is missing", LEADER, act.Declare(3, 5, True)),
    Case("something acknowledged is missing", replace(LEADER, acknowledged=13), act.Declare(3, 5, True), "REJOIN-2"),
    Case("its beginning is missing", replace(LEADER, acknowledged=0, safe_upto=9), act.Declare(3, 5, True), "REJOIN-2"),
    Case("it has not reported", replace(LEADER, peer_follows=False), act.Declare(3, 5, True), "REJOIN-2"),
    Case("not eligible, whatever it has", replace(LEADER, peer_follows=False, safe_upto=0), act.Declare(3, 5, False)),
    Case("a version used before", LEADER, act.Declare(3, 4, False), "REJOIN-2"),
    Case("a newer declaration", WITNESS, act.Record(3, 5, False)),
    Case("an older declaration", WITNESS, act.Record(3, 4, True), "REJOIN-2"),
    # REJOIN-3
    Case("drains without a copy", replace(STUCK, returned=True), act.Discard(3, 12, 15), "REJOIN-3"),
    Case("takes over without a copy", replace(CHALLENGER, returned=True), act.TakeRole(4, Cause.SILENCE), "REJOIN-3"),
    Case("goes on as it was ordered to", ORDERED, act.TakeRole(4, Cause.OPERATOR)),
    # REJOIN-4
    Case("ordered to go on", LAST, act.Promote(3, 14, 15, True)),
    Case("ordered to take over", FOLLOWER, act.Promote(3, 12, 15, True)),
    Case("ordered while active", LEADER, act.Promote(3, 12, 12, True), "REJOIN-4 LOSS-1"),
    Case("ordered, and is active", replace(LEADER, newest=10, logged=10), act.Promote(3, 10, 10, True), "REJOIN-4"),
    Case("ordered with data of an epoch that is over", OLD, act.Promote(3, 14, 15, True), "REJOIN-4"),
    Case("not ordered, and nothing logged", UNSERVED, act.Promote(3, 10, 10, False)),
    Case("not ordered, and something logged", LAST, act.Promote(3, 14, 15, False), "REJOIN-4"),
    Case("not ordered, and released", replace(UNSERVED, released=3), act.Promote(3, 10, 10, False), "REJOIN-4"),
    Case("not ordered, as a follower", STUCK, act.Promote(3, 12, 15, False), "REJOIN-4"),
    Case("ordered for another epoch", LAST, act.Promote(2, 14, 15, True), "REJOIN-4"),
    # LOSS-1
    Case("more kept than applied", STUCK, act.Discard(3, 13, 15), "LOSS-1"),
    Case("less lost than stored", STUCK, act.Discard(3, 12, 14), "LOSS-1"),
    Case("a loss of another epoch", STUCK, act.Discard(2, 12, 15), "LOSS-1"),
    Case("more kept than carried out", LAST, act.Promote(3, 15, 15, True), "LOSS-1"),
    Case("less kept than carried out", LAST, act.Promote(3, 13, 15, True), "LOSS-1"),
    Case("less kept than it began with", LAST, act.Promote(3, 9, 15, True), "LOSS-1"),
    Case("less listed than logged, on an order", LAST, act.Promote(3, 14, 14, True), "LOSS-1"),
    Case("more kept than settled", FOLLOWER, act.Promote(3, 13, 15, True), "LOSS-1"),
    Case("less kept than settled", FOLLOWER, act.Promote(3, 11, 15, True), "LOSS-1"),
    Case("less listed than stored, on an order", FOLLOWER, act.Promote(3, 12, 14, True), "LOSS-1"),
    Case("another beginning", replace(LEADER, logged=14), act.Copy(3, 9, 14), "LOSS-1"),
    Case("everything logged is listed", OLD, act.SetAside(3, 12, 15)),
    Case("less listed than logged", OLD, act.SetAside(3, 12, 14), "LOSS-1"),
    Case("listed for another epoch", OLD, act.SetAside(4, 12, 15), "LOSS-1"),
    Case("more kept than logged", OLD, act.SetAside(3, 16, 15), "LOSS-1"),
    Case("set aside a second time", replace(OLD, unsafe=False), act.SetAside(3, 12, 15), "LOSS-1"),
    Case("set aside while active", LEADER, act.SetAside(3, 12, 15), "LOSS-1"),
]  # fmt: skip


def _name(case: Case) -> str:
    return f"{case.breaks or 'allowed'}: {type(case.action).__name__}, {case.says}"


def _broken(case: Case) -> list[Rule]:
    return list(broken(case.know, case.action, case.at, case.constants))


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_this_breaks_these_clauses(case: Case) -> None:
    """The clauses that are broken are those of the table, and no others."""
    assert set(case.breaks.split()) == {rule.clause for rule in _broken(case)}


# --- the table covers the rules -------------------------------------------------------------------

Id = tuple[str, type, str]
"""A rule by clause, action and predicate."""

IMPLIED: dict[Id, Id] = {
    ("ROLE-6", act.Enable, "lapsed_means_passive"): ("ADDR-2", act.Enable, "ends_with_the_grant"),
}
"""Rules that cannot be broken alone, because another rule about the same action says as much."""


def _id(rule: Rule) -> Id:
    return rule.clause, rule.about, rule.name


def _label(rule: Rule) -> str:
    return f"{rule.clause}: {rule.about.__name__}, {rule.name}"


def _alone(cases: list[Case]) -> set[Id]:
    """The rules that some case breaks alone: without them it would be allowed."""
    return {_id(rules[0]) for rules in map(_broken, cases) if len(rules) == 1}


def test_every_rule_is_broken_alone_by_some_case() -> None:
    """So no rule could be left out, or made to allow everything, without a case that notices."""
    assert {_id(rule) for rule in RULES} - set(IMPLIED) == _alone(CASES)


def test_every_action_that_is_judged_is_allowed_in_some_case() -> None:
    """So no rule could be made to forbid everything without a case that notices."""
    allowed = {type(case.action) for case in CASES if not case.breaks}
    assert {rule.about for rule in RULES} <= allowed


@pytest.mark.parametrize("rule", [rule for rule in RULES if _id(rule) not in IMPLIED], ids=_label)
def test_the_table_notices_a_rule_that_is_spoilt(rule: Rule) -> None:
    """A rule left out, and a rule that forbids everything, each make some case of the table come out otherwise."""
    about = [case for case in CASES if type(case.action) is rule.about]
    left_out = [{r.clause for r in _broken(case) if r is not rule} for case in about]
    forbidding = [{r.clause for r in _broken(case)} | {rule.clause} for case in about]
    said = [set(case.breaks.split()) for case in about]
    assert said != left_out
    assert said != forbidding


@given(
    st.builds(
        replace,
        st.just(LEADER),
        lease_epoch=st.integers(2, 4),
        lease_until=st.integers(0, 30),
        promise_until=st.integers(0, 30),
        active=st.booleans(),
    ),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_a_rule_that_is_implied_never_decides(know: Any, until: int, now: int) -> None:
    """Whatever breaks an implied rule breaks the rule that implies it, too."""
    action = act.Enable(until)
    ids = {_id(rule) for rule in broken(know, action, now, C)}
    assert {IMPLIED[rule] for rule in ids if rule in IMPLIED} <= ids


# --- the rules as a list --------------------------------------------------------------------------


def test_a_rule_is_named_by_its_clause_action_and_predicate() -> None:
    """No two rules have the same name, so a report names one."""
    ids = [_id(rule) for rule in RULES]
    assert sorted(map(str, set(ids))) == sorted(map(str, ids))


def test_every_rule_says_what_it_asks_in_a_sentence() -> None:
    """The text that a report shows is one line and ends like a sentence."""
    assert [] == [rule.name for rule in RULES if not rule.text.endswith(".") or "\n" in rule.text]


def test_rules_about_an_action_are_all_of_them_and_only_those() -> None:
    """`rules_about` leaves nothing out and adds nothing; an action without rules is free."""
    kinds = {rule.about for rule in RULES}
    found = [rule for kind in kinds for rule in rules_about(kind)]
    assert len(RULES) == len(found)
    assert all(rule.about is kind for kind in kinds for rule in rules_about(kind))
    assert () == rules_about(act.Disable)
    assert [] == list(broken(LAPSED, act.Disable(), 5000, C))
