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
def on_stage(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Run a scenario, a function of a test's module that takes a `Stage`; its assertions are the test's.

    With `slept_s`, on a machine that has slept for so long: its CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC.
    """

    def run(scenario: Callable[[Any], None], slept_s: int = 0) -> None:
        file = scenario.__code__.co_filename
        argv = [sys.executable, str(RUN), str(pytestconfig.rootpath), file, scenario.__name__]
        if slept_s:
            namespaces = ("--user", "--map-root-user", "--time", "--boottime", str(slept_s))
            argv = ["unshare", *namespaces, "--fork", "--kill-child", "--", *argv]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=SCENARIO_TIMEOUT_S)
        print(ended.stdout)
        assert ended.returncode == 0, ended.stderr

    return run
