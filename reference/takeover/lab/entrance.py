"""The entrance of the lab: a command that needs one runs itself again, inside namespaces of its own.

The program on the outside is the launcher (`namespaces`), under the process number that the command was started
with: who kills it ends the lab and everything in it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import NoReturn

from takeover.lab import namespaces

_MARK = "TAKEOVER_LAB"
"""In the environment of a command that is inside."""


def inside() -> bool:
    """Whether this program runs inside."""
    return os.environ.get(_MARK) == "inside"


def refusal() -> str:
    """Why there can be no lab here; empty when there can."""
    if importlib.util.find_spec("pyroute2") is None:
        return "it needs pyroute2, which is not installed: pip install 'takeover[lab]'"
    return namespaces.refusal()


def go_inside(*, ahead: bool = False) -> NoReturn:
    """Become the launcher of this same command. With `ahead`, it has to call `priority.keep_in_a_thread` inside."""
    launcher = [sys.executable, "-P", "-m", "takeover.lab.namespaces", *(["--ahead"] if ahead else []), "--"]
    command = [sys.executable, "-P", "-m", "takeover", *sys.argv[1:]]
    sys.stdout.flush()
    os.execve(sys.executable, [*launcher, *command], {**os.environ, _MARK: "inside"})
