"""Who goes first in a lab: what was started to, and nothing else; where a machine does not allow it, nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from takeover.lab.priority import raise_it

DEADLINE_S = 60

TELLS = """
import json, os, subprocess, sys
from takeover.lab.priority import keep_in_a_thread, start_ahead
keep_in_a_thread()
tell = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
ahead = start_ahead(tell).communicate()[0]
usual = subprocess.run(tell, stdout=subprocess.PIPE).stdout
print(json.dumps([os.sched_getscheduler(0), int(ahead), int(usual)]))
"""


@pytest.mark.parametrize("words", [["--ahead"], []])
def test_only_what_was_started_to_goes_first(words: list[str]) -> None:
    """Inside a lab, as far as this machine lets anybody; and nothing does when nobody asked for it."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "takeover.lab.namespaces",
        *words,
        "--",
        sys.executable,
        "-c",
        TELLS,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert 0 == ended.returncode, ended.stderr
    first = os.SCHED_RR if words and is_allowed() else os.SCHED_OTHER
    assert [os.SCHED_OTHER, first, os.SCHED_OTHER] == json.loads(ended.stdout)


def is_allowed() -> bool:
    """Whether this machine lets us have the priority; tried in a process of its own."""
    child = os.fork()
    if child == 0:
        raise_it()
        os._exit(os.sched_getscheduler(0))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == os.SCHED_RR
