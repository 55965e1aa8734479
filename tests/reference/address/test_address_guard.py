"""The guard of addresses by itself: what it needs, what it finds, what it leaves, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_interface

import pytest
from tests.reference.address.judge import Judge
from tests.reference.address.stage import (
    MS,
    OLDER_KERNEL,
    PUBLIC,
    Guard,
    Host,
    Stage,
    after_ms,
    sleep_until,
    stream,
    wait_until,
)

from takeover.address.interface import Interface
from takeover.address.netlink import NETFILTER, Message, Netlink, attributes_in
from takeover.capabilities import NET_ADMIN, NET_RAW
from takeover.linux import boottime_ns

IPS = {str(ip_interface(address).ip) for address in PUBLIC}
OnStage = Callable[[Callable[[Stage], None]], None]


def tables(host: Host) -> set[str]:
    """The names of the tables of nftables on a machine."""
    with host:
        line = Netlink(NETFILTER)
    found = line.listing(Message(10 << 8 | 1, bytes(4)))
    line.close()
    return {attributes_in(message.body, 4)[1].rstrip(b"\0").decode() for message in found}


def change_by_hand(host: Host, change: Callable[[Interface], None]) -> None:
    with host:
        interface = Interface("eth0")
        change(interface)
        interface.close()


# --- what it needs ----------------------------------------------------------------------------------

WITHOUT = """
import ctypes, runpy, sys
prctl = ctypes.CDLL(None).prctl
for number in sys.argv.pop(1).split(","):
    assert prctl(24, int(number), 0, 0, 0) == 0  # out of the bounding set: lost by the next exec
import os
os.execv(sys.executable, [sys.executable, "-P", "-m", "takeover.address.address_guard", *sys.argv[1:]])
"""
NUMBERS = {NET_ADMIN: 12, NET_RAW: 13}


def said_without(host: Host, *names: str) -> str:
    """What a guard says that lacks these capabilities."""
    numbers = ",".join(str(NUMBERS[name]) for name in names)
    guard = Guard(host, program=("-c", WITHOUT, numbers))
    answer = guard.answer()
    assert 1 == guard.process.wait(10)
    return answer


def missing_capabilities(stage: Stage) -> None:
    host = stage.host()
    assert "unfit it needs CAP_NET_RAW, which this process does not have" == said_without(host, NET_RAW)
    assert "unfit it needs CAP_NET_ADMIN, which this process does not have" == said_without(host, NET_ADMIN)
    both = said_without(host, NET_ADMIN, NET_RAW)
    assert "unfit it needs CAP_NET_ADMIN and CAP_NET_RAW, which this process does not have" == both
    assert set() == tables(host)


def test_a_missing_capability_is_named(on_stage: OnStage) -> None:
    """And nothing was changed."""
    on_stage(missing_capabilities)


def only_what_is_needed(stage: Stage) -> None:
    guard = Guard(stage.host()).ready()
    with open(f"/proc/{guard.process.pid}/status") as file:
        status = dict(line.split(":\t") for line in file.read().splitlines())
    assert {1 << 12 | 1 << 13} == {int(status[name], 16) for name in ("CapEff", "CapPrm")}


def test_it_gives_up_what_it_does_not_need(on_stage: OnStage) -> None:
    """Two capabilities are left of those that root has."""
    on_stage(only_what_is_needed)


def interface_is_missing(stage: Stage) -> None:
    host = stage.host()
    options = ["--parent", str(os.getpid()), "--pair", "p", "--probe-ms", "0", "--address", PUBLIC[0]]
    for name, said in (("eth7", "there is no interface eth7"), ("lo", "lo is not an Ethernet interface")):
        guard = host.start(
            sys.executable, "-m", "takeover.address.address_guard", "--interface", name, *options
        )
        answer = stream(guard.stdout).readline().decode().strip()
        assert answer.startswith(f"refused {PUBLIC[0]}: ")
        assert answer.endswith(said)
        guard.wait(10)
    assert set() == tables(host)


def test_an_interface_that_is_not_there_is_named(on_stage: OnStage) -> None:
    """At the start, and not when a failover needs it."""
    on_stage(interface_is_missing)


# --- what it finds, and what it leaves --------------------------------------------------------------


def leftovers(stage: Stage) -> None:
    host, client = stage.host(), stage.host()
    listener = host.listen()
    earlier = Guard(host).ready()
    earlier.enable_for(60_000)
    connections = [client.connect(ip) for ip in sorted(IPS)]
    accepted = [listener.accept()[0] for _ in connections]
    earlier.kill()
    assert host.on_interface() >= IPS
    assert {"takeover-db"} == tables(host)
    judge = Judge(client, [host]).start()
    guard = Guard(host).ready()
    assert not host.on_interface() & IPS
    for connection in accepted:
        connection.settimeout(5)
        with pytest.raises(ConnectionError):
            connection.recv(1)
    ready_ns = boottime_ns()
    guard.enable_for(60_000)
    sleep_until(after_ms(50))
    verdict = judge.stop()
    assert not verdict.of(host, 0, ready_ns)
    assert set(verdict.of(host)) == {"arp", "nd", "ipv4", "ipv6"}


def test_what_a_killed_run_left_is_taken_away(on_stage: OnStage) -> None:
    """ROLE-1: hidden from the start; the addresses, their connections; and it can be held again."""
    on_stage(leftovers)


def configured_by_hand(stage: Stage) -> None:
    host = stage.host()
    change_by_hand(host, lambda interface: interface.add(ip_interface(PUBLIC[0])))
    Guard(host).ready()
    assert not host.on_interface() & IPS


def test_an_address_that_was_put_there_by_others_is_taken_off(on_stage: OnStage) -> None:
    """As after a reboot, when the machine's own configuration has it."""
    on_stage(configured_by_hand)


