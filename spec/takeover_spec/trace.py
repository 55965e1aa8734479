"""The trace: what one run of one party did, a line of JSON for each action, and the one checker that reads it.

A trace is of one *run* of a party: from the start of its process to its end, however that came. Its first line is the
header: who, the pair's constants, and what the party found on its disk. Each further line is an action, with the
party's own counter `n` (1, 2, 3…) and its clock `t` in nanoseconds:

    {"trace": 1, "party": "secondary", "pair": "db", "constants": {…}, "found": {"epoch": 3, "applied": 817, …}}
    {"n": 1, "t": 81200000000, "do": "start", "active": false, "enabled": false, "until": 0, "wait_until": 82…}

The trace of a live server is written after the action and before what the action allows. A server that is killed in
between has done one thing that no line tells; its next run's `found` does, and `follows` holds the two runs against
each other. That is why a run has a file of its own: one endless file would have to be repaired at each start.

A line that does not end in a newline was cut off. A trace with such a line is *incomplete*, never good.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, get_args

from takeover_spec import actions as act
from takeover_spec.codec import Malformed, kind_of, of_kind, parse_json, plain, record
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.logic import Sparse
from takeover_spec.rules import Rule, rules_about
from takeover_spec.words import Constants, Status

FORMAT = 1
"""The version of the trace format."""

RUN_MAX = 10_000_000
"""How many updates a run of the safe queue may have in `found`."""

PARTIES = ("primary", "secondary", "witness")

FOUND = (
    "active", "epoch", "seen", "returned", "drained", "unsafe", "released", "applied", "newest", "reported", "logged",
    "peer_left",
)  # fmt: skip
"""What a server has on its disk when it starts, beside the two tables of its safe queue and that of its statuses."""

WITNESS_FOUND = ("epoch", "holder", "version", "eligible", "ended")
"""What a witness has on its disk when it starts."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a trace."""

    party: str
    pair: str
    constants: Constants
    found: Knowledge | WitnessKnowledge


@dataclass(frozen=True, slots=True)
class Line:
    """One action of a trace."""

    n: int
    t: int
    action: act.Action


