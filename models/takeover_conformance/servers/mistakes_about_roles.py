"""Mistakes about who may be active: grants, the public identity, epochs, and what an operator orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from takeover.core.effects import Effect
from takeover.core.state import Core, Settings
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import (
    Answer,
    Wrong,
    changed,
    deaf,
    frames_changed,
    misheard,
    moved_before,
    said,
    without,
)
from takeover_models.cores import REAL, Cores
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge


def _says_yes(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, accepted=True, clause="", reason="") if isinstance(reply, lines.Answer) else reply


def _other_run(message: wire.Message) -> wire.Message:
    return replace(message, run=message.run + 1) if isinstance(message, wire.Promised) else message


def _refuses_without_reason(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, clause="") if isinstance(reply, lines.Answer) else reply


def _its_own_run(message: wire.Message, run: int) -> wire.Message:
    return replace(message, run=run) if isinstance(message, wire.Promised | wire.Leased) else message


def _goodbye_of_another_epoch(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, epoch=reply.epoch + 1) if isinstance(reply, act.HearGoodbye) else reply


def _takes_a_goodbye_back(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.HearGoodbye):
        yield act.HearReturn(reply.epoch)


def _promises_unasked(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, epoch=reply.epoch + 1) if isinstance(reply, act.Promise) else reply


def _does_not_resume(settings: Settings, found: Knowledge, now: int) -> tuple[Core, tuple[Effect, ...]]:
    return REAL.begin(replace(settings, resumes=False), found, now)


def _orders_itself(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, ordered=True) if isinstance(reply, act.Promote) else reply


def _released_once(answer: Answer) -> Answer:
    """The peer and the witness are told of a release at once, and never again."""
    told: set[tuple[str, int]] = set()

    def again(reply: Reply) -> Iterable[Reply]:
        message = said(reply.frame) if isinstance(reply, lines.Say) else None
        if isinstance(reply, lines.Say) and isinstance(message, wire.Released):
            if (reply.to, message.epoch) in told:
                return
            told.add((reply.to, message.epoch))
        yield reply

    return changed(again)(answer)


def _same_epoch(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, epoch=reply.epoch - 1) if isinstance(reply, act.TakeRole) else reply


def _starts_active(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, active=True) if isinstance(reply, act.Start) else reply


def _steps_down_silently(reply: Reply) -> Iterable[Reply]:
    if not isinstance(reply, act.StopApplications | act.StepDown):
        yield reply


def _holds_after_release(answer: Answer) -> Answer:
    """It enables the public identity again, for as long as its grant would have lasted."""
    until = 0

    def answered(request: Request) -> list[Reply]:
        nonlocal until
        replies: list[Reply] = []
        for reply in answer(request):
            replies.append(reply)
            until = reply.until if isinstance(reply, act.Enable) else until
            if isinstance(reply, act.Release):
                replies.append(act.Enable(until))
        return replies

    return answered


ABOUT_ROLES: tuple[Wrong, ...] = (
    Wrong(
        "promise-not-kept",
        ("LEASE-2",),
        "It says that it promises, and is bound by nothing.",
        without(act.Promise),
    ),
    Wrong(
        "answers-another-run",
        ("LEASE-4",),
        "A promise answers a run that did not ask for it.",
        frames_changed(_other_run),
    ),
    Wrong(
        "counts-any-run",
        ("LEASE-4",),
        "A grant is counted that another run asked for.",
        misheard(_its_own_run),
    ),
    Wrong(
        "promises-unasked",
        ("LEASE-2", "ROLE-5"),
        "It promises in an epoch in which nobody asked.",
        changed(_promises_unasked),
    ),
    Wrong(
        "cut-takeover-given-up",
        ("SWITCH-2", "REJOIN-4"),
        "A takeover that was cut by a crash never goes on.",
        cores=Cores(begin=_does_not_resume),
    ),
    Wrong(
        "orders-itself",
        ("REJOIN-4",),
        "Its own takeover goes on as if it were ordered.",
        changed(_orders_itself),
    ),
    Wrong("release-told-once", ("SWITCH-2",), "A release is said once, and not again.", _released_once),
    Wrong("newer-unheard", ("REJOIN-1",), "That an epoch is over is not heard.", deaf(wire.Newer)),
    Wrong(
        "goodbye-of-another-epoch",
        ("ROLE-4",),
        "A goodbye is noted with an epoch that nobody said.",
        changed(_goodbye_of_another_epoch),
    ),
    Wrong(
        "goodbye-taken-back",
        ("ROLE-4",),
        "A peer that said goodbye is back at once.",
        changed(_takes_a_goodbye_back),
    ),
    Wrong("goodbye-unheard", ("ROLE-4",), "A goodbye is not heard.", deaf(wire.Goodbye)),
    Wrong(
        "older-epoch-unanswered",
        ("ROLE-5",),
        "Nobody who is of an older epoch is told.",
        frames_changed(lambda m: None if isinstance(m, wire.Newer) else m),
    ),
    Wrong("refrains-in-silence", ("ROLE-3",), "What stops it is not recorded.", without(act.Refrain)),
    Wrong(
        "applications-first",
        ("ROLE-2",),
        "The applications start before the public identity is there.",
        moved_before(act.StartApplications, act.Enable),
    ),
    Wrong(
        "address-before-role",
        ("ADDR-1",),
        "The public identity comes before the role.",
        moved_before(act.Enable, act.TakeRole),
    ),
    Wrong(
        "takes-the-same-epoch",
        ("ROLE-5", "LEASE-1"),
        "A takeover does not raise the epoch.",
        changed(_same_epoch),
    ),
    Wrong("starts-active", ("ROLE-1",), "It starts in the role that it had.", changed(_starts_active)),
    Wrong(
        "carries-on-lapsed",
        ("ROLE-6", "REJOIN-1", "LEASE-4"),
        "It neither stops its applications nor steps down.",
        changed(_steps_down_silently),
    ),
    Wrong(
        "holds-after-release",
        ("LEASE-5", "ADDR-2"),
        "It releases the role and holds the address.",
        _holds_after_release,
    ),
    Wrong(
        "refuses-by-no-clause",
        ("§8.10",),
        "An order is refused, and nobody learns by which clause.",
        changed(_refuses_without_reason),
    ),
    Wrong(
        "order-not-carried-out",
        ("SWITCH-1", "SWITCH-2", "REJOIN-4"),
        "Every order is answered with yes.",
        changed(_says_yes),
    ),
)
"""Grants, then roles, then orders."""
