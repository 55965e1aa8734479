"""The units that `takeover init` writes, under a real systemd, on machines of their own; it needs root.

Three machines boot with a systemd as their first process (`booted`), and are set up by the very commands that `takeover
init` prints: copied there, enabled, started. A client on the same network judges who has the address.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
from tests.reference.address.judge import Judge
from tests.reference.address.stage import MS, Stage
from tests.service.booted.machine import PYTHON, Booted, install, until

from takeover.cli import Exit, main
from takeover.lab.namespaces import NEW_NETWORK, unshare
from takeover.linux import boottime_ns

pytestmark = pytest.mark.root

PUBLIC = "192.0.2.10"
APPLICATION_PORT = 7480
LEASE_MS = 1000
WATCHDOG_S = 3
NODE, WITNESS = "takeover-node", "takeover-witness"
UP = "active (running)"
NET_ADMIN_AND_RAW = 1 << 12 | 1 << 13

SSH = """#!/bin/sh
# ssh root@HOST COMMAND
exec nsenter --all --target "$(cat "{directory}/$1")" -- sh -c "$2"
"""

SCP = """#!/bin/sh
# scp -rp DIRECTORY root@HOST:PLACE
exec cp -rp "$2" "/proc/$(cat "{directory}/${{3%%:*}}")/root${{3#*:}}"
"""


class Pair:
    """What `takeover init` wrote for three machines, and the machines. It belongs to the thread that made it."""

    def __init__(self, directory: Path) -> None:
        """Nothing is booted yet."""
        unshare(NEW_NETWORK)  # of this thread alone
        self.stage = Stage()
        self._home = directory
        self._programs = directory / "bin"
        self.directory = directory / "pair"
        self.machines: list[Booted] = []

    def prepare(self) -> None:
        """Boot all three, and have `takeover init` write everything; nothing is copied there yet."""
        packages = install(self._home / "packages")
        for party in ("primary", "secondary", "witness"):
            (self._home / party).mkdir()
            self.machines.append(Booted(self.stage.host(), self._home / party, packages))
        self.primary, self.secondary, self.witness = self.machines
        self.client = self.stage.host()
        self._programs.mkdir()
        for machine in self.machines:
            machine.wait()
            (self._programs / f"root@192.0.2.{machine.host.number}").write_text(str(machine.first))
        for name, text in (("ssh", SSH), ("scp", SCP)):
            (self._programs / name).write_text(text.format(directory=self._programs))
            (self._programs / name).chmod(0o755)
        hosts = ["--primary", "192.0.2.1", "--secondary", "192.0.2.2", "--witness", "192.0.2.3"]
        public = ["--public", f"{PUBLIC}/24", "--interface", "eth0"]
        said = init(str(self.directory), "--pair", "db", *hosts, *public)
        self.orders = dict(zip(("witness", "primary", "secondary"), said[-3:], strict=True))
        for file in self.directory.glob(
            "*/*.toml"
        ):  # as an operator may, so that nobody has to wait for long
            text = file.read_text()
            for old, new in ((3000, LEASE_MS), (500, 150)):
                text = text.replace(f"_ms = {old}\n", f"_ms = {new}\n")
            file.write_text(text)

    def give(self, order: str) -> None:
        """Give an order as an operator does, at yet another machine."""
        environment = {**os.environ, "PATH": f"{self._programs}:{os.environ['PATH']}"}
        ended = subprocess.run(
            ["sh", "-c", order], capture_output=True, text=True, timeout=60, env=environment
        )
        assert 0 == ended.returncode, f"{order}: {ended.stdout}{ended.stderr}"

    def start(self) -> None:
        """Copy everything there and start it, as `takeover init` says; on return the pair is in sync."""
        for order in self.orders.values():
            self.give(order)
        until("the pair to be in sync", self.is_led_by_the_primary)

    def is_led_by_the_primary(self) -> bool:
        said = self.primary.status()
        return bool(said) and said["role"] == "active" and said["serving"] and said["eligible_declared"]

    def serves(self) -> bool:
        """Whether a client reaches the application at the public address."""
        try:
            self.client.connect(PUBLIC, APPLICATION_PORT).close()
        except OSError:
            return False
        return True


def init(*words: str) -> list[str]:
    """Run `takeover init` with the machines' Python, which it names in what it writes; what it prints."""
    with mock.patch.object(sys, "executable", PYTHON), contextlib.redirect_stdout(io.StringIO()) as said:
        assert Exit.HOLDS == main(["init", *words])
    return said.getvalue().splitlines()


