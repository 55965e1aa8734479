"""The control groups' freezer, of both kinds: it stops processes without their knowing, as a container's pause does.

Frozen by the newer one (cgroup2), a process can be killed; frozen by the older one, it dies when it is thawed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.reference.address.stage import wait_until


class Freezer:
    """A control group whose processes can be frozen. It needs the right to make one. Call `close` at the end."""

    def __init__(self, parent: Path) -> None:
        self._group = parent / f"takeover-{os.getpid()}"
        self._group.mkdir()
        is_new = (self._group / "cgroup.freeze").exists()
        self._switch = self._group / ("cgroup.freeze" if is_new else "freezer.state")
        self._words = ("0", "1") if is_new else ("THAWED", "FROZEN")
        self._told = (self._group / "cgroup.events", "frozen 1") if is_new else (self._switch, "FROZEN")

    def put(self, pids: Iterable[int]) -> None:
        """Have these processes in the group, and what they start from now on."""
        for pid in pids:
            (self._group / "cgroup.procs").write_text(str(pid))

    def freeze(self) -> None:
        """On return, everything in it stands still."""
        self._switch.write_text(self._words[1])
        file, said = self._told
        wait_until(lambda: said in file.read_text())

    def thaw(self) -> None:
        """Everything in it runs again."""
        self._switch.write_text(self._words[0])

    def close(self) -> None:
        """The processes in it have ended."""
        wait_until(lambda: not (self._group / "cgroup.procs").read_text())
        self._group.rmdir()


def own_cgroup() -> Path:
    """The control group of this process, where cgroup2 is mounted."""
    (own,) = (
        line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")
    )
    return _mounts("cgroup2")[0] / own.lstrip("/")


def freezers() -> list[Path]:
    """Where a freezer can be made: of the newer kind, and of the older one where this machine still has it."""
    return [own_cgroup(), *(place for place in _mounts("cgroup") if place.name == "freezer")]


def _mounts(kind: str) -> list[Path]:
    lines = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(line[1]) for line in lines if line[2] == kind]
