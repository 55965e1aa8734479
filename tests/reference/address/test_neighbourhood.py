"""What other machines on the network notice of an address that is enabled, moves, or is somebody else's already."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_interface

import pytest
from tests.reference.address.judge import Judge
from tests.reference.address.stage import MS, PUBLIC, Guard, Host, Stage, after_ms, sleep_until, wait_until

from takeover.address.address_guard import LOOK_NS_MAX
from takeover.address.interface import Interface
from takeover.address.neighbours import Neighbours
from takeover.address.netlink import ROUTE, Message, Netlink, attribute
from takeover.linux import boottime_ns

IP4, IP6 = (str(ip_interface(address).ip) for address in PUBLIC)
PROBE_MS = 200
NOTHING: Counter[str] = Counter()
OnStage = Callable[[Callable[[Stage], None]], None]


def is_ended(connection: socket.socket) -> bool:
    """Whether the connection is dead, as its own machine sees it: reset, or aborted."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def knows(host: Host, address: str, mac: bytes) -> bool:
    """Whether the machine would send to this hardware address."""
    return host.neighbour(address) == mac


def moves(stage: Stage) -> None:
    first, second, client = stage.host(), stage.host(), stage.host()
    listeners = {host: host.listen() for host in (first, second)}
    judge = Judge(client, [first, second]).start()
    guards = {host: Guard(host).ready() for host in (first, second)}
    guards[first].enable_for(60_000)
    old = [client.connect(address) for address in (IP4, IP6)]
    accepted = [listeners[first].accept()[0] for _ in old]
    assert [first.mac] * 2 == [client.neighbour(address) for address in (IP4, IP6)]
    assert not any(is_ended(connection) for connection in (*old, *accepted))

    guards[first].kill()
    silent_ns = boottime_ns()
    guards[second].enable_for(60_000)
    enabled_ns = boottime_ns()
    for address in (IP4, IP6):  # although nothing was sent to it
        wait_until(functools.partial(knows, client, address, second.mac))
    followed_ns = boottime_ns()
    print(f"the neighbour follows within {(followed_ns - enabled_ns) / MS:.1f} ms")
    for address in (IP4, IP6):
        client.connect(address).close()
    for connection in old:
        with contextlib.suppress(ConnectionError):
            connection.send(b"to whoever it is now")
        wait_until(functools.partial(is_ended, connection))
    guards[first] = Guard(first).ready()  # what a node does at once
    assert all(is_ended(connection) for connection in accepted)
    assert not {IP4, IP6} & first.on_interface()
    verdict = judge.stop()
    assert NOTHING == verdict.of(second, 0, silent_ns)
    assert NOTHING == verdict.of(first, enabled_ns)


def test_it_moves_from_one_holder_to_another(on_stage: OnStage) -> None:
    """Neighbours follow unasked, clients reach the new one, and connections with the old one end on both sides."""
    on_stage(moves)


def announced(stage: Stage) -> None:
    holder, client = stage.host(), stage.host()
    judge = Judge(client, []).start()
    guard = Guard(holder).ready()
    until_ns = guard.enable_for(10_000)
    sleep_until(after_ms(2_400))
    stopped_ns = boottime_ns()
    verdict = judge.stop()
    assert stopped_ns < until_ns
    times = [frame.at_ns for frame in verdict.seen]
    assert Counter(arp=5, nd=5) == verdict.of(holder, 0, min(times) + 1_500 * MS)
    assert Counter(arp=1, nd=1) == verdict.of(holder, min(times) + 1_500 * MS)


def test_it_is_announced_at_once_and_again(on_stage: OnStage) -> None:
    """By gratuitous ARP and unsolicited neighbour advertisements: five within a good second, then one a second."""
    on_stage(announced)


