"""The situations that a server is put into before it meets an event: where it stands, and what it has in its queues.

A situation is two things. What the server finds on its disk comes of a *past*: steps that the reference server was led
through when the cases were made, and then it was crashed. So it is a state that can be reached, and a case needs a line
for it and no more. The *present* are steps of the run that the case is played in: it starts, waits, hears somebody.

All are of one server: the peer and the witness are played by the case. It is the secondary server, where that is not
said otherwise. Numbers are small: the data begins with three updates in epoch 1.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Steps = list[Any]
"""As in a file of cases."""

PAST = 3
"""How many updates the data has that a follower begins with."""

PROMISE_US = 700_000
"""How long a promise lasts, in microseconds, in the setups that are used."""


@dataclass(frozen=True, slots=True)
class Situation:
    """See the module."""

    name: str
    told: str
    """Where the server is, after *a server that…*."""
    past: Steps
    present: Steps
    me: str = "secondary"
    setup: str = "default"
    open: bool = False
    """A server may have gone on from here already, so nothing is asked of it but to be right."""


def peer(kind: str, **values: Any) -> Json:
    """The peer says this."""
    return {"from": "peer", "message": {"kind": kind, **values}}


def witness(kind: str, **values: Any) -> Json:
    """The witness says this."""
    return {"from": "witness", "message": {"kind": kind, **values}}


def operation(number: int) -> str:
    """What update `number` does."""
    return base64.b64encode(json.dumps([number, "put", "a"]).encode()).decode()


def update(epoch: int, seq: int) -> Json:
    """An update."""
    return peer("update", epoch=epoch, seq=seq, operation=operation(seq))


def status(epoch: int, seq: int, ended: str) -> Json:
    """How it ended."""
    return peer("update-status", epoch=epoch, seq=seq, status=ended, amount=0)


def ask_promise(epoch: int, run: int = 90, sent: int = 5) -> Json:
    """The active server asks for a promise."""
    return peer("ask-promise", epoch=epoch, run=run, sent=sent)


def copy(epoch: int, upto: int, begun: int = 0) -> Steps:
    """A whole copy of the data after `upto` updates."""
    history = base64.b64encode(json.dumps([[uid, True] for uid in range(1, upto + 1)]).encode()).decode()
    return [
        peer("copy-begin", epoch=epoch, begun=begun, upto=upto),
        peer("copy-part", epoch=epoch, upto=upto, index=0, operation=history),
        peer("copy-end", epoch=epoch, upto=upto, parts=1, digest=""),
    ]


def must(clause: str, **pattern: Any) -> Json:
    """The server has to have done, or said, this."""
    return {"must": pattern, "clause": clause}


def starts(who: str = "1") -> Steps:
    """The process starts, and is connected to its peer."""
    return [f"start/{who}", {"from": "peer"}]


def asks(who: str = "1") -> Steps:
    """Its promise runs out, and it asks the witness for the next epoch."""
    return [f"pass//{PROMISE_US}", f"wake/{who}", must("LEASE-1", say="ask-lease")]


LEASED = witness("leased")
"""The last request for a lease is granted."""

_END = ["sync/1", "crash/1"]
_FOLLOWS = [*starts(), ask_promise(1), *copy(1, PAST), "calm//1"]
_QUEUES: dict[str, tuple[str, Steps]] = {
    "": ("has an empty safe queue", []),
    "-one": ("has one complete update in its safe queue", [update(1, 4), status(1, 4, "done")]),
    "-failed": ("has one failed update in its safe queue", [update(1, 4), status(1, 4, "failed")]),
    "-open": ("has one update without a status in its safe queue", [update(1, 4)]),
    "-one-open": (
        "has a complete update and one without a status in its safe queue",
        [update(1, 4), status(1, 4, "done"), update(1, 5)],
    ),
    "-two": (
        "has an update that was done and one that failed in its safe queue",
        [update(1, 4), update(1, 5), status(1, 4, "done"), status(1, 5, "failed")],
    ),
}
"""The safe queue, by what a name says of it: what it is, and how it comes about."""

TAKES_OVER = [*starts(), *asks(), LEASED, "calm//1", must("LEASE-1", do="take-role", epoch=2)]
"""A follower becomes active, in epoch 2."""


def _following() -> Iterator[Situation]:
    for queue, (told, steps) in _QUEUES.items():
        past = [*_FOLLOWS, *steps, *_END]
        yield Situation(f"follower{queue}", f"follows and {told}", past, starts())
        promised = [*starts(), ask_promise(1)]
        yield Situation(f"promised{queue}", f"has promised not to take over, and {told}", past, promised)
        yield Situation(f"challenger{queue}", f"wants to take over, and {told}", past, [*starts(), *asks()])
        if steps:
            leased = [*starts(), *asks(), LEASED]
            yield Situation(
                f"leased{queue}", f"has the lease of the next epoch, and {told}", past, leased, open=True
            )
    past = [*_FOLLOWS, *_QUEUES["-one-open"][1], *_END]
    yield Situation("ordered", "was ordered to take over", past, [*starts(), *asks(), "promote/1"])


_NEW_EPOCH = peer("newer", epoch=2)
_WRITES = ["offer/1/1", "work/1/1"]
_LEFT: dict[str, tuple[str, Steps]] = {
    "left": ("follows a peer that said goodbye", [*_FOLLOWS, peer("goodbye", epoch=1)]),
    "handed": ("heard that its peer released the role", [*_FOLLOWS, peer("released", epoch=1)]),
    "behind": ("has heard of a newer epoch than its data's", [*_FOLLOWS, _NEW_EPOCH]),
    "cut-drain": (
        "had ended its drain when it stopped",
        [*_FOLLOWS, *asks(), "interrupt/1/2", LEASED],
    ),
}
_ACTIVE = [*_FOLLOWS, *asks(), LEASED, "calm//1"]
_RETURNED: dict[str, tuple[str, Steps]] = {
    "cut-takeover": ("was active and logged nothing", _ACTIVE),
    "returned": ("was active and has logged two updates", [*_ACTIVE, *_WRITES, *_WRITES]),
    "returned-carried": (
        "was active, and has carried out one of two updates",
        [*_ACTIVE, *_WRITES, *_WRITES, "work/1/2"],
    ),
    "returned-behind": (
        "was active, and has heard of a newer epoch",
        [*_ACTIVE, *_WRITES, peer("newer", epoch=3)],
    ),
}


def _leaving() -> Iterator[Situation]:
    for name, (told, steps) in (_LEFT | _RETURNED).items():
        past = [*steps, *_END]
        yield Situation(name, told, past, starts())
        yield Situation(
            f"{name}-waited", f"{told}, and waited", past, [*starts(), f"pass//{PROMISE_US}", "wake/1"]
        )
        if name in _RETURNED and name != "returned-behind":
            ordered = [*starts(), f"pass//{PROMISE_US}", "wake/1", "promote/1"]
            yield Situation(f"{name}-ordered", f"{told}, and is ordered to go on", past, ordered)
    released = [*_ACTIVE, *_STANDING["recorded"][1], "switch/1/500", *_END]
    yield Situation("released", "released its role", released, starts())
    waited = [*starts(), f"pass//{PROMISE_US}", "wake/1"]
    yield Situation("released-waited", "released its role, and waited", released, waited)


_FOLLOWED = [{"from": "peer"}, peer("position", epoch=2, stored=PAST, statuses=PAST, resynchronise=False)]
_REPORTED = [*_FOLLOWED, peer("safe", epoch=2, upto=PAST, latest=PAST)]
_RECORDED = [*_REPORTED, must("REJOIN-2", say="declare-eligible", eligible=True), witness("recorded")]
_FORSAKEN = [
    *_RECORDED, "pass//450000", "wake/1", must("SYNC-1", say="declare-eligible", eligible=False), witness("recorded"),
]  # fmt: skip
_STANDING: dict[str, tuple[str, Steps]] = {
    "alone": ("is active without a peer", []),
    "followed": ("is active, and its peer follows", _FOLLOWED),
    "reported": ("is active, and has declared its peer eligible", _REPORTED),
    "recorded": ("is active, and its peer may succeed it", _RECORDED),
    "forsaken": ("is active, and its peer was given up", _FORSAKEN),
}
_LOGS: dict[str, tuple[str, Steps]] = {
    "": ("has nothing in its unsafe queue", []),
    "-logged": ("has an update in its unsafe queue that is not carried out", _WRITES),
    "-carried": ("has carried out an update that is not safe", [*_WRITES, "work/1/2"]),
    "-half-safe": (
        "has two updates, the first of them safe",
        [*_WRITES, *_WRITES, "work/1/2", "work/1/2", peer("safe", epoch=2, upto=4, latest=4)],
    ),
}

_KEPT = {
    "alone": ("", "-logged", "-carried"),
    "followed": ("", "-carried", "-half-safe"),
    "reported": ("", "-carried"),
    "recorded": ("", "-logged", "-carried", "-half-safe"),
    "forsaken": ("", "-carried", "-half-safe"),
}
"""Which unsafe queue is looked at in which standing."""


def _leading() -> Iterator[Situation]:
    past = [*_FOLLOWS, *_END]
    for standing, (told, steps) in _STANDING.items():
        for log in _KEPT[standing]:
            queue, writes = _LOGS[log]
            present = [*TAKES_OVER, *steps, *writes]
            yield Situation(f"{standing}{log}", f"{told}, and {queue}", past, present)
            if log == "-carried":
                hurried = f"{told}, does not wait for it, and {queue}"
                yield Situation(f"async-{standing}", hurried, past, present, setup="synchronous=0")
    behind = peer("position", epoch=1, stored=PAST, statuses=PAST, resynchronise=True)
    yield Situation(
        "copying", "is active and takes a copy for its peer", past, [*TAKES_OVER, {"from": "peer"}, behind]
    )
    switching = [*TAKES_OVER, *_RECORDED, *_WRITES, *_WRITES, "work/1/2", "work/1/2", "switch/1/300"]
    yield Situation("switching", "hands its role over, and waits for its peer", past, switching)


def _beginning() -> Iterator[Situation]:
    yield Situation("new", "never ran, and is the secondary", [], starts())
    yield Situation(
        "new-waited",
        "never ran, is the secondary, and waited",
        [],
        [*starts(), f"pass//{PROMISE_US}", "wake/1"],
    )
    yield Situation("first", "never ran, and is the primary", [], starts("0"), "primary")
    yield Situation(
        "first-challenger", "never ran, is the primary, and asks", [], [*starts("0"), *asks("0")], "primary"
    )
    takes = [*starts("0"), *asks("0"), LEASED, "calm//1", must("LEASE-1", do="take-role", epoch=1)]
    yield Situation("first-active", "is active in the first epoch", [], takes, "primary")


def situations() -> Iterator[Situation]:
    """All of them."""
    yield from _beginning()
    yield from _following()
    yield from _leaving()
    yield from _leading()
