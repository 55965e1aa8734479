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

`trace.schema.json`, beside this file, says of a single line what a JSON Schema can say; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast, get_args

from takeover_spec import actions as act
from takeover_spec.codec import (
    Malformed,
    json_text,
    kind_of,
    of_kind,
    parse_json,
    parse_value,
    plain,
    plain_value,
    record,
    shown,
    spelt,
)
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.logic import Sparse, Table, Unbroken
from takeover_spec.rules import Rule, rules_about
from takeover_spec.words import Constants, Identity, Status

FORMAT = 1
"""The version of the trace format."""

SETTLED_MAX = 10_000_000
"""How many updates the safe queue may have in `found`, in all its runs together."""

READ_SHOWN = 12
"""How many of the values that a rule read are shown of a violation: as many of the first as of the last."""

PARTIES = ("primary", "secondary", "witness")

FOUND = (
    "active", "epoch", "seen", "returned", "drained", "unsafe", "released", "begun", "applied", "newest", "reported",
    "logged", "peer_left", "peer_released",
)  # fmt: skip
"""What a server has on its disk when it starts, beside its safe queue, which is written as `settled`, and `carried`."""

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
class HeaderLine:
    """The fields of a header as they are written."""

    trace: int
    party: str
    pair: str
    constants: Constants
    found: dict  # type: ignore[type-arg]  # told by `isinstance`, which knows no arguments


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
    """What the rule asked of what the party knew: field and value as a trace writes it, in the order of asking."""

    def __str__(self) -> str:
        read = [f"{name} = {spelt(value)}" for name, value in self.read] or ["nothing"]
        if len(read) > READ_SHOWN:  # a rule about many updates stops at the one that decides
            read[READ_SHOWN // 2 : -READ_SHOWN // 2] = ["…"]
        known = ", ".join(read)
        values = ", ".join(f"{name} = {spelt(value)}" for name, value in plain(self.action).items())
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
    waits_ns: int = 0
    """How long it waits from its start for what it may have granted before."""


def header_line(header: Header) -> str:
    """The first line of a trace, newline included."""
    found = header.found
    if isinstance(found, WitnessKnowledge):
        known: dict[str, Any] = {name: int(getattr(found, name)) for name in WITNESS_FOUND}
        known |= {"eligible": bool(found.eligible), "ended": bool(found.ended)}
    else:
        known = {name: getattr(found, name) for name in FOUND}
        known["settled"] = found_runs(found)
        if found.active or found.returned:
            known["carried"] = cast(Any, found.carried).unbroken(found.applied)
    first = {
        "trace": FORMAT,
        "party": header.party,
        "pair": header.pair,
        "constants": plain(header.constants),
        "found": known,
    }
    return json_text(first) + "\n"


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
    return json_text(values) + "\n"


def parse_header(text: str | bytes, where: str = "line 1") -> Header:
    """The header that a first line holds; raises `Malformed`."""
    values = parse_json(text, where)
    version = values.get("trace")
    if type(version) is not int or version != FORMAT:
        raise Malformed(where, f"is not the header of a trace of format {FORMAT}")
    first = record(HeaderLine, values, where)
    if first.party not in PARTIES:
        raise Malformed(f"{where}.party", f"{shown(first.party)} is not one of {', '.join(PARTIES)}")
    parse_found = parse_witness_found if first.party == "witness" else _parse_server_found
    return Header(first.party, first.pair, first.constants, parse_found(first.found, f"{where}.found"))


def parse_witness_found(found: dict[str, Any], where: str) -> WitnessKnowledge:
    """What a witness knows that found these values; raises `Malformed`."""
    values = _durable(WitnessKnowledge(), WITNESS_FOUND, found, where)
    if values.get("holder", 0) not in tuple(Identity):
        raise Malformed(f"{where}.holder", f"{values['holder']} is neither 0 nor 1")
    return WitnessKnowledge(**{**values, "holder": Identity(values.get("holder", 0))})


def _parse_server_found(found: dict[str, Any], where: str) -> Knowledge:
    runs = found.get("settled", [])
    values = _durable(
        Knowledge(), FOUND, {k: v for k, v in found.items() if k not in ("settled", "carried")}, where
    )
    first, last = values.get("applied", 0) + 1, parse_value(int, found.get("carried", 0), f"{where}.carried")
    stored, status, newest = _parse_settled(runs, values.get("applied", 0), f"{where}.settled")
    if values.setdefault("newest", newest) != newest:
        raise Malformed(f"{where}.newest", f"is {values['newest']}, and the highest update there is {newest}")
    return Knowledge(**values, stored=stored, status=status, carried=_carried(first, last))


def _carried(first: int, last: int) -> Table[int]:
    """What was carried out of the unsafe queue; how each update ended is not told, and no rule asks."""
    none = Sparse[int](Status.NONE)
    return none if last < first else Unbroken(int(Status.DONE), first, last, none)


def _durable(fresh: Any, names: tuple[str, ...], found: dict[str, Any], where: str) -> dict[str, Any]:
    """The values in `found`, of which each has a name of `names` and the type of that field."""
    for name in found:
        if name not in names:
            raise Malformed(where, f"{shown(name)} is not something found on a disk")
    kinds = {name: bool if isinstance(getattr(fresh, name), bool) else int for name in names}
    return {name: parse_value(kinds[name], value, f"{where}.{name}") for name, value in found.items()}


def _parse_settled(runs: Any, applied: int, where: str) -> tuple[Sparse[bool], Sparse[int], int]:
    """The two tables of the safe queue, and the highest update there is; no update may be listed twice."""
    if not isinstance(runs, list):
        raise Malformed(where, f"{shown(runs)} is not a list")
    stored, status, newest, room = Sparse(False), Sparse[int](Status.NONE), applied, SETTLED_MAX
    for index, run in enumerate(runs):
        at = f"{where}[{index}]"
        if not isinstance(run, list) or len(run) != 3:
            raise Malformed(at, f"{shown(run)} is not [first, last, status]")
        first, last = parse_value(int, run[0], f"{at}[0]"), parse_value(int, run[1], f"{at}[1]")
        code = parse_value(Status, run[2], f"{at}[2]")
        if not newest < first <= last:
            raise Malformed(at, f"the run from {first} to {last} is not above {newest}, and upwards")
        room -= last - first + 1
        if room < 0:
            raise Malformed(at, f"there are more than {SETTLED_MAX} updates by {last}")
        for seq in range(first, last + 1):
            stored, status = stored.put(seq, True), status.put(seq, code)
        newest = last
    return stored, status, newest


def parse_line(text: str | bytes, where: str) -> Line:
    """The action that a line holds; raises `Malformed`."""
    values = parse_json(text, where)
    n, t = (parse_value(int, values.pop(name, None), f"{where}.{name}") for name in ("n", "t"))
    return Line(n, t, of_kind(act.Action, values.pop("do", None), values, where))


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
            read = tuple((name, plain_value(value)) for name, value in asked._read.items())
            return Violation(number, line.action, line.t, rule, read)
    return None


def check(lines: Iterable[bytes]) -> Verdict:
    """Judge one trace, given as the lines of its file (with their newlines). The first broken rule ends it."""
    header: Header | None = None
    know: Any = None
    count = waits_ns = 0
    clock = -1
    for number, text in enumerate(lines, 1):
        where = f"line {number}"
        if not text.endswith(b"\n"):
            problem = f"{where} was cut off"
            return Verdict("incomplete", header, count, problem=problem, knows=know, waits_ns=waits_ns)
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
        if isinstance(line.action, act.Start | act.WitnessStart):
            waits_ns = line.action.wait_until - line.t
        know = party_after(know, line.action, line.t)
        count, clock = count + 1, line.t
    if header is None:
        return Verdict("incomplete", None, 0, problem="the file is empty")
    if count == 0:
        return Verdict("incomplete", header, 0, problem="there is no action in it", knows=know)
    return Verdict("obeys", header, count, knows=know, waits_ns=waits_ns)


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


def follows(earlier: Knowledge | WitnessKnowledge, found: Knowledge | WitnessKnowledge) -> str:
    """What a party lost between two runs: empty if what it finds is at least what its last run made durable.

    `earlier` is what `check` says it knew, `found` is of its next run's header. Whatever one more action would explain
    is no loss: the last one may have no line. So the following is not held against anybody: a goodbye that is not known
    any more (`HearReturn`), a passive server's unsafe queue that is not there (`SetAside`), a safe queue that is empty
    after a drain (`Discard`). A status without its update is not in `found`, and nothing is said of it.
    """
    if isinstance(earlier, WitnessKnowledge):
        assert isinstance(found, WitnessKnowledge), "two runs of one party"
        return _witness_follows(earlier, found)
    assert isinstance(found, Knowledge), "two runs of one party"
    lower = _lower(earlier, found, "epoch", "seen", "released", "peer_released")
    if lower or found.epoch > earlier.epoch:
        return lower  # in a new history what was known of the old one is void
    for name in ("drained", "returned"):
        if getattr(earlier, name) and not getattr(found, name):
            return f"{name} was true and is false"
    if earlier.active and not (found.active or found.returned):
        return "it was active, and does not know it any more"
    if found.begun != earlier.begun:
        return f"begun was {earlier.begun} and is {found.begun}"
    if earlier.active and earlier.unsafe and not found.unsafe:
        return "it had an unsafe queue, and does not know it any more"
    both_unsafe = earlier.unsafe and found.unsafe
    lower = _lower(earlier, found, "logged") if both_unsafe else ""
    return lower or _unapplied(earlier, found) or _missing(earlier, found)


def forgets(earlier: Header, later: Verdict) -> str:
    """What grants of an earlier run a later one does not wait out: empty if it waits long enough (LEASE-2, LEASE-3).

    A party that was told another length meanwhile is bound by the one it was told before.
    """
    witness = earlier.party == "witness"
    length_ns = earlier.constants.lease_ns if witness else earlier.constants.promise_ns
    if later.waits_ns >= length_ns or later.actions == 0:
        return ""
    granted = f"{'leases' if witness else 'promises'} of {length_ns} ns"
    return f"it may have given {granted} before, and waits for {later.waits_ns} ns"


def _lower(earlier: Any, found: Any, *names: str) -> str:
    """The first of these numbers that is lower than it was; empty if none is."""
    for name in names:
        if getattr(found, name) < getattr(earlier, name):
            return f"{name} was {getattr(earlier, name)} and is {getattr(found, name)}"
    return ""


def _unapplied(earlier: Knowledge, found: Knowledge) -> str:
    """An update that was applied, and cannot be applied again: after a power cut it must still be in the safe queue."""
    for seq in range(found.applied + 1, earlier.applied + 1):
        if not found.stored[seq] or found.status[seq] == Status.NONE:
            return f"applied was {earlier.applied} and is {found.applied}, and update {seq} is not in the safe queue"
    return ""


def _missing(earlier: Knowledge, found: Knowledge) -> str:
    """The first update of the safe queue that is not as it was; empty if there is none."""
    if found.drained:
        return ""
    for seq in cast(Sparse[bool], earlier.stored).held():
        if seq > found.applied:
            if not found.stored[seq]:
                return f"update {seq} was in the safe queue and is not"
            if earlier.status[seq] not in (Status.NONE, found.status[seq]):
                return f"the status of update {seq} was in the safe queue and is not"
    return ""


def _witness_follows(earlier: WitnessKnowledge, found: WitnessKnowledge) -> str:
    lower = _lower(earlier, found, "epoch")
    if lower or found.epoch > earlier.epoch:
        return lower
    if earlier.epoch >= 1 and found.holder != earlier.holder:
        was, now = plain_value(Identity(earlier.holder)), plain_value(Identity(found.holder))
        return f"the holder of epoch {earlier.epoch} was {was} and is {now}"
    if earlier.ended and not found.ended:
        return "ended was true and is false"
    if found.version == earlier.version and found.eligible != earlier.eligible:
        return f"eligible is another in version {earlier.version}"
    return _lower(earlier, found, "version")