@dataclass(frozen=True, slots=True)
class Violation:
    """The first line of a trace that breaks a rule."""

    line: int
    """Its number in the file, from 1."""
    action: act.Action
    t: int
    rule: Rule
    read: tuple[tuple[str, Any], ...]
    """What the rule asked of what the party knew: field and value, in the order of asking."""

    def __str__(self) -> str:
        known = ", ".join(f"{name} = {value}" for name, value in self.read) or "nothing"
        values = ", ".join(f"{name} = {value}" for name, value in plain(self.action).items())
        return (
            f"line {self.line} breaks {self.rule.clause} ({self.rule.name}): {self.rule.text}\n"
            f"  it does:  {kind_of(type(self.action))} {values} at t = {self.t}\n"
            f"  it knew:  {known}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker says of one trace."""

    verdict: str
    """`obeys`, `breaks`, `incomplete` or `malformed`."""
    header: Header | None
    actions: int
    """How many actions were read."""
    violation: Violation | None = None
    problem: str = ""
    """What is wrong with the file, where it is incomplete or malformed."""
    knows: Knowledge | WitnessKnowledge | None = None
    """What the party knows at the end."""


def header_line(header: Header) -> str:
    """The first line of a trace, newline included."""
    found = header.found
    if isinstance(found, WitnessKnowledge):
        known: dict[str, Any] = {name: int(getattr(found, name)) for name in WITNESS_FOUND}
        known |= {"eligible": bool(found.eligible), "ended": bool(found.ended)}
    else:
        known = {name: getattr(found, name) for name in FOUND}
        known["settled"] = found_runs(found)
    first = {
        "trace": FORMAT,
        "party": header.party,
        "pair": header.pair,
        "constants": plain(header.constants),
        "found": known,
    }
    return json.dumps(first, separators=(",", ":")) + "\n"


def found_runs(know: Knowledge) -> list[list[Any]]:
    """The safe queue as runs [first, last, status], by number: what is stored, and how each ended."""
    runs: list[list[Any]] = []
    for seq in range(know.applied + 1, know.newest + 1):
        if know.stored[seq]:
            status = Status(know.status[seq]).name.lower()
            if runs and runs[-1][1] == seq - 1 and runs[-1][2] == status:
                runs[-1][1] = seq
            else:
                runs.append([seq, seq, status])
    return runs


def action_line(n: int, t: int, action: act.Action) -> str:
    """A line of a trace, newline included."""
    values = {"n": n, "t": t, "do": kind_of(type(action)), **plain(action)}
    return json.dumps(values, separators=(",", ":")) + "\n"


def parse_header(text: str | bytes, where: str = "line 1") -> Header:
    """The header that a first line holds; raises `Malformed`."""
    values = parse_json(text, where)
    if values.get("trace") != FORMAT:
        raise Malformed(where, f"is not the header of a trace of format {FORMAT}")
    party = values.get("party")
    if party not in PARTIES:
        raise Malformed(where, f"party {party!r} is not one of {', '.join(PARTIES)}")
    for name, kind in (("pair", str), ("constants", dict), ("found", dict)):
        if not isinstance(values.get(name), kind):
            raise Malformed(f"{where}.{name}", "is missing or of the wrong type")
    try:
        constants = record(Constants, values["constants"], f"{where}.constants")
    except ValueError as error:
        raise error if isinstance(error, Malformed) else Malformed(f"{where}.constants", str(error)) from None
    found = _parse_found(party, values["found"], f"{where}.found")
    return Header(party, values["pair"], constants, found)


def _parse_found(party: str, values: dict[str, Any], where: str) -> Knowledge | WitnessKnowledge:
    values = dict(values)
    runs = values.pop("settled", [])
    cls: type = WitnessKnowledge if party == "witness" else Knowledge
    names = WITNESS_FOUND if party == "witness" else FOUND
    kinds = {f.name: type(getattr(cls(), f.name)) for f in fields(cls)}
    for name, value in values.items():
        if name not in names:
            raise Malformed(f"{where}.{name}", "is not something found on a disk")
        wanted = bool if kinds[name] is bool else int
        if type(value) is not wanted or value < 0:
            raise Malformed(f"{where}.{name}", f"{value!r} is not a {wanted.__name__}")
    if party == "witness":
        return WitnessKnowledge(**values)
    stored, status = Sparse(False), Sparse[int](Status.NONE)
    newest = values.get("applied", 0)
    for run in runs if isinstance(runs, list) else [runs]:
        first, last, code = _parse_run(run, f"{where}.settled")
        for seq in range(first, last + 1):
            stored, status = stored.put(seq, True), status.put(seq, code)
        newest = max(newest, last)
    if values.setdefault("newest", newest) != newest:
        raise Malformed(f"{where}.newest", f"is {values['newest']}, and the highest update there is {newest}")
    return Knowledge(**values, stored=stored, status=status)


def _parse_run(run: Any, where: str) -> tuple[int, int, Status]:
    """A run of the safe queue, from `first` to `last`."""
    names = {status.name.lower(): status for status in Status}
    if isinstance(run, list) and len(run) == 3:
        first, last, ended = run
        whole = type(first) is int and type(last) is int
        if whole and ended in names and 1 <= first <= last < first + RUN_MAX:
            return first, last, names[ended]
    raise Malformed(where, f"{run!r} is not [first, last, status] of at most {RUN_MAX} updates")


def parse_line(text: str | bytes, where: str) -> Line:
    """The action that a line holds; raises `Malformed`."""
    values = parse_json(text, where)
    n, t, do = (values.pop(name, None) for name in ("n", "t", "do"))
    for name, value in (("n", n), ("t", t)):
        if type(value) is not int or value < 0:
            raise Malformed(f"{where}.{name}", f"{value!r} is not a whole number")
    assert isinstance(n, int)
    assert isinstance(t, int)
    return Line(n, t, of_kind(act.Action, do, values, where))


class _Asked:
    """What a party knows, and a note of what was asked of it."""

    def __init__(self, know: Any) -> None:
        self._know = know
        self._read: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._know, name)
        if isinstance(value, Sparse):
            return _AskedTable(name, value, self._read)
        self._read[name] = value
        return value


