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
from takeover_models.machines import STARTS
from takeover_models.pair_machine import PairMachine
from takeover_models.shrink import rerun
from takeover_models.tallies import SELDOM, WANTED

SETTINGS = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)
SEARCH = settings(SETTINGS, max_examples=400, phases=[Phase.generate])


def machine(*starts: str, broken: str = "", judged: bool = True) -> Any:
    """The machine from these states, over a broken core or the real one."""
    return type("Machine", (PairMachine,), {"starts": starts, "broken": broken, "judged": judged})


def test_the_pair_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """From every state nothing is found, in runs in which everything that matters happened (no cases, no green)."""
    events: Counter[str] = Counter()
    monkeypatch.setattr(machines, "event", lambda name: events.update([name]))
    for start in STARTS:
        run_state_machine_as_test(machine(start), settings=SETTINGS)
    assert [] == [name for name in (*WANTED, "witness crash") if not events[f"seen: {name}"]]
    assert [name for name in SELDOM if events[f"seen: {name}"]]
    assert [] == [name for name in STARTS if events[f"start: {name}"] < 10]


@pytest.mark.parametrize(
    ("broken", "judged", "found", "start"),
    [
        ("without-status", True, "APPLY-2", "about to discard"),
        ("drain-cut-short", False, "exact-prefix", "about to drain"),
        ("drain-goes-on", False, "no-ghost", "an update is late"),
        ("unsafe-queue-replayed", True, "REJOIN-1", "loaded"),
        ("anyone-succeeds", False, "nothing-acknowledged-is-lost", "missed much"),
        ("seen-before-drained", False, "drained-before-serving", "about to drain"),
        ("loss-not-stated", False, "exact-loss", "about to discard"),
        ("held-past-the-grant", False, "one-holder", "paired"),
    ],
)
def test_the_machine_catches_what_is_broken(broken: str, judged: bool, found: str, start: str) -> None:
    """By its clause with the rules, by its property without them."""
    with pytest.raises(Finding) as error:
        run_state_machine_as_test(machine(start, broken=broken, judged=judged), settings=SEARCH)
    assert found == error.value.name


def test_what_is_found_is_shrunk_and_replays() -> None:
    """The report has the traces of all parties, and its last line is a run that ends with the same finding."""
    spoilt = machine("paired", broken="declared-too-early")
    with pytest.raises(Finding) as error:
        run_state_machine_as_test(spoilt, settings=settings(SETTINGS, stateful_step_count=6))
    told = next(note for note in error.value.__notes__ if "ndjson" in note)
    line = told.splitlines()[-1]
    assert line.startswith("takeover simulate --broken declared-too-early --replay '")
    setup, decisions = parse_run(line.split("'")[1])
    world, finding = rerun(setup, decisions, cores_named("declared-too-early"), judged=True)
    assert ("REJOIN-2", str(error.value)) == (error.value.name, str(finding))
    assert len(world.decisions) <= len(parse_run(STARTS["paired"])[1])
