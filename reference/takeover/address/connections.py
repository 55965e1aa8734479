"""End the TCP connections of an address on this machine (SOCK_DESTROY of socket diagnosis).

The intuition: a connection outlives the address it was made on. The programs at its end would wait for a client that
is long with the other server, for minutes. So the kernel is asked for them, and told to end each as if it had been
reset.

What complicates it: an IPv4 connection may be that of an IPv6 socket. And a kernel may have been built without
CONFIG_INET_DIAG_DESTROY; then they stay, silent behind the gate, until their programs give them up.

UDP sockets are left alone, and that is enough: nobody waits at the other end of one to hear that it was closed, the
gate lets nothing through to them or from them, and those of the applications end with the applications (ROLE-6).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence

from takeover.address.gate import Address
from takeover.address.netlink import SOCKET_DIAGNOSIS, Message, Netlink, attribute

_BY_FAMILY, _DESTROY = 20, 21
_LISTEN = 10
_NOT_LISTENING = 0xFFFF_FFFF & ~(1 << _LISTEN)
_BYTECODE = 1
_SOURCE_IS = 7  # an operation of the kernel's filter: compare the source address
_SOCKET_ID = slice(4, 52)  # of what the kernel tells of a socket


def end_connections(addresses: Sequence[Address]) -> int:
    """End every connection of these addresses; how many there were. Raises OSError."""
    line = Netlink(SOCKET_DIAGNOSIS)
    try:
        ended = 0
        for family, packed in _forms(addresses):
            for found in line.listing(_question(family, packed)):
                try:
                    line.request(Message(_DESTROY, _header(family) + found.body[_SOCKET_ID]))
                    ended += 1
                except OSError as error:
                    if error.errno != errno.ENOENT:  # it ended by itself
                        raise
        return ended
    finally:
        line.close()


def _forms(addresses: Sequence[Address]) -> Iterator[tuple[int, bytes]]:
    """(family of sockets, address) for every kind of socket that can have it."""
    for address in addresses:
        if address.version == 4:
            yield socket.AF_INET, address.packed
            yield socket.AF_INET6, bytes(10) + b"\xff\xff" + address.packed
        else:
            yield socket.AF_INET6, address.packed


def _question(family: int, packed: bytes) -> Message:
    condition = struct.pack("=BBxxi", family, 8 * len(packed), -1) + packed
    length = 4 + len(condition)
    filtering = struct.pack("=BBH", _SOURCE_IS, length, length + 4) + condition
    return Message(_BY_FAMILY, _header(family) + bytes(48) + attribute(_BYTECODE, filtering))


def _header(family: int) -> bytes:
    return struct.pack("=BBxxI", family, socket.IPPROTO_TCP, _NOT_LISTENING)
