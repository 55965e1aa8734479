"""What is assumed of the world, and which property's proof makes use of it, under each arbiter.

An assumption is used by a proof if the proof fails without it. So it is dropped (`Nature`), and the obligations whose
formulas it enters are proved again; the others are unchanged, and are not. A property stands on the whole invariant of
its layer, so the answer is one for all properties of a layer. That an assumption used is also *necessary* is shown by
a run in the gallery, under the assumption's name.

Under an arbiter of the servers' own a property may not hold. Then there is no proof to use anything, and an example
shows a world that lacks it.

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
from takeover_spec.words import Arbiter

ASSUMPTIONS: dict[str, str] = {
    "clocks": "every clock runs within ρ of true rate",
    "kernel": "the kernel ends the public identity within σ of the time it was told",
    "durable": "what was reported durable is durable",
    "truthful": "no party lies: what is heard was said",
    "silence": "a server that was not heard for a lease is dead, and holds nothing (crash-stop)",
    "operator": "who orders a takeover saw that the other server is out, and this one's data the latest (own arbiters)",
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
    "silence": lambda obligation: obligation.step == "Grant",
    "operator": lambda obligation: obligation.step == "Grant",
}
"""The obligations that an assumption enters, or enough of them to see that it is used."""

_ONLY_SOME = frozenset({"truthful"})
"""The assumptions that enter more obligations than are named above: if these do not fail, others may."""

_NOT_MADE = {
    Arbiter.WITNESS: frozenset({"silence", "operator"}),
    Arbiter.CRASH_STOP: frozenset(),
    Arbiter.OPERATOR: frozenset({"silence"}),
}
"""The assumptions that are nothing to the pair: the world is the same without them, which a test holds."""

FAILS = "does not hold"

_Key = tuple[Arbiter, str, str]

Rows = dict[str, dict[str, str]]


def tasks(layers: Iterable[str], timeout_ms: int) -> list[Task]:
    """What to prove to know which assumptions are used in these layers."""
    wanted_layers = set(layers)
    found: list[Task] = []
    asked = [(arbiter, *item) for arbiter in Arbiter for item in _ENTERS.items()]
    for arbiter, name, enters in asked:
        if name in _NOT_MADE[arbiter]:
            continue
        nature = replace(Nature(arbiter=arbiter), **{name: False})  # type: ignore[arg-type]  # a flag, by its name
        every = [o for o in obligations(nature) if enters(o) and o.clause.layer in wanted_layers]
        found += tasks_for(every, nature=nature, timeout_ms=timeout_ms)
    return found


def used(results: Iterable[tuple[Task, list[Result]]]) -> dict[_Key, str]:
    """For (arbiter, layer, assumption), whether it is used; what has no entry is one that no obligation depends on."""
    verdicts: dict[_Key, set[str]] = {}
    for task, proved in results:
        for result in proved:
            key = (task.nature.arbiter, result.obligation.clause.layer, _dropped(task.nature))
            verdicts.setdefault(key, set()).add(result.verdict)
    return {key: _use(key[2], found) for key, found in verdicts.items()}


def _dropped(nature: Nature) -> str:
    return next(name for name in ASSUMPTIONS if not getattr(nature, name))


def _use(name: str, verdicts: set[str]) -> str:
    if REFUTED in verdicts:
        return USED
    return UNUSED if verdicts == {PROVED} and name not in _ONLY_SOME else UNKNOWN


def table(properties: Iterable[Clause], uses: dict[_Key, str], arbiter: Arbiter = Arbiter.WITNESS) -> Rows:
    """For each property and each assumption or adversity, what it is to the proof under this arbiter."""
    return {
        prop.name: dict.fromkeys((*ASSUMPTIONS, *ADVERSITIES), FAILS)
        if arbiter in prop.fails_under
        else {name: uses.get((arbiter, prop.layer, name), UNUSED) for name in ASSUMPTIONS}
        | dict.fromkeys(ADVERSITIES, WITHSTOOD)
        for prop in properties
    }


_HEADINGS = {
    Arbiter.WITNESS: "With a witness:",
    Arbiter.CRASH_STOP: 'arbiter = "crash-stop": each server for itself, and silence means dead',
    Arbiter.OPERATOR: 'arbiter = "operator": each server for itself, on a person\'s order',
}


def lines(tables: dict[Arbiter, Rows]) -> Iterator[str]:
    """The tables as plain text, and what their columns mean."""
    columns = [*ASSUMPTIONS, *ADVERSITIES]
    width = max((len(name) for rows in tables.values() for name in rows), default=0) + 2
    for arbiter, rows in tables.items():
        yield _HEADINGS[arbiter]
        yield " " * width + "".join(f"{name:<11}" for name in columns).rstrip()
        for name, row in rows.items():
            cells = FAILS if FAILS in row.values() else "".join(f"{row[c]:<11}" for c in columns).rstrip()
            yield f"{name:<{width}}{cells}"
        yield ""
    for name, text in (ASSUMPTIONS | ADVERSITIES).items():
        yield f"  {name:<9} {text}"
    if any(FAILS in row.values() for rows in tables.values() for row in rows.values()):
        yield f"  {FAILS}: an example shows a run, by every rule, to a world that lacks it until a person helps"
