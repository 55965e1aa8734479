"""The pair machine passes, is about something, and catches what is broken, with a report that replays."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from takeover_models import machines
from takeover_models.broken import cores_named
from takeover_models.decisions import parse_run
from takeover_models.findings import Finding
from takeover_models.pair_machine import PairMachine
from takeover_models.shrink import rerun
from takeover_models.tallies import WANTED

SETTINGS = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)
SEARCH = settings(SETTINGS, max_examples=400, phases=[Phase.generate])


def spoilt(name: str, *, judged: bool) -> Any:
    """The machine over a broken core."""
    return type("Spoilt", (PairMachine,), {"broken": name, "judged": judged})


def test_the_pair_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found, in runs in which everything that matters happened (zero cases is never green)."""
    events: Counter[str] = Counter()
    monkeypatch.setattr(machines, "event", lambda name: events.update([name]))
    run_state_machine_as_test(PairMachine, settings=SETTINGS)
    assert [] == [name for name in (*WANTED, "witness crash") if not events[f"seen: {name}"]]
    assert {f"start: {name}" for name in machines.STARTS} <= events.keys()


@pytest.mark.parametrize(
    ("name", "judged", "found"),
    [
        ("without-status", True, "APPLY-2"),
        ("drain-cut-short", False, "exact-prefix"),
        ("drain-goes-on", False, "no-ghost"),
        ("unsafe-queue-replayed", True, "REJOIN-1"),
        ("acknowledged-at-once", False, "nothing-acknowledged-is-lost"),
        ("seen-before-drained", False, "drained-before-serving"),
        ("promise-forgotten", False, "one-holder"),
    ],
)
def test_the_machine_catches_what_is_broken(name: str, judged: bool, found: str) -> None:
    """By its clause with the rules, by its property without them."""
    with pytest.raises(Finding) as error:
        run_state_machine_as_test(spoilt(name, judged=judged), settings=SEARCH)
    assert found == error.value.name


def test_what_is_found_is_shrunk_and_replays() -> None:
    """The report has the traces of all parties, and its last line is a run that ends with the same finding."""
    machine = spoilt("failed-is-applied", judged=False)
    with pytest.raises(Finding) as error:
        run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=60))
    told = next(note for note in error.value.__notes__ if "ndjson" in note)
    line = told.splitlines()[-1]
    assert line.startswith("takeover simulate --broken failed-is-applied --unjudged --replay '")
    setup, decisions = parse_run(line.split("'")[1])
    world, finding = rerun(setup, decisions, cores_named("failed-is-applied"), judged=False)
    assert str(error.value) == str(finding)
    assert len(world.decisions) <= 20
