"""A run that the search found, as the traces that its three parties would have written.

In the first world of a search nobody has started: clocks show 0, and nothing binds anybody. A trace begins with a
start, after which a party waits out what it may have promised. So each trace opens with a start at 0, and the run
itself is told `_WAITED_NS` later, when that wait is over. A restart in the run begins a new file, whose header has
what is on the disk then.

Servers that have arbiters of their own have no witness, and those arbiters write no trace.

The judge of a trace knows nothing of the world: it sees a broken rule, never a broken property. So of a run without
a clause it names that clause, and of a run without an assumption it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from enum import IntEnum
from typing import Any, get_type_hints

from takeover_proofs.runs import CONSTANTS, Run
from takeover_proofs.symbols import TIMES
from takeover_proofs.transition import Forget, Step, Tick, time_of
from takeover_proofs.world import WITNESS, World, is_own
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.trace import PARTIES, Header, Verdict, action_line, check, header_line

PAIR = "proof"
"""The name of the pair in a header."""

_WAITED_NS = max(CONSTANTS.lease_ns, CONSTANTS.promise_ns)

_FIRST: tuple[Knowledge | WitnessKnowledge, ...] = (Knowledge(), Knowledge(), WitnessKnowledge())


def as_traces(run: Run, worlds: Sequence[World]) -> dict[str, str]:
    """The trace of each run of each party, by the name of a file for it; `worlds` is what `replay` gave."""
    writers = [_Writer(party, found) for party, found in zip(PARTIES, _FIRST, strict=True)]
    own = is_own(run.first.nature)
    for step, before, world in zip(run.steps, worlds[:-1], worlds[1:], strict=True):
        if isinstance(step.action, Tick) or (own and step.actor == WITNESS):
            continue
        index = 2 if step.actor == WITNESS else step.actor
        if isinstance(step.action, Forget):
            writers[index].forget(_known(world, index))
        else:
            writers[index].write(_known(before, index), _typed(step.action), _clock(before, step))
    return {name: text for writer in (writers[:2] if own else writers) for name, text in writer.files()}


def judged(traces: Mapping[str, str]) -> dict[str, Verdict]:
    """What the trace checker says of each of them."""
    return {name: check(text.encode().splitlines(keepends=True)) for name, text in traces.items()}


class _Writer:
    """The traces of one party."""

    def __init__(self, party: str, found: Any) -> None:
        self._party = party
        self._runs: list[tuple[Any, list[tuple[int, act.Action]]]] = []
        begin = (
            act.WitnessStart(wait_until=CONSTANTS.lease_ns)
            if party == "witness"
            else act.Start(active=False, enabled=False, until=0, wait_until=CONSTANTS.promise_ns)
        )
        self._begin(found, begin, 0)

    def _begin(self, found: Any, action: act.Action, t: int) -> None:
        self._runs.append((found, [(t, action)]))

    def write(self, known: Any, action: act.Action, t: int) -> None:
        if isinstance(action, act.Start | act.WitnessStart):
            self._begin(known, action, t)
        else:
            self._runs[-1][1].append((t, action))

    def forget(self, known: Any) -> None:
        """What the disk lost, it lost before the start: the run finds what is left."""
        found, actions = self._runs[-1]
        assert len(actions) == 1, "a disk loses something while the server is down"
        kept = {name: getattr(known, name) for name in ("seen", "stored", "status", "newest")}
        self._runs[-1] = replace(found, **kept), actions

    def files(self) -> list[tuple[str, str]]:
        return [
            (f"{self._party}-{number}.ndjson", self._text(*run)) for number, run in enumerate(self._runs, 1)
        ]

    def _text(self, found: Any, actions: Sequence[tuple[int, act.Action]]) -> str:
        header = header_line(Header(self._party, PAIR, CONSTANTS, found))
        return header + "".join(action_line(n, t, action) for n, (t, action) in enumerate(actions, 1))


def _known(world: World, index: int) -> Any:
    return world.witness if index == 2 else world.sides[index].know


def _clock(world: World, step: Step) -> int:
    return int(time_of(world, step)) + _WAITED_NS


def _typed(action: Any) -> Any:
    """The action as its party writes it: enumerations by name, times on the clock of the trace."""
    hints = get_type_hints(type(action))
    return type(action)(
        **{f.name: _value(f.name, hints[f.name], getattr(action, f.name)) for f in fields(action)}
    )


def _value(name: str, hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint(value)
    return value + _WAITED_NS if name in TIMES else value
