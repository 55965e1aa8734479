"""Several machines on one network, in namespaces of this process, for scenarios that need real addresses.

It needs no root, and touches nothing outside. `on_stage` of `conftest.py` runs a scenario on it, in a process of its
own.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any

from takeover.address.interface import Interface
from takeover.address.netlink import (
    CREATE,
    EXCLUSIVE,
    NETFILTER,
    ROUTE,
    Message,
    Netlink,
    attribute,
    attributes_in,
    nested,
    text,
)
from takeover.lab.namespaces import NEW_NETWORK, unshare
from takeover.linux import boottime_ns

MS = 1_000_000
PAIR = "db"
PUBLIC = ("192.0.2.10/24", "2001:db8::10/64")
PORT = 80

_NEWLINK, _GETNEIGH = 16, 30
_NFT_DELTABLE = 10 << 8 | 2
_LINK = struct.Struct("=BxHiII")
_UP = 1
_libc = ctypes.CDLL(None, use_errno=True)

OLDER_KERNEL = """
from takeover.address import nftables
nftables.KEPT = 0x80  # a flag that no kernel knows
from takeover.address.address_guard import main
main()
"""
"""The guard on a kernel before 6.9: it cannot keep others from taking the gate away."""


def after_ms(duration_ms: float) -> int:
    return boottime_ns() + int(duration_ms * MS)


def wait_until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait for a condition, and fail when it does not come about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.001)


def sleep_until(then_ns: int) -> None:
    while (left_ns := then_ns - boottime_ns()) > 0:
        time.sleep(left_ns / 1e9)


def checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Host:
    """A machine: a network namespace with the interface eth0. What is made inside a `with` belongs to it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.mac = bytes((2, 0, 0, 0, 0, number))
        self.addresses = (f"192.0.2.{number}", f"2001:db8::{number}")
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        unshare(NEW_NETWORK)
        self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        checked(_libc.setns(outside, NEW_NETWORK))
        os.close(outside)
        self._outside: list[int] = []

    def __enter__(self) -> Host:
        self._outside.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        checked(_libc.setns(self.namespace, NEW_NETWORK))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outside = self._outside.pop()
        checked(_libc.setns(outside, NEW_NETWORK))
        os.close(outside)

    def listen(self, port: int = PORT) -> socket.socket:
        """A listener on every address, of both families."""
        with self:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

    def connect(self, address: str, port: int = PORT) -> socket.socket:
        with self:
            return socket.create_connection((address, port), timeout=5)

    def on_interface(self, name: str = "eth0") -> set[str]:
        """The addresses on an interface."""
        with self:
            interface = Interface(name)
            found = {str(f.address.ip) for f in interface.addresses() if f.index == interface.index}
            interface.close()
        return found

    def flush_rules(self) -> None:
        """What `nft flush ruleset` does."""
        with self:
            line = Netlink(NETFILTER)
        line.transact([Message(_NFT_DELTABLE, bytes(4))])
        line.close()

    def neighbour(self, address: str) -> bytes:
        """The hardware address that the kernel of this machine has for an address; empty when it has none."""
        packed = ipaddress.ip_address(address).packed
        with self:
            line = Netlink(ROUTE)
        found = b""
        for message in line.listing(Message(_GETNEIGH, bytes(12))):
            attributes = attributes_in(message.body, 12)
            if attributes.get(1) == packed:
                found = attributes.get(2, b"")
        line.close()
        return found

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        with self:
            return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    def start_node(self, script: str) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        """A process that plays the node, which gets the public addresses; and what it prints."""
        node = self.start(sys.executable, "-P", "-c", script, *PUBLIC)
        return node, stream(node.stdout)


class Guard:
    """An address guard on a machine, whose node is this process."""

    def __init__(
        self,
        host: Host,
        *,
        program: tuple[str, ...] = ("-m", "takeover.address.address_guard"),
        probe_ms: int = 20,
        **popen: Any,
    ) -> None:
        options = ["--parent", str(os.getpid()), "--pair", PAIR, "--interface", "eth0"]
        options += ["--probe-ms", str(probe_ms)]
        for address in PUBLIC:
            options += ["--address", address]
        self.host = host
        self.process = host.start(sys.executable, "-P", *program, *options, **popen)

    def send(self, line: str) -> None:
        stream(self.process.stdin).write(f"{line}\n".encode())
        stream(self.process.stdin).flush()

    def answer(self) -> str:
        return stream(self.process.stdout).readline().decode().strip()

    def ready(self) -> Guard:
        assert "ready" == self.answer()
        return self

    def enable(self, until_ns: int) -> None:
        self.send(f"enable {until_ns}")
        assert f"enabled {until_ns}" == self.answer()

    def enable_for(self, duration_ms: int) -> int:
        until_ns = after_ms(duration_ms)
        self.enable(until_ns)
        return until_ns

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


class Stage:
    """The network: a bridge in this process's own namespace, and the machines at it."""

    def __init__(self) -> None:
        self._line = Netlink(ROUTE)
        self._bridge = self._add("public", nested(18, attribute(1, text("bridge"))))
        self._made: list[Host] = []
        self._kept: list[object] = []

    def keep(self, thing: object) -> None:
        """Keep something open as long as the stage."""
        self._kept.append(thing)

    def close(self) -> None:
        """What it holds open is closed; the network stays for as long as there is anything in it."""
        self._line.close()
        for host in self._made:
            os.close(host.namespace)

    def host(self, *more: str) -> Host:
        """A machine with addresses of its own on the public network, and with `more` interfaces that lead there too."""
        host = Host(len(self._made) + 1)
        self._made.append(host)
        for number, name in enumerate(("eth0", *more)):
            self._plug_in(host, name, number)
        with host:
            interface = Interface("eth0")
            for address, length in zip(host.addresses, (24, 64), strict=True):
                interface.add(ipaddress.ip_interface(f"{address}/{length}"))
            interface.close()
        return host

    def _plug_in(self, host: Host, name: str, number: int) -> None:
        mac = bytes((2, 0, 0, 0, number, host.number))
        peer = _LINK.pack(0, 0, 0, 0, 0) + attribute(3, text(name)) + attribute(1, mac)
        peer += attribute(28, struct.pack("=I", host.namespace))
        data = nested(2, attribute(1, peer))
        port = self._add(f"port{host.number}.{number}", nested(18, attribute(1, text("veth")), data))
        body = _LINK.pack(0, 0, port, _UP, _UP) + attribute(10, struct.pack("=I", self._bridge))
        self._line.request(Message(_NEWLINK, body))
        with host:
            inside = Netlink(ROUTE)
        for interface in ("lo", name):
            body = _LINK.pack(0, 0, 0, _UP, _UP) + attribute(3, text(interface))
            inside.request(Message(_NEWLINK, body))
        inside.close()

    def _add(self, name: str, kind: bytes) -> int:
        body = _LINK.pack(0, 0, 0, _UP, _UP) + attribute(3, text(name)) + kind
        self._line.request(Message(_NEWLINK, body, CREATE | EXCLUSIVE))
        return socket.if_nametoindex(name)
