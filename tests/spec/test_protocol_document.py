"""`spec/PROTOCOL.md` says what the code says: the same clauses, actions, messages, numbers, and no others.

Each check takes the document's text and returns what is wrong with it, so that it can be shown to fail on a copy that
has been tampered with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from takeover_proofs import properties
from takeover_proofs.invariant import CLAUSES
from takeover_proofs.world import Nature
from takeover_spec import actions as act
from takeover_spec import codec, trace, wire
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.rules import RULES, rules_about
from takeover_spec.words import Arbiter, Cause, Constants, Identity, Queue, Status

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "spec" / "PROTOCOL.md").read_text(encoding="utf-8")

WITHOUT_PREDICATE = {"ADDR-3", "SWITCH-2"}
"""Clauses that no predicate can state: a theorem, and what has to come about."""

FAMILIES = "APPLY|QUEUE|SYNC|ADDR|LEASE|ROLE|SWITCH|REJOIN|LOSS"
CLAUSE = re.compile(rf"\b(?:{FAMILIES})-[0-9]+\b")
VALUE = re.compile(rf'"{CLAUSE.pattern}"')
WORD = re.compile(r"`([A-Za-z_]+)`")

assert properties.__name__, "imported for the properties that it registers"


# --- reading the document -------------------------------------------------------------------------


def _section(text: str, title: str) -> str:
    """The text under a heading, up to the next one of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {title!r}"
    start = found.start()
    end = re.search(rf"^#{{1,{len(found[1])}}} ", text[found.end(1) :], re.MULTILINE)
    return text[start : found.end(1) + end.start()] if end else text[start:]


def _rows(section: str) -> dict[str, list[str]]:
    """The rows of the tables in a section, by what stands in backticks in their first cell."""
    rows: dict[str, list[str]] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.fullmatch(r"`([\w-]+)`", cells[0])
        if line.startswith("| ") and name:
            assert name[1] not in rows, f"two rows for {name[1]}"
            rows[name[1]] = cells
    return rows


def _words(cell: str) -> list[str]:
    return WORD.findall(cell)


def _names(cls: Any) -> list[str]:
    return [field.name for field in fields(cls)]


def _differ(what: str, documented: Any, coded: Any) -> Iterator[str]:
    if documented != coded:
        yield f"{what}: the document has {documented}, the code {coded}"


# --- the checks -----------------------------------------------------------------------------------


def _headings(text: str) -> list[str]:
    return re.findall(rf"^#### ((?:{FAMILIES})-[0-9]+): \S", text, re.MULTILINE)


