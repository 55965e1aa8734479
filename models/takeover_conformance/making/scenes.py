"""Scenes: how a server is led to do what the servers of the gallery's counterexamples do.

Their names are those of `takeover_proofs.scenes`. There a scene says what is done; here, what a server is told so that
it does that by itself, and what it must have done before the next scene. The server that leads first is the primary,
and the one that follows it the secondary. The data is empty at first, so numbers are as small as they can be.
"""

from __future__ import annotations

from takeover_conformance.making.situations import (
    LEASED,
    Json,
    Steps,
    ask_promise,
    copy,
    must,
    peer,
    starts,
    status,
    update,
    witness,
)

UNIT_US = 100_000
"""The search's unit of time, in microseconds: a tenth of a second."""

SETUP = "lease=1000.promise=1000.slack=100.drift=100000"
"""The search's constants: lease and promise of ten units, slack of one, clocks a tenth off."""

GRANT = 10
"""How long a lease and a promise are, in units."""

LED, FOLLOWED = "0", "1"
"""The tested server, as a decision names it: one that leads first, or one that follows."""


def never(**pattern: object) -> Json:
    """The server may not have done, or said, this."""
    return {"never": pattern}


def passes(units: int) -> str:
    """Time passes."""
    return f"pass//{units * UNIT_US}"


def time(units: int, who: str) -> Steps:
    """Time passes, and the server is woken."""
    return [passes(units), f"wake/{who}"]


def quiet(who: str) -> Steps:
    """Nothing happens for a moment, in which the server may do what it left for one."""
    return ["calm//1", *[f"idle/{who}"] * 6]


def asks(who: str) -> Steps:
    """Its promise, or what it may have promised, runs out; it asks the witness for the next epoch."""
    return [*time(GRANT, who), must("LEASE-1", say="ask-lease")]


def taken(epoch: int) -> Steps:
    """It has the role."""
    return ["calm//1", must("LEASE-1", do="take-role", epoch=epoch)]


# --- one that leads first ---------------------------------------------------------------------------


TAKES: Steps = [*starts(LED), *asks(LED), LEASED, *taken(1)]
"""It takes the role of epoch 1, shows itself and serves."""


def joins(upto: int = 0) -> Steps:
    """Its peer gets a copy of the data and reports, and is declared eligible."""
    return [
        *copies(1, 0, upto),
        peer("position", epoch=1, stored=upto, statuses=upto, resynchronise=False),
        safe(upto),
        *quiet(LED),
        must("REJOIN-2", say="declare-eligible", eligible=True),
    ]


def copies(epoch: int, begun: int, upto: int, who: str = LED) -> Steps:
    """Its peer wants the data, and gets it."""
    return [
        peer("position", epoch=epoch - 1, stored=0, statuses=0, resynchronise=True),
        *quiet(who),
        must("REJOIN-2", do="copy", epoch=epoch, begun=begun, upto=upto),
    ]


def safe(upto: int, latest: int = 0) -> Json:
    """Its peer reports."""
    return peer("safe", epoch=1, upto=upto, latest=max(upto, latest))


def logs(epoch: int, seq: int, *, fails: bool = False, who: str = LED) -> Steps:
    """It logs an update and carries it out."""
    return [
        f"offer/{who}/1" + ("/1" if fails else ""),
        *quiet(who),
        must("QUEUE-1", do="log", epoch=epoch, seq=seq),
        must("QUEUE-1", do="carry-out", epoch=epoch, seq=seq, status="failed" if fails else "done"),
    ]


SERVES: Steps = [*TAKES, *joins()]
"""It serves, and its peer may take over from it."""

RECORDED: Steps = [witness("recorded")]
"""It hears that its peer is recorded as eligible."""

SWITCHES: Steps = [f"switch/{LED}/500", *quiet(LED)]
"""It is ordered to hand the role over, within half a second."""

RELEASED: Steps = [*SERVES, *RECORDED, *SWITCHES, must("SWITCH-1", do="release", epoch=1)]
"""It hands the role over."""

ALONE: Steps = [*TAKES, *logs(1, 1), must("SYNC-1", do="acknowledge", epoch=1, seq=1)]
"""It serves, nobody follows it, and it acknowledges what it did."""

LAPSES: Steps = [*time(GRANT, LED), must("ROLE-6", do="step-down", epoch=1)]
"""Nobody grants it anything, and it steps down."""


def restarts(who: str) -> Steps:
    """It goes down with all that is durable, and starts."""
    return [f"sync/{who}", f"crash/{who}", *starts(who)]


# --- one that follows -------------------------------------------------------------------------------


JOINS: Steps = [
    *starts(FOLLOWED),
    *copy(1, 0),
    *quiet(FOLLOWED),
    must("REJOIN-2", do="resynchronise", epoch=1, upto=0),
    must("QUEUE-4", do="report-safe", epoch=1, upto=0),
]
"""It gets a copy of the data, and reports."""

FAILOVER: Steps = [*asks(FOLLOWED), LEASED]
"""Nobody is heard, and it gets the lease of the next epoch."""

PROMISED: Steps = [ask_promise(1), "calm//1", must("LEASE-2", do="promise", epoch=1)]
"""It promises not to take over."""


def stores(seq: int, ended: str = "") -> Steps:
    """It is sent an update, and how that ended if that is said."""
    return [update(1, seq), *([status(1, seq, ended)] if ended else [])]
