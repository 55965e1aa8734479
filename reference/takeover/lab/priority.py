"""Who looks goes first: programs that run with real-time priority, where the machine lets a lab have some.

The intuition: an observer that waits for its turn looks away while those it watches are busiest. Inside a user
namespace nobody may raise a priority; but one that was raised before is inherited. So the launcher raises its own
(`raise_it`) before it enters, and the program inside keeps it in one thread alone (`keep_in_a_thread`), which starts
whatever is to have it. Everything else runs as usual.

What complicates it: a machine may not allow it (CAP_SYS_NICE is missing). Then nobody goes first, and the figures of
the observer (`looking`) say what that cost.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

PRIORITY = 1
"""The lowest of the real-time priorities: it is ahead of everything that has none."""

_ahead: list[ThreadPoolExecutor] = []
"""The thread, if there is one."""


def raise_it() -> None:
    """Have this process, and whatever it starts, run with real-time priority, if that is allowed."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))


def keep_in_a_thread() -> None:
    """Give this thread's priority to one of its own, and have none from now on. Call it before there are others."""
    if os.sched_getscheduler(0) != os.SCHED_RR:
        return
    thread = ThreadPoolExecutor(1)
    thread.submit(os.getpid).result()  # it exists now
    _ahead.append(thread)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def start_ahead(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program that goes first, with its output in a pipe; as usual where there is no such priority."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    return _ahead[0].submit(start).result() if _ahead else start()
