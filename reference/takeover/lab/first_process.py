"""The first process of a machine of the lab: it starts programs when it is told to, and buries the dead.

    python -m takeover.lab.first_process

Run by the lab, which writes commands to its standard input and reads its standard output, a line of JSON each.
First it says which process it is, as the lab sees it: `{"machine": PID}`. Then

    {"configure": {INTERFACE: [ADDRESS, ...]}}  ->  {"configured": ""}  or what went wrong
    {"start": NAME, "argv": [...], "log": FILE}  ->  {"started": NAME, "pid": PID}  or  {"failed": NAME, "why": ...}

with the process number as the machine sees it, and, whenever a program ends, `{"ended": NAME, "status": STATUS}`,
with the negative number of the signal that ended it. Killing this process is cutting the machine's power: the
kernel kills everything in its process namespace at once, in whatever state it is.

What complicates it: it is stopped and continued with its machine, so it must not be needed for anything that a lab
does to a stopped machine; signals go from the lab to the processes themselves.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

from takeover.errors import EnvironmentFault
from takeover.lab.namespaces import (
    NEW_MOUNTS,
    NEW_NETWORK,
    NEW_PROCESSES,
    REFUSED,
    start_first_process,
    unshare,
    wait_for,
)

_NO_DAD = 2
"""The kernel does not first ask whether somebody else has the address: in a lab nobody has."""


def main() -> int:
    """Be a machine until the power is cut."""
    try:
        unshare(NEW_NETWORK | NEW_PROCESSES | NEW_MOUNTS)
        child, held = start_first_process(_serve)
    except EnvironmentFault as error:
        print(error, file=sys.stderr)
        return REFUSED
    _say({"machine": child})
    status = wait_for(child)
    os.close(held)
    return status if status >= 0 else 128 - status


def _serve() -> None:
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    programs: dict[int, str] = {}
    buffered = b""
    while True:
        ready = select.select([0, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _bury(programs)
        if 0 in ready:
            read = os.read(0, 65_536)
            if not read:
                return  # the lab is gone
            *lines, buffered = (buffered + read).split(b"\n")
            for line in lines:
                command = json.loads(line)
                if "configure" in command:
                    _say({"configured": _configure(command["configure"])})
                else:
                    _start(command, programs)


def _configure(interfaces: dict[str, list[str]]) -> str:
    """Set interfaces up, and the loopback one with them; what went wrong, empty if nothing did."""
    from pyroute2 import IPRoute, NetlinkError  # it takes its time, and the lab is plugging cables meanwhile

    try:
        with IPRoute() as links:
            for name, addresses in {"lo": [], **interfaces}.items():
                (index,) = links.link_lookup(ifname=name)
                for address in addresses:
                    host, _, prefix_length = address.partition("/")
                    links.addr("add", index=index, address=host, prefixlen=int(prefix_length), flags=_NO_DAD)
                links.link("set", index=index, state="up")
    except (NetlinkError, OSError, ValueError) as error:
        return str(error) or repr(error)
    return ""


def _start(command: dict[str, Any], programs: dict[int, str]) -> None:
    name = command["start"]
    try:
        with open(command["log"], "ab") as log:
            process = subprocess.Popen(
                command["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    except OSError as error:
        _say({"failed": name, "why": str(error)})
        return
    process.returncode = 0  # it is buried here, with the orphans, and not by the subprocess module
    programs[process.pid] = name
    _say({"started": name, "pid": process.pid})


def _bury(programs: dict[int, str]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in programs:
            _say({"ended": programs.pop(pid), "status": os.waitstatus_to_exitcode(status)})


def _say(words: dict[str, Any]) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
