"""The shipped core obeys the rules: for every event, in every state it can be in, on every path of its code.

The core is run on symbols (`paths.py`). For each action among its effects every rule about it has to follow from the
state's invariant and the path's conditions, and at the end the invariant has to hold again. With the induction of
`induction.py` this makes the properties true of any pair of servers that run this core.

What is assumed, beyond the code of the core itself: an event says what is so (the shell's duty): the time does not run
backwards, and `NextInQueue` carries the status that was stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import z3

from takeover.core import events as ev
from takeover.core.span import Span
from takeover.core.state import Core, Settings, begin
from takeover.core.step import step
from takeover.core.witness import Witness, begin_witness, witness_step
from takeover_proofs.paths import Path, TooManyPaths, paths
from takeover_proofs.symbols import SERVER_ACTIONS, WITNESS_ACTIONS
from takeover_proofs.terms import Term, instances, raw
from takeover_spec import wire
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.logic import choose, implies, not_
from takeover_spec.rules import rules_about
from takeover_spec.words import PPM, Constants, Identity, Status

StepFunction = Callable[[Core, ev.Event, int], tuple[Core, tuple[Any, ...]]]
WitnessStepFunction = Callable[[Witness, Identity, wire.Message, int], tuple[Witness, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class CoreTask:
    """The proof for one kind of event, at a server or at the witness."""

    event: str

    def done(self) -> list[EventResult]:
        """Prove it."""
        return [
            *prove_core(wanted=lambda event: event == self.event),
            *prove_witness(wanted=lambda event: event == self.event),
        ]


def core_tasks() -> list[CoreTask]:
    """The whole proof that the cores obey the rules."""
    server = ["Begin", *(name for name, _, _ in _events())]
    witness = ["Witness Begin", *(f"Witness {kind.__name__}" for kind in wire.MESSAGES)]
    return [CoreTask(event) for event in server + witness]


@dataclass(frozen=True, slots=True)
class EventResult:
    """How the core came out for one kind of event."""

    event: str
    verdict: str
    """`proved`, `refuted` or `undecided`."""
    paths: int
    actions: int
    """How many (path, action) pairs were held against the rules."""
    seconds: float
    problem: str = ""
    """What is not so, where it is refuted or undecided."""


_STATUS_OF = z3.Function("status_of", z3.IntSort(), z3.IntSort())
"""How each update ended, as the journal has it."""


def _ended(seq: int) -> int:
    failed = Term(_STATUS_OF(raw(seq)) == int(Status.FAILED))
    return choose(cast(bool, failed), int(Status.FAILED), int(Status.DONE))


class _Statuses(Span[int]):
    """A run of statuses that says how each update ended, as the rules want to know and the core need not."""

    __slots__ = ()

    def __getitem__(self, key: int) -> int:
        inside = (self.first <= key) & (key <= self.last)
        return choose(inside, _ended(key), int(Status.NONE))


def _number(name: str) -> Any:
    return Term(z3.Int(name))


def any_core() -> tuple[Core, list[Any]]:
    """Any state of the core, and what is assumed of it beyond the invariant."""
    c, bounds = whole_constants()
    settings = Settings(
        cast(Identity, _number("me")),
        _number("run"),
        c,
        _number("beat_ns"),
        _number("patience_ns"),
        _number("lease_counted_ns"),
        _number("promise_counted_ns"),
        resumes=cast(bool, Term(z3.Bool("resumes"))),
    )
    scale = PPM + c.drift_ppm
    bounds += [  # what `counted_ns` computes: the quotient of a division by a positive number, rounded down
        settings.lease_counted_ns * scale <= c.lease_ns * (PPM - c.drift_ppm),
        settings.promise_counted_ns * scale <= c.promise_ns * (PPM - c.drift_ppm),
    ]
    tables = {
        "stored": Span(True, False, _number("stored.first"), _number("stored.last")),
        "status": _Statuses(1, 0, _number("status.first"), _number("status.last")),
        "carried": Span(1, 0, _number("carried.first"), _number("carried.last")),
    }
    know = Knowledge(**{f.name: _known(f.name, f.type, tables) for f in fields(Knowledge)})
    flags = {f.name: Term(z3.Bool(f.name)) for f in fields(Core) if f.type == "bool"}
    numbers = {f.name: _number(f.name) for f in fields(Core) if f.type == "int"}
    core = Core(settings, know, refrained="", **numbers, **flags)  # type: ignore[arg-type]  # terms stand for truth values
    return core, bounds


def _known(name: str, hint: Any, tables: dict[str, Any]) -> Any:
    if name in tables:
        return tables[name]
    return Term(z3.Bool(f"know.{name}")) if hint == "bool" else _number(f"know.{name}")


def whole_constants() -> tuple[Constants, list[Any]]:
    """Constants in whole numbers: the core computes in nanoseconds."""
    lease, promise, drift, slack = (_number(f"c.{f.name}") for f in fields(Constants) if f.type == "int")
    c = Constants(lease, promise, drift, slack, cast(bool, Term(z3.Bool("c.synchronous"))))
    return c, [c.lease_ns > 0, c.promise_ns > 0, c.drift_ppm >= 0, c.drift_ppm < PPM, c.expiry_slack_ns >= 0]


def invariant(core: Core, now: int) -> dict[str, bool]:
    """What is true of the core between two events, by name."""
    know = core.know
    stored, status, carried = (cast(Span[Any], t) for t in (know.stored, know.status, know.carried))

    def run(span: Span[Any], begins: int, ends: int) -> bool:
        """A run that begins just after `begins`, if it is not empty, and ends no later than `ends`."""
        empty = (span.last < span.first) & (span.last <= begins)
        return empty | ((span.first == begins + 1) & (begins < span.last) & (span.last <= ends))

    following = not_(know.active) & not_(know.returned) & not_(know.drained)
    carried_end = choose(carried.last < know.applied, know.applied, carried.last)
    safe_end = choose(status.last < know.applied, know.applied, status.last)
    return {
        "natural": (know.epoch >= 0) & (know.applied >= 0) & (know.version >= 0) & (know.acknowledged >= 0),
        "epochs": (know.epoch <= know.seen) & (know.released <= know.epoch),
        "active": implies(know.active, know.drained & not_(know.returned) & (know.released < know.epoch)),
        "serving": implies(
            know.enabled | know.serving | know.intercepting | know.alone | know.successor | core.switching,
            know.active,
        ),
        "winding down": implies(core.winding_down, know.active),
        "switching": implies(
            core.switching, know.peer_follows & not_(know.serving) & not_(know.intercepting)
        ),
        "ordered": implies(know.promoted, not_(know.active)),
        "keeps": implies(know.promoted & know.returned, know.keeps == carried_end),
        "exposed": implies(know.active, know.exposed),
        "returned": implies(know.returned, know.drained),
        "promised nothing": implies(know.active, know.given_until <= now),
        "stored": run(stored, know.applied, know.newest) & (know.applied <= know.newest),
        "newest": implies(
            following, know.newest == choose(stored.last < know.applied, know.applied, stored.last)
        ),
        "status": run(status, know.applied, know.newest),
        "closed": implies(know.drained, (stored.last < stored.first) & (status.last < status.first)),
        "carried": implies(
            know.active | know.returned,
            run(carried, know.applied, know.logged) & (know.applied <= know.logged),
        ),
        "reported": implies(following, know.reported <= safe_end),
        "trimmed": implies(know.active, know.applied <= know.trimmed),
        "started": know.started <= now,
    }


def _events() -> Iterator[tuple[str, ev.Event, list[Any]]]:
    """Every kind of event, with symbols in it, and what the shell answers for."""
    seq = _number("event.seq")
    plain: list[ev.Event] = [
        ev.Woke(),
        ev.Connected(),
        ev.Intercepted(),
        ev.Paused(),
        ev.Stopping(),
        ev.WoundDown(),
    ]
    for event in plain:
        yield type(event).__name__, event, []
    order = _number("event.order")
    yield "SwitchoverAsked", ev.SwitchoverAsked(order, _number("event.within_ns")), []
    yield "PromoteAsked", ev.PromoteAsked(order), []
    yield "ResyncAsked", ev.ResyncAsked(order), []
    for ended in Status:
        yield f"CarriedOut {ended.name}", ev.CarriedOut(seq, ended), []
        if ended is not Status.NONE:
            yield f"NextInQueue {ended.name}", ev.NextInQueue(seq, ended), [_ended(seq) == int(ended)]
    yield "CopyTaken", ev.CopyTaken(_number("event.upto")), []
    copied = [_number(f"event.{name}") for name in ("epoch", "begun", "upto")]
    yield "CopyReceived", ev.CopyReceived(*copied), [n >= 0 for n in copied]
    stated = [_number(f"event.{name}") for name in ("epoch", "kept", "last")]
    yield "LossStated", ev.LossStated(*stated), []
    for message in wire.MESSAGES:
        for ended in Status if message is wire.UpdateStatus else (Status.NONE,):
            said = any_message(message, ended)
            name = message.__name__ + (f" {ended.name}" if message is wire.UpdateStatus else "")
            natural = [getattr(said, f.name) >= 0 for f in fields(message) if f.type == "int"]
            yield f"PeerSaid {name}", ev.PeerSaid(said), natural
            yield f"WitnessSaid {name}", ev.WitnessSaid(said), natural


def any_message(kind: type, ended: Status) -> Any:
    values: dict[str, Any] = {}
    for f in fields(kind):
        if f.type == "int":
            values[f.name] = _number(f"message.{f.name}")
        elif f.type == "bool":
            values[f.name] = Term(z3.Bool(f"message.{f.name}"))
        elif str(f.type).startswith("tuple"):
            values[f.name] = ()  # of a copy, which is the shell's
        else:
            values[f.name] = {"Status": ended, "bytes": b"", "str": "said by the witness"}[str(f.type)]
    return kind(**values)


def prove_core(
    step_function: StepFunction = step, wanted: Callable[[str], bool] = lambda event: True
) -> Iterator[EventResult]:
    """Hold a server's core against the rules, a result for each kind of event (and its beginning)."""
    core, bounds = any_core()
    now, before = _number("now"), _number("before")  # an earlier event left the state, and time has passed
    bounds += [before >= 0, before <= now]
    if wanted("Begin"):
        found = replace(core, know=replace(core.know, **_FORGOTTEN))
        assumed = [*bounds, *invariant(found, before).values()]
        yield prove_paths(
            "Begin",
            lambda: claims_of(found, now, lambda: begin(core.settings, found.know, now, _number("promised"))),
            assumed,
        )
    assumed = [*bounds, *invariant(core, before).values()]
    for name, event, granted in _events():
        if wanted(name):

            def turn(event: ev.Event = event) -> list[tuple[str, Any]]:
                return claims_of(core, now, lambda: step_function(core, event, now))

            yield prove_paths(name, turn, [*assumed, *granted])