class _AskedTable:
    def __init__(self, name: str, table: Any, read: dict[str, Any]) -> None:
        self._name, self._table, self._read = name, table, read

    def __getitem__(self, key: int) -> Any:
        value = self._read[f"{self._name}[{key}]"] = self._table[key]
        return value


def judge(know: Any, line: Line, number: int, constants: Constants) -> Violation | None:
    """Hold one action against the rules; what it breaks, if anything."""
    for rule in rules_about(type(line.action)):
        if not rule.holds(know, line.action, line.t, constants):
            asked = _Asked(know)
            rule.holds(asked, line.action, line.t, constants)
            read = tuple((name, value) for name, value in asked._read.items())
            return Violation(number, line.action, line.t, rule, read)
    return None


def check(lines: Iterable[bytes]) -> Verdict:
    """Judge one trace, given as the lines of its file (with their newlines). The first broken rule ends it."""
    header: Header | None = None
    know: Any = None
    count = 0
    clock = -1
    for number, text in enumerate(lines, 1):
        where = f"line {number}"
        if not text.endswith(b"\n"):
            return Verdict("incomplete", header, count, problem=f"{where} was cut off", knows=know)
        try:
            if header is None:
                header = parse_header(text, where)
                know = header.found
                continue
            line = parse_line(text, where)
            _in_sequence(line, header, count, clock, where)
        except Malformed as error:
            return Verdict("malformed", header, count, problem=str(error), knows=know)
        violation = judge(know, line, number, header.constants)
        if violation:
            return Verdict("breaks", header, count, violation=violation, knows=know)
        know = party_after(know, line.action, line.t)
        count, clock = count + 1, line.t
    if header is None:
        return Verdict("incomplete", None, 0, problem="the file is empty")
    if count == 0:
        return Verdict("incomplete", header, 0, problem="there is no action in it", knows=know)
    return Verdict("obeys", header, count, knows=know)


def _in_sequence(line: Line, header: Header, count: int, clock: int, where: str) -> None:
    if line.n != count + 1:
        raise Malformed(where, f"n = {line.n} where {count + 1} was expected")
    if line.t < clock:
        raise Malformed(where, f"the clock runs backwards, from {clock} to {line.t}")
    witness = isinstance(line.action, get_args(act.WitnessAction))
    if witness != (header.party == "witness"):
        raise Malformed(where, f"a {header.party} does not do {kind_of(type(line.action))}")
    start = isinstance(line.action, act.Start | act.WitnessStart)
    if start != (count == 0):
        raise Malformed(where, "a run starts with its start, and has one start only")


def follows(earlier: Knowledge, found: Knowledge) -> str:
    """What a server lost between two runs: empty if what it finds is at least what its last run made durable."""
    for name in ("epoch", "seen", "released"):
        if getattr(found, name) < getattr(earlier, name):
            return f"{name} was {getattr(earlier, name)} and is {getattr(found, name)}"
    if found.epoch > earlier.epoch:
        return ""  # a new history: what was known of the old one is void
    if earlier.unsafe and not found.unsafe and found.epoch == earlier.epoch:
        return "it had an unsafe queue, and does not know it any more"
    for name in ("drained", "returned"):
        if getattr(earlier, name) and not getattr(found, name):
            return f"{name} was true and is false"
    if earlier.active and not (found.active or found.returned):
        return "it was active, and does not know it any more"
    for name in ("applied", *(("logged",) if earlier.unsafe and found.unsafe else ())):
        if getattr(found, name) < getattr(earlier, name):
            return f"{name} was {getattr(earlier, name)} and is {getattr(found, name)}"
    for seq in range(max(earlier.applied, found.applied) + 1, earlier.newest + 1):
        if earlier.stored[seq] and not found.stored[seq]:
            return f"update {seq} was in the safe queue and is not"
        if earlier.status[seq] != Status.NONE and found.status[seq] != earlier.status[seq]:
            return f"the status of update {seq} was in the safe queue and is not"
    return ""
