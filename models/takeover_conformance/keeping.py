"""A random run that found something becomes a file of one case, which outlives its seed and can be shared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from takeover_conformance.making.golden import file_text
from takeover_conformance.suite import Result
from takeover_models.decisions import Decision
from takeover_models.setup import Setup


def run_of(setup: Setup, tested: str, decisions: Iterable[Decision]) -> dict[str, Any]:
    """What a case says of a run of decisions. It ends with the recovery, or whoever does nothing would pass it."""
    steps = [decision.text() for decision in decisions]
    whole = steps if "recover" in steps else [*steps, "recover"]
    return {"setup": setup.text(), "tested": [tested], "steps": whole}


def keep(directory: Path, result: Result) -> Path | None:
    """Write the random run that failed first, made short, into a file there; None if no random run failed."""
    short = [outcome for outcome in result.failed if outcome.decided]
    if not short or short[0].world is None or short[0].finding is None:
        return None
    outcome, finding, world = short[0], short[0].finding, short[0].world
    case = {
        "name": f"found-by-{outcome.case}-as-{outcome.tested}",
        "level": 3,
        "clauses": [finding.name],
        "why": finding.text.partition("\n")[0],
        "origin": outcome.case.replace("-", " "),
    }
    file = directory / f"{case['name']}.ndjson"
    directory.mkdir(parents=True, exist_ok=True)
    file.write_text(file_text(iter([case | run_of(world.setup, outcome.tested, world.decisions)])))
    return file
