"""Virtual clocks: each runs at a rate of its own, within ρ of true time, and the rate may change.

True time passes in whole quanta and rates are whole steps, so that every clock shows a whole number of nanoseconds
exactly. A clock that rounded would err by a nanosecond now and then, and a search at the very edge of the drift would
report the rounding as a defect of the protocol. Refused: fractions, which are exact too and ten times slower.
"""

from __future__ import annotations

from dataclasses import dataclass

from takeover_spec.words import PPM

QUANTUM_NS = 1_000
"""True time passes in multiples of this."""

RATE_STEP_PPM = 1_000
"""Rates are multiples of this; with `QUANTUM_NS`, a clock moves by whole nanoseconds."""


def in_quanta(ns: int) -> int:
    """The least multiple of a quantum that is not less than `ns`."""
    return -(-ns // QUANTUM_NS) * QUANTUM_NS


@dataclass(slots=True)
class Clock:
    """One machine's clock."""

    shows: int
    """Its reading, in nanoseconds."""
    rate_ppm: int = 0
    """By how many parts in a million it is fast."""

    def advance(self, true_ns: int) -> None:
        """Let this much true time pass, a multiple of a quantum."""
        moved, rest = divmod(true_ns * (PPM + self.rate_ppm), PPM)
        assert rest == 0, f"{true_ns} ns at {self.rate_ppm} ppm is no whole number of nanoseconds"
        self.shows += moved

    def true_ns_until(self, reading: int) -> int:
        """How much true time passes until it shows at least `reading` at its present rate, in whole quanta."""
        return in_quanta(max(0, -(-(reading - self.shows) * PPM // (PPM + self.rate_ppm))))

    def run_at(self, rate_ppm: int, drift_ppm: int) -> None:
        """Run at this rate from now on, or at the nearest that the assumption on drift (ρ) allows."""
        steps = max(-drift_ppm, min(drift_ppm, rate_ppm)) // RATE_STEP_PPM
        self.rate_ppm = max(steps, -(drift_ppm // RATE_STEP_PPM)) * RATE_STEP_PPM
