"""The timings that are measured, each with the name under which it is reported."""

from __future__ import annotations

from dataclasses import dataclass

from takeover.demo.configurations import Timing
from takeover.lab.scene import LAB_TIMING


@dataclass(frozen=True, slots=True)
class Timings:
    """The times of a pair."""

    name: str
    of_the_pair: Timing


LAB = Timings("lease 1000, beat 100", LAB_TIMING)
"""Those of the lab, and of `takeover lab campaign`."""

SHORT = Timings(
    "lease 300, beat 100",
    Timing(lease_ms=300, promise_ms=300, beat_ms=100, patience_ms=2_000, expiry_slack_ms=50),
)
"""A lease of three beats, as keepalived waits for three adverts."""

DEFAULT = Timings(
    "lease 3000, beat 500",
    Timing(lease_ms=3_000, promise_ms=3_000, beat_ms=500, patience_ms=6_000, expiry_slack_ms=200),
)
"""Those of `default_node.toml`."""
