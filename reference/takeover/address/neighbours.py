"""What the neighbours on a network hear of an address: the question who has it, and the announcement of who has it now.

The intuition: ARP for IPv4 and neighbour discovery for IPv6 do the same. The *probe* asks on behalf of nobody (from
0.0.0.0, from ::), so that no neighbour learns anything from it (RFC 5227, RFC 4862). The *announcement* is an ARP
request of the address for itself, and an unsolicited neighbour advertisement that overrides; both make neighbours
that know the address turn to the new hardware address at once, and teach the switches.

What complicates it:
- Frames are sent here by hand, and so pass every rule that the kernel applies to its own, but for those at the
  interface. That is where the gate is: an announcement that comes too late is dropped there, like everything else.
- A probe on a network where nobody has the address is a wait for nothing, which lengthens every takeover. A holder
  answers from its kernel in far less than a millisecond, so the wait is short, and the probe is sent twice within it.
- On a network of several holders each is one too many: the first that answers is enough.

Refused: a ping, which a holder may not answer, or may answer through another machine.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Sequence

from takeover.address.gate import Address

_ARP, _IPV6 = 0x0806, 0x86DD
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_OVERRIDE = 0x2000_0000
_BROADCAST = bytes([0xFF] * 6)
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")
_NOBODY = bytes(6)
_FRAME_BYTES_MAX = 2048
_PROBES = 2


class Neighbours:
    """The network at an Ethernet interface, for frames of ARP and neighbour discovery. Call `close` at the end."""

    def __init__(self, interface: str, mac: bytes) -> None:
        """Raises OSError: PermissionError without CAP_NET_RAW."""
        self._interface = interface
        self._mac = mac
        self._sockets: dict[int, socket.socket] = {}
        for protocol in (_ARP, _IPV6):
            line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK)
            self._sockets[protocol] = line
            line.bind((interface, 0))  # of no protocol: nothing is received before `probe` asks for it

    def close(self) -> None:
        for line in self._sockets.values():
            line.close()

    def announce(self, addresses: Sequence[Address]) -> None:
        """Say that this interface has them. Raises OSError; what cannot be sent now is not."""
        mac: bytes = self._sockets[_ARP].getsockname()[4]  # a bond may change it at any time
        if len(mac) != len(_NOBODY):
            return  # the interface is gone
        for address in addresses:
            if address.version == 4:
                self._send(_ARP, _arp(_BROADCAST, mac, address.packed, address.packed))
            else:
                option = struct.pack("BB", 2, 1) + mac
                body = struct.pack(">I", _OVERRIDE) + address.packed + option
                self._send(_IPV6, _icmpv6(mac, _ADVERTISEMENT, address.packed, _ALL_NODES, body))

    async def probe(self, addresses: Sequence[Address], wait_ms: int) -> dict[Address, bytes]:
        """Ask who has them, and wait so long for an answer; the hardware address of the first that answered.

        Empty when nobody did. Raises OSError.
        """
        if wait_ms == 0:
            return {}
        answered: asyncio.Future[tuple[Address, bytes]] = asyncio.get_running_loop().create_future()
        wanted = {address.packed: address for address in addresses}
        loop = asyncio.get_running_loop()
        for protocol, line in self._sockets.items():
            line.bind((self._interface, protocol))
            loop.add_reader(line, self._hear, line, wanted, answered)
        try:
            for _ in range(_PROBES):
                for address in addresses:
                    self._ask(address)
                await asyncio.wait({answered}, timeout=wait_ms / 1000 / _PROBES)
                if answered.done():
                    return dict((answered.result(),))
            return {}
        finally:
            for line in self._sockets.values():
                loop.remove_reader(line)
                line.bind((self._interface, 0))

    def _ask(self, address: Address) -> None:
        if address.version == 4:
            self._send(_ARP, _arp(_BROADCAST, self._mac, bytes(4), address.packed))
        else:
            group = _SOLICITED_NODE + address.packed[-3:]
            body = bytes(4) + address.packed
            self._send(_IPV6, _icmpv6(self._mac, _SOLICITATION, bytes(16), group, body))

    def _send(self, protocol: int, frame: bytes) -> None:
        try:
            self._sockets[protocol].sendto(frame, (self._interface, protocol))
        except OSError as error:
            # The queue is full, or the gate is closed: what is worth saying is said again.
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                raise

    def _hear(
        self,
        line: socket.socket,
        wanted: dict[bytes, Address],
        answered: asyncio.Future[tuple[Address, bytes]],
    ) -> None:
        while not answered.done():
            try:
                frame, origin = line.recvfrom(_FRAME_BYTES_MAX)
            except BlockingIOError:
                return
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            packed, mac = asserted(frame)
            if packed in wanted and mac != self._mac:
                answered.set_result((wanted[packed], mac))


def asserted(frame: bytes) -> tuple[bytes, bytes]:
    """(address, hardware address) when the frame says who has an address; empty when it does not."""
    protocol = int.from_bytes(frame[12:14], "big")
    if protocol == _ARP and len(frame) >= 42:
        return frame[28:32], frame[22:28]
    if protocol == _IPV6 and len(frame) >= 78 and frame[20] == _ICMPV6 and frame[54] == _ADVERTISEMENT:
        return frame[62:78], frame[80:86] if frame[78:80] == b"\2\1" else frame[6:12]
    return b"", b""


def _arp(to: bytes, mac: bytes, sender: bytes, target: bytes) -> bytes:
    """A request: who has `target`, asked by `sender`."""
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)
    return to + mac + struct.pack(">H", _ARP) + head + mac + sender + _NOBODY + target


def _icmpv6(mac: bytes, kind: int, sender: bytes, receiver: bytes, body: bytes) -> bytes:
    """A message of neighbour discovery to a group."""
    length = 4 + len(body)
    pseudo_header = sender + receiver + struct.pack(">II", length, _ICMPV6)
    head = struct.pack(">BBH", kind, 0, 0)
    checksum = _checksum(pseudo_header + head + body)
    packet = struct.pack(">IHBB", 6 << 28, length, _ICMPV6, 255) + sender + receiver
    message = struct.pack(">BBH", kind, 0, checksum) + body
    return b"\x33\x33" + receiver[-4:] + mac + struct.pack(">H", _IPV6) + packet + message


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
