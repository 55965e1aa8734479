"""Every clause of the protocol is judged by something that is there, or says why it is not."""

import re
from pathlib import Path

from takeover_conformance.cases import shipped
from takeover_conformance.clauses import ALSO, BY_HAND, Judged, demands, told
from takeover_conformance.servers.named import WRONG

DOCUMENT = (Path(__file__).parents[2] / "spec" / "PROTOCOL.md").read_text(encoding="utf-8")
CASES = shipped()


def demanded(document: str) -> set[str]:
    """What the document demands: its clauses, what they say also, and the other sections that have a MUST."""
    found = set()
    for level, title, text in re.findall(r"^(#{2,4}) (.*)\n((?:(?!^#).*\n?)*)", document, re.MULTILINE):
        clause = re.match(r"[A-Z]+-[0-9]+(?=: )", title)
        section = re.match(r"[0-9.]+[0-9](?= )|[0-9]+(?=\. )", title)
        if level == "####" and clause:
            found.add(clause[0])
            if "**Also**" in text:
                found.add(ALSO.format(clause[0]))
        elif section and section[0] != "7" and re.search(r"\bMUST\b(?!\*\*)", text):
            found.add(f"§{section[0]}")
    return found


def test_every_clause_is_judged_or_says_why_not() -> None:
    """The document demands what the list has, and nothing else; and there is something about each."""
    assert demanded(DOCUMENT) == demands(CASES).keys()
    assert [] == [what for what, judged in demands(CASES).items() if judged == Judged()]


def test_a_clause_that_is_in_neither_is_noticed() -> None:
    """A new clause, a new demand beside one, and a new MUST of a section."""
    for old, new, missing in (
        ("#### ADDR-3: ", "#### ADDR" + "-4: more\n\n#### ADDR-3: ", "ADDR" + "-4"),
        (
            "#### APPLY-2: completion",
            "#### APPLY-1: in\n\n**Also**: more\n\n#### APPLY-2: completion",
            "APPLY-1, also",
        ),
        ("### 8.7 Shutdown\n", "### 8.7 Shutdown\n\nIt MUST\n", "§8.7"),
    ):
        assert old in DOCUMENT
        assert {missing} == demanded(DOCUMENT.replace(old, new)) - demands(CASES).keys()


def test_what_judges_a_clause_is_there() -> None:
    """Cases and mistakes of these names."""
    cases, mistakes = {case.name for case in CASES}, {wrong.name for wrong in WRONG}
    for judged in BY_HAND.values():
        assert set(judged.cases) <= cases
        assert set(judged.mistakes) <= mistakes


def test_the_list_says_where_and_why() -> None:
    """A line for each, with the lowest levels first."""
    lines = dict(line.split(": ", 1) for line in told(CASES))
    assert lines["SWITCH-2, also"] == "L3 says-its-release-again; mistakes release-told-once"
    assert lines["LEASE-3"].startswith("not judged: a rule of the witness")
    assert demands(CASES).keys() == lines.keys()
