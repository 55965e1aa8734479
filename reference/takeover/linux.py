"""What the identity guard and the keeper of an application ask of Linux that the standard library does not offer.

The intuition: a process that may be stopped, killed or starved can promise nothing, but it can leave an order
with the kernel beforehand. Two such orders are used. A *deadline* is a POSIX timer whose expiry is a SIGKILL:
it ends its own process on time, also when that process is stopped. A *parent-death signal* is sent when the
parent is gone.

What complicates it:
- SIGKILL reaches a stopped process, but the process closes its files itself, on its way out. A machine that
  gives it no processor time at all, or that holds it in uninterruptible sleep, delays that: it is part of σ,
  the lateness of the kernel that the proofs assume to be bounded.
- The parent-death signal is tied to the *thread* that started the child, and is forgotten when a program with
  raised privileges is executed. Both ends are safe here: the first kills too early, the second cannot happen
  to our own programs.

CLOCK_BOOTTIME is the one clock: it goes on while the machine sleeps, and every process reads the same value.

Refused: `signal.setitimer` (no SIGKILL, and a stopped process does not run its handler), `timerfd` (somebody
has to read it), and a watchdog process (it can be stopped as well).
"""

import ctypes
import os
import signal
import time
from dataclasses import dataclass

from takeover.errors import EnvironmentFault

NANOSECONDS = 1_000_000_000

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGEV_SIGNAL = 0
_TIMER_ABSTIME = 1

_libc = ctypes.CDLL(None, use_errno=True)
# Before version 2.34 the GNU library kept its timers in a library of their own.
_timers = _libc if hasattr(_libc, "timer_create") else ctypes.CDLL("librt.so.1", use_errno=True)


def boottime_ns() -> int:
    """Nanoseconds since the machine was started, the time it slept included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def signal_when_parent_dies(parent_pid: int, number: signal.Signals) -> None:
    """Have the kernel send `number` to this process when its parent ends.

    `parent_pid` is the parent as the parent itself knows it. When it is gone already, the signal is sent at
    once: the order came too late to be carried out by the kernel. Raises EnvironmentFault when the kernel
    refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, number, f"prctl(PR_SET_PDEATHSIG, {number.name})")
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), number)


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends. Raises EnvironmentFault when the kernel refuses."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "prctl(PR_SET_CHILD_SUBREAPER)")


def _prctl(option: int, argument: int, call: str) -> None:
    if _libc.prctl(option, ctypes.c_ulong(argument), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise _fault(call)


def _fault(call: str) -> EnvironmentFault:
    return EnvironmentFault(f"{call}: {os.strerror(ctypes.get_errno())}")


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal_number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),  # the kernel's structure is 64 bytes long
    )


class Deadline:
    """The time at which the kernel kills this process. It is not armed until `arm` is called."""

    __slots__ = ("_timer",)

    def __init__(self) -> None:
        """Create the timer. Raises EnvironmentFault when the kernel refuses."""
        event = _Sigevent(None, signal.SIGKILL, _SIGEV_SIGNAL)
        self._timer = ctypes.c_void_p()
        if _timers.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer)):
            raise _fault("timer_create(CLOCK_BOOTTIME, SIGKILL)")

    def arm(self, until_ns: int) -> None:
        """Be killed at `until_ns` (CLOCK_BOOTTIME, above 0), instead of at an earlier call's time.

        A time already past kills at once. Raises EnvironmentFault when the kernel refuses; the earlier time
        then stands.
        """
        assert 0 < until_ns < 2**63, until_ns
        value = _Itimerspec(_Timespec(0, 0), _Timespec(*divmod(until_ns, NANOSECONDS)))
        if _timers.timer_settime(self._timer, _TIMER_ABSTIME, ctypes.byref(value), None):
            raise _fault(f"timer_settime({until_ns})")


@dataclass(frozen=True, slots=True)
class Process:
    """A living process, as /proc showed it."""

    pid: int
    parent: int
    """Its parent's pid."""
    session: int
    """The pid of its session's first process; it survives both `setpgid` and the loss of the parent."""


def processes() -> list[Process]:
    """Every living process that this one may see; a zombie does not live."""
    living = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The program's name, in parentheses, may itself hold spaces and parentheses.
                state, parent, _group, session = file.read().rpartition(b")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if state not in (b"Z", b"X"):
            living.append(Process(int(pid), int(parent), int(session)))
    return living
