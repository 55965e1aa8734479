"""Where each clause of the protocol is judged: by which cases and mistakes, or why it cannot be.

What a clause's predicates say is judged of every action of every run; here is which cases are about it, and which
mistakes show that it can be missed. What the document says **also**, beside the predicates, and what its other sections
demand (each with a MUST of its own), is listed by hand. A test holds the list against the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from takeover_conformance.cases import UNTESTED, Case
from takeover_conformance.servers.named import WRONG
from takeover_spec.rules import RULES


@dataclass(frozen=True, slots=True)
class Judged:
    """How something that the document demands is judged."""

    cases: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    untestable: str = ""
    """Why it is not judged, or what of it is not."""


ALSO = "{}, also"
"""What a clause demands beyond its predicates."""

BY_HAND: dict[str, Judged] = {
    "ADDR-3": Judged(mistakes=("held-past-the-grant", "promise-forgotten", "no-lease-needed")),
    "APPLY-2, also": Judged(
        ("follower-one-meets-another-story",),
        mistakes=("empty-updates", "stores-another-over-it"),
        untestable="whoever applies an update, the runner carries it out: as it was logged, and ended",
    ),
    "APPLY-5, also": Judged(("old-active-returns",), ("drain-goes-on", "unsafe-queue-replayed")),
    "QUEUE-1, also": Judged(
        untestable="how changes are intercepted is out of scope; only the runner changes the data"
    ),
    "QUEUE-2, also": Judged(
        untestable="operations are opaque here, and carried out one by one: `depends` is the number before"
    ),
    "QUEUE-6, also": Judged(
        mistakes=("drops-without-a-word",),
        untestable="what is stated in a server's configuration an adapter cannot show",
    ),
    "ADDR-2, also": Judged(
        ("active-stopped-and-resumed",),
        untestable="the kernel is the runner's: how an end is armed, and what is sent until then, it decides",
    ),
    "LEASE-4, also": Judged(
        (
            "counts-its-own-leases-only",
            "counts-no-lease-of-another-run",
            "counts-no-promise-of-another-run",
        ),
        ("answers-another-run", "counts-any-run"),
    ),
    "ROLE-1, also": Judged(
        untestable="the kernel is the runner's, which disables what an earlier run left when a process starts"
    ),
    "ROLE-3, also": Judged(("says-why-it-does-not-take-over",), ("refrains-in-silence",)),
    "ROLE-6, also": Judged(("active-cut-off", "active-stopped-and-resumed"), ("carries-on-lapsed",)),
    "SWITCH-1, also": Judged(
        ("switchover-from-the-passive-side", "switchover-to-nobody"), ("order-not-carried-out",)
    ),
    "SWITCH-2, also": Judged(("says-its-release-again",), ("release-told-once",)),
    "REJOIN-1, also": Judged(("hears-of-a-newer-epoch", "active-stopped-and-resumed"), ("newer-unheard",)),
    "REJOIN-4, also": Judged(
        ("promoted-beside-an-active-one", "cut-takeover-goes-on"),
        ("orders-itself", "cut-takeover-given-up"),
        "that the person was told the statement before, nobody sees",
    ),
    "LOSS-1, also": Judged(
        ("old-active-returns",),
        ("copy-says-otherwise",),
        "where an operator finds a statement is a server's own affair",
    ),
    "§3": Judged(
        ("power-lost-twice", "passive-restarts-and-active-dies"),
        ("never-syncs", "syncs-too-late"),
        "what the witness keeps, for it is the runner's; and constants that change between two runs",
    ),
    "§4": Judged(untestable="the kernel is the runner's, and a time that is handed to it does not move"),
    "§6": Judged(("power-lost-twice", "cut-takeover-goes-on"), ("never-syncs",)),
    "§8.10": Judged(
        ("refuses-to-hand-over-what-it-has-not", "switchover-to-nobody", "promoted-beside-an-active-one"),
        ("refuses-by-no-clause",),
    ),
    "§12": Judged(
        ("follows-only-its-epoch", "hears-of-a-newer-epoch", "counts-its-own-leases-only"),
        ("newer-unheard", "declares-once"),
        "what is said again only because it SHOULD be: updates that wait while reports say nothing new (who never "
        "sends them again is slower, and no worse), a report after each promise, and a lost record told to an operator",
    ),
    "§12.1": Judged(
        ("closes-on-malformed-json", "closes-on-malformed-field", "closes-on-malformed-unknown"),
        ("reads-anything", "little-endian", "numbers-as-text", "ignores-idle-bits"),
        "sessions, certificates and `Hello` are beside the adapter, which is handed frames",
    ),
    "§12.3": Judged(("older-epoch-is-told",), ("older-epoch-unanswered",)),
    "§12.4": Judged(
        ("says-where-it-stands", "cut-drain-meets-connected"),
        ("needs-no-copy",),
    ),
    "§12.7": Judged(
        ("counts-no-lease-of-another-run",),
        ("answers-another-run", "goodbye-of-another-epoch", "sends-another-copy", "refrains-by-a-new-clause"),
        "`amount`: the runner does not say how much was written, and no clause reads it; "
        "listings of a copy, which nobody has to send",
    ),
    "§13": Judged(
        mistakes=("starts-in-silence",),
        untestable="the traces are the runner's own, of what the adapter answers",
    ),
}
"""What no predicate says."""


def demands(cases: Sequence[Case]) -> dict[str, Judged]:
    """Everything that the document demands, and how it is judged."""
    found = {}
    for clause in dict.fromkeys(rule.clause for rule in RULES):
        about = tuple(case.name for case in cases if clause in case.clauses)
        mistakes = tuple(wrong.name for wrong in WRONG if clause in wrong.clauses)
        found[clause] = Judged(about, mistakes, UNTESTED.get(clause, ""))
        if also := BY_HAND.get(ALSO.format(clause)):
            found[ALSO.format(clause)] = also
    return found | BY_HAND


def told(cases: Sequence[Case]) -> Iterator[str]:
    """The list, a line for each."""
    levels = {case.name: case.level for case in cases}
    for what, judged in demands(cases).items():
        parts = []
        if judged.cases:
            first = sorted(judged.cases, key=lambda name: levels[name])
            more = f" and {len(first) - 3} more" if len(first) > 3 else ""
            parts.append(", ".join(f"L{levels[name]} {name}" for name in first[:3]) + more)
        if judged.mistakes:
            parts.append(f"mistakes {', '.join(judged.mistakes)}")
        if judged.untestable:
            parts.append(f"not judged: {judged.untestable}")
        yield f"{what}: {'; '.join(parts)}"
