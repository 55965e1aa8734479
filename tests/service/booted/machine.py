"""A machine with a real systemd as its first process, in namespaces of this one; it needs root.

It has process numbers, mounts, a network and control groups of its own, /var/lib and /run in memory, and no unit but
the few that every other one waits for (`UNITS`): what a test copies there is all that runs. `boot.sh` makes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.reference.address.freezer import own_cgroup
from tests.reference.address.stage import Host

import takeover
import takeover_spec
from takeover.control.client import NotRunning, ask

PYTHON = "/usr/bin/python3"
"""The Python of a machine."""

BOOT_S = 20.0
"""How long a machine may take to boot, in seconds."""

PATIENCE_S = 20.0

UNITS = {
    **dict.fromkeys(
        ("sysinit.target", "basic.target", "multi-user.target", "network-online.target"), "[Unit]\n"
    ),
    "shutdown.target": "[Unit]\nDefaultDependencies=no\n",
    "service.d/log.conf": "[Service]\nStandardOutput=append:/var/log/%N.log\nStandardError=append:/var/log/%N.log\n",
}

_BOOT = Path(__file__).with_name("boot.sh")


def until(what: str, holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {patience_s:g} s for {what}"
        time.sleep(0.01)


def install(directory: Path) -> Path:
    """Put takeover into `directory` as `pip` would, with what runs on a server and nothing else."""
    for package in (takeover, takeover_spec):
        (source,) = package.__path__
        shutil.copytree(source, directory / package.__name__, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([PYTHON, "-m", "compileall", "-q", str(directory)], check=True)
    return directory


class Booted:
    """A machine that runs. Call `close` at the end."""

    def __init__(self, host: Host, directory: Path, packages: Path) -> None:
        """Boot. `host` is its network; its logs will be in `directory`/log."""
        self.host = host
        self._directory = directory
        self._cgroup = own_cgroup() / f"takeover-{os.getpid()}-{host.number}"
        for name, text in UNITS.items():
            file = directory / "units" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (directory / "log").mkdir()
        launch = (sys.executable, "-P", "-m", "takeover.demo.launch", str(os.getpid()), "--")
        with (directory / "boot.log").open("wb") as log:
            self._process = host.start(
                *launch, str(_BOOT), str(self._cgroup), str(directory), str(packages), stderr=log
            )
        self.first = 0
        """The number of its systemd, as seen from here."""

    def wait(self) -> Booted:
        """Wait until it has booted."""
        until("systemd to start", self._find_first, BOOT_S)
        until(
            "systemd to be up", lambda: "running" == self.run("systemctl is-system-running").strip(), BOOT_S
        )
        return self

    def close(self) -> None:
        """Take its power away."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        until("its control groups to be empty", self._remove_cgroups)

    @property
    def root(self) -> Path:
        """Its files, as seen from here."""
        return Path(f"/proc/{self.first}/root")

    def enter(self) -> list[str]:
        """What runs a program in it."""
        return ["nsenter", "--all", "--target", str(self.first), "--"]

    def run(self, command: str) -> str:
        """What a command of its shell says."""
        argv = [*self.enter(), "sh", "-c", command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout

    def must(self, command: str) -> str:
        """What a command of its shell says, which succeeds."""
        argv = [*self.enter(), "sh", "-c", command]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert 0 == ended.returncode, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit."""
        lines = self.must(f"systemctl show {unit} --property={','.join(properties)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def state(self, unit: str) -> str:
        """A unit's state, as `systemctl status` shows it."""
        shown = self.show(unit, "ActiveState", "SubState")
        return f"{shown['ActiveState']} ({shown['SubState']})"

    def has_said(self, unit: str, words: str) -> bool:
        """Whether these words are in a service's log."""
        file = self._directory / "log" / f"{unit}.log"
        return file.exists() and words in file.read_text()

    def status(self) -> dict[str, Any]:
        """What its server says of itself; empty while none runs."""
        try:
            return ask(self.root / "var/lib/takeover/data", "status", timeout_s=1)
        except NotRunning:
            return {}

    def processes(self, unit: str) -> list[Path]:
        """The processes of a service, as directories of this machine's /proc."""
        group = self._cgroup / "system.slice" / f"{unit}.service"
        return [Path("/proc", pid) for pid in (group / "cgroup.procs").read_text().split()]

    def _find_first(self) -> bool:
        assert self._process.poll() is None, (self._directory / "boot.log").read_text()
        with contextlib.suppress(OSError, IndexError):
            self.first = int((self._cgroup / "init.scope" / "cgroup.procs").read_text().split()[0])
        return self.first > 0

    def _remove_cgroups(self) -> bool:
        try:
            for group, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(group)
        except OSError:
            return False
        return not self._cgroup.exists()
