"""The whole suite against two servers that have to conform, with the command that everybody uses: `make conform`.

All cases of levels 0 to 3 and all random runs, and level 5, where each is paired with the other: too long for a test.
What the command says is not believed by its status alone: the verdict, and the statement that could be published, say
the same.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from takeover_conformance.cases import PAIRED_LEVEL, shipped
from takeover_conformance.reports.result_lines import digests
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.suite import CONFORMS, SEEDS, Selection, planned

REFERENCE = (sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter")
JAVASCRIPT = ("node", str(Path(__file__).with_name("javascript") / "adapter.js"))
SERVERS = {"reference": (REFERENCE, JAVASCRIPT), "takeover in JavaScript": (JAVASCRIPT, REFERENCE)}
"""By its name, the command of each, and of the other one of its pairs."""

LEVELS = {"0": True, "1": True, "2": True, "3": True, "4": False, "5": True}
"""Which levels have to be reached: all but that of the service, which an adapter has not."""


def there_are() -> int:
    """How much there is to play for one server."""
    return planned(Selection(tuple(shipped()), PAIRED_LEVEL, range(SEEDS), paired=InProcess().metadata))


def problems(
    name: str, whole: int, status: int, verdict: dict[str, Any], statement: dict[str, Any]
) -> Iterator[str]:
    """What does not say that this server conforms, at all levels, in the whole of what there is."""
    other = next(another for another in SERVERS if another != name)
    for what, expected, found in (
        ("status", 0, status),
        ("verdict", CONFORMS, verdict.get("verdict")),
        ("levels", LEVELS, verdict.get("levels")),
        ("played", whole, verdict.get("played")),
        ("planned", whole, verdict.get("planned")),
        ("failed", [], verdict.get("failed")),
        ("known", [], verdict.get("known")),
        ("fault", None, verdict.get("fault", "not said")),
        ("implementation", name, statement.get("implementation", {}).get("name")),
        ("paired with", other, (statement.get("paired") or {}).get("name")),
        ("the statement's verdict", CONFORMS, statement.get("verdict")),
        ("the statement's level", 3, statement.get("level")),
        ("the statement's digests", digests(), statement.get("digests")),
    ):
        if found != expected:
            yield f"{name}: {what} should be {expected}, and is {found}"


def judge(name: str) -> list[str]:
    """Run the command; what is wrong."""
    mine, other = SERVERS[name]
    with tempfile.TemporaryDirectory() as folder:
        verdict, statement = Path(folder, "verdict.json"), Path(folder, "statement.json")
        command = [sys.executable, "-m", "takeover", "conform", "--with", shlex.join(other)]
        command += ["--json", str(verdict), "--statement", str(statement), "--", *mine]
        status = subprocess.run(command, check=False).returncode
        written = [json.loads(file.read_text()) if file.exists() else {} for file in (verdict, statement)]
    return list(problems(name, there_are(), status, *written))


def main() -> int:
    """Judge both; 1 if one does not conform."""
    wrong = [problem for name in SERVERS for problem in judge(name)]
    print("\n".join(wrong or ["both conform, at all levels that an adapter has"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
