"""A server in JavaScript, written from the protocol's document and not from the reference, conforms."""

import shutil
from pathlib import Path

from takeover_conformance.adapter.process import Adapter
from takeover_conformance.cases import shipped
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.suite import CONFORMS, Selection, run

ADAPTER = Path(__file__).with_name("javascript") / "adapter.js"


def ignore(outcome: Outcome) -> None:
    """Nobody listens."""


def test_it_conforms() -> None:
    """All cases of all levels but most of the moments, and random runs; through pipes, in Node.js."""
    node = shutil.which("node")
    assert node, "Node.js is missing: apt-get install nodejs"
    bench = Bench(lambda: Adapter([node, str(ADAPTER)]))
    cases = [case for n, case in enumerate(shipped()) if n % 40 == 0 or "-meets-" not in case.name]
    result = run(bench, Selection(tuple(cases), 3, range(20)), ignore)
    assert [] == [f"{outcome.case} {outcome.tested}: {outcome.finding}" for outcome in result.failed]
    assert result.verdict == CONFORMS, result.fault
