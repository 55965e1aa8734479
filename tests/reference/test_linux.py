"""The orders that are left with the kernel, each carried out on a process of its own."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest

from takeover.linux import Process, boottime_ns, processes

MS = 1_000_000

DEADLINE = """
import sys, time
from takeover.linux import Deadline, boottime_ns
deadline = Deadline()
until_ns = boottime_ns() + int(sys.argv[1])
deadline.arm(until_ns)
print(until_ns, flush=True)
time.sleep(60)
"""


def ready(descriptor: int) -> list[tuple[int, int]]:
    """Wait for a process to end; whether it did within ten seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll(10_000)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_deadline_kills_its_process_on_time(stopped: bool) -> None:
    """Running or stopped, not before the time and shortly after it."""
    with subprocess.Popen([sys.executable, "-c", DEADLINE, str(100 * MS)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        until_ns = int(process.stdout.readline())
        if stopped:
            process.send_signal(signal.SIGSTOP)
        ended = os.pidfd_open(process.pid)
        assert [(ended, select.POLLIN)] == ready(ended)
        late_ns = boottime_ns() - until_ns
        print(f"{late_ns / MS:.2f} ms late")
        os.close(ended)
        assert -signal.SIGKILL == process.wait()
        assert 0 <= late_ns <= 200 * MS


def test_a_deadline_in_the_past_kills_at_once() -> None:
    """Nothing runs on under a time that is over."""
    process = subprocess.run(
        [sys.executable, "-c", DEADLINE, str(-MS)], stdout=subprocess.DEVNULL, timeout=10
    )
    assert -signal.SIGKILL == process.returncode


def test_processes_shows_the_living_with_parent_and_session() -> None:
    """A child is listed as long as it lives; a zombie is not."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
        assert Process(child.pid, os.getpid(), child.pid) in set(processes())
        child.kill()
        deadline_ns = boottime_ns() + 10_000 * MS
        while any(process.pid == child.pid for process in processes()):
            assert boottime_ns() < deadline_ns
            time.sleep(0.001)
        assert child.returncode is None  # nobody has buried it: it was a zombie that was left out
