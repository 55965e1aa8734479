"""Virtual clocks are exact, and keep within the drift."""

from hypothesis import given, settings
from hypothesis import strategies as st

from takeover_models.clocks import QUANTUM_NS, Clock, in_quanta
from takeover_spec.words import PPM

RATES = st.integers(-900, 900).map(lambda steps: steps * 1_000)
QUANTA = st.integers(0, 10**7).map(lambda count: count * QUANTUM_NS)


@settings(derandomize=True, database=None, deadline=None)
@given(RATES, st.lists(QUANTA, max_size=20))
def test_a_clock_shows_exactly_what_its_rate_says(rate_ppm: int, steps: list[int]) -> None:
    """However time passes, in one step or in many, not a nanosecond is gained or lost."""
    clock = Clock(5, rate_ppm)
    for step in steps:
        clock.advance(step)
    assert (clock.shows - 5) * PPM == sum(steps) * (PPM + rate_ppm)


@settings(derandomize=True, database=None, deadline=None)
@given(RATES, st.integers(0, 10**12))
def test_a_reading_is_reached_and_not_a_quantum_sooner(rate_ppm: int, reading: int) -> None:
    """`true_ns_until` is the least time that does it."""
    clock = Clock(0, rate_ppm)
    true_ns = clock.true_ns_until(reading)
    late, early = Clock(0, rate_ppm), Clock(0, rate_ppm)
    late.advance(true_ns)
    early.advance(max(0, true_ns - QUANTUM_NS))
    assert late.shows >= reading
    assert early.shows < reading or true_ns == 0


@settings(derandomize=True, database=None, deadline=None)
@given(st.integers(-2 * PPM, 2 * PPM), st.integers(0, 500_000))
def test_no_rate_is_beyond_the_drift(rate_ppm: int, drift_ppm: int) -> None:
    """A rate that the assumption does not allow is brought within it."""
    clock = Clock(0)
    clock.run_at(rate_ppm, drift_ppm)
    assert abs(clock.rate_ppm) <= drift_ppm


def test_quanta_are_rounded_up() -> None:
    """Half a quantum is a whole one."""
    assert [0, QUANTUM_NS, QUANTUM_NS, 2 * QUANTUM_NS] == [in_quanta(ns) for ns in (0, 1, 1_000, 1_001)]
