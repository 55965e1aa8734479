"""The rules: for each clause, what must hold of what a party knows when it acts.

A rule is a predicate over (what the party knows, the action, its clock, the pair's constants). It is written with
the operators of `logic.py`, so the same text is a check on a running server and a hypothesis of the theorem. An
action is allowed when every rule about its kind holds; an action no rule speaks of is free.

Rules of this file: one party's knowledge only; no state; the docstring is the sentence a report shows. A clause
may have several rules, about several actions. `PROTOCOL.md` is the prose, with the same ids, and a test holds that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, grant_until, lapsed, settled
from takeover_spec.logic import each, greatest, implies, not_
from takeover_spec.words import PPM, Cause, Constants, Queue, Status


class _OfAnEpoch(Protocol):
    """An action that names its epoch."""

    @property
    def epoch(self) -> int: ...


Predicate = Callable[[Any, Any, int, Constants], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One predicate of one clause about one kind of action."""

    clause: str
    about: type
    holds: Predicate

    @property
    def name(self) -> str:
        """The predicate's name; with the clause and the action it names the rule."""
        return self.holds.__name__

    @property
    def text(self) -> str:
        """The sentence a report shows."""
        return " ".join((self.holds.__doc__ or "").split())


RULES: list[Rule] = []
"""Every rule, in the order of this file."""


def _rule(clause: str, *about: type) -> Callable[[Predicate], Predicate]:
    def register(holds: Predicate) -> Predicate:
        RULES.extend(Rule(clause, kind, holds) for kind in about)
        return holds

    return register


def rules_about(kind: type) -> tuple[Rule, ...]:
    """The rules that an action of this kind has to obey."""
    return _by_kind().get(kind, ())


@cache
def _by_kind() -> dict[type, tuple[Rule, ...]]:
    return {
        kind: tuple(rule for rule in RULES if rule.about is kind) for kind in {rule.about for rule in RULES}
    }


def broken(know: Any, action: act.Action, now: int, constants: Constants) -> Iterator[Rule]:
    """The rules that `action` would break; concrete values only."""
    return (rule for rule in rules_about(type(action)) if not rule.holds(know, action, now, constants))


# --- APPLY ----------------------------------------------------------------------------------------


@_rule("APPLY-1", act.Apply)
def in_order(know: Knowledge, action: act.Apply, now: int, c: Constants) -> bool:
    """Update n is applied only when n - 1 was the last one applied."""
    return action.seq == know.applied + 1


@_rule("APPLY-2", act.Apply)
def completion_status_required(know: Knowledge, action: act.Apply, now: int, c: Constants) -> bool:
    """An update is applied out of the safe queue only when it and its completion status are there."""
    there = know.stored[action.seq] & (know.status[action.seq] != Status.NONE)
    return implies(action.queue == Queue.SAFE, there)


@_rule("APPLY-3", act.Apply)
def failed_changes_nothing(know: Knowledge, action: act.Apply, now: int, c: Constants) -> bool:
    """An update changes the data if its status is done, and changes nothing if it is failed."""
    return implies(action.queue == Queue.SAFE, action.changed == (know.status[action.seq] == Status.DONE))


@_rule("APPLY-4", act.Discard)
def drain_to_the_end(know: Knowledge, action: act.Discard, now: int, c: Constants) -> bool:
    """A drain does not end while the next update can be applied."""
    return not_(settled(know, know.applied + 1))


@_rule("APPLY-5", act.Apply, act.Store, act.StoreStatus)
def discarded_for_good(
    know: Knowledge, action: act.Apply | act.Store | act.StoreStatus, now: int, c: Constants
) -> bool:
    """Once a drain has ended, nothing more enters the safe queue or is applied."""
    return not_(know.drained)


# --- QUEUE ----------------------------------------------------------------------------------------


@_rule("QUEUE-1", act.Log)
def next_number(know: Knowledge, action: act.Log, now: int, c: Constants) -> bool:
    """An update is logged by an intercepting server, with the next number."""
    return know.active & know.intercepting & (action.seq == know.logged + 1)


@_rule("QUEUE-1", act.CarryOut)
def log_first(know: Knowledge, action: act.CarryOut, now: int, c: Constants) -> bool:
    """An update is carried out only once, by an active server, and when it is in the unsafe queue."""
    logged = (know.applied < action.seq) & (action.seq <= know.logged)
    return know.active & logged & (know.carried[action.seq] == Status.NONE) & (action.status != Status.NONE)