def on_another_interface(stage: Stage) -> None:
    host = stage.host("eth1")
    with host:
        other = Interface("eth1")
        other.add(ip_interface(PUBLIC[0]))
    answer = Guard(host).answer()
    assert f"unfit 192.0.2.10 is on interface {other.index} of this machine, and not on eth0" == answer


def test_an_address_on_another_interface_is_a_mistake(on_stage: OnStage) -> None:
    """Of whoever configured the machine; nobody else's address is taken away."""
    on_stage(on_another_interface)


def leaves(stage: Stage) -> None:
    host = stage.host()
    idle = Guard(host).ready()
    assert {"takeover-db"} == tables(host)
    stream(idle.process.stdin).close()
    assert 0 == idle.process.wait(10)
    assert set() == tables(host)
    holding = Guard(host).ready()
    holding.enable_for(60_000)
    assert {"takeover-db", "takeover-db-holder"} == tables(host)
    stream(holding.process.stdin).close()
    assert 0 == holding.process.wait(10)
    assert {"takeover-db"} == tables(host)


def test_the_gate_stays_until_it_is_left_in_order(on_stage: OnStage) -> None:
    """A guard that held something leaves it closed, with the address behind it; one that did not leaves nothing."""
    on_stage(leaves)


# --- while it holds ---------------------------------------------------------------------------------


def taken_off(stage: Stage) -> None:
    host = stage.host()
    guard = Guard(host).ready()
    guard.enable_for(60_000)
    change_by_hand(host, lambda interface: interface.remove(ip_interface(PUBLIC[1])))
    assert -signal.SIGKILL == guard.process.wait(10)


def test_an_address_that_somebody_takes_off_is_a_lapse(on_stage: OnStage) -> None:
    """What the guard says it holds, it holds; or it ends."""
    on_stage(taken_off)


