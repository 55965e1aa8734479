"""The events that a server meets, whatever it is doing: all that it can be asked or told, with what makes a difference.

An event is made for the server that meets it: its epoch is *older*, *same* or *newer* than the server's own, its number
the next one, one that was there, or one behind a gap. What does not exist for a server (an older epoch than the first,
a logged update to carry out) is no event for it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from takeover_conformance.making.situations import (
    PROMISE_US,
    Steps,
    ask_promise,
    copy,
    must,
    operation,
    peer,
    status,
    update,
    witness,
)
from takeover_spec.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Event:
    """See the module."""

    name: str
    clause: str
    """What it is about, whether or not anything has to be done."""
    why: str
    """The mistake that it may bring out."""
    steps: Steps
    open: bool = False
    """What a server makes of it is its own affair, as long as it is allowed."""


@dataclass(frozen=True, slots=True)
class Met:
    """The server that meets it."""

    who: str
    """`0` or `1`."""
    know: Knowledge
    now: int
    settled: int
    """Up to where its safe queue is complete."""
    uncarried: bool
    """Something is logged and not carried out."""
    asked: dict[str, Any] | None
    """Its last request for a lease, if it made one in this run."""

    def epochs(self) -> Iterator[tuple[str, int]]:
        """The epochs that make a difference, with their names."""
        epoch = self.know.epoch
        if epoch > 1:
            yield "older", epoch - 1
        if epoch >= 1:
            yield "same", epoch
        yield "newer", epoch + 1


def events(met: Met) -> Iterator[Event]:
    """Everything that this server can meet."""
    yield from _asked(met)
    yield from _updates(met)
    yield from _copies(met)
    yield from _answers(met)
    yield from _holes(met)
    yield from _of_the_witness(met)
    yield from _spoilt(met)
    yield from _of_its_own(met)
    yield from _orders(met)


def _asked(met: Met) -> Iterator[Event]:
    for age, epoch in met.epochs():
        yield Event(
            f"ask-promise-{age}", "LEASE-2", f"a promise to the {age} epoch", [ask_promise(epoch, sent=7)]
        )
        yield Event(
            f"ask-promise-{age}-twice",
            "LEASE-2",
            f"a promise to the {age} epoch that gets shorter",
            [ask_promise(epoch, sent=7), "pass//20000", ask_promise(epoch, sent=7)],
        )
        yield Event(
            f"released-{age}", "LEASE-5", f"a release of the {age} epoch", [peer("released", epoch=epoch)]
        )
        yield Event(
            f"goodbye-{age}", "ROLE-4", f"a goodbye in the {age} epoch", [peer("goodbye", epoch=epoch)]
        )
        yield Event(f"newer-{age}", "REJOIN-1", f"word of the {age} epoch", [peer("newer", epoch=epoch)])
    far = met.know.epoch + 5
    yield Event("ask-promise-far", "LEASE-2", "a promise to an epoch far ahead", [ask_promise(far)])
    yield Event("newer-far", "REJOIN-1", "word of an epoch far ahead", [peer("newer", epoch=far)])


def _updates(met: Met) -> Iterator[Event]:
    newest = max(met.know.newest, met.know.logged)
    places = {"next": ("the next update", newest + 1)}
    if not met.know.active:
        places |= {
            "known": ("an update that is there", newest),
            "gap": ("an update behind a gap", newest + 3),
        }
    for age, epoch in met.epochs():
        for place, (update_told, seq) in places.items():
            if seq >= 1:
                told = f"{update_told}, of the {age} epoch"
                yield Event(f"update-{age}-{place}", "ROLE-5", told, [update(epoch, seq)])
                both = [update(epoch, seq), status(epoch, seq, "done")]
                yield Event(f"complete-{age}-{place}", "QUEUE-4", f"{told}, with its status", both)
        yield Event(
            f"status-{age}-unknown",
            "QUEUE-4",
            f"the status, of the {age} epoch, of an update that is not there",
            [status(epoch, newest + 1, "done")],
        )
    if met.know.active:
        return  # nothing that it is sent has a place there
    same = max(met.know.epoch, 1)
    for ended in ("done", "failed"):
        if met.know.newest > met.settled:
            yield Event(
                f"status-{ended}",
                "QUEUE-4",
                f"the status {ended} of the next update that waits for one",
                [status(same, met.settled + 1, ended)],
            )
        if met.settled > met.know.applied:
            yield Event(
                f"status-{ended}-again",
                "QUEUE-4",
                f"the status {ended} of an update whose status is known",
                [status(same, met.settled, ended)],
            )
    two = [update(same, newest + 1), update(same, newest + 2)]
    ends = [status(same, newest + 1, "done"), status(same, newest + 2, "failed")]
    yield Event("two-updates", "QUEUE-4", "two updates, then their statuses", [*two, *ends])
    yield Event(
        "two-updates-turned",
        "QUEUE-4",
        "two updates that overtook each other",
        [*two[::-1], *ends],
        open=True,
    )
    turned = [*two, *ends[::-1]]
    yield Event("two-statuses-turned", "QUEUE-4", "two statuses that overtook each other", turned, open=True)
    yield Event(
        "two-stories",
        "QUEUE-4",
        "an update that comes twice, and differs",
        [two[0], peer("update", epoch=same, seq=newest + 1, operation=operation(77)), ends[0]],
    )
    if met.know.newest > met.know.applied:
        again = peer("update", epoch=same, seq=met.know.newest, operation=operation(77))
        yield Event("another-story", "APPLY-2", "an update that is there, and comes as another", [again])


def _copies(met: Met) -> Iterator[Event]:
    know = met.know
    newest = max(know.newest, know.logged)
    for age, epoch in met.epochs():
        lengths = {"": newest, "-ahead": newest + 2, "-behind": max(know.applied - 1, 0)}
        for place, upto in lengths.items():
            if know.active and place:
                continue
            begun = min(know.applied, upto)
            yield Event(
                f"copy-{age}{place}",
                "REJOIN-2",
                f"a whole copy, of the {age} epoch",
                copy(epoch, upto, begun),
            )
        if know.active:
            continue
        whole = copy(epoch, newest, know.applied)
        yield Event(f"copy-{age}-cut", "REJOIN-2", f"a copy, of the {age} epoch, without its end", whole[:2])
        holed = [whole[0], whole[2]]
        yield Event(
            f"copy-{age}-without-a-part", "REJOIN-2", f"a copy, of the {age} epoch, that lacks a part", holed
        )
        yield Event(
            f"copy-{age}-without-a-beginning",
            "REJOIN-2",
            f"a copy, of the {age} epoch, that never began",
            whole[1:],
        )


def _answers(met: Met) -> Iterator[Event]:
    know = met.know
    for age, epoch in met.epochs():
        yield Event(
            f"promised-{age}",
            "LEASE-4",
            f"a promise to its request, for the {age} epoch",
            [peer("promised", epoch=epoch)]
            if know.active
            else [peer("promised", epoch=epoch, run=1, sent=met.now)],
        )
        reports = {"all": know.logged, "nothing": 0, "too-much": know.logged + 4}
        for place, upto in reports.items():
            if not know.active and place != "all":
                continue
            yield Event(
                f"safe-{age}-{place}",
                "QUEUE-3",
                f"a report, of the {age} epoch, that {place.replace('-', ' ')} is safe",
                [peer("safe", epoch=epoch, upto=upto, latest=upto)],
            )
        for place, stored, lacks in (
            ("follows", know.logged, False),
            ("lags", max(know.applied, know.trimmed), False),
            ("needs-a-copy", 0, True),
        ):
            if not know.active and place != "follows":
                continue
            yield Event(
                f"position-{age}-{place}",
                "REJOIN-2",
                f"a peer of the {age} epoch that {place.replace('-', ' ')}",
                [peer("position", epoch=epoch, stored=stored, statuses=stored, resynchronise=lacks)],
            )
    if know.active:
        yield Event(
            "promised-other-run", "LEASE-4", "a promise to another run's request", [peer("promised", run=77)]
        )
        late = [f"pass//{PROMISE_US}", peer("promised")]
        yield Event("promised-late", "LEASE-4", "a promise that is over when it comes", late)
        future = [peer("promised", sent=met.now + 10**9)]
        yield Event("promised-of-the-future", "LEASE-4", "a promise to a request not made yet", future)
        twice = [peer("promised"), "pass//50000", peer("promised")]
        yield Event("promised-twice", "LEASE-4", "a promise that is counted twice, each time longer", twice)


def _holes(met: Met) -> Iterator[Event]:
    """What the active server is told of an update that is safe, while others before it are not."""
    know = met.know
    if not know.active:
        return
    if know.logged > know.safe_upto:
        yield Event(
            "safe-same-hole",
            "SYNC-1",
            "a report that the last update is safe, and not all before it",
            [peer("safe", epoch=know.epoch, upto=know.safe_upto, latest=know.logged)],
        )
    whole = max(know.safe_upto, know.applied)
    written = [f"offer/{met.who}/1", f"work/{met.who}/1"] * 2 + [f"work/{met.who}/{know.logged + 1}"] * 2
    hole = peer("safe", epoch=know.epoch, upto=whole, latest=know.logged + 2)
    yield Event(
        "two-writes-and-a-hole",
        "SYNC-1",
        "two writes, and a report that the second is safe without the first",
        [*written, hole],
    )


def _of_the_witness(met: Met) -> Iterator[Event]:
    know = met.know
    if met.asked is not None:
        yield Event("leased", "LEASE-4", "the lease that it asked for", [witness("leased")])
        for name, changed, why in (
            ("other-run", {"run": 77}, "a lease that another run asked for"),
            ("of-the-future", {"sent": met.now + 10**9}, "a lease for a request not made yet"),
            ("older", {"epoch": max(met.asked["epoch"] - 1, 1)}, "a lease of the epoch before"),
            ("newer", {"epoch": met.asked["epoch"] + 1}, "a lease of a later epoch"),
        ):
            yield Event(f"leased-{name}", "LEASE-4", why, [witness("leased", **changed)])
        yield Event(
            "leased-late",
            "LEASE-4",
            "a lease that is over when it comes",
            ["pass//1100000", witness("leased")],
        )
        yield Event(
            "leased-twice",
            "LEASE-4",
            "a lease that is counted twice, each time longer",
            [witness("leased"), "pass//50000", witness("leased")],
        )
        for name, current in (("", know.epoch), ("-newer", know.epoch + 3), ("-older", 0)):
            refusal = witness(
                "not-leased",
                **{n: met.asked[n] for n in ("epoch", "run", "sent")},
                current=current,
                clause="LEASE-3",
                reason="somebody else has it",
            )
            yield Event(f"not-leased{name}", "ROLE-3", "a refusal of the lease", [refusal])
    else:
        unasked = witness("leased", epoch=know.epoch + 1, run=1, sent=met.now)
        yield Event("leased-unasked", "LEASE-4", "a lease that it did not ask for", [unasked])
    records = {"": (know.epoch, know.version)}
    if know.active:
        records |= {
            " of an older version": (know.epoch, max(know.version - 1, 0)),
            " of a newer version": (know.epoch, know.version + 1),
            " of a newer epoch": (know.epoch + 1, know.version),
        }
    for eligible in (True, False):
        told = "eligible" if eligible else "not eligible"
        for of, (epoch, version) in records.items():
            yield Event(
                f"recorded {told}{of}".replace(" ", "-"),
                "REJOIN-2",
                f"a record{of}, that its peer is {told}",
                [witness("recorded", epoch=epoch, version=version, eligible=eligible)],
            )


def _spoilt(met: Met) -> Iterator[Event]:
    def framed(body: bytes) -> str:
        return base64.b64encode(len(body).to_bytes(4, "big") + body).decode()

    epoch = met.know.epoch + 1
    for name, body, why in (
        ("cut", b'{"kind":"newer","epoch":%d' % epoch, "half a message that is acted on"),
        ("unknown", b'{"kind":"newest","epoch":%d}' % epoch, "an unknown message, taken for a known one"),
        ("more", b'{"kind":"newer","epoch":%d,"now":1}' % epoch, "a field that is dropped unseen"),
        ("text", b'{"kind":"newer","epoch":"%d"}' % epoch, "a number that is read out of text"),
    ):
        spoilt = {"from": "peer", "frame": framed(body)}
        yield Event(f"malformed-{name}", "§12.1", why, [spoilt])
    yield Event(
        "malformed-of-the-witness", "§12.1", "half a message that is acted on", [spoilt | {"from": "witness"}]
    )
    lease = {"epoch": met.know.epoch + 1, "run": 1, "sent": met.now}
    yield Event("leased-by-the-peer", "LEASE-1", "a lease that the peer grants", [peer("leased", **lease)])
    yield Event(
        "promised-by-the-witness", "LEASE-1", "a promise of the witness", [witness("promised", **lease)]
    )
    yield Event(
        "safe-by-the-witness",
        "QUEUE-3",
        "a report of the witness",
        [witness("safe", epoch=met.know.epoch, upto=met.know.logged, latest=met.know.logged)],
    )
    yield Event(
        "recorded-by-the-peer",
        "REJOIN-2",
        "a record of the peer",
        [peer("recorded", epoch=met.know.epoch, version=met.know.version, eligible=True)],
    )
    yield Event(
        "asked-for-a-lease",
        "LEASE-1",
        "a server that grants leases",
        [peer("ask-lease", **lease, promoted=False)],
    )


def _of_its_own(met: Met) -> Iterator[Event]:
    who = met.who
    yield Event("wake", "ROLE-2", "being woken for nothing", [f"wake/{who}"])
    for name, ms in (("beat", 160), ("promise", 720), ("lease", 1_100), ("long", 3_000)):
        told = {
            "beat": "a beat",
            "promise": "a promise's length",
            "lease": "a lease's length",
            "long": "a long time",
        }
        woken = [f"pass//{ms * 1000}", f"wake/{who}"]
        yield Event(f"woken-after-a-{name}", "ROLE-6", f"{told[name]} in which nobody was heard", woken)
    know = met.know
    if know.version and know.safe_upto == know.applied and not (know.alone or know.successor):
        declared = must("REJOIN-2", say="declare-eligible", epoch=met.know.epoch)
        unanswered = [declared, "pass//380000", f"wake/{who}"]
        yield Event("unanswered", "REJOIN-2", "a declaration that nobody has confirmed", unanswered)
    if not met.know.active and met.know.epoch:
        released = [peer("released", epoch=met.know.epoch), "pass//380000", f"wake/{who}"]
        yield Event("released-and-woken", "LEASE-5", "a release that its own promise outlasts", released)
    yield Event("left-alone", "ROLE-2", "a second in which nobody is heard", ["calm//1000"])
    for room in ("", "-busy"):
        busy = [f"busy/{who}/10"] if room else []
        yield Event(f"idle{room}", "QUEUE-4", "a moment without work", [*busy, f"idle/{who}", f"idle/{who}"])
    yield Event("connected", "REJOIN-2", "a new connection", [{"from": "peer"}])
    yield Event("stopped", "ROLE-4", "a shutdown by its operator", [f"bye/{who}"])
    for name, keep in (("all", 99), ("nothing", 0)):
        again = [f"sync/{who}"] if keep else []
        yield Event(
            f"restarted-with-{name}",
            "LEASE-2",
            "a crash" if keep else "a crash that takes what was not durable",
            [*again, f"crash/{who}/{0}", f"start/{who}", {"from": "peer"}],
        )
    if met.know.active:
        yield Event("write", "QUEUE-1", "a write", [f"offer/{who}/1"])
        yield Event("write-that-fails", "QUEUE-1", "a write that fails", [f"offer/{who}/1//1"])
        yield Event(
            "two-writes", "QUEUE-2", "two writes to the same thing", [f"offer/{who}/1", f"offer/{who}/0"]
        )
        late = ["pass//1100000", f"offer/{who}/1", f"work/{who}/1"]
        yield Event("write-when-lapsed", "ROLE-6", "a write after its grants ended", late)
        heard = [peer("newer", epoch=met.know.epoch + 1), f"offer/{who}/1", f"work/{who}/1"]
        yield Event("write-when-over", "REJOIN-1", "a write after its epoch ended", heard)
    if met.uncarried:
        yield Event("carried-out", "QUEUE-2", "the end of what it logged", [f"work/{who}/2"])


def _orders(met: Met) -> Iterator[Event]:
    for order, clause in (("switch", "SWITCH-1"), ("promote", "REJOIN-4"), ("resync", "REJOIN-2")):
        number = "/300" if order == "switch" else ""
        yield Event(f"order-{order}", clause, f"an order to {order}", [f"{order}/{met.who}{number}"])
        waited = [f"pass//{PROMISE_US}", f"{order}/{met.who}{number}"]
        yield Event(f"order-{order}-later", clause, f"an order to {order}, after a silence", waited)
    twice = [f"switch/{met.who}/300", f"switch/{met.who}/300"]
    yield Event("order-switch-twice", "SWITCH-1", "a second order in the middle of the first", twice)
