"""The lease machine passes, and catches every way to be wrong about a grant."""

from collections import Counter

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from takeover_models import machines
from takeover_models.broken import BROKEN, Broken
from takeover_models.findings import Finding
from takeover_models.lease_machine import LeaseMachine

SETTINGS = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)
SEARCH = settings(SETTINGS, max_examples=2000, phases=[Phase.generate])

ABOUT_GRANTS = [broken for broken in BROKEN if broken.prop == "one-holder"]

NEAR = {
    "witness-does-not-wait": "by lease",
    "no-lease-needed": "by lease",
    "counted-from-receipt": "slowly by promise",
}
"""From where the way to what is broken is short; from a server that lives by the promise if nothing is said."""


def test_the_lease_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One holder, whatever clocks and messages do; and takeovers did happen, and identities did lapse."""
    events: Counter[str] = Counter()
    monkeypatch.setattr(machines, "event", lambda name: events.update([name]))
    for start in LeaseMachine.starts:
        machine = type("FromHere", (LeaseMachine,), {"starts": (start,)})
        run_state_machine_as_test(machine, settings=SETTINGS)
    wanted = ["seen: takeover", "seen: identity lapsed", "seen: witness crash", "seen: second takeover"]
    assert [] == [name for name in wanted if not events[name]]
    assert {f"start: {name}" for name in LeaseMachine.starts} <= events.keys()


@pytest.mark.parametrize("judged", [True, False], ids=["by clause", "by property"])
@pytest.mark.parametrize("broken", ABOUT_GRANTS, ids=lambda broken: broken.name)
def test_the_machine_catches_what_is_broken(broken: Broken, judged: bool) -> None:
    """By its clause with the rules, and without them because two servers hold the public identity."""
    starts = (NEAR.get(broken.name, "by promise"),)
    machine = type("Spoilt", (LeaseMachine,), {"broken": broken.name, "judged": judged, "starts": starts})
    with pytest.raises(Finding) as error:
        run_state_machine_as_test(machine, settings=SEARCH)
    assert (broken.clause if judged else broken.prop) == error.value.name