def flushed(stage: Stage) -> None:
    host = stage.host()
    guard = Guard(host).ready()
    guard.enable_for(60_000)
    host.flush_rules()
    assert {"takeover-db", "takeover-db-holder"} == tables(host)
    guard.enable_for(60_000)
    guard.kill()
    assert {"takeover-db"} == tables(host)
    Guard(host).ready().enable_for(60_000)
    host.flush_rules()
    assert {"takeover-db", "takeover-db-holder"} == tables(host)


def test_nobody_else_can_take_the_gate_away(on_stage: OnStage) -> None:
    """`nft flush ruleset` leaves it alone, also that of a guard that found what a killed one had left."""
    on_stage(flushed)


def flushed_on_an_older_kernel(stage: Stage) -> None:
    host = stage.host()
    guard = Guard(host, program=("-c", OLDER_KERNEL), stderr=subprocess.PIPE).ready()
    assert b"on this server they must not be flushed" in stream(guard.process.stderr).readline()
    guard.enable_for(60_000)
    host.flush_rules()
    assert {"takeover-db-holder"} == tables(host)
    guard.send(f"enable {after_ms(60_000)}")
    assert "refused eth0: the gate failed: No such file or directory" == guard.answer()
    assert not host.on_interface() & IPS


def test_without_a_gate_there_is_no_address(on_stage: OnStage) -> None:
    """Where others can take it away, that is said; the next renewal notices it, and takes the address off."""
    on_stage(flushed_on_an_older_kernel)


def busy_kernel(stage: Stage) -> None:
    slow = """
import time
from takeover.address.gate import Gate
prepare, took = Gate.prepare, []
def slowly(self, timeout_ms):
    slot = prepare(self, timeout_ms)
    took.append(timeout_ms)
    if len(took) > 1:
        time.sleep(0.02)
    return slot
Gate.prepare = slowly
from takeover.address.address_guard import main
main()
"""
    host, client = stage.host(), stage.host()
    stage.keep(host.listen())
    guard = Guard(host, program=("-c", slow)).ready()
    judge = Judge(client, [host]).start()
    until_ns = guard.enable_for(500)
    guard.enable(until_ns)
    sleep_until(until_ns - 100 * MS)
    guard.send(f"enable {after_ms(10)}")
    guard.send(f"enable {until_ns + 8 * MS}")
    wait_until(lambda: guard.process.poll() is not None)
    sleep_until(until_ns + 200 * MS)
    verdict = judge.stop()
    late_ns = verdict.last_ns(host) - until_ns
    print(f"last answer {late_ns / MS:.1f} ms after the end")
    assert -100 * MS < late_ns < 0


def test_a_kernel_that_takes_its_time_shortens_the_grant(on_stage: OnStage) -> None:
    """The budget grows until the call fits into it; the gate then closes so much earlier, and never later."""
    on_stage(busy_kernel)


# --- as the node sees it ----------------------------------------------------------------------------

NODE_WITHOUT_PRIVILEGES = """
import asyncio, ctypes
from ipaddress import ip_interface
from takeover.cli import Exit
from takeover.errors import TakeoverError
from takeover.address.identity import public_identity
from takeover.address.interface import AddressConfig
from takeover.commands.service import status_of

async def main():
    assert ctypes.CDLL(None).prctl(24, 13, 0, 0, 0) == 0
    identity = public_identity(AddressConfig("db", "eth0", (ip_interface("192.0.2.10/24"),), 20))
    try:
        await identity.start()
    except TakeoverError as error:
        print(int(status_of(error)), error)
    await identity.close()

asyncio.run(main())
"""


def node_without_privileges(stage: Stage) -> None:
    node, lines = stage.host().start_node(NODE_WITHOUT_PRIVILEGES)
    said = "it needs CAP_NET_RAW, which this process does not have"
    assert f"2 identity guard for 192.0.2.10/24: {said}" == lines.readline().decode().strip()
    assert 0 == node.wait(10)


def test_the_node_is_told_that_the_operator_has_to_act(on_stage: OnStage) -> None:
    """At the start, with exit status 2; nothing was started."""
    on_stage(node_without_privileges)
