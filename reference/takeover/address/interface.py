"""A network interface of this machine and the addresses on it, through the kernel's routing messages.

What complicates it: an IPv6 address is held back until nobody has objected to it for a second (duplicate address
detection), unless one asks that it is not (IFA_F_NODAD); whoever puts it there has asked before. And an IPv6 address
that is there may be chosen for connections that this machine itself begins; one without preferred life time is not,
as long as there is another.

Refused: an address with a life time, which the kernel takes away by itself. It does so in whole seconds and up to
half a second late, and each renewal would wake every program that watches addresses.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from takeover.address.netlink import (
    CREATE,
    EXCLUSIVE,
    ROUTE,
    Message,
    Netlink,
    attribute,
    attributes_in,
    text,
)

InterfaceAddress = IPv4Interface | IPv6Interface
"""An address with the length of its prefix."""

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, changed flags
_ADDRESS = struct.Struct("=BBBBI")  # family, length of the prefix, flags, scope, index
_ETHERNET = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO = 1, 2, 6
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_NODAD = 0x02
_FOREVER = 0xFFFF_FFFF
_CHANGES_OF_LINKS_AND_ADDRESSES = 0x1 | 0x10 | 0x100


@dataclass(frozen=True, slots=True)
class AddressConfig:
    """Public addresses on an interface, as an operator wants them."""

    pair: str
    """The pair's name, which the packet filter's tables get."""
    interface: str
    addresses: tuple[InterfaceAddress, ...]
    """The public addresses, with the lengths of their prefixes; the same at both servers."""
    probe_ms: int
    """How long to ask who has them before they are enabled, in ms; 0 for not at all."""


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """An address that is on an interface."""

    index: int
    """The interface's number."""
    address: InterfaceAddress


class Interface:
    """An Ethernet interface, or one that behaves like it, in the network namespace that this was made in."""

    def __init__(self, name: str) -> None:
        """Change nothing. Raises OSError when there is no such interface, or it is of another kind."""
        self.name = name
        self._line = Netlink(ROUTE)
        self.index, self.mac = self._look()

    def close(self) -> None:
        self._line.close()

    def is_as_it_was(self) -> bool:
        """Whether it was not made anew since, and has the same hardware address. Raises OSError when it is gone."""
        return self._look() == (self.index, self.mac)

    def addresses(self) -> list[FoundAddress]:
        """Every address on every interface. Raises OSError."""
        found = []
        for message in self._line.listing(Message(_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0))):
            if message.kind == _NEWADDR:
                found.append(_found(message.body))
        return found

    def add(self, address: InterfaceAddress) -> None:
        """Put an address on this interface. Raises OSError, also when it is there."""
        life = []
        if address.version == 6:
            life = [attribute(_IFA_CACHEINFO, struct.pack("=IIII", 0, _FOREVER, 0, 0))]
        self._line.request(
            Message(_NEWADDR, self._about(address) + b"".join(life), CREATE | EXCLUSIVE),
        )

    def remove(self, address: InterfaceAddress) -> None:
        """Take an address off this interface, if it is there. Raises OSError."""
        try:
            self._line.request(Message(_DELADDR, self._about(address)))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise

    def _about(self, address: InterfaceAddress) -> bytes:
        flags = _NODAD if address.version == 6 else 0
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        body = _ADDRESS.pack(family, address.network.prefixlen, flags, 0, self.index)
        packed = address.ip.packed
        return body + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)

    def _look(self) -> tuple[int, bytes]:
        """This interface's number and hardware address."""
        for message in self._line.listing(Message(_GETLINK, _LINK.pack(0, 0, 0, 0, 0))):
            _, kind, index, _, _ = _LINK.unpack_from(message.body)
            found = attributes_in(message.body, _LINK.size)
            if found.get(_IFLA_IFNAME) == text(self.name):
                mac = found.get(_IFLA_ADDRESS, b"")
                if kind != _ETHERNET or len(mac) != 6:
                    raise OSError(errno.EINVAL, f"{self.name} is not an Ethernet interface")
                return index, mac
        raise OSError(errno.ENODEV, f"there is no interface {self.name}")


class AddressWatch:
    """Hears of addresses that are taken off, and of interfaces that go."""

    def __init__(self) -> None:
        """Hear from now on. Raises OSError."""
        self._line = Netlink(ROUTE, _CHANGES_OF_LINKS_AND_ADDRESSES)

    def fileno(self) -> int:
        """Readable when there is something to hear."""
        return self._line.fileno()

    def removed(self) -> list[FoundAddress] | None:
        """What was taken off since the last call; None when that is not known, so that one has to look."""
        try:
            return [_found(message.body) for message in self._line.broadcasts() if message.kind == _DELADDR]
        except OSError:
            return None


def _found(body: bytes) -> FoundAddress:
    _, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
    attributes = attributes_in(body, _ADDRESS.size)
    packed = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
    return FoundAddress(index, ipaddress.ip_interface((packed, prefix_length)))
