"""Mistakes with what is kept and passed on: the queues, what is durable, and copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Reply, Request
from takeover_conformance.servers.wrappings import Answer, Wrong, changed, frames_changed, misheard, without
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.words import Queue, Status


def _syncs_too_late(answer: Answer) -> Answer:
    def answered(request: Request) -> list[Reply]:
        replies = answer(request)
        return [r for r in replies if not isinstance(r, lines.Sync)] + [
            r for r in replies if isinstance(r, lines.Sync)
        ]

    return answered


def _follows_the_past(reply: Reply) -> Iterable[Reply]:
    if isinstance(reply, act.Store | act.StoreStatus):
        yield replace(reply, epoch=max(reply.epoch - 1, 1))
    else:
        yield reply


def _from_the_wrong_queue(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, queue=Queue.UNSAFE) if isinstance(reply, act.Apply) else reply


def _trims_at_once(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.Log):
        yield act.Trim(reply.epoch, reply.seq)


def _drops_at_once(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.CarryOut):
        yield act.Drop(reply.epoch, reply.seq)


def _skips_a_number(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, seq=reply.seq + 1) if isinstance(reply, act.Log) else reply


def _depends_on_what_comes(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, depends=reply.seq + 1) if isinstance(reply, act.CarryOut) else reply


def _copies_in_the_middle(reply: Reply) -> Iterable[Reply]:
    yield reply
    if isinstance(reply, act.Log):
        yield act.Copy(reply.epoch, 0, reply.seq)


def _sends_another_copy(message: wire.Message) -> wire.Message:
    return replace(message, index=message.index + 1) if isinstance(message, wire.CopyPart) else message


def _overstates_its_position(message: wire.Message) -> wire.Message:
    return replace(message, stored=message.stored + 1) if isinstance(message, wire.Position) else message


def _closes_the_holes(answer: Answer) -> Answer:
    """The pieces of a copy are counted as they come, whatever they say is their place."""
    count = 0

    def renumbered(message: wire.Message, run: int) -> wire.Message:
        nonlocal count
        if isinstance(message, wire.CopyBegin):
            count = 0
        if isinstance(message, wire.CopyPart):
            message = replace(message, index=count)
            count += 1
        return message

    return misheard(renumbered)(answer)


def _all_done(reply: Reply) -> Iterable[Reply]:
    yield replace(reply, status=Status.DONE) if isinstance(reply, act.StoreStatus) else reply


def _empty_update(message: wire.Message) -> wire.Message:
    return replace(message, operation=b"") if isinstance(message, wire.Update) else message


WITH_DATA: tuple[Wrong, ...] = (
    Wrong(
        "never-syncs",
        ("QUEUE-4", "LEASE-5", "nothing-acknowledged-is-lost"),
        "Nothing is ever made durable.",
        without(lines.Sync),
    ),
    Wrong(
        "syncs-too-late",
        ("QUEUE-4", "LEASE-5"),
        "What is said is made durable only after it was said.",
        _syncs_too_late,
    ),
    Wrong(
        "stores-of-the-past",
        ("ROLE-5",),
        "What it stores, it stores under the epoch before.",
        changed(_follows_the_past),
    ),
    Wrong(
        "from-the-wrong-queue",
        ("QUEUE-5",),
        "What is applied is taken out of the unsafe queue.",
        changed(_from_the_wrong_queue),
    ),
    Wrong(
        "trims-what-is-not-safe",
        ("QUEUE-3",),
        "An update leaves the unsafe queue as soon as it is logged.",
        changed(_trims_at_once),
    ),
    Wrong(
        "drops-without-a-word",
        ("QUEUE-6",),
        "An update is dropped as soon as it is carried out.",
        changed(_drops_at_once),
    ),
    Wrong("skips-a-number", ("QUEUE-1",), "A number is left out.", changed(_skips_a_number)),
    Wrong(
        "out-of-turn",
        ("QUEUE-2",),
        "An update is carried out before the one that it depends on.",
        changed(_depends_on_what_comes),
    ),
    Wrong(
        "every-status-is-done",
        ("QUEUE-4", "APPLY-3"),
        "A failed update is stored as one that is done.",
        changed(_all_done),
    ),
    Wrong(
        "overstates-its-position",
        ("QUEUE-4",),
        "It says that it has an update that it has not.",
        frames_changed(_overstates_its_position),
    ),
    Wrong(
        "copies-in-the-middle",
        ("REJOIN-2",),
        "A copy is taken of data in which a logged update was not carried out yet.",
        changed(_copies_in_the_middle),
    ),
    Wrong(
        "sends-another-copy",
        ("REJOIN-2",),
        "What is sent is not the copy that was taken.",
        frames_changed(_sends_another_copy),
    ),
    Wrong(
        "copy-with-a-hole",
        ("REJOIN-2",),
        "A piece of a copy is taken for the next one, whatever it says.",
        _closes_the_holes,
    ),
    Wrong(
        "empty-updates",
        ("QUEUE-1",),
        "Updates are sent without what they are.",
        frames_changed(_empty_update),
    ),
)
"""In the order of what is done with an update."""