@pytest.fixture
def on_machines(tmp_path: Path) -> Callable[[Callable[[Pair], None]], None]:
    """Play something on three machines that have booted."""

    def play(scenario: Callable[[Pair], None]) -> None:
        pair = Pair(tmp_path)
        try:
            pair.prepare()
            scenario(pair)
        finally:
            for machine in pair.machines:
                machine.close()
            pair.stage.close()

    def run(scenario: Callable[[Pair], None]) -> None:
        with ThreadPoolExecutor(1) as thread:  # its network is its own, and goes when it ends
            thread.submit(play, scenario).result()

    return run


def status_of(process: Path) -> dict[str, str]:
    """What the kernel says of a process."""
    return dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())


def lives_and_leaves(pair: Pair) -> None:
    pair.start()
    assert {UP} == {pair.witness.state(WITNESS), pair.primary.state(NODE), pair.secondary.state(NODE)}
    until("the application to be reached", pair.serves)
    assert "active" in pair.primary.must(f"{PYTHON} -m takeover status --config /var/lib/takeover/node.toml")
    confined(pair)
    keys_are_exchanged(pair)
    goodbye(pair)


def confined(pair: Pair) -> None:
    """It runs as nobody in particular, with two capabilities, filtered; what it starts for itself, has no more."""
    programs: dict[str, dict[str, str]] = {}
    for process in pair.primary.processes(NODE):
        argv = (process / "cmdline").read_bytes().decode().split("\0")
        programs[next(word for word in argv if word.startswith("takeover"))] = status_of(process)
    assert {
        "takeover",
        "takeover.address.address_guard",
        "takeover.applications.supervise",
        "takeover.demo.application",
    } == set(programs)
    assert {"1 2"} == {f"{said['NoNewPrivs']} {said['Seccomp']}" for said in programs.values()}
    assert not {"0"} & {word for said in programs.values() for word in said["Uid"].split()}
    capabilities = {name: int(said["CapEff"], 16) for name, said in programs.items()}
    assert 0 == capabilities.pop("takeover.demo.application")
    assert {NET_ADMIN_AND_RAW} == set(capabilities.values())
    (witness,) = pair.witness.processes(WITNESS)
    assert 0 == int(status_of(witness)["CapBnd"], 16)


def keys_are_exchanged(pair: Pair) -> None:
    """New keys, copied by root, are read on `systemctl reload`, and the pair goes on as it was."""
    init(str(pair.directory), "--renew")
    for name, machine, unit in (
        ("witness", pair.witness, WITNESS),
        ("primary", pair.primary, NODE),
        ("secondary", pair.secondary, NODE),
    ):
        process = machine.show(unit, "MainPID")
        home = f"/var/lib/{unit.removesuffix('-node')}/"
        pair.give(f"scp -rp {pair.directory}/{name}/keys root@192.0.2.{machine.host.number}:{home}")
        machine.must(f"systemctl reload {unit}")
        until("the keys to be read", partial(machine.has_said, unit, "the keys were read anew"))
        assert (process, UP) == (machine.show(unit, "MainPID"), machine.state(unit))
    until("the pair to be in sync", pair.is_led_by_the_primary)
    assert {1} == {pair.primary.status()["epoch"], pair.secondary.status()["epoch"]}