def another_hardware_address(stage: Stage) -> None:
    holder, client = stage.host(), stage.host()
    guard = Guard(holder).ready()
    changed = bytes((2, 0, 0, 0, 7, 7))
    with holder:
        line, index = Netlink(ROUTE), socket.if_nametoindex("eth0")
    line.request(Message(16, bytes(4) + index.to_bytes(4, "little") + bytes(8) + attribute(1, changed)))
    judge = Judge(client, []).start()
    guard.enable_for(60_000)
    sleep_until(after_ms(30))
    assert {changed} == {frame.mac for frame in judge.stop().seen}
    for address in (IP4, IP6):
        with pytest.raises(ConnectionRefusedError):  # an answer: nobody listens there
            client.connect(address)
        assert changed == client.neighbour(address)
    once_more = bytes((2, 0, 0, 0, 7, 8))
    line.request(Message(16, bytes(4) + index.to_bytes(4, "little") + bytes(8) + attribute(1, once_more)))
    for address in (IP4, IP6):
        wait_until(functools.partial(knows, client, address, once_more))


def test_it_is_announced_with_the_hardware_address_of_now(on_stage: OnStage) -> None:
    """And not with that of when the guard got ready, or enabled it; a bond may have changed it since."""
    on_stage(another_hardware_address)


def late_announcement(stage: Stage) -> None:
    holder, client = stage.host(), stage.host()
    judge = Judge(client, []).start()
    guard = Guard(holder).ready()
    until_ns = guard.enable_for(100)
    sleep_until(until_ns + 100 * MS)
    said_ns = boottime_ns()
    with holder:
        neighbours = Neighbours("eth0", holder.mac)
    neighbours.announce([ip_address(IP4), ip_address(IP6)])
    sleep_until(after_ms(50))
    verdict = judge.stop()
    assert set(verdict.of(holder)) == {"arp", "nd"}
    assert NOTHING == verdict.of(holder, said_ns)


def test_a_late_announcement_reaches_nobody(on_stage: OnStage) -> None:
    """ADDR-2: the gate is at the interface, so frames that a program writes itself do not pass either."""
    on_stage(late_announcement)


def conflict(stage: Stage) -> None:
    holder, other, client = stage.host(), stage.host(), stage.host()
    for host in (holder, other):
        stage.keep(host.listen())
    judge = Judge(client, [holder, other]).start()
    Guard(holder).ready().enable_for(60_000)
    guard = Guard(other).ready()
    guard.send(f"enable {after_ms(60_000)}")
    answer = guard.answer()
    mac = holder.mac.hex(":")
    assert answer in [f"refused {address} is answered for by {mac} already" for address in (IP4, IP6)]
    assert not {IP4, IP6} & other.on_interface()
    verdict = judge.stop()
    assert NOTHING == verdict.of(other)
    assert set(verdict.of(holder)) == {"arp", "nd", "ipv4", "ipv6"}


def test_an_address_that_somebody_answers_for_is_not_enabled(on_stage: OnStage) -> None:
    """And the answer names the address and who has it; neither machine nor client notices anything."""
    on_stage(conflict)


def stranger(stage: Stage, address: str) -> str:
    """The answer to an enable where a machine that is none of ours has one of the addresses."""
    machine, other = stage.host(), stage.host()
    with other:
        interface = Interface("eth0")
        interface.add(ip_interface(address))
        interface.close()
    guard = Guard(machine, probe_ms=200).ready()
    guard.send(f"enable {after_ms(60_000)}")
    return guard.answer()


def stranger_with_ipv4(stage: Stage) -> None:
    assert f"refused {IP4} is answered for by 02:00:00:00:00:02 already" == stranger(stage, PUBLIC[0])


def stranger_with_ipv6(stage: Stage) -> None:
    assert f"refused {IP6} is answered for by 02:00:00:00:00:02 already" == stranger(stage, PUBLIC[1])


def test_a_stranger_with_the_ipv4_address_is_found(on_stage: OnStage) -> None:
    """By ARP."""
    on_stage(stranger_with_ipv4)


def test_a_stranger_with_the_ipv6_address_is_found(on_stage: OnStage) -> None:
    """By neighbour discovery."""
    on_stage(stranger_with_ipv6)


def looked_at_a_stranger(stage: Stage) -> None:
    machine, other = stage.host(), stage.host()
    with other:
        interface = Interface("eth0")
    address = ip_interface(PUBLIC[0])
    guard = Guard(machine, probe_ms=PROBE_MS).ready()

    guard.send("look")  # somebody has it, and keeps it
    interface.add(address)
    sleep_until(after_ms(2 * PROBE_MS))
    guard.send(f"enable {after_ms(60_000)}")
    assert f"refused {IP4} is answered for by 02:00:00:00:00:02 already" == guard.answer()

    guard.send("look")  # and lets go of it
    sleep_until(after_ms(2 * PROBE_MS))
    interface.remove(address)
    begun_ns = boottime_ns()
    guard.enable_for(60_000)
    assert boottime_ns() - begun_ns >= PROBE_MS * MS