def _cited_in_the_code() -> set[str]:
    """Every clause id in the sources and tests of all packages.

    A test may try a clause that does not exist: one that is all of a string there is a value, and cites nothing.
    """
    found: set[str] = set()
    for folder in ("spec", "reference", "models", "proofs", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            found.update(CLAUSE.findall(VALUE.sub("", text) if folder == "tests" else text))
    return found


def clause_headings(text: str) -> Iterator[str]:
    """A heading for every clause that is cited anywhere, and for no other than those with rules."""
    headings = _headings(text)
    yield from _differ("headings", sorted(headings), sorted(set(headings)))
    yield from _differ(
        "clauses", sorted(headings), sorted({rule.clause for rule in RULES} | WITHOUT_PREDICATE)
    )
    cited = _cited_in_the_code() | set(CLAUSE.findall(text))
    yield from (f"{clause} is cited and has no heading" for clause in sorted(cited - set(headings)))


def predicates(text: str) -> Iterator[str]:
    """Under each clause a bullet for each of its predicates, with the actions that it judges."""
    documented = set()
    for clause in _headings(text):
        heading = re.search(rf"^#### ({clause}: .*)$", text, re.MULTILINE)
        assert heading
        bullets = re.findall(
            r"^- ((?:`\w+`(?:, )?)+) \(`(\w+)`\):\s", _section(text, heading[1]), re.MULTILINE
        )
        documented |= {(clause, name, predicate) for kinds, predicate in bullets for name in _words(kinds)}
    coded = {(rule.clause, rule.about.__name__, rule.name) for rule in RULES}
    yield from (f"{entry} is in the document only" for entry in sorted(documented - coded))
    yield from (f"{entry} is in the code only" for entry in sorted(coded - documented))


def actions(text: str) -> Iterator[str]:
    """A row for every action, with exactly its fields and the clauses that judge it."""
    for title, union in (("Of a server", act.ServerAction), ("Of the witness", act.WitnessAction)):
        rows = _rows(_section(text, title))
        yield from _differ(title, sorted(rows), sorted(cls.__name__ for cls in get_args(union)))
        for cls in get_args(union):
            if cls.__name__ in rows:
                _, named, _, _, judges = rows[cls.__name__]
                yield from _differ(cls.__name__, _words(named), _names(cls))
                clauses = list(dict.fromkeys(rule.clause for rule in rules_about(cls)))
                judged = [] if judges == "free" else judges.split(", ")
                yield from _differ(f"{cls.__name__} is judged", judged, clauses)


def _samples(cls: type) -> Iterator[Any]:
    """Actions of a class with values that make a difference to somebody."""
    texts, enums = {"clause", "reason"}, {"status": Status.DONE, "queue": Queue.SAFE, "cause": Cause.SILENCE}
    flags = {"active", "enabled", "changed", "eligible"}
    for number in (0, 1, 2, 9):
        for flag in (False, True):
            yield cls(
                **{
                    name: "" if name in texts else flag if name in flags
                    else Identity.SECONDARY if name == "to" else enums.get(name, number)
                    for name in _names(cls)
                }
            )  # fmt: skip


def _full(cls: type) -> Any:
    """Knowledge with nothing as at first, but for the tables."""
    values = {name: getattr(cls(), name) for name in _names(cls)}
    changed = {name: not value if isinstance(value, bool) else 5 for name, value in values.items()}
    return cls(
        **{name: value if hasattr(value, "emptied") else changed[name] for name, value in values.items()}
    )


def changes(text: str) -> Iterator[str]:
    """An action changes nothing in what its party knows but what its row names (what a start forgets is in §6)."""
    for title, union, party in (
        ("Of a server", act.ServerAction, Knowledge),
        ("Of the witness", act.WitnessAction, WitnessKnowledge),
    ):
        rows = _rows(_section(text, title))
        for cls in set(get_args(union)) - {act.Start}:
            named = (
                set(WORD.findall(re.sub(r"\[\w+\]", "", rows[cls.__name__][3])))
                if cls.__name__ in rows
                else set()
            )
            known = {*_names(party), *_names(cls)}
            yield from (f"{cls.__name__} names {name}, which nobody knows" for name in sorted(named - known))
            for know in (party(), _full(party)):
                for action in _samples(cls):
                    after = party_after(know, action, 7)
                    changed = {name for name in _names(party) if getattr(after, name) != getattr(know, name)}
                    yield from (f"{action} changes {name}" for name in sorted(changed - named))


def knowledge(text: str) -> Iterator[str]:
    """A row for every field of what a party knows, in order, with its first value and what a start makes of it."""
    for title, cls, start in (
        ("A server", Knowledge, act.Start(False, False, 4, 3)),
        ("The witness", WitnessKnowledge, act.WitnessStart(3)),
    ):
        rows = _rows(_section(text, title))
        yield from _differ(title, list(rows), _names(cls))
        full = _full(cls)
        after = party_after(full, start, 7)
        for name in [name for name in _names(cls) if name in rows]:
            first, fate = rows[name][2:4]
            value, kept = getattr(cls(), name), getattr(after, name) == getattr(full, name)
            spelt = (
                "none"
                if hasattr(value, "emptied")
                else "`primary`"
                if name == "holder"
                else str(value).lower()
            )
            yield from _differ(f"{name} at first", first, spelt)
            yield from _differ(f"{name} is kept", fate.startswith(("**durable**", "*kept*")), kept)
            if not kept and not fate.startswith(("as ", "now")):
                yield from _differ(f"{name} after a start", fate, str(getattr(after, name)).lower())


def messages(text: str) -> Iterator[str]:
    """A row for every message, with exactly its fields; and the numbers of the framing."""
    rows = _rows(_section(text, "12. Messages").replace(_section(text, "12.7 Fields"), ""))
    yield from _differ("messages", sorted(rows), sorted(cls.__name__ for cls in wire.MESSAGES))
    for cls in wire.MESSAGES:
        if cls.__name__ in rows:
            yield from _differ(cls.__name__, _words(rows[cls.__name__][1]), _names(cls))
    greatest = f"{wire.FRAME_BYTES_MAX:,}"
    for said in (greatest, f"`protocol` is {wire.PROTOCOL}.", f"in {wire.LENGTH_BYTES} bytes", "2⁶³ − 1"):
        if said not in text:
            yield f"the document does not say {said!r}"
    yield from _differ("the greatest number", 2**63 - 1, codec.GREATEST)
    yield from _differ("kinds", "ask-promise", codec.kind_of(wire.AskPromise))


_TYPES = {
    int: "number",
    bool: "flag",
    str: "text",
    bytes: "bytes",
    Status: "status",
    tuple[int, ...]: "numbers",
}
"""What the document calls the types of fields."""


def wire_fields(text: str) -> Iterator[str]:
    """A row for every field of a message, or of an entry of a listing, with its type; in the order of their names."""
    coded: dict[str, str] = {}
    for cls in (*wire.MESSAGES, wire.CopyEntry):
        for name, hint in get_type_hints(cls).items():
            kind = "entries" if hint == tuple[wire.CopyEntry, ...] else _TYPES[hint]
            if coded.setdefault(name, kind) != kind:
                yield f"{name} is a {coded[name]}, and in {cls.__name__} a {kind}"
    rows = _rows(_section(text, "12.7 Fields"))
    yield from _differ("fields", list(rows), sorted(coded))
    for name in rows.keys() & coded.keys():
        yield from _differ(f"{name} is a", rows[name][1], coded[name])
    values = {
        "party": {"witness", *(i.name.lower() for i in Identity)},
        "arbiter": {a.value for a in Arbiter},
    }
    for name, known in values.items():
        yield from _differ(f"{name} may be", set(re.findall("`([^`]+)`", rows[name][2])), known)
    for said in (
        f"{wire.COPY_BLOCK_BYTES:,} bytes",
        f"the first {wire.COPY_DIGEST_BYTES} bytes of its SHA-256",
    ):
        if said not in " ".join(text.split()):
            yield f"the document does not say {said!r}"


def enumerations(text: str) -> Iterator[str]:
    """The values of every enumeration, and the constants, are named."""
    said = _words(_section(text, "5. Actions").split("###")[0])
    for enum in (Identity, Status, Queue, Cause):
        yield from (f"{v.name} is not named" for v in enum if v.name.lower() not in said)
    yield from _differ("constants", list(_rows(_section(text, "3. The parties"))), _names(Constants))


def trace_format(text: str) -> Iterator[str]:
    """What is found on a disk is listed, and the example is a trace that obeys the rules."""
    section = _section(text, "13. The trace")
    server, witness = re.findall(r"^- Of (.*?)(?=^- |\n\n)", section, re.MULTILINE | re.DOTALL)
    yield from _differ(
        "found by a server",
        set(_words(server)) - {"first", "last", "none"},
        {*trace.FOUND, "settled", "carried"},
    )
    yield from _differ("found by a witness", set(_words(witness)), set(trace.WITNESS_FOUND))
    if f"at most {trace.SETTLED_MAX:,} updates" not in " ".join(section.split()):
        yield f"the document does not say that {trace.SETTLED_MAX:,} updates are the most"
    yield from _differ("format", int(_rows(section)["trace"][1].split(",")[0]), trace.FORMAT)
    example = "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))
    lines = example.replace("\n ", " ").encode().splitlines(keepends=True)
    verdict = trace.check(lines)
    yield from _differ("the example", (verdict.verdict, verdict.problem, verdict.actions), ("obeys", "", 2))


def properties_and_assumptions(text: str) -> Iterator[str]:
    """Every property and every assumption that the proofs know has a row."""
    for title, coded in (
        ("9. Properties", {clause.name for clause in CLAUSES if clause.is_property}),
        ("10. Assumptions", set(_names(Nature)) - {"arbiter"}),
    ):
        yield from (f"{name} is not in {title}" for name in sorted(coded - set(_rows(_section(text, title)))))


CHECKS: list[Callable[[str], Iterator[str]]] = [
    clause_headings, predicates, actions, changes, knowledge, messages, wire_fields, enumerations, trace_format,
    properties_and_assumptions,
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_the_document_and_the_code_agree(check: Callable[[str], Iterator[str]]) -> None:
    """Nothing is wrong with the document as it is."""
    assert [] == list(check(DOCUMENT))


@pytest.mark.parametrize(
    ("check", "old", "new", "complaint"),
    [
        (clause_headings, "#### QUEUE-3: ", "#### QUEUE" + "-33: ", "QUEUE-3 is cited and has no heading"),
        (clause_headings, "#### QUEUE-3: ", "#### QUEUE-2: ", "headings: "),
        (clause_headings, "(APPLY-4)", "(APPLY" + "-44)", "APPLY" + "-44 is cited and has no heading"),
        (predicates, "- `Trim` (", "- `Drop` (", "('QUEUE-3', 'Trim', 'kept_until_safe') is in the code only"),
        (predicates, "- `Trim` (", "- `Drop` (", "('QUEUE-3', 'Drop', 'kept_until_safe') is in the document only"),
        (predicates, "`Drop`, `Declare`, `Copy`", "`Drop`, `Copy`", "('ROLE-5', 'Declare', "),
        (predicates, "(`in_order`)", "(`in_any_order`)", "('APPLY-1', 'Apply', 'in_order') is in the code only"),
        (actions, "| `StopApplications` |", "| `StopThem` |", "Of a server: "),
        (actions, "| `Store` | `epoch`, `seq` |", "| `Store` | `epoch` |", "Store: "),
        (actions, "| `epoch`, `seq`, `status` |", "| `seq`, `epoch`, `status` |", "StoreStatus: "),
        (actions, "| QUEUE-3, ROLE-5 |", "| QUEUE-3 |", "Trim is judged: "),
        (actions, "| `Disable` | — |", "| `Disable` | `until` |", "Disable: "),
        (changes, "| `stored[seq]`; `newest`, if higher |", "| — |", "Store(epoch=1, seq=1) changes newest"),
        (changes, "| `trimmed` | QUEUE-6", "| `dropped` | QUEUE-6", "Drop names dropped, which nobody knows"),
        (knowledge, "| `released` | the", "| `freed` | the", "A server: "),
        (knowledge, "| **durable**, and set if it was active |", "| false |", "returned is kept: "),
        (knowledge, "this epoch | false | false |", "this epoch | false | *kept* |", "exposed is kept: "),
        (messages, "| `Newer` |", "| `Newest` |", "messages: "),
        (messages, "`status`, `amount` |", "`status` |", "UpdateStatus: "),
        (messages, "4,194,304", "4,000,000", "the document does not say '4,194,304'"),
        (wire_fields, "| `amount` | number |", "| `amount` | text |", "amount is a: "),
        (wire_fields, "| `digests` | bytes |", "| `digests` | numbers |", "digests is a: "),
        (wire_fields, "| `seq` | number |", "| `sequence` | number |", "fields: "),
        (wire_fields, "`crash-stop`, `operator` | who", "`operator` | who", "arbiter may be: "),
        (wire_fields, "65,536", "65,535", "the document does not say '65,536 bytes'"),
        (enumerations, "`release`, `operator`", "`switchover`, `operator`", "RELEASE is not named"),
        (enumerations, "| `expiry_slack_ns` |", "| `slack_ns` |", "constants: "),
        (trace_format, "`unsafe`,\n", "\n", "found by a server: "),
        (trace_format, "10,000,000", "1,000,000", "the document does not say that 10,000,000 updates are the most"),
        (trace_format, '"until":83200400000', '"until":83200399999', "the example: "),
        (properties_and_assumptions, "| `no-ghost` |", "| `ghosts` |", "no-ghost is not in 9. Properties"),
        (properties_and_assumptions, "| `kernel` |", "| `linux` |", "kernel is not in 10. Assumptions"),
    ],
)  # fmt: skip
def test_a_doctored_document_is_noticed(
    check: Callable[[str], Iterator[str]], old: str, new: str, complaint: str
) -> None:
    """Each check can fail: one change to a copy of the document, and it complains."""
    assert old in DOCUMENT
    found = list(check(DOCUMENT.replace(old, new, 1)))
    assert [] != [problem for problem in found if problem.startswith(complaint)], found
