"""The counterexamples of `takeover verify --without` turned round: a right server is led there, and does not follow.

A counterexample shows what a server could do if a clause were left out. Here anybody's server is told what that one was
told, in the same order, as far as a wire, a disk and a clock can lead to it; what that one did by itself is the tested
one's own. At the step at which the clause is broken there, the case says what may not be done, or what is done instead.
Each has a mistake that does follow (`follower`), so none asks in vain.

They are put together by hand out of scenes with the gallery's names. Refused: translating the runs that the search
finds. There a server is sent leases that it did not ask for, reports numbers that nobody has, stores a status before
its update; and which of many such runs is found changes with the solver. A test holds that whoever follows here has
done before what the gallery says of the server there.
"""

from __future__ import annotations

from collections.abc import Iterator

from takeover_conformance.making.situations import Json
from takeover_conformance.making.turned_entries import Turned
from takeover_conformance.making.turned_following import FOLLOWING
from takeover_conformance.making.turned_leading import LEADING

TURNED: dict[str, Turned] = {case.entry: case for case in (*LEADING, *FOLLOWING)}
"""By the entry of the gallery."""

_OF_THE_WITNESS = "it is the witness that breaks the clause, and the witness is the runner's"

UNTURNED: dict[str, str] = {
    "LEASE-3": _OF_THE_WITNESS,
    "LEASE-3:ineligible": _OF_THE_WITNESS,
    "LEASE-3:restart": _OF_THE_WITNESS,
    "LEASE-3:short": _OF_THE_WITNESS,
    "ROLE-5": _OF_THE_WITNESS,
    "ROLE-5:old-declaration": _OF_THE_WITNESS,
    "REJOIN-2:old-declaration": _OF_THE_WITNESS,
    "clocks": "every server does right in it: the witness's clock runs away",
    "kernel": "every server does right in it: the kernel leaves an address where it is",
    "durable": "every server does right in it: a disk forgets what it had made durable",
    "truthful": "every server does right in it: it cannot tell who lies in the witness's name",
    "silence": "every server does right in it: it takes over as crash-stop says, and a network was cut",
    "operator": "every server does right in it: it does as a person orders",
}
"""The counterexamples that are not turned round, and why."""


def turned_cases() -> Iterator[Json]:
    """All of them, as they are written."""
    return (case.case() for case in TURNED.values())
