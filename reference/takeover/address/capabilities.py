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
    halves = (_Half * 2)(_Half(kept, kept, 0), _Half(0, 0, 0))
    if _libc.capset(ctypes.byref(_Header(_VERSION, 0)), halves):
        raise EnvironmentFault(f"capset: {os.strerror(ctypes.get_errno())}")
