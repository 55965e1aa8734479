"""Campaigns: the real cores come through, what a campaign is about does happen, and a seed is a run."""

from collections import Counter

import pytest

from takeover_models.simulate import run
from takeover_models.tallies import WANTED

RUNS = 40
STEPS = 120


@pytest.mark.parametrize("first_seed", [0, 1_000, 2_000])
def test_the_real_cores_come_through(first_seed: int) -> None:
    """No rule and no property is broken; and every kind of event that matters was there (zero cases is never green)."""
    tally: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + RUNS):
        outcome = run(seed, STEPS)
        assert outcome.finding is None, f"takeover simulate --seed {seed} --runs 1 --steps {STEPS}"
        tally += outcome.tally
    assert [] == [name for name in WANTED if tally[name] == 0]
    assert tally["takeover"] >= RUNS // 2
    assert tally["rejoin"] >= RUNS // 2
    assert tally["second takeover"] >= RUNS // 8


def test_a_seed_is_a_run() -> None:
    """The same seed gives the same decisions, and another one gives others."""
    assert run(5, 40).decisions == run(5, 40).decisions
    assert run(5, 40).decisions != run(6, 40).decisions
