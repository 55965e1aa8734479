"""The judge: a machine on the same network that asks all the time who has the public addresses, and notes the answers.

It trusts nobody. It asks every machine by its hardware address, so that a second holder cannot hide behind the first,
and notes every frame that comes from a public address, whether it asked for it or not. The times are the kernel's, of
when the frame arrived. A judge that was starved has looked less often: `gap_ns_max` says how much that can hide.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference.address.stage import MS, PORT, PUBLIC, Host

from takeover.linux import boottime_ns

RATE_HZ = 250

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_ALL = 3
_SO_TIMESTAMPNS = 35
_IP4, IP6 = (ipaddress.ip_interface(address).ip for address in PUBLIC)


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame from a public address."""

    at_ns: int
    """CLOCK_BOOTTIME."""
    mac: bytes
    """Who sent it."""
    kind: str
    """`arp`, `nd`, `ipv4`, `ipv6`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen."""

    seen: tuple[Seen, ...]
    gap_ns_max: int
    """The longest time between two rounds of questions."""

    def of(self, host: Host, begin_ns: int = 0, end_ns: int = 1 << 63) -> Counter[str]:
        """How many frames of each kind a machine sent from a public address in this time."""
        return Counter(
            frame.kind for frame in self.seen if frame.mac == host.mac and begin_ns <= frame.at_ns < end_ns
        )

    def last_ns(self, host: Host) -> int:
        """When the machine sent its last one."""
        return max(frame.at_ns for frame in self.seen if frame.mac == host.mac)

    def first_ns(self, host: Host) -> int:
        """When the machine sent its first one."""
        return min(frame.at_ns for frame in self.seen if frame.mac == host.mac)

    def answers_throughout(self, host: Host, begin_ns: int, end_ns: int) -> bool:
        """Whether it sent frames of every kind without a gap of more than the judge's own and a few rounds."""
        allowed_ns = 2 * self.gap_ns_max + 30 * MS
        for kind in ("arp", "nd", "ipv4", "ipv6"):
            times = [f.at_ns for f in self.seen if f.mac == host.mac and f.kind == kind]
            times = [begin_ns, *(at_ns for at_ns in times if begin_ns <= at_ns <= end_ns), end_ns]
            if max(b - a for a, b in itertools.pairwise(times)) > allowed_ns:
                return False
        return True


class Judge:
    """Asks and notes from `start` to `stop`, in a thread of its own."""

    def __init__(self, host: Host, suspects: Sequence[Host]) -> None:
        """Judge from the machine `host` who of the `suspects` answers."""
        with host:
            self._line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK)
        self._line.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._line.bind(("eth0", _ALL))
        self._host = host
        self._suspects = suspects
        self._seen: list[Seen] = []
        self._gap_ns_max = 0
        self._port = 10_000
        self._stopping = threading.Event()
        self._rounds = 0
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)

    def start(self) -> Judge:
        self._thread.start()
        while self._rounds < 2:
            time.sleep(0.001)
        return self

    def stop(self) -> Verdict:
        self._stopping.set()
        self._thread.join()
        self._line.close()
        return Verdict(tuple(self._seen), self._gap_ns_max)

    def _run(self) -> None:
        asked_ns = boottime_ns()
        while not self._stopping.is_set():
            self._gap_ns_max = max(self._gap_ns_max, boottime_ns() - asked_ns)
            asked_ns = boottime_ns()
            self._ask()
            self._rounds += 1
            self._stopping.wait(max(0, asked_ns + 10**9 // RATE_HZ - boottime_ns()) / 1e9)
            self._note()

    def _ask(self) -> None:
        self._port = 10_000 + (self._port + 1) % 50_000
        mine4, mine6 = (ipaddress.ip_address(address).packed for address in self._host.addresses)
        for suspect in self._suspects:
            head = suspect.mac + self._host.mac
            question = (
                struct.pack(">HHBBH", 1, _IPV4, 6, 4, 1) + self._host.mac + mine4 + bytes(6) + _IP4.packed
            )
            self._line.send(head + struct.pack(">H", _ARP) + question)
            self._line.send(head + struct.pack(">H", _IPV4) + _ipv4(mine4, _IP4.packed, self._port))
            self._line.send(head + struct.pack(">H", _IPV6) + _ipv6_syn(mine6, IP6.packed, self._port))
            self._line.send(
                head + struct.pack(">H", _IPV6) + _solicitation(mine6, IP6.packed, self._host.mac)
            )

    def _note(self) -> None:
        offset_ns = boottime_ns() - time.time_ns()
        while True:
            try:
                frame, ancillary, _, origin = self._line.recvmsg(256, 64)
            except BlockingIOError:
                return
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            kind = _from_public(frame)
            if kind:
                seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
                at_ns = seconds * 10**9 + nanoseconds + offset_ns
                self._seen.append(Seen(at_ns, frame[6:12], kind))


def _from_public(frame: bytes) -> str:
    protocol = int.from_bytes(frame[12:14], "big")
    if protocol == _ARP and frame[28:32] == _IP4.packed:
        return "arp"
    if protocol == _IPV4 and frame[26:30] == _IP4.packed:
        return "ipv4"
    if protocol == _IPV6 and frame[20] == 58 and frame[54] == 136 and frame[62:78] == IP6.packed:
        return "nd"
    if protocol == _IPV6 and frame[22:38] == IP6.packed:
        return "ipv6"
    return ""


def _ipv4(mine: bytes, public: bytes, port: int) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + mine + public
    head = head[:10] + struct.pack(">H", _checksum(head)) + head[12:]
    return head + _syn(port, mine + public + struct.pack(">BBH", 0, 6, 20))


def _ipv6_syn(mine: bytes, public: bytes, port: int) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, 20, 6, 64) + mine + public
    return head + _syn(port, mine + public + struct.pack(">II", 20, 6))


def _syn(port: int, pseudo_header: bytes) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", port, PORT, port, 0, 5 << 4, 2, 1024, 0, 0)
    return tcp[:16] + struct.pack(">H", _checksum(pseudo_header + tcp)) + tcp[18:]


def _solicitation(mine: bytes, public: bytes, mac: bytes) -> bytes:
    body = struct.pack(">BBHI", 135, 0, 0, 0) + public + struct.pack("BB", 1, 1) + mac
    checksum = _checksum(mine + public + struct.pack(">II", len(body), 58) + body)
    body = body[:2] + struct.pack(">H", checksum) + body[4:]
    return struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + mine + public + body


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
