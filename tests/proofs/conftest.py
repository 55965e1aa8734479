"""Runs that several tests look at, each found once a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from takeover_proofs import examples
from takeover_proofs.examples import EXAMPLES
from takeover_proofs.runs import Run

TIMEOUT_MS = 60_000
"""Ten times what a search needs on a slow machine."""


@cache
def _run_of(example: str) -> Run:
    run = examples.search(EXAMPLES[example], TIMEOUT_MS)
    assert isinstance(run, Run), f"{example}: {run}"
    return run


@pytest.fixture(scope="session")
def run_of() -> Callable[[str], Run]:
    """The run of an example, by the example's id."""
    return _run_of