def prove_witness(
    step_function: WitnessStepFunction = witness_step, wanted: Callable[[str], bool] = lambda event: True
) -> Iterator[EventResult]:
    """Hold the witness's core against the rules, a result for each kind of message (and its beginning)."""
    witness, bounds = any_witness()
    c, know = witness.constants, witness.know
    now = _number("now")
    assumed = [*bounds, *witness_invariant(witness).values(), now >= 0]
    if wanted("Witness Begin"):
        yield prove_paths(
            "Witness Begin",
            lambda: claims_of(witness, now, lambda: begin_witness(c, know, now, _number("leased"))),
            assumed,
        )
    for kind in wire.MESSAGES:
        if wanted(f"Witness {kind.__name__}"):
            message = any_message(kind, Status.NONE)

            def turn(message: wire.Message = message) -> list[tuple[str, Any]]:
                sender = cast(Identity, _number("sender"))
                return claims_of(witness, now, lambda: step_function(witness, sender, message, now))

            natural = [getattr(message, f.name) >= 0 for f in fields(kind) if f.type == "int"]
            yield prove_paths(f"Witness {kind.__name__}", turn, [*assumed, *natural])


def any_witness() -> tuple[Witness, list[Any]]:
    """Any state of the witness's core, and what is assumed of its constants."""
    c, bounds = whole_constants()
    know = WitnessKnowledge(**{f.name: _known(f.name, f.type, {}) for f in fields(WitnessKnowledge)})
    return Witness(c, know), bounds


