"""The queue machine passes, and catches every way to be wrong about the safe queue."""

from collections import Counter

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from takeover_models import broken_data, queue_machine
from takeover_models.cores import Step
from takeover_models.findings import RuleBroken
from takeover_models.queue_machine import QueueMachine

SETTINGS = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)
SEARCH = settings(SETTINGS, max_examples=1000, phases=[Phase.generate])

SPOILT = [
    broken_data.out_of_order,
    broken_data.without_status,
    broken_data.failed_is_applied,
    broken_data.drain_cut_short,
    broken_data.drain_goes_on,
    broken_data.reported_too_early,
    broken_data.loss_not_stated,
]


def test_the_queue_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core does what the lists do; and things were applied, drained, discarded, and begun again."""
    events: Counter[str] = Counter()
    monkeypatch.setattr(queue_machine, "event", lambda name: events.update([name]))
    run_state_machine_as_test(QueueMachine, settings=SETTINGS)
    wanted = {
        "applied",
        "a failed one applied",
        "a challenge",
        "something discarded",
        "nothing discarded",
        "a crash",
    }
    assert wanted == {name for name in wanted if events[name] >= 10}


@pytest.mark.parametrize("judged", [True, False], ids=["with the rules", "by the lists alone"])
@pytest.mark.parametrize("step", SPOILT, ids=lambda step: step.__name__)
def test_the_machine_catches_what_is_broken(step: Step, judged: bool) -> None:
    """The lists alone are enough; with the rules, the clause is named first."""
    machine = type("Spoilt", (QueueMachine,), {"step_function": staticmethod(step), "judged": judged})
    with pytest.raises(RuleBroken if judged else AssertionError):
        run_state_machine_as_test(machine, settings=SEARCH)
