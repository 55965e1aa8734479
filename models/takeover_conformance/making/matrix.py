"""The kill matrix: which check catches which mistake.

Each wrong adapter is put through every case that counts or was written, as one of the servers, and, of the runs that
were found to tell a mistake, its own. A *check* is what judges: a rule by its clause, what may truthfully be said, what
has to be done, a property, or that the pair recovers. It is a failure of the suite if a check catches nothing, if no
check of its own clauses catches a mistake, if a legal variant is caught, or if a blank passes anything that counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Any

from takeover_conformance.cases import UNTESTED, Case, Check, FrameCase, RunCase, shipped
from takeover_conformance.playing.adapter_host import Untruthful
from takeover_conformance.playing.bench import Bench, Unmet, play
from takeover_conformance.servers.blanks import BLANKS
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.servers.named import WRONG
from takeover_conformance.servers.variants import VARIANTS
from takeover_models.findings import Finding, PropertyBroken, RuleBroken
from takeover_spec.rules import RULES

_MISTAKE = "mistake "
"""How the origin of a run begins that was found to tell one."""

_KINDS = {RuleBroken: "rule", Untruthful: "word", Unmet: "duty", PropertyBroken: "property"}

Row = dict[str, Any]
"""An adapter, by each check that caught it the first case in which it did, and whether it passed any."""


def check_of(finding: Finding) -> str:
    """What judged."""
    return f"{_KINDS.get(type(finding), 'run')} {finding.name}"


@cache
def _asked() -> tuple[Case, ...]:
    return tuple(case for case in shipped() if case.counts or _is_written(case))


def _is_written(case: Case) -> bool:
    return isinstance(case, RunCase) and case.origin == "spec"


def of_the_matrix(name: str, cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    """The cases that an adapter of this name is put through, and as which server."""
    for case in cases:
        if isinstance(case, FrameCase):
            yield case, ""
        elif not case.origin.startswith(_MISTAKE) or case.origin.startswith(f"{_MISTAKE}{name},"):
            yield case, case.tested[-1]


def row(name: str, cases: Sequence[Case] = ()) -> Row:
    """What becomes of one adapter in these cases, or all that count or were written by hand."""
    caught: dict[str, str] = {}
    passed = False
    for case, tested in of_the_matrix(name, cases or _asked()):
        finding = play(Bench(lambda: InProcess(name)), case, tested).finding  # it remembers no other case
        if finding is None:
            passed = passed or case.counts
        else:
            caught.setdefault(check_of(finding), case.name)
    return {"adapter": name, "passes": passed, "caught": dict(sorted(caught.items()))}


def names() -> list[str]:
    """All adapters that are wrong, or look it."""
    return [*(wrong.name for wrong in WRONG), *VARIANTS, *BLANKS]


def rows() -> Iterator[Row]:
    """The matrix, on all cores."""
    with ProcessPoolExecutor() as workers:
        yield from workers.map(row, names())


def matrix_text(matrix: Iterable[Row]) -> str:
    """As a file."""
    return "".join(json.dumps(line) + "\n" for line in matrix)


def failures(matrix: Sequence[Row], checks: Iterable[str]) -> Iterator[str]:
    """What is wrong with a suite that has this matrix, and these checks."""
    caught = {line["adapter"]: line["caught"] for line in matrix}
    for wrong in WRONG:
        own = [check for check in caught[wrong.name] if check.partition(" ")[2] in wrong.clauses]
        if not own:
            yield f"{wrong.name} is caught by no check that belongs to {' or '.join(wrong.clauses)}"
    for variant in VARIANTS:
        if caught[variant]:
            yield f"{variant} is legal, and is caught by {', '.join(caught[variant])}"
    for line in matrix:
        if line["adapter"] in BLANKS and line["passes"]:
            yield f"{line['adapter']} passes something that counts"
    mistakes = {check for wrong in WRONG for check in caught[wrong.name]}
    yield from (f"{check} catches no mistake" for check in checks if check not in mistakes)


def shipped_matrix() -> list[Row]:
    """The matrix that comes with the suite."""
    text = files("takeover_conformance.making").joinpath("kills.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def checks(cases: Iterable[Case]) -> Iterator[str]:
    """What has to catch something: every rule that is a server's, every duty that these cases ask for."""
    yield from dict.fromkeys(f"rule {rule.clause}" for rule in RULES if rule.clause not in UNTESTED)
    musts = (step for case in cases if isinstance(case, RunCase) for step in case.steps)
    clauses = (step.clause for step in musts if isinstance(step, Check) and step.must and step.clause)
    yield from sorted({f"duty {clause}" for clause in clauses})
