"""The cases are what they should be: readable, and about every clause. (What makes them: `test_made_files.py`.)"""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from takeover_conformance.cases import (
    ADAPTER_LEVEL,
    UNTESTED,
    RunCase,
    files_of_cases,
    read,
    shipped,
)
from takeover_conformance.making.situations import situations
from takeover_conformance.servers.named import WRONG
from takeover_models.decisions import VERBS
from takeover_models.setup import Setup
from takeover_spec.codec import Malformed
from takeover_spec.rules import RULES

CASES = shipped()


def test_names_are_given_once() -> None:
    """And are words, so that nobody has to quote them."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


def test_every_level_has_cases() -> None:
    """None is reached for want of any."""
    assert set(range(ADAPTER_LEVEL + 1)) == {case.level for case in CASES}


def test_every_clause_is_in_a_case_or_is_said_to_be_in_none() -> None:
    """A clause with a rule is what some case is about; one that is not says why."""
    clauses = {rule.clause for rule in RULES}
    covered = {clause for case in CASES for clause in case.clauses}
    assert clauses - covered == UNTESTED.keys()


def test_a_situation_is_met_once() -> None:
    """No two of them are the same server, by what it knows and what it was told."""
    made = list(situations())
    assert len(made) == len({json.dumps([s.me, s.setup, s.past, s.present]) for s in made})


def test_there_are_thousands_of_cases_and_many_count() -> None:
    """What only asks that nothing wrong is done is not counted."""
    assert len(CASES) >= 5000
    assert sum(case.counts for case in CASES) >= 2000


def test_every_run_of_a_mistake_names_one() -> None:
    """Its origin says which, and there is none for a mistake that is no more."""
    names = {wrong.name for wrong in WRONG}
    for case in CASES:
        if isinstance(case, RunCase) and case.origin.startswith("mistake "):
            assert case.origin.split()[1].rstrip(",") in names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"cases":2}\n', "format 1"),
        ("", "format 1"),
        ('{"cases":1}\n{"name":"x"}\n', "f:2: 'clauses' is missing"),
        ('{"cases":1}\n{"name":"x","clauses":[],"why":"","frame":"?","message":null}\n', "f:2"),
        (
            '{"cases":1}\n{"name":"x","level":9,"clauses":[],"why":"","origin":"","setup":"default",'
            '"tested":[],"steps":[]}\n',
            "its level",
        ),
        (
            '{"cases":1}\n{"name":"x","level":1,"clauses":[],"why":"","origin":"","setup":"default",'
            '"tested":["both"],"steps":["jump"]}\n',
            "'jump' is not one of",
        ),
    ],
)
def test_what_is_no_case_is_refused_with_its_place(text: str, told: str) -> None:
    """The file, the line and the reason."""
    with pytest.raises(Malformed, match=re.escape(told)):
        read("f", text.encode())


def test_a_case_of_a_real_bug_says_where_it_was_told() -> None:
    """By an address."""
    bugs = [case for case in read("bugs", dict(files_of_cases())["bugs.ndjson"]) if isinstance(case, RunCase)]
    assert len(bugs) >= 5
    assert all(case.origin.startswith("https://github.com/") for case in bugs)


def test_the_page_about_the_format_has_every_verb_and_every_word_of_a_setup() -> None:
    """As a reader in another language finds them: `models/CASES.md`."""
    page = Path(__file__).parents[2].joinpath("models", "CASES.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:3] == "| `"
    ]
    of_three = {cells[0].strip("`"): cells[2] for cells in rows if len(cells) == 3}
    assert {verb: told for verb, (_, told) in VERBS.items()} == {name: of_three.get(name) for name in VERBS}
    standard = {field.name: str(field.default) for field in fields(Setup)}
    named = [(cells[0].replace("`", "").split(", "), cells[1].split(", ")) for cells in rows]
    told = {name: value for names, values in named for name, value in zip(names, values, strict=False)}
    assert standard == {name: told.get(name) for name in standard}
