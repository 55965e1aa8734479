"""The command that plays something again, whole: it can be pasted into a shell."""

from __future__ import annotations

import shlex

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.cases import PAIRED_LEVEL, SERVICE_LEVEL
from takeover_conformance.playing.bench import Outcome
from takeover_conformance.suite import Selection
from takeover_models.decisions import run_text


def again(outcome: Outcome, selection: Selection) -> str:
    """That plays what came of a case: its short form, if it is of a random run that was made short."""
    if outcome.decided and outcome.world is not None:
        run = run_text(outcome.world.setup, outcome.world.decisions)
        return _command(outcome.level, selection, "--tested", outcome.tested, "--replay", run)
    return case_again(outcome.case, outcome.level, selection)


def case_again(name: str, level: int, selection: Selection) -> str:
    """That plays a case, or a random run."""
    file = selection.files.get(name)
    return _command(level, selection, "--case", name if file is None else str(file))


def fault_again(fault: AdapterFault, selection: Selection) -> str:
    """That plays what was under way when an adapter was at fault; empty if nothing was."""
    if fault.during is None:
        return ""
    name, level, _ = fault.during
    return case_again(name, level, selection)


def _command(level: int, selection: Selection, *options: str) -> str:
    others: tuple[str, ...] = ()
    if level == SERVICE_LEVEL:
        others = "--service", shlex.join(selection.service)
    elif level == PAIRED_LEVEL:
        others = "--with", shlex.join(selection.other or ("OTHER",))
    adapter = selection.adapter or ("COMMAND",)
    return shlex.join(["takeover", "conform", *others, *options, "--", *adapter])
