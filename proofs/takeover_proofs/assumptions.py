"""What is assumed of the world, and which property's proof makes use of it.

An assumption is used by a proof if the proof fails without it. So it is dropped (`Nature`), and the obligations whose
formulas it enters are proved again; the others are unchanged, and are not. A property stands on the whole invariant of
its layer, so the answer is one for all properties of a layer. That an assumption used is also *necessary* is shown by
a run in the gallery, under the assumption's name.

The adversities of the design (messages lost, doubled, reordered and late; restarts at any point) help no proof: the
world does all of them in every proof here, and there is nothing to drop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from takeover_proofs.induction import PROVED, REFUTED, Obligation, Result, obligations
from takeover_proofs.invariant import Clause
from takeover_proofs.proving import Task, tasks_for
from takeover_proofs.world import Nature

ASSUMPTIONS: dict[str, str] = {
    "clocks": "every clock runs within ρ of true rate",
    "kernel": "the kernel ends the public identity within σ of the time it was told",
    "durable": "what was reported durable is durable",
    "truthful": "no party lies: what is heard was said",
}
"""By the name of the field of `Nature` that drops it."""

ADVERSITIES: dict[str, str] = {
    "messages": "they may be lost, doubled, reordered and late without bound",
    "restarts": "servers and the witness may stop and restart at any point",
}
"""What every proof here withstands."""

USED, UNUSED, UNKNOWN, WITHSTOOD = "used", "not used", "undecided", "withstood"

_ENTERS: dict[str, Callable[[Obligation], bool]] = {
    "clocks": lambda obligation: obligation.step == "Tick",
    "kernel": lambda obligation: obligation.clause.name == "one-holder",
    "durable": lambda obligation: obligation.step == "Forget",
    "truthful": lambda obligation: obligation.step in ("CountLease", "HearSafe"),
}
"""The obligations that an assumption enters, or enough of them to see that it is used."""

_ONLY_SOME = frozenset({"truthful"})
"""The assumptions that enter more obligations than are named above: if these do not fail, others may."""

_Key = tuple[str, str]


def tasks(layers: Iterable[str], timeout_ms: int) -> list[Task]:
    """What to prove to know which assumptions are used in these layers."""
    wanted_layers = set(layers)
    found: list[Task] = []
    for name, enters in _ENTERS.items():
        nature = replace(Nature(), **{name: False})
        every = [o for o in obligations(nature) if enters(o) and o.clause.layer in wanted_layers]
        found += tasks_for(every, nature=nature, timeout_ms=timeout_ms)
    return found


def used(results: Iterable[tuple[Task, list[Result]]]) -> dict[_Key, str]:
    """For (layer, assumption), whether it is used; a pair without an entry is one that no obligation depends on."""
    verdicts: dict[_Key, set[str]] = {}
    for task, proved in results:
        for result in proved:
            key = (result.obligation.clause.layer, _dropped(task.nature))
            verdicts.setdefault(key, set()).add(result.verdict)
    return {key: _use(key[1], found) for key, found in verdicts.items()}


def _dropped(nature: Nature) -> str:
    return next(name for name in ASSUMPTIONS if not getattr(nature, name))


def _use(name: str, verdicts: set[str]) -> str:
    if REFUTED in verdicts:
        return USED
    return UNUSED if verdicts == {PROVED} and name not in _ONLY_SOME else UNKNOWN


def table(properties: Iterable[Clause], uses: dict[_Key, str]) -> dict[str, dict[str, str]]:
    """For each property and each assumption or adversity, what it is to the proof."""
    return {
        prop.name: {name: uses.get((prop.layer, name), UNUSED) for name in ASSUMPTIONS}
        | dict.fromkeys(ADVERSITIES, WITHSTOOD)
        for prop in properties
    }


def lines(rows: dict[str, dict[str, str]]) -> Iterator[str]:
    """The table as plain text, and what its columns mean."""
    columns = [*ASSUMPTIONS, *ADVERSITIES]
    width = max((len(name) for name in rows), default=0) + 2
    yield " " * width + "".join(f"{name:<11}" for name in columns).rstrip()
    for name, row in rows.items():
        yield f"{name:<{width}}" + "".join(f"{row[column]:<11}" for column in columns).rstrip()
    yield ""
    for name, text in (ASSUMPTIONS | ADVERSITIES).items():
        yield f"  {name:<9} {text}"
