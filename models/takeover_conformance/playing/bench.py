"""Play a case against an adapter: the world around it, the steps, and what came of it.

The tested server is the primary, the secondary, or both; what is not tested is the reference's own, in this process.
A run is of one world, and a world of one adapter process for each tested server; processes are used again for the next
case, for `Found` makes them forget everything.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.lines import Metadata
from takeover_conformance.adapter.process import Asked
from takeover_conformance.cases import (
    ADAPTER_LEVEL,
    PAIRED_LEVEL,
    Case,
    Check,
    FrameCase,
    RunCase,
    Situation,
    Tell,
)
from takeover_conformance.playing.adapter_host import AdapterHost
from takeover_conformance.playing.alone import alone_in_its, found_image
from takeover_models.decisions import Decision
from takeover_models.findings import Finding
from takeover_models.host import Surroundings
from takeover_models.images import Disk
from takeover_models.server_host import ServerHost
from takeover_models.setup import Setup
from takeover_models.simulate import decided_by, setup_of
from takeover_models.truth import Truth
from takeover_models.world import World
from takeover_spec import wire
from takeover_spec.codec import Malformed, kind_of, of_kind, plain, spelt
from takeover_spec.words import Identity

SEED = "seed-"
"""How the name of a run that comes of a seed begins."""

_ANSWERED = {"promised": "ask-promise", "leased": "ask-lease", "recorded": "declare-eligible"}
"""Which question an answer repeats, as far as it does not say otherwise."""


class Unmet(Finding):
    """A check of a case does not hold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case."""

    case: str
    level: int
    tested: str
    finding: Finding | None
    """What must not be and was, or the other way round; None if the case passes."""
    world: World | None = None
    """As it was at the end of a run that failed; of those that passed nothing is kept."""
    decided: int = 0
    """If this is of a random run that was made short: how many decisions the run had before."""


class Bench:
    """The adapters of a run of the suite: one for each server."""

    def __init__(
        self,
        start: Callable[[], Asked],
        other: Callable[[], Asked] | None = None,
        begins: Callable[[], None] = lambda: None,
    ) -> None:
        """`start` and `other` start an adapter: of who is tested, and of whose server is the other one at the paired
        level. `begins` is told when a case begins."""
        self._start = start
        self._begins = begins
        self._other = None if other is None else Bench(other)
        self._adapters: dict[int, Asked] = {}

    def adapter(self, index: int) -> Asked:
        """The adapter of this server. Raises `AdapterFault`."""
        if index not in self._adapters:
            self._adapters[index] = self._start()
        return self._adapters[index]

    def metadata(self) -> Metadata:
        """Who it is that is tested. Raises `AdapterFault`."""
        return self.adapter(0).metadata

    def paired(self) -> Metadata | None:
        """Whose server is the other one at the paired level, if anybody's is. Raises `AdapterFault`."""
        return None if self._other is None else self._other.metadata()

    def codec(self) -> Asked:
        """An adapter that is asked about a frame. Raises `AdapterFault`."""
        self._begins()
        return self.adapter(0)

    def close(self) -> None:
        """End all."""
        for adapter in self._adapters.values():
            adapter.close()
        self._adapters.clear()
        if self._other is not None:
            self._other.close()

    def world(self, setup: Setup, tested: str, level: int = ADAPTER_LEVEL) -> World:
        """A world in which this server is the adapter's, and the other one whosever it is at this level."""
        self._begins()
        makers = tuple(self._maker(me, tested, level) for me in Identity)
        return World(setup, makers=(makers[0], makers[1]))

    def _maker(
        self, me: Identity, tested: str, level: int
    ) -> Callable[[Surroundings, Truth, Identity, int], ServerHost]:
        whose: Bench | None = self
        if tested not in ("both", me.name.lower()):
            whose = self._other if level == PAIRED_LEVEL else None
        if whose is None:
            return ServerHost
        adapter = whose.adapter(int(me))
        return lambda around, truth, me, shows: AdapterHost(around, truth, me, shows, adapter)


def play(bench: Bench, case: Case, tested: str, level: int | None = None) -> Outcome:
    """Play a case, at its own level or at another. Raises `AdapterFault`."""
    if isinstance(case, FrameCase):
        return Outcome(case.name, 0, tested, _frame(bench.codec(), case))
    level = case.level if level is None else level
    world = bench.world(case.setup, tested, level)
    run = Playing(world, case, tested)
    try:
        if case.situation is not None:
            run.enter(case.situation)
        for step in case.steps:
            run.take(step)
    except Finding as finding:
        return Outcome(case.name, level, tested, finding, world)
    return Outcome(case.name, level, tested, None)


def play_seed(bench: Bench, seed: int, length: int, tested: str, level: int = ADAPTER_LEVEL) -> Outcome:
    """Play a run whose every decision comes of a seed. Raises `AdapterFault`."""
    rng = random.Random(seed)
    world = bench.world(setup_of(rng), tested, level)
    finding = decided_by(rng, world, length)
    return Outcome(f"{SEED}{seed}", level, tested, finding, world if finding else None)


def _frame(adapter: Asked, case: FrameCase) -> Finding | None:
    clause = case.clauses[0]
    answer = adapter.ask(lines.Decode(case.frame))
    if case.message is None:
        refused = answer == [lines.Refused()]
        return None if refused else Unmet(clause, f"this is malformed, and it is {_answered(answer)}")
    values = dict(case.message)
    message = of_kind(wire.Message, values.pop("kind"), values, case.name)
    if answer != [lines.Decoded(message)]:
        return Unmet(clause, f"the frame says {_in_json(message)}, and it is {_answered(answer)}")
    match adapter.ask(lines.Encode(message)):
        case [lines.Encoded(frame)]:
            return _same(clause, frame, message)
        case other:
            return Unmet(clause, f"{_in_json(message)} is {_answered(other)}")