@_rule("QUEUE-2", act.CarryOut)
def same_thing_in_order(know: Knowledge, action: act.CarryOut, now: int, c: Constants) -> bool:
    """The last earlier update that touches the same thing has been carried out."""
    earlier = (action.depends <= know.applied) | (know.carried[action.depends] != Status.NONE)
    return (action.depends < action.seq) & earlier


@_rule("QUEUE-3", act.Trim)
def kept_until_safe(know: Knowledge, action: act.Trim, now: int, c: Constants) -> bool:
    """An update leaves the unsafe queue only when the passive server has reported it safe."""
    return (know.trimmed <= action.upto) & (action.upto <= know.safe_upto)


@_rule("QUEUE-4", act.ReportSafe)
def report_only_durable(know: Knowledge, action: act.ReportSafe, now: int, c: Constants) -> bool:
    """What is reported as safe is durable here with its completion status, and so is all before it."""
    first = greatest(know.applied, know.reported) + 1
    return each(first, action.upto, lambda seq: settled(know, seq)) & settled(know, action.latest)


@_rule("QUEUE-4", act.StoreStatus)
def status_is_final(know: Knowledge, action: act.StoreStatus, now: int, c: Constants) -> bool:
    """A status in the safe queue says how the update ended, and is never changed."""
    known = know.status[action.seq]
    return (action.status != Status.NONE) & ((known == Status.NONE) | (known == action.status))


@_rule("QUEUE-5", act.Apply)
def never_from_the_unsafe_queue(know: Knowledge, action: act.Apply, now: int, c: Constants) -> bool:
    """Nothing is ever applied out of an unsafe queue."""
    return action.queue == Queue.SAFE


@_rule("QUEUE-6", act.Drop)
def ineligible_before_dropping(know: Knowledge, action: act.Drop, now: int, c: Constants) -> bool:
    """Before anything is dropped, the witness has recorded that the passive server is not eligible."""
    return know.alone & (know.trimmed <= action.upto) & (action.upto <= know.logged)


# --- SYNC -----------------------------------------------------------------------------------------


@_rule("SYNC-1", act.Acknowledge)
def acknowledged_when_safe(know: Knowledge, action: act.Acknowledge, now: int, c: Constants) -> bool:
    """In synchronous mode an update is acknowledged only when it and all before it are safe on the passive server
    with their completion status, or the witness has recorded that the passive server is not eligible."""
    return not_(c.synchronous) | (action.seq <= know.safe_upto) | know.alone


@_rule("SYNC-1", act.Acknowledge)
def acknowledged_when_complete(know: Knowledge, action: act.Acknowledge, now: int, c: Constants) -> bool:
    """An update is acknowledged by the active server that logged it, after it was carried out."""
    return know.active & (action.seq <= know.logged) & (know.carried[action.seq] != Status.NONE)


# --- ADDR -----------------------------------------------------------------------------------------


@_rule("ADDR-1", act.Enable)
def enabled_by_an_active_drained_server(know: Knowledge, action: act.Enable, now: int, c: Constants) -> bool:
    """The public identity is enabled only by an active server that has drained."""
    return know.active & know.drained


@_rule("ADDR-2", act.Enable)
def ends_with_the_grant(know: Knowledge, action: act.Enable, now: int, c: Constants) -> bool:
    """The end handed to the kernel is in the future and, with the kernel's slack, not after the grant's end."""
    return (now < action.until) & (action.until + c.expiry_slack_ns <= grant_until(know))


# --- LEASE ----------------------------------------------------------------------------------------


