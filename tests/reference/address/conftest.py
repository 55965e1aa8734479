"""Scenarios with several machines run in a process of their own, which is root in a user namespace."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).with_name("run.py")
SCENARIO_TIMEOUT_S = 60


@pytest.fixture
def on_stage(pytestconfig: pytest.Config) -> Callable[[Callable[[Any], None]], None]:
    """Run a scenario, a function of a test's module that takes a `Stage`; its assertions are the test's."""

    def run(scenario: Callable[[Any], None]) -> None:
        file = scenario.__code__.co_filename
        argv = (sys.executable, str(RUN), str(pytestconfig.rootpath), file, scenario.__name__)
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=SCENARIO_TIMEOUT_S)
        print(ended.stdout)
        assert ended.returncode == 0, ended.stderr

    return run