def test_who_was_seen_ahead_is_looked_for_again(on_stage: OnStage) -> None:
    """The holder of before may have lapsed since; whoever is still there is found."""
    on_stage(looked_at_a_stranger)


def looked_ahead(stage: Stage) -> None:
    for pause_ms, expected in ((2 * PROBE_MS, "enabled"), (LOOK_NS_MAX // MS, "refused")):
        machine, other = stage.host(), stage.host()
        guard = Guard(machine, probe_ms=PROBE_MS).ready()
        guard.send("look")
        sleep_until(after_ms(pause_ms))
        with other:
            interface = Interface("eth0")
        interface.add(ip_interface(PUBLIC[0]))  # nobody looks for it, unless it was too long ago
        guard.send(f"enable {after_ms(60_000)}")
        assert expected == guard.answer().split()[0]
        interface.remove(ip_interface(PUBLIC[0]))
        guard.kill()


def test_nobody_found_ahead_saves_the_wait(on_stage: OnStage) -> None:
    """For a second; after that it is asked again."""
    on_stage(looked_ahead)


def no_probe(stage: Stage) -> None:
    first, second = stage.host(), stage.host()
    for host in (first, second):
        Guard(host, probe_ms=0).ready().enable_for(60_000)


def test_without_a_probe_nobody_is_found(on_stage: OnStage) -> None:
    """The probe is what finds them, and it can be left out."""
    on_stage(no_probe)


def passive_reaches_the_other(stage: Stage) -> None:
    holder, passive = stage.host(), stage.host()
    stage.keep(holder.listen())
    Guard(passive).ready()
    Guard(holder).ready().enable_for(60_000)
    for address in (IP4, IP6):
        passive.connect(address).close()


def test_a_closed_gate_does_not_keep_the_machine_from_the_holder(on_stage: OnStage) -> None:
    """The passive server's own programs are clients like any other."""
    on_stage(passive_reaches_the_other)


def other_interface(stage: Stage) -> None:
    holder, client = stage.host("eth1"), stage.host()
    stage.keep(holder.listen())
    second_mac = bytes((2, 0, 0, 0, 1, holder.number))
    beside = Host.__new__(Host)
    beside.mac = second_mac
    judge = Judge(client, [holder, beside]).start()
    guard = Guard(holder).ready()
    guard.enable_for(300)
    with holder:
        line = Netlink(ROUTE)  # replies would leave by the other interface
        index = socket.if_nametoindex("eth1")
    host_route = bytes((socket.AF_INET, 32, 0, 0, 254, 4, 253, 1)) + bytes(4)
    target = ip_address(client.addresses[0]).packed
    line.request(
        Message(24, host_route + attribute(1, target) + attribute(4, index.to_bytes(4, "little")), 0x400)
    )
    routed_ns = boottime_ns()
    sleep_until(after_ms(150))
    verdict = judge.stop()
    assert NOTHING == verdict.of(beside)
    assert {"arp", "nd", "ipv6"} == set(verdict.of(holder, routed_ns + 20 * MS))


def test_nothing_passes_another_interface(on_stage: OnStage) -> None:
    """Neither questions that come in by another one, nor answers that a route would send out by it."""
    on_stage(other_interface)


def conflict_of_a_silent_holder(stage: Stage) -> None:
    first, second = stage.host(), stage.host()
    guard = Guard(first).ready()
    until_ns = guard.enable_for(200)
    os.kill(guard.process.pid, signal.SIGSTOP)
    sleep_until(until_ns)
    Guard(second).ready().enable_for(60_000)
    assert IP4 in first.on_interface()
    assert IP4 in second.on_interface()


def test_a_holder_that_has_lapsed_is_no_conflict(on_stage: OnStage) -> None:
    """Its address may still be on its interface; it does not answer."""
    on_stage(conflict_of_a_silent_holder)