@_rule("LEASE-1", act.TakeRole)
def challenger_needs_both(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    """A server takes over only with a witness lease for the new epoch and after its own promise has run out."""
    leased = (know.lease_epoch == action.epoch) & (now < know.lease_until)
    return leased & (know.given_until <= now)


@_rule("LEASE-1", act.Discard)
def drained_for_a_takeover(know: Knowledge, action: act.Discard, now: int, c: Constants) -> bool:
    """A drain is ended only by a server that may take over at once."""
    leased = (know.lease_epoch == know.epoch + 1) & (now < know.lease_until)
    return leased & (know.given_until <= now)


@_rule("LEASE-2", act.Promise)
def promise_only_grows(know: Knowledge, action: act.Promise, now: int, c: Constants) -> bool:
    """A promise is given by a passive server, binds it for its full length, and never shortens an earlier one."""
    return not_(know.active) & (now + c.promise_ns <= action.until) & (know.given_until <= action.until)


@_rule("LEASE-2", act.Start)
def wait_out_forgotten_promises(know: Knowledge, action: act.Start, now: int, c: Constants) -> bool:
    """A server that starts waits one full promise before it may take over."""
    return now + c.promise_ns <= action.wait_until


@_rule("LEASE-3", act.Grant)
def one_holder_at_a_time(know: WitnessKnowledge, action: act.Grant, now: int, c: Constants) -> bool:
    """A lease is renewed for its holder in its epoch, or granted in the next epoch when no lease is running."""
    renewed = (action.epoch == know.epoch) & (action.to == know.holder)
    free = (know.lease_until <= now) & (know.wait_until <= now)
    return (renewed | (action.epoch == know.epoch + 1)) & (renewed | free)


@_rule("LEASE-3", act.Grant)
def lease_is_kept(know: WitnessKnowledge, action: act.Grant, now: int, c: Constants) -> bool:
    """A lease runs for its full length, and is never shortened."""
    return (now + c.lease_ns <= action.until) & (
        (know.lease_until <= action.until) | (know.lease_until <= now)
    )


@_rule("LEASE-3", act.Grant)
def only_to_an_eligible_server(know: WitnessKnowledge, action: act.Grant, now: int, c: Constants) -> bool:
    """A lease in a new epoch is granted only to a server recorded as eligible, to the first one, or to one promoted."""
    eligible = (know.epoch == 0) | (know.eligible & (action.to != know.holder))
    return implies(action.epoch > know.epoch, eligible | action.promoted)


@_rule("LEASE-3", act.WitnessStart)
def wait_out_forgotten_leases(
    know: WitnessKnowledge, action: act.WitnessStart, now: int, c: Constants
) -> bool:
    """A witness that starts waits one full lease before it grants in a new epoch."""
    return now + c.lease_ns <= action.wait_until


@_rule("LEASE-4", act.CountLease)
def lease_counted_from_sending(know: Knowledge, action: act.CountLease, now: int, c: Constants) -> bool:
    """A lease is counted from when its request was sent, in this run, shortened for clock drift."""
    counted = (action.until - action.sent) * (PPM + c.drift_ppm) <= c.lease_ns * (PPM - c.drift_ppm)
    return counted & (know.started <= action.sent) & (action.sent <= now)


@_rule("LEASE-4", act.CountPromise)
def promise_counted_from_sending(know: Knowledge, action: act.CountPromise, now: int, c: Constants) -> bool:
    """A promise is counted from when its request was sent, in this run, shortened for clock drift."""
    counted = (action.until - action.sent) * (PPM + c.drift_ppm) <= c.promise_ns * (PPM - c.drift_ppm)
    return counted & (know.started <= action.sent) & (action.sent <= now)


@_rule("LEASE-5", act.Enable)
def released_for_good(know: Knowledge, action: act.Enable, now: int, c: Constants) -> bool:
    """A server that released its role does not use any grant of that epoch again."""
    return know.released < know.epoch


@_rule("LEASE-5", act.Release)
def hidden_before_releasing(know: Knowledge, action: act.Release, now: int, c: Constants) -> bool:
    """A role is released by the server that has it, after it disabled the public identity."""
    return know.active & (action.epoch == know.epoch) & not_(know.enabled)


@_rule("LEASE-5", act.Grant)
def released_at_the_witness(know: WitnessKnowledge, action: act.Grant, now: int, c: Constants) -> bool:
    """A lease of an epoch that was released is not renewed."""
    return implies(action.epoch == know.epoch, not_(know.ended))


# --- ROLE -----------------------------------------------------------------------------------------


@_rule("ROLE-1", act.Start)
def starts_passive_and_hidden(know: Knowledge, action: act.Start, now: int, c: Constants) -> bool:
    """Every server starts passive and hidden."""
    return not_(action.active) & not_(action.enabled)


@_rule("ROLE-2", act.TakeRole)
def drained_before_role(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    """The role is switched after the drain, by a passive server."""
    return know.drained & not_(know.active)


@_rule("ROLE-2", act.StartInterception)
def exposed_before_interception(
    know: Knowledge, action: act.StartInterception, now: int, c: Constants
) -> bool:
    """Interception starts after the public identity was enabled."""
    return know.active & know.exposed


@_rule("ROLE-2", act.StartApplications)
def interception_before_applications(
    know: Knowledge, action: act.StartApplications, now: int, c: Constants
) -> bool:
    """The applications are started after interception."""
    return know.active & know.intercepting


@_rule("ROLE-3", act.Discard, act.TakeRole)
def only_an_eligible_passive(
    know: Knowledge, action: act.Discard | act.TakeRole, now: int, c: Constants
) -> bool:
    """A server takes over only while its data belongs to the latest epoch it has heard of."""
    return not_(know.active) & (know.seen <= know.epoch)


@_rule("ROLE-4", act.TakeRole)
def goodbye_is_not_silence(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    """An announced shutdown of the peer never counts as its silence, and every other cause is what it says."""
    silence = implies(know.peer_left, action.cause != Cause.SILENCE)
    first = implies(action.cause == Cause.FIRST, action.epoch == 1)
    released = implies(action.cause == Cause.RELEASE, know.peer_released == know.epoch)
    ordered = implies(action.cause == Cause.OPERATOR, know.promoted)
    unserved = know.promoted & know.returned & (know.keeps == know.applied)
    return silence & first & released & ordered & implies(action.cause == Cause.RESUMED, unserved)


@_rule("ROLE-5", act.TakeRole)
def takeover_raises_the_epoch(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    """A takeover raises the epoch by one."""
    return action.epoch == know.epoch + 1


@_rule("ROLE-5", act.Store, act.StoreStatus, act.ReportSafe, act.Apply)
def follows_its_epoch_only(know: Knowledge, action: _OfAnEpoch, now: int, c: Constants) -> bool:
    """A passive server takes updates and statuses of the epoch its data belongs to, and of no other."""
    follows = not_(know.active) & not_(know.returned) & (know.epoch >= 1)
    return follows & (action.epoch == know.epoch)


@_rule("ROLE-5", act.Promise)
def no_promise_to_the_past(know: Knowledge, action: act.Promise, now: int, c: Constants) -> bool:
    """A server promises nothing to an epoch older than one it has heard of."""
    return know.seen <= action.epoch


@_rule(
    "ROLE-5", act.CountPromise, act.Log, act.CarryOut, act.HearSafe, act.Acknowledge, act.Trim, act.Drop,
    act.Declare, act.Copy, act.HearRecorded, act.StepDown,
)  # fmt: skip
def leads_its_epoch_only(know: Knowledge, action: _OfAnEpoch, now: int, c: Constants) -> bool:
    """An active server speaks and listens in its own epoch, and in no other."""
    return know.active & (action.epoch == know.epoch)


@_rule("ROLE-5", act.Record, act.EndLease)
def current_epoch_only(know: WitnessKnowledge, action: _OfAnEpoch, now: int, c: Constants) -> bool:
    """The witness records and ends only what belongs to the current epoch."""
    return action.epoch == know.epoch


@_rule(
    "ROLE-6", act.Enable, act.CountPromise, act.CountLease, act.Log, act.Acknowledge, act.StartApplications
)
def lapsed_means_passive(know: Knowledge, action: Any, now: int, c: Constants) -> bool:
    """An active server whose grants have lapsed does not carry on: it steps down."""
    return implies(know.active, not_(lapsed(know, now)))


# --- SWITCH ---------------------------------------------------------------------------------------


@_rule("SWITCH-1", act.Release)
def nothing_left_to_lose(know: Knowledge, action: act.Release, now: int, c: Constants) -> bool:
    """A role is released after the applications stopped, to a passive server that has every update with its status."""
    stopped = not_(know.serving) & not_(know.intercepting)
    return stopped & know.peer_follows & (know.safe_upto == know.logged)


@_rule("SWITCH-1", act.StartInterception, act.StartApplications, act.Log, act.Acknowledge)
def released_means_over(know: Knowledge, action: Any, now: int, c: Constants) -> bool:
    """A server that released its role does not serve in that epoch again."""
    return know.released < know.epoch


@_rule("SWITCH-2", act.Release)
def there_is_a_successor(know: Knowledge, action: act.Release, now: int, c: Constants) -> bool:
    """A role is released only when the witness has recorded, last, that the passive server is eligible."""
    return know.successor


@_rule("SWITCH-2", act.Declare)
def successor_stays(know: Knowledge, action: act.Declare, now: int, c: Constants) -> bool:
    """A server that released its role does not declare anything in that epoch again."""
    return know.released < know.epoch


# --- REJOIN ---------------------------------------------------------------------------------------


@_rule("REJOIN-1", act.Log, act.Acknowledge, act.Enable, act.StartApplications)
def newer_epoch_means_passive(know: Knowledge, action: Any, now: int, c: Constants) -> bool:
    """A server that has heard of a newer epoch does not go on serving in its own."""
    return know.seen <= know.epoch


@_rule("REJOIN-1", act.Resynchronise)
def set_aside_first(know: Knowledge, action: act.Resynchronise, now: int, c: Constants) -> bool:
    """An unsafe queue is set aside, and listed, before the data is replaced."""
    return not_(know.unsafe)


@_rule("REJOIN-2", act.Resynchronise)
def resynchronised_forwards(know: Knowledge, action: act.Resynchronise, now: int, c: Constants) -> bool:
    """A passive server is resynchronised into the latest epoch it has heard of: one newer than its data's; or its own,
    if it follows it, and then to a point that is not before anything it applied or reported."""
    follows = (know.epoch == action.epoch) & not_(know.returned) & not_(know.drained)
    forwards = follows & (know.applied <= action.upto) & (know.reported <= action.upto)
    return not_(know.active) & (know.seen <= action.epoch) & ((know.epoch < action.epoch) | forwards)


@_rule("REJOIN-2", act.Copy)
def copied_between_updates(know: Knowledge, action: act.Copy, now: int, c: Constants) -> bool:
    """A copy of the data is taken when every update logged has been carried out."""
    complete = each(know.applied + 1, action.upto, lambda seq: know.carried[seq] != Status.NONE)
    return complete & (action.upto == know.logged)


@_rule("REJOIN-2", act.Declare)
def eligible_when_nothing_is_missing(know: Knowledge, action: act.Declare, now: int, c: Constants) -> bool:
    """A passive server is declared eligible only when it has reported all that the epoch began with and, in synchronous
    mode, every acknowledged update; versions count up."""
    acknowledged = not_(c.synchronous) | (know.acknowledged <= know.safe_upto)
    complete = know.peer_follows & (know.applied <= know.safe_upto) & acknowledged
    return (know.version < action.version) & implies(action.eligible, complete)


@_rule("REJOIN-2", act.Record)
def newer_declarations_only(know: WitnessKnowledge, action: act.Record, now: int, c: Constants) -> bool:
    """The witness records a declaration only if it is newer than the one it has."""
    return know.version < action.version


@_rule("REJOIN-3", act.Discard)
def returned_has_nothing_to_drain(know: Knowledge, action: act.Discard, now: int, c: Constants) -> bool:
    """A server that was active has no safe queue before it has been resynchronised."""
    return not_(know.returned)


@_rule("REJOIN-3", act.TakeRole)
def nobody_returns_by_itself(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    """A server that was active does not take over again before it has been resynchronised, unless it is promoted."""
    return not_(know.returned) | know.promoted


@_rule("REJOIN-4", act.Promote)
def only_with_the_latest_data(know: Knowledge, action: act.Promote, now: int, c: Constants) -> bool:
    """A server is promoted only while it is passive and its data belongs to the latest epoch it has heard of."""
    return not_(know.active) & (action.epoch == know.epoch) & (know.seen <= know.epoch)


# --- LOSS -----------------------------------------------------------------------------------------


@_rule("LOSS-1", act.Discard)
def states_what_is_discarded(know: Knowledge, action: act.Discard, now: int, c: Constants) -> bool:
    """The loss statement of a takeover says what was applied and what was discarded, to the update."""
    return (action.epoch == know.epoch) & (action.kept == know.applied) & (action.last == know.newest)


@_rule("REJOIN-4", act.Promote)
def unordered_only_if_it_logged_nothing(know: Knowledge, action: act.Promote, now: int, c: Constants) -> bool:
    """Without an order only a server is promoted that was active last, has logged nothing and has not released."""
    cut = know.returned & (know.logged == know.applied) & (know.released < know.epoch)
    return action.ordered | cut


@_rule("LOSS-1", act.Promote)
def states_what_an_order_loses(know: Knowledge, action: act.Promote, now: int, c: Constants) -> bool:
    """Before a server goes on with its own data it says what is complete there, and what its queue has beyond that."""
    carried = each(know.applied + 1, action.kept, lambda seq: know.carried[seq] != Status.NONE)
    no_more = each(action.kept + 1, know.logged, lambda seq: know.carried[seq] == Status.NONE)
    within = (know.applied <= action.kept) & (action.kept <= action.last)
    led = carried & no_more & (action.last == know.logged)
    complete = each(know.applied + 1, action.kept, lambda seq: settled(know, seq))
    followed = complete & not_(settled(know, action.kept + 1)) & (action.last == know.newest)
    return within & implies(know.returned, led) & implies(not_(know.returned), followed)


@_rule("LOSS-1", act.Copy)
def states_where_it_began(know: Knowledge, action: act.Copy, now: int, c: Constants) -> bool:
    """A copy says where this server's own epochs began: what of its peer's history it has."""
    return action.begun == know.begun


@_rule("LOSS-1", act.SetAside)
def states_what_is_set_aside(know: Knowledge, action: act.SetAside, now: int, c: Constants) -> bool:
    """The loss statement of a rejoin covers every update the server logged."""
    mine = not_(know.active) & know.unsafe & (action.epoch == know.epoch)
    return mine & (action.kept <= action.last) & (action.last == know.logged)
