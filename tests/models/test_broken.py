"""Every core that is broken on purpose is caught: by its clause, and by the property that it breaks."""

import pytest

from takeover_models.broken import BROKEN, Broken
from takeover_models.findings import PropertyBroken, RuleBroken
from takeover_models.simulate import Outcome, run

SEEDS_MAX = 600
STEPS = 100

LOOKED_AT_FIRST = {"released-to-nobody": 500}
"""From which seed it is looked for; a rare one is known to be found soon after."""


def first_with(broken: Broken, name: str, *, judged: bool) -> Outcome | None:
    """The first run of a campaign that ends with a finding of this name."""
    first = LOOKED_AT_FIRST.get(broken.name, 0)
    for seed in (*range(first, SEEDS_MAX), *range(first)):
        outcome = run(seed, STEPS, broken.cores, judged=judged)
        if outcome.finding is not None and outcome.finding.name == name:
            return outcome
    return None


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_it_is_caught_by_its_clause(broken: Broken) -> None:
    """The rules, asked about every action, name the clause."""
    outcome = first_with(broken, broken.clause, judged=True)
    assert outcome is not None
    assert isinstance(outcome.finding, RuleBroken)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_it_is_caught_by_its_property(broken: Broken) -> None:
    """Without the rules, what happens breaks the property."""
    outcome = first_with(broken, broken.prop, judged=False)
    assert outcome is not None
    assert isinstance(outcome.finding, PropertyBroken)


def test_every_property_is_broken_by_somebody() -> None:
    """None of the judgements is one that never fails."""
    judged = {
        "one-holder",
        "exact-prefix",
        "no-ghost",
        "nothing-acknowledged-is-lost",
        "drained-before-serving",
    }
    judged |= {"exact-loss", "switchover-loses-nothing", "switchover-settles"}
    assert judged == {broken.prop for broken in BROKEN}
    assert len({broken.name for broken in BROKEN}) == len(BROKEN)
