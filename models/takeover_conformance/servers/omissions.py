"""Mistakes of those who leave something out, or forget: most do nothing wrong, and not what is their duty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import (
    Answer,
    Wrapping,
    Wrong,
    changed,
    deaf,
    frames_changed,
    without,
)
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.words import Cause


def _refuses_writes(answer: Answer) -> Answer:
    return lambda request: [] if isinstance(request, lines.Write) else answer(request)


def _falls_silent(answer: Answer) -> Answer:
    silent = False

    def answered(request: Request) -> list[Reply]:
        nonlocal silent
        silent = silent and not isinstance(request, lines.Found)
        of_frames = isinstance(request, lines.Encode | lines.Decode)
        replies = [] if silent and not of_frames else answer(request)
        place = next((n for n, r in enumerate(replies) if isinstance(r, act.Discard | act.TakeRole)), None)
        silent = silent or place is not None
        return replies[:place]

    return answered


def _finds(**values: Any) -> Wrapping:
    """It takes what it finds on its disk for something else; what is `None` is the epoch of its data."""

    def mistaken(answer: Answer) -> Answer:
        def answered(request: Request) -> list[Reply]:
            if not isinstance(request, lines.Found):
                return answer(request)
            found: Any = {name: request.epoch if value is None else value for name, value in values.items()}
            return answer(replace(request, **found))

        return answered

    return mistaken


def _prolongs_nothing(answer: Answer) -> Answer:
    enabled = False

    def answered(request: Request) -> list[Reply]:
        nonlocal enabled
        replies: list[Reply] = []
        for reply in answer(request):
            if isinstance(reply, act.Start | act.Disable | act.StepDown):
                enabled = False
            if not (isinstance(reply, act.Enable) and enabled):
                replies.append(reply)
            enabled = enabled or isinstance(reply, act.Enable)
        return replies

    return answered


def _asks_for_nothing(message: wire.Message) -> wire.Message | None:
    return None if isinstance(message, wire.AskLease | wire.AskPromise) else message


OMISSIONS: tuple[Wrong, ...] = (
    Wrong(
        "prolongs-nothing", ("ADDR-2",), "The public identity is enabled once, and ends.", _prolongs_nothing
    ),
    Wrong(
        "never-takes-over",
        ("APPLY-4", "ROLE-2"),
        "It has the lease, and does nothing with it.",
        _falls_silent,
    ),
    Wrong("starts-in-silence", ("ROLE-1",), "It does not say that it started.", without(act.Start)),
    Wrong(
        "leaves-the-address-on",
        ("ROLE-4", "REJOIN-1", "LEASE-5"),
        "It leaves its role, and the public identity to its end.",
        without(act.Disable),
    ),
    Wrong("asks-for-nothing", ("LEASE-1",), "It asks nobody for a grant.", frames_changed(_asks_for_nothing)),
    Wrong("counts-no-promise", ("LEASE-4",), "A promise is not counted.", without(act.CountPromise)),
    Wrong("release-unheard", ("LEASE-5",), "A release is not heard.", deaf(wire.Released)),
    Wrong("takes-no-copy", ("LOSS-1", "REJOIN-2"), "The end of a copy is not heard.", deaf(wire.CopyEnd)),
    Wrong("refuses-writes", ("QUEUE-1",), "Every write is refused.", _refuses_writes),
    Wrong("report-unheard", ("QUEUE-3",), "What is safe is not heard.", deaf(wire.Safe)),
    Wrong("stores-nothing", ("QUEUE-4",), "An update is not heard.", deaf(wire.Update)),
    Wrong("never-acknowledges", ("SYNC-1",), "No update is acknowledged.", without(act.Acknowledge)),
    Wrong(
        "steps-down-from-another",
        ("ROLE-5",),
        "It says that it steps down from the epoch after its own.",
        changed(lambda r: (act.StepDown(r.epoch + 1) if isinstance(r, act.StepDown) else r,)),
    ),
    Wrong(
        "takes-over-as-if-first",
        ("ROLE-4",),
        "Whatever the cause of a takeover is, it says that it is the first.",
        changed(lambda r: (replace(r, cause=Cause.FIRST) if isinstance(r, act.TakeRole) else r,)),
    ),
    Wrong(
        "starts-once-more",
        ("ROLE-6", "REJOIN-1"),
        "Before it stops its applications it starts them once more.",
        changed(lambda r: (act.StartApplications(), r) if isinstance(r, act.StopApplications) else (r,)),
    ),
    Wrong(
        "forgets-what-it-heard-of", ("ROLE-3",), "It forgets newer epochs by a restart.", _finds(seen=None)
    ),
    Wrong(
        "forgets-that-it-was-active",
        ("REJOIN-3",),
        "A server that was active takes itself for one that follows, by a restart.",
        _finds(active=False, returned=False),
    ),
)