def witness_invariant(witness: Witness) -> dict[str, bool]:
    """What is true of the witness's core between two messages, by name."""
    return {"natural": (witness.know.epoch >= 0) & (witness.know.version >= 0)}


_FORGOTTEN: dict[str, Any] = {
    name: getattr(Knowledge(), name)
    for name in (
        "started", "lease_epoch", "lease_until", "promise_until", "given_until", "enabled", "until", "exposed",
        "intercepting", "serving", "safe_latest", "alone", "successor", "promoted", "keeps",
    )
}  # fmt: skip
"""What a server that starts does not find on its disk."""


def prove_paths(name: str, turn: Callable[[], list[tuple[str, Any]]], assumptions: list[Any]) -> EventResult:
    begun = time.perf_counter()
    count, actions, verdict, problem = 0, 0, "proved", ""
    try:
        for path in paths(turn, assumptions):
            count += 1
            found, tried = _hold(path, assumptions)
            actions += tried
            if found:
                verdict, problem = found
                break
    except TooManyPaths as error:
        verdict, problem = "undecided", str(error)
    return EventResult(name, verdict, count, actions, time.perf_counter() - begun, problem)


def claims_of(party: Any, now: int, run: Callable[[], tuple[Any, tuple[Any, ...]]]) -> list[tuple[str, Any]]:
    """What has to follow on one path: the rules about each action, and the party's invariant at the end."""
    after_turn, effects = run()
    constants = party.settings.constants if isinstance(party, Core) else party.constants
    claims: list[tuple[str, Any]] = []
    know = party.know
    for effect in effects:
        if isinstance(effect, (*SERVER_ACTIONS, *WITNESS_ACTIONS)):
            with instances(_number("any")):  # an arbitrary number: what is claimed of it is claimed of each
                for rule in rules_about(type(effect)):
                    held = rule.holds(know, effect, now, constants)
                    claims.append((f"{rule.clause} ({rule.name}) at {effect}", held))
            know = party_after(know, cast(Any, effect), now)
    kept = invariant(after_turn, now) if isinstance(after_turn, Core) else witness_invariant(after_turn)
    return claims + [(f"the core's invariant: {part}", held) for part, held in kept.items()]


def _hold(path: Path[list[tuple[str, Any]]], assumptions: list[Any]) -> tuple[tuple[str, str] | None, int]:
    if path.failed:
        return ("refuted", f"an assertion fails: {path.failed}"), 0
    assert path.result is not None
    solver = z3.Solver()
    solver.set("timeout", 30_000)
    solver.add([*(raw(a) for a in assumptions), *path.conditions])
    goals = [raw(claim) for _, claim in path.result]
    tried = sum(" at " in text for text, _ in path.result)
    if solver.check(z3.Not(z3.And(goals))) == z3.unsat:
        return None, tried
    for (text, _), goal in zip(path.result, goals, strict=True):
        outcome = solver.check(z3.Not(goal))
        if outcome == z3.sat:
            return ("refuted", f"{text} does not hold, for example with {_short(solver.model())}"), tried
        if outcome == z3.unknown:
            return ("undecided", f"{text}: {solver.reason_unknown()}"), tried
    return None, tried


def _short(model: Any) -> str:
    return ", ".join(sorted(f"{d.name()} = {model[d]}" for d in model.decls() if d.arity() == 0))