def _same(clause: str, frame: bytes, message: wire.Message) -> Finding | None:
    try:
        said = wire.decode_frame(frame)
    except Malformed as problem:
        return Unmet(clause, f"{_in_json(message)} is made a frame that is malformed: {problem}")
    if said == message:
        return None
    return Unmet(clause, f"{_in_json(message)} is made a frame that says {_in_json(said)}")


def _in_json(message: wire.Message) -> str:
    return json.dumps({"kind": kind_of(type(message)), **plain(message)}, ensure_ascii=False)


def _answered(answer: Sequence[lines.Reply]) -> str:
    """What was answered, after *it is*."""
    match answer:
        case [lines.Refused()]:
            return "refused"
        case [lines.Decoded(message)]:
            return f"read as {_in_json(message)}"
        case _:
            return "answered with nothing" if not answer else "answered with something else"


class Playing:
    """One run, and how far its checks have looked."""

    def __init__(self, world: World, case: RunCase, tested: str) -> None:
        self.world = world
        self.case = case
        self.tested = 1 if tested == "secondary" else 0
        self.looked: dict[int, tuple[int, int, int]] = {}
        """For each server, how much of its actions, words and answers earlier checks have seen."""
        self.checking = False

    def enter(self, situation: Situation) -> None:
        """Put the server where the situation says."""
        alone_in_its(self.world)
        self.world.servers[self.tested].disk = Disk(found_image(situation.finds))
        for step in situation.steps:
            self.take(step)

    def take(self, step: Decision | Tell | Check) -> None:
        """Take one step. Raises `Finding`."""
        if isinstance(step, Check):
            self.checking = True
            self._check(step)
            return
        if self.checking:
            self.checking = False
            self.looked = {host.index: self._length(host) for host in self.world.servers}
        if isinstance(step, Tell):
            self._tell(step)
        else:
            self.world.decide(step)
        self._forget_what_was_lost()

    def _forget_what_was_lost(self) -> None:
        """A crash takes actions that were not durable: what comes in their place has not been seen."""
        for host in self.world.servers:
            seen = zip(self.looked.get(host.index, (0, 0, 0)), self._length(host), strict=True)
            actions, words, answers = (min(before, now) for before, now in seen)
            self.looked[host.index] = actions, words, answers

    def _tell(self, tell: Tell) -> None:
        host = self.world.servers[self.tested]
        assert isinstance(host, AdapterHost)
        if tell.message is None and tell.frame is None:
            self.world.meet(self.tested)
            return
        if tell.frame is not None:
            host.told(tell.sender, tell.frame, None)
            return
        message = self.message(host, tell.message or {})
        sender = "w" if tell.sender == "witness" else str(1 - self.tested)
        self.world.network.overheard(f"{sender}{self.tested}", message)
        host.told(tell.sender, wire.encode(message), message)

    def message(self, host: AdapterHost, said: dict[str, Any]) -> wire.Message:
        """What is said, filled up from the server's last question. Raises `Unmet` if there was none."""
        values = dict(said)
        kind = values.pop("kind")
        question = _ANSWERED.get(kind)
        asked = [m for _, m in host.said if m is not None and kind_of(type(m)) == question]
        if asked:
            values = {name: value for name, value in plain(asked[-1]).items() if name != "promoted"} | values
        try:
            message: wire.Message = of_kind(wire.Message, kind, values, self.case.name)
        except Malformed:
            if question is None or asked:
                raise
            raise Unmet(self.case.clauses[0], f"the {host.party} should have said {question}") from None
        return message

    def _length(self, host: ServerHost) -> tuple[int, int, int]:
        said = len(host.said) if isinstance(host, AdapterHost) else 0
        return host.account.count(), said, len(host.answers)

    def about(self, check: Check) -> ServerHost:
        """The server that a check is about."""
        who = check.pattern.get("who")
        return self.world.servers[self.tested if who is None else ("primary", "secondary").index(who)]

    def _check(self, check: Check) -> None:
        pattern = {name: value for name, value in check.pattern.items() if name != "who"}
        host = self.about(check)
        actions, words, answers = self.looked.get(host.index, (0, 0, 0))
        said = host.said[words:] if isinstance(host, AdapterHost) else []
        if "do" in pattern:
            there = any(matches(pattern, "do", action) for action in host.account.actions()[actions:])
        elif "close" in pattern:
            there = (pattern["close"], None) in said
        elif "accept" in pattern:
            there = any(answer.accepted is pattern["accept"] for answer in host.answers[answers:])
        else:
            there = any(m is not None and matches(pattern, "say", m) for _, m in said)
        if there is not check.must:
            wanted = "should have" if check.must else "should not have"
            raise Unmet(check.clause or self.case.clauses[0], f"the {host.party} {wanted}: {_told(pattern)}")


def matches(pattern: dict[str, Any], key: str, thing: object) -> bool:
    """Whether something said or done is what a check asks for; `key` is `say` or `do`."""
    values = {key: kind_of(type(thing)), **plain(thing)}
    return all(values.get(name) == value for name, value in pattern.items())


def _told(pattern: dict[str, Any]) -> str:
    (key, kind), *fields = pattern.items()
    more = ", ".join(f"{name} = {spelt(value)}" for name, value in fields)
    return f"{key} {spelt(kind)}" + (f" ({more})" if more else "")
