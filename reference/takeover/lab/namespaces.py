"""Namespaces: run a program as the first process of a world of its own, without root.

    python -m takeover.lab.namespaces [--ahead] -- ARGV...

The intuition: a user namespace gives an ordinary user every privilege over what is made inside it, and over nothing
else. So the program gets one, and in it a network without a single interface, its own process numbers and its own
/proc. It is the first process there, and when that one ends the kernel kills whatever else is inside: nothing of a
lab outlives it.

What complicates it:
- The process that asks for new process numbers does not get them; its children do. So it stays behind as a
  *launcher*, which passes signals on, waits, and takes the program along when it is itself killed.
- A launcher has no number in its program's namespace. Whether it still lives is told by a pipe.
- What a machine forbids shows only when it is tried. `refusal` tries it, in a process of its own.

With `--ahead` the program begins with real-time priority, where that is allowed, and has to see to it who keeps it
(`priority`).

Refused: the program `unshare`, which swallows the signals it is sent; and real root without a user namespace, which
would let a lab's mistakes reach the machine itself.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from takeover.errors import EnvironmentFault
from takeover.lab.priority import raise_it
from takeover.linux import signal_when_parent_dies

NEW_MOUNTS = 0x0002_0000
NEW_USER = 0x1000_0000
NEW_PROCESSES = 0x2000_0000
NEW_NETWORK = 0x4000_0000

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that a launcher passes on."""

REFUSED = 125
"""The exit status of a launcher that could not make its namespaces."""

TRIAL_TIMEOUT_S = 30

_MS_RECURSIVE_PRIVATE = 1 << 14 | 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def refusal() -> str:
    """Why this machine does not allow a lab; empty when it does."""
    trial = [sys.executable, "-P", "-m", "takeover.lab.namespaces", "--", sys.executable, "-c", _TRIAL]
    try:
        ended = subprocess.run(trial, capture_output=True, text=True, timeout=TRIAL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if ended.returncode == 0:
        return ""
    lines = ended.stderr.strip().splitlines()
    return lines[-1] if lines else f"a trial ended with {ended.returncode}"


_TRIAL = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()"
"""A privilege that a user namespace may be denied although it was made."""


def enter_user_namespace() -> None:
    """Be root, as far as this process can see. Raises EnvironmentFault. It must have one thread only."""
    user, group = os.geteuid(), os.getegid()
    unshare(NEW_USER)
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise EnvironmentFault(f"user namespace: {error}") from error


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds for new ones. Raises EnvironmentFault."""
    if _libc.unshare(flags):
        names = {NEW_USER: "user", NEW_NETWORK: "network", NEW_PROCESSES: "process", NEW_MOUNTS: "mount"}
        asked = ", ".join(name for flag, name in names.items() if flags & flag)
        raise EnvironmentFault(f"new {asked} namespace: {os.strerror(ctypes.get_errno())}")


def start_first_process(program: Callable[[], None]) -> tuple[int, int]:
    """Start `program` as the first process of the namespaces that were asked for: its number, and a file to hold
    open.

    It is killed when that file is closed before it has begun, and when this process ends. Call `wait_for` next.
    """
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        _begin(alive, program)
    os.close(alive)
    return child, held


def wait_for(child: int) -> int:
    """Pass signals on until `child` ends; its exit status, or the negative number of the signal that ended it."""
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: os.kill(child, number))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _begin(alive: int, program: Callable[[], None]) -> NoReturn:
    try:
        signal_when_parent_dies(os.getppid(), signal.SIGKILL)
        if select.select([alive], [], [], 0)[0]:
            os._exit(REFUSED)  # the launcher was gone before the order was given
        _mount_processes()
        program()
    except EnvironmentFault as error:
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(REFUSED)


def _mount_processes() -> None:
    """Have a /proc that shows the new process numbers; mounts made here stay here."""
    for what, arguments in (
        ("mounts of its own", (None, b"/", None, _MS_RECURSIVE_PRIVATE, None)),
        ("a /proc of its own", (b"proc", b"/proc", b"proc", 0, None)),
    ):
        source, target, kind, flags, data = arguments
        if _libc.mount(source, target, kind, ctypes.c_ulong(flags), data):
            raise EnvironmentFault(f"{what}: {os.strerror(ctypes.get_errno())}")


def main(arguments: list[str]) -> int:
    """Run a program in namespaces of its own; its exit status."""
    if arguments[:1] == ["--ahead"]:
        raise_it()
        return main(arguments[1:])
    match arguments:
        case ["--", program, *rest]:
            try:
                enter_user_namespace()
                unshare(NEW_NETWORK | NEW_PROCESSES | NEW_MOUNTS)
                child, _ = start_first_process(lambda: os.execvp(program, [program, *rest]))
            except EnvironmentFault as error:
                print(error, file=sys.stderr)
                return REFUSED
            status = wait_for(child)
            return status if status >= 0 else 128 - status
    print("usage: python -m takeover.lab.namespaces [--ahead] -- ARGV...", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
