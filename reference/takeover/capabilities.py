"""The privileges of a process: which it has, and how it gives up those that it does not need (capabilities(7))."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from takeover.errors import EnvironmentFault

NET_ADMIN, NET_RAW = "CAP_NET_ADMIN", "CAP_NET_RAW"

_NUMBERS = {NET_ADMIN: 12, NET_RAW: 13}
_VERSION = 0x2008_0522
_PR_CAPBSET_DROP = 24
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    """32 of the capabilities."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def missing(names: Sequence[str]) -> list[str]:
    """Those that this process does not have, in its own user namespace."""
    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    effective = int(status["CapEff"], 16)
    return [name for name in names if not effective >> _NUMBERS[name] & 1]


def keep_only(names: Sequence[str]) -> None:
    """Give up all others, for good. Raises EnvironmentFault when the kernel refuses."""
    kept = sum(1 << _NUMBERS[name] for name in names)
    _set(_Half(kept, kept, 0), _Half(0, 0, 0))


def give_up(names: Sequence[str]) -> None:
    """Give these up, for good: neither this process nor a program that it executes has them, whoever it runs as.

    With one exception, for want of CAP_SETPCAP: root gets them back from a program that it executes, unless
    `no_new_privs` is set. Raises EnvironmentFault when the kernel refuses.
    """
    for name in names:
        # Where this is refused, nothing but root's own identity, or a file's capabilities, gives them back.
        _libc.prctl(_PR_CAPBSET_DROP, *(ctypes.c_ulong(word) for word in (_NUMBERS[name], 0, 0, 0)))
    halves = (_Half * 2)()
    if _libc.capget(ctypes.byref(_Header(_VERSION, 0)), halves):
        raise EnvironmentFault(f"capget: {os.strerror(ctypes.get_errno())}")
    left = ~sum(1 << _NUMBERS[name] for name in names)
    low = halves[0]
    # What is neither permitted nor inheritable is not ambient either: the kernel sees to that.
    _set(_Half(low.effective & left, low.permitted & left, low.inheritable & left), halves[1])


def _set(low: _Half, high: _Half) -> None:
    if _libc.capset(ctypes.byref(_Header(_VERSION, 0)), (_Half * 2)(low, high)):
        raise EnvironmentFault(f"capset: {os.strerror(ctypes.get_errno())}")
