"""A run that was found is also a trace of each of its parties, in the one format that the trace checker reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from takeover_proofs import gallery
from takeover_proofs.examples import EXAMPLES
from takeover_proofs.gallery import GALLERY
from takeover_proofs.runs import Run, replay
from takeover_proofs.traces import as_traces, judged
from takeover_proofs.transition import Tick
from takeover_proofs.world import WITNESS, is_own
from takeover_spec.trace import follows, parse_header


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_obeys(name: str, run_of: Callable[[str], Run]) -> None:
    """Every trace of a run that obeys the rules is good; together they have every step, and a start for each party; but
    servers' own arbiters write none."""
    run = run_of(name)
    found = judged(as_traces(run, replay(run, EXAMPLES[name].goal)))
    assert {"obeys"} == {verdict.verdict for verdict in found.values()}
    silent = [WITNESS] if is_own(run.first.nature) else []
    acts = [step for step in run.steps if not isinstance(step.action, Tick) and step.actor not in silent]
    assert 3 - len(silent) + len(acts) == sum(verdict.actions for verdict in found.values())


def test_a_restart_begins_another_trace(run_of: Callable[[str], Run]) -> None:
    """Each party has a file for each of its runs, and the later one finds what the earlier one made durable."""
    run = run_of("everybody-restarts")
    traces = as_traces(run, replay(run, EXAMPLES["everybody-restarts"].goal))
    for party in ("primary", "secondary", "witness"):
        known = judged(traces)[f"{party}-1.ndjson"].knows
        assert known is not None
        found = parse_header(traces[f"{party}-2.ndjson"].splitlines()[0]).found
        assert "" == follows(known, found)


def test_a_disk_that_forgets_breaks_no_rule() -> None:
    """It is seen between two runs of a party: what was durable is not found again."""
    entry = GALLERY["durable"]
    assert entry.breaks is not None
    run = gallery.search(entry, 60_000)
    assert isinstance(run, Run)
    traces = as_traces(run, replay(run, gallery.goal_of(entry.breaks), entry.rules))
    known = judged(traces)["secondary-1.ndjson"].knows
    assert known is not None
    found = parse_header(traces["secondary-2.ndjson"].splitlines()[0]).found
    assert "was in the safe queue and is not" in follows(known, found)
