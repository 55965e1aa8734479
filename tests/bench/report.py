"""What the benchmarks found: each figure beside the limit, or the peer, that it is held against.

A figure alone says more of the machine than of the code. So each is given as a ratio to something that was measured in
the same run, or to a limit that was set for it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, or the median of several."""

    benchmark: str
    what: str
    value: float
    unit: str
    limit: float
    """What it is held against, in the same unit."""
    against: str
    """What that is, in words."""
    worst: float | None = None
    """The greatest of several; None if there was one."""
    runs: int = 1
    """How many there were."""

    @property
    def ratio(self) -> float:
        """How it compares; 1 is the same."""
        return self.value / self.limit

    @property
    def worst_ratio(self) -> float | None:
        """How the worst compares."""
        return None if self.worst is None else self.worst / self.limit

    def __str__(self) -> str:
        line = f"{self.benchmark:9} {self.what:66} {_short(self.value):>8} {self.unit:4} = {self.ratio:8.3g}"
        if self.worst is not None and self.worst_ratio is not None:
            line += f" (worst of {self.runs}: {_short(self.worst):>6} = {self.worst_ratio:6.3g})"
        return f"{line} of {self.against}"


class Report:
    """All figures of a run, told as they come."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self.remarks: list[str] = []
        """What was not measured, and why; and how the machine was."""

    def add(self, figure: Figure) -> None:
        """Note a figure, and print it."""
        self.figures.append(figure)
        print(figure, flush=True)

    def remark(self, text: str) -> None:
        """Note something that is no figure, and print it."""
        self.remarks.append(text)
        print(text, flush=True)

    def spread(
        self, benchmark: str, what: str, values: Sequence[float], unit: str, limit: float, against: str
    ) -> None:
        """The median of several values, and the worst."""
        median, worst = statistics.median(values), max(values)
        self.add(Figure(benchmark, what, median, unit, limit, against, worst, len(values)))

    def as_values(self) -> dict[str, Any]:
        """For JSON."""
        ratios = ({"ratio": figure.ratio, "worst_ratio": figure.worst_ratio} for figure in self.figures)
        figures = [asdict(figure) | ratio for figure, ratio in zip(self.figures, ratios, strict=True)]
        return {"figures": figures, "remarks": self.remarks}

    def take(self, values: Mapping[str, Any]) -> None:
        """Note what another process reported, which it has printed."""
        for figure in values["figures"]:
            self.figures.append(
                Figure(**{name: value for name, value in figure.items() if "ratio" not in name})
            )
        self.remarks += values["remarks"]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