def goodbye(pair: Pair) -> None:
    """ROLE-4: `systemctl stop` ends the address, and nobody takes it over."""
    judge = Judge(pair.client, [pair.primary.host, pair.secondary.host]).start()
    pair.primary.must(f"systemctl stop {NODE}")
    stopped_ns = boottime_ns()
    assert "inactive (dead)" == pair.primary.state(NODE)
    assert "success" == pair.primary.show(NODE, "Result")["Result"]
    why = "does not take over: the peer announced that it shuts down"
    until("the secondary to leave it at that", partial(pair.secondary.has_said, NODE, why))
    verdict = judge.stop()
    assert {"arp", "ipv4"} == set(verdict.of(pair.primary.host, 0, stopped_ns))
    assert not verdict.of(pair.primary.host, stopped_ns)
    assert not verdict.of(pair.secondary.host)
    said = pair.secondary.status()
    assert ("passive", 1) == (said["role"], said["epoch"])


def test_a_pair_is_installed_confined_reloaded_and_stopped(on_machines: Callable[..., None]) -> None:
    """As OPERATING.md says: nothing is edited, and no part of the confinement keeps a real address from being held."""
    on_machines(lives_and_leaves)


def hangs(pair: Pair) -> None:
    shorter = f"[Service]\nWatchdogSec={WATCHDOG_S}\n"
    for machine in (pair.primary, pair.secondary):
        (machine.root / f"etc/systemd/system/{NODE}.service.d").mkdir()
        (machine.root / f"etc/systemd/system/{NODE}.service.d/watchdog.conf").write_text(shorter)
    pair.start()
    judge = Judge(pair.client, [pair.primary.host, pair.secondary.host]).start()
    pair.primary.must(f"systemctl kill --kill-whom=main --signal=STOP {NODE}")
    stopped_ns = boottime_ns()
    until("the takeover", lambda: pair.secondary.status()["serving"])
    until("the watchdog", lambda: "1" == pair.primary.show(NODE, "NRestarts")["NRestarts"])
    restarted_ns = boottime_ns()
    until("the server to be back", lambda: pair.primary.status().get("role") == "passive")
    assert UP == pair.primary.state(NODE)
    until("the old active server to follow", lambda: pair.secondary.status()["eligible_declared"])
    verdict = judge.stop()
    assert verdict.last_ns(pair.primary.host) < stopped_ns + 2 * LEASE_MS * MS < restarted_ns
    assert verdict.last_ns(pair.primary.host) < verdict.first_ns(pair.secondary.host)
    assert PUBLIC not in pair.primary.host.on_interface()
    assert PUBLIC in pair.secondary.host.on_interface()


def test_a_server_that_is_stopped_is_started_again_by_the_watchdog(on_machines: Callable[..., None]) -> None:
    """SIGSTOP: the address ends by itself, the other server takes over; then systemd starts the first one, passive."""
    on_machines(hangs)


def spoilt(pair: Pair) -> None:
    drop_ins = {
        NODE: "AmbientCapabilities=\nAmbientCapabilities=CAP_NET_ADMIN",
        WITNESS: "UnsetEnvironment=NOTIFY_SOCKET",
    }
    for machine, unit in ((pair.primary, NODE), (pair.witness, WITNESS)):
        (machine.root / f"etc/systemd/system/{unit}.service.d").mkdir()
        (machine.root / f"etc/systemd/system/{unit}.service.d/spoilt.conf").write_text(
            f"[Service]\n{drop_ins[unit]}\n"
        )
    pair.give(pair.orders["witness"].replace("enable --now", "start --no-block"))
    until("the witness to listen", partial(pair.witness.has_said, WITNESS, "listens"))
    assert "activating (start)" == pair.witness.state(WITNESS)
    with pytest.raises(AssertionError, match=f"Job for {NODE}.service failed"):
        pair.give(pair.orders["primary"])
    assert "failed (failed)" == pair.primary.state(NODE)
    assert {"ExecMainStatus": "2", "NRestarts": "0"} == pair.primary.show(NODE, "ExecMainStatus", "NRestarts")
    assert pair.primary.has_said(NODE, "it needs CAP_NET_RAW, which this process does not have")


def test_a_spoilt_unit_is_noticed(on_machines: Callable[..., None]) -> None:
    """What is seen above is systemd's doing: without the word that it is ready a service is not active, and without a
    capability it fails, with the reason, and is not started again and again.
    """
    on_machines(spoilt)
