"""The moments: every situation meets every event. How their file is made, with what is a server's duty in each.

The reference server is led through the past of a situation and crashed, which gives what is found; then through each
event, which gives the numbers that the event needs, and the duties. A duty that the reference does not do is an error
of one of the two, and ends the making.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from takeover_conformance.cases import RunCase, Situation, Step, Tell, situation_of, steps_of
from takeover_conformance.making.duties import Must, Standing, connects, duties, received, starts
from takeover_conformance.making.meetings import Event, Met, events
from takeover_conformance.making.situations import Situation as Made
from takeover_conformance.making.situations import situations
from takeover_conformance.playing.adapter_host import AdapterHost
from takeover_conformance.playing.alone import alone_in_its
from takeover_conformance.playing.bench import Bench, Playing, Unmet
from takeover_conformance.servers.inprocess import InProcess
from takeover_models.account import found_by_a_server
from takeover_models.channel import Assembly
from takeover_models.decisions import Decision
from takeover_models.setup import parse_setup
from takeover_spec import wire
from takeover_spec.codec import plain
from takeover_spec.knowledge import Knowledge
from takeover_spec.trace import Header, header_line

Json = dict[str, Any]

SETTLE = "calm//1"
"""After an event a server has this long, in milliseconds, and all the turns that it asks for."""

QUIET = {"safe", "acknowledge", "take-role", "declare-eligible", "release"}
"""What a server may leave for quiet moments; where one of these is a duty it has some more of them."""

QUIET_MOMENTS = 6


class Led(Playing):
    """The reference server, led through steps; what a duty depends on is kept."""

    def __init__(self, bench: Bench, situation: Situation | None, made: Made) -> None:
        setup = parse_setup(made.setup)
        case = RunCase(made.name, 1, ("made",), "", "", setup, (made.me,), (), situation)
        super().__init__(bench.world(setup, made.me), case, made.me)
        self.host = self.world.servers[self.tested]
        self.told = self.ordered = False
        self.assembly = Assembly()
        if situation is None:
            alone_in_its(self.world)
        else:
            self.enter(situation)

    def take(self, step: Step) -> None:
        """One step, and what it changes for those that follow."""
        match step:
            case Tell(message=None, frame=None):
                self.told = False
            case Tell(message={"kind": "position", "epoch": epoch, "resynchronise": False}):
                self.told = self.told or epoch == self.host.account.know.epoch
            case Decision(verb="switch" | "resync"):
                self.ordered = True
            case Decision(verb="start"):
                self.told = self.ordered = False
            case _:
                pass
        super().take(step)

    def asked(self) -> tuple[wire.Message, ...]:
        """The requests for leases that it made."""
        assert isinstance(self.host, AdapterHost)
        return tuple(said for _, said in self.host.said if isinstance(said, wire.AskLease))

    def standing(self) -> Standing:
        """As it is now."""
        host, know = self.host, self.host.account.know
        assert isinstance(host, AdapterHost)
        declared = [said.eligible for _, said in host.said if isinstance(said, wire.DeclareEligible)]
        return Standing(
            know,
            host.clock.shows,
            self.world.around.runs,
            host.account.constants,
            self.world.network.connected,
            self.told,
            host.copying,
            self.asked(),
            declared[-1:] == [True],
            host.party == "primary",
            self.ordered,
        )

    def duties(self, step: Step) -> Iterator[Must]:
        """What has to be done about the step that is next. Raises `Unmet` if it cannot be taken here."""
        at = self.standing()
        if not self.host.running:
            if step == Decision("start", str(self.tested)):
                yield from starts()
            return
        if isinstance(step, Decision):
            yield from duties(at, step, "")
        elif isinstance(step, Tell):
            if step.message is None and step.frame is None:
                yield from connects(at)
                return
            assert isinstance(self.host, AdapterHost)
            said = None if step.frame is not None else self.message(self.host, step.message or {})
            yield from duties(at, said, step.sender)
            if isinstance(said, wire.CopyBegin | wire.CopyPart | wire.CopyEnd):
                whole = self.assembly.add(said)
                if whole is not None:
                    yield from received(at, whole.begun, whole.epoch, whole.upto)


def moments(made: Made) -> list[Json]:
    """A situation, and all that is met in it, as lines of a file; each with what it is about."""
    bench = Bench(InProcess)
    head: Json = {"situation": made.name, "why": made.told, "as": made.me, "setup": made.setup}
    head |= {"finds": _found(bench, made), "steps": made.present}
    situation = situation_of(head, made.name)
    lines = [head]
    for event in events(_met(Led(bench, situation, made))):
        musts = _musts(Led(bench, situation, made), event)
        if musts is not None:
            lines.append(_line(made, event, [] if made.open or event.open else musts))
    return lines


def _found(bench: Bench, made: Made) -> Json:
    """What is on the disk of a server with this past, as far as it is not what is there at first."""
    led = Led(bench, None, made)
    for step in steps_of(made.past):
        led.take(step)
    host = led.host
    header = Header(host.party, "model", host.account.constants, found_by_a_server(host.image))
    found: Json = json.loads(header_line(header))["found"]
    fresh = json.loads(header_line(Header(host.party, "model", host.account.constants, Knowledge())))["found"]
    return {name: value for name, value in found.items() if value != fresh.get(name)}


def _met(led: Led) -> Met:
    host = led.host
    asked = led.asked()
    image = host.image
    return Met(
        str(led.tested),
        host.account.know,
        host.clock.shows,
        image.unbroken()[1],
        bool(host.leads) and image.to_carry_out() is not None,
        plain(asked[-1]) if asked else None,
    )


def _musts(led: Led, event: Event) -> list[Must] | None:
    """The duties at this event; None if it cannot happen here."""
    musts: list[Must] = []
    for step in steps_of(event.steps):
        try:
            musts += led.duties(step)
            led.take(step)
        except Unmet:
            return None  # it answers what was not asked
    unique = _without_repetition(musts)
    for step in steps_of([*_settling(str(led.tested), unique), *unique]):
        led.take(step)
    return unique


def _without_repetition(musts: list[Must]) -> list[Must]:
    """Each duty once; and of several reports the last, which may cover them all."""
    reports = [must for must in musts if must["must"].get("say") == "safe"][:-1]
    return [must for n, must in enumerate(musts) if must not in musts[:n] and must not in reports]


def _settling(who: str, musts: list[Must]) -> list[str]:
    quiet = any(QUIET & set(must["must"].values()) for must in musts)
    return [SETTLE, *([f"idle/{who}"] * QUIET_MOMENTS if quiet else [])]


def _line(made: Made, event: Event, musts: list[Must]) -> Json:
    clauses = list(dict.fromkeys([event.clause, *(must["clause"] for must in musts)]))
    who = "0" if made.me == "primary" else "1"
    steps = [*event.steps, *_settling(who, musts), *musts]
    return {"in": made.name, "meets": event.name, "about": event.why, "clauses": clauses, "steps": steps}


def file_lines(made: Iterable[list[Json]]) -> Iterator[Json]:
    """The lines of the whole file: each event is said once, before it is first met."""
    said: set[str] = set()
    for lines in made:
        for line in lines:
            why = line.pop("about", None)
            if why is not None and line["meets"] not in said:
                said.add(line["meets"])
                yield {"event": line["meets"], "why": why}
            yield line


def moment_lines() -> Iterator[dict[str, Any]]:
    """All moments, and what they are made of."""
    with ProcessPoolExecutor() as workers:
        yield from file_lines(workers.map(moments, situations()))
