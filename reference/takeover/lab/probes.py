"""The observer's questions and the answers to them, as frames: ARP, TCP and neighbour discovery.

The intuition: each frame that is sent carries a *tag*, and the answer brings it back, so an answer is held against
the question it answers and no other. In ARP the tag is the asker's address, which is one of a block that nobody
else uses; in TCP it is the asker's port; in neighbour discovery the asker's address again.

A TCP probe is a SYN to the served port. A server that takes frames for the public address answers it, with SYN-ACK
or with RST, and either is an answer. One SYN-ACK is answered with RST, so that no connection is left half open.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

TAGS = 32
"""How many questions can be told apart; the answer to one is awaited for so many rounds at the most."""

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_TCP, _ICMPV6 = 6, 58
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_SOLICITATION, _ADVERTISEMENT = 135, 136
_PORT_FIRST = 61_000
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, and as whom."""

    address: IPv4Address
    """The public address."""
    port: int
    """The served port."""
    asker: IPv4Address
    """The first of `TAGS` addresses that nobody has."""
    address_ipv6: IPv6Address | None = None
    asker_ipv6: IPv6Address | None = None
    """The first of `TAGS` addresses that nobody has, if there is a public IPv6 address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame that answers a probe."""

    kind: str
    """`arp`, `tcp` or `ndp`."""
    tag: int
    mac: bytes
    """Who sent it."""
    reply: bytes = b""
    """A frame to be sent in return, if any."""


def arp_probe(asked: Asked, mac: bytes, tag: int) -> bytes:
    """Who has the public address?"""
    asker = (asked.asker + tag).packed
    body = struct.pack(">HHBBH", 1, _IPV4, 6, 4, 1) + mac + asker + bytes(6) + asked.address.packed
    return _BROADCAST + mac + struct.pack(">H", _ARP) + body


def tcp_probe(asked: Asked, mac: bytes, to: bytes, tag: int) -> bytes:
    """A SYN to the served port, in a frame to one machine."""
    source = (asked.asker + tag).packed
    header = struct.pack(">HHIIBBHHH", _PORT_FIRST + tag, asked.port, tag << 16, 0, 5 << 4, _SYN, 1024, 0, 0)
    return to + mac + _ipv4(source, asked.address.packed, header)


def neighbour_probe(asked: Asked, mac: bytes, tag: int) -> bytes:
    """Who has the public IPv6 address? Only if there is one."""
    assert asked.address_ipv6 is not None
    assert asked.asker_ipv6 is not None
    target, source = asked.address_ipv6.packed, (asked.asker_ipv6 + tag).packed
    group = bytes.fromhex("ff0200000000000000000001ff") + target[-3:]
    body = struct.pack(">BBHI", _SOLICITATION, 0, 0, 0) + target + b"\x01\x01" + mac
    pseudo = source + group + struct.pack(">II", len(body), _ICMPV6)
    body = body[:2] + struct.pack(">H", _checksum(pseudo + body)) + body[4:]
    header = struct.pack(">IHBB", 6 << 28, len(body), _ICMPV6, 255) + source + group
    return b"\x33\x33" + group[-4:] + mac + struct.pack(">H", _IPV6) + header + body


def answer_in(frame: bytes, asked: Asked) -> Answer | None:
    """What a frame from a machine says about the public address; None if it answers no probe."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == _ARP:
        return _arp_answer(frame, asked)
    if kind == _IPV4:
        return _tcp_answer(frame, asked)
    return _neighbour_answer(frame, asked) if kind == _IPV6 else None


def _arp_answer(frame: bytes, asked: Asked) -> Answer | None:
    operation, mac, sender, target = frame[20:22], frame[22:28], frame[28:32], frame[38:42]
    if operation != b"\x00\x02" or sender != asked.address.packed or len(target) < 4:
        return None
    tag = int(IPv4Address(target)) - int(asked.asker)
    return Answer("arp", tag, mac) if 0 <= tag < TAGS else None


def _tcp_answer(frame: bytes, asked: Asked) -> Answer | None:
    if len(frame) < 54 or frame[14] != 0x45 or frame[23] != _TCP or frame[26:30] != asked.address.packed:
        return None
    source, target, _, acknowledged, _, flags = struct.unpack_from(">HHIIBB", frame, 34)
    tag = target - _PORT_FIRST
    if source != asked.port or not 0 <= tag < TAGS or not flags & _ACK:
        return None
    reply = b""
    if flags & _SYN:
        header = struct.pack(">HHIIBBHHH", target, source, acknowledged, 0, 5 << 4, _RST, 0, 0, 0)
        reply = frame[6:12] + frame[:6] + _ipv4(frame[30:34], frame[26:30], header)
    return Answer("tcp", tag, frame[6:12], reply)


def _neighbour_answer(frame: bytes, asked: Asked) -> Answer | None:
    if asked.address_ipv6 is None or asked.asker_ipv6 is None or len(frame) < 78:
        return None
    if frame[20] != _ICMPV6 or frame[54] != _ADVERTISEMENT or frame[62:78] != asked.address_ipv6.packed:
        return None
    tag = int(IPv6Address(frame[38:54])) - int(asked.asker_ipv6)
    return Answer("ndp", tag, frame[6:12]) if 0 <= tag < TAGS else None


def _ipv4(source: bytes, target: bytes, segment: bytes) -> bytes:
    """An Ethernet type, and an IPv4 packet with a TCP header and nothing else."""
    pseudo = source + target + struct.pack(">HH", _TCP, len(segment))
    segment = segment[:16] + struct.pack(">H", _checksum(pseudo + segment)) + segment[18:]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, _TCP, 0) + source + target
    header = header[:10] + struct.pack(">H", _checksum(header)) + header[12:]
    return struct.pack(">H", _IPV4) + header + segment


def _checksum(content: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# --- the kernel's filter: what cannot be an answer is not even copied to the observer -----------

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x28, 0x30, 0x15, 0x35, 0x06
_SO_ATTACH_FILTER = 26


def attach_filter(listening: socket.socket, asked: Asked) -> None:
    """Have the kernel let through only what may be an answer. Raises OSError."""
    address = int(asked.address)
    program = (  # operation, how many lines to skip if so, and if not, operand
        (_LOAD_HALF, 0, 0, 12),
        (_IF_EQUAL, 0, 2, _ARP),
        (_LOAD_WORD, 0, 0, 28),
        (_IF_EQUAL, 9, 8, address),
        (_IF_EQUAL, 0, 4, _IPV4),
        (_LOAD_WORD, 0, 0, 26),
        (_IF_EQUAL, 0, 5, address),
        (_LOAD_HALF, 0, 0, 36),
        (_IF_AT_LEAST, 4, 3, _PORT_FIRST),
        (_IF_EQUAL, 0, 2, _IPV6),
        (_LOAD_BYTE, 0, 0, 54),
        (_IF_EQUAL, 1, 0, _ADVERTISEMENT),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFF),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    listening.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
    )
