"""The gate in front of a public address: rules of nftables that are closed unless two things hold at once.

The intuition: nothing for the address comes in, and nothing from it goes out, not even an answer to "who has it?",
unless

1. **the grant runs**: a number, the *slot*, is in a set whose elements time out, and a rule names that slot. The
   kernel looks at the time for every packet; no process has to be scheduled for it;
2. **the holder lives**: a second table puts a mark on the packets, and that table belongs to the netlink line of the
   process that made it (NFT_TABLE_F_OWNER). When the process ends, however, the kernel takes the table away.

The first table stays when everything else is gone, and is closed.

What complicates it:
- A time-out is relative, so a process that is stopped between reading the clock and asking for it would ask for too
  much. So a grant takes two steps. `prepare` puts a *fresh* slot in the set, which opens nothing. The caller looks at
  the clock again; only if the first step took no longer than was allowed for does it call `arm`, which makes the rule
  name that slot. From `prepare` on the time runs in the kernel: `arm`, however late, opens a slot that has run out,
  which is closed.
- There are many ways to a packet: IPv4, IPv6, ARP, neighbour discovery, frames that a program writes itself. They all
  pass the interface, which is where the gate is. Two more tables see to it that nothing takes another interface,
  except within the machine.
- The mark is one bit, on packets of the public addresses only. It is taken off before anything else and at the end.
- This machine must be able to *ask* who has the address, and to hear an announcement: that is how it reaches the
  address while the other server holds it.
- `nft flush ruleset`, which is what a restart of `nftables.service` does, takes everybody's tables away. From Linux 6.9
  on the first table is owned, too, so that nobody else can, and is kept when its owner goes. Its owner is a line of
  netlink that the node holds open beside the guard: so it is owned for as long as either lives, stopped or not. An
  older kernel does not know that (`is_kept`), and a flush takes the gate: the next `prepare` then fails; without one,
  the address stays open.

Refused: the set alone (it does not count the time that the machine slept, and outlives its holder); the owner's table
alone (it ends only when the dying process gets the processor); an eBPF program with an absolute time, which no user
namespace may load, so that nobody could try any of this without root.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from takeover.address import nftables as nft
from takeover.address.netlink import EXCLUSIVE, NETFILTER, Message, Netlink
from takeover.address.nftables import ARP, INET, NETDEV, NETWORK, TRANSPORT, Rule, holds, is_meta, verdict

MARK = 0x2000_0000
"""The bit of a packet's mark that says that the holder lives."""

Address = IPv4Address | IPv6Address

_FAMILIES = (NETDEV, INET, ARP)
_FIRST = -310  # before anything else that is usual there
_INGRESS, _EGRESS = 0, 1
_IPV4, _IPV6, _IS_ARP = b"\x08\x00", b"\x86\xdd", b"\x08\x06"
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = b"\x3a", b"\x87", b"\x88"


class Gate:
    """The gate of the addresses of one pair on one interface."""

    def __init__(
        self, pair: str, interface: str, addresses: tuple[Address, ...], line: Netlink | None = None
    ) -> None:
        """Change nothing yet. The `line` is to own the gate. Raises OSError when there is no netlink."""
        self._table = f"takeover-{pair}"
        self._life = f"takeover-{pair}-holder"
        self._interface = interface
        self._addresses = addresses
        self._life_line = Netlink(NETFILTER)  # which nobody else has: it ends with this process
        self._line = line or self._life_line
        self.is_kept = True
        """Whether nobody else can take the gate away; the kernel says so in `close`."""
        self._slot = secrets.randbits(
            32
        )  # what an earlier holder may still be asking for must not be one of ours

    def close(self) -> None:
        """Be closed, whatever there was, without an instant in between. Raises OSError."""
        try:
            self._line.transact(self._closed())
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP or not self.is_kept:
                raise
            self.is_kept = False
            self._line.transact(self._closed())

    def own(self) -> None:
        """Give the gate, which is closed, the second key until this process ends. Raises OSError."""
        closed = [] if self.is_kept else self._closed()  # somebody may have taken it away since
        self._life_line.transact([*closed, *self._holder_lives()])

    def prepare(self, timeout_ms: int) -> int:
        """Put a fresh slot in the set, for so long; it opens nothing. Returns it, to be armed. Raises OSError."""
        self._slot = (self._slot + 1) & 0xFFFF_FFFF
        self._line.transact(
            [nft.add_element(NETDEV, self._table, "grants", self._slot, timeout_ms, EXCLUSIVE)]
        )
        return self._slot

    def arm(self, slot: int) -> None:
        """Be open for as long as this slot, and no other, is in the set. Raises OSError."""
        granted = nft.add_rule(
            NETDEV, self._table, "grant", *nft.is_in_set("grants", slot), verdict(nft.ACCEPT)
        )
        self._line.transact([nft.empty_chain(NETDEV, self._table, "grant"), granted])

    def remove(self) -> None:
        """Leave nothing. The addresses must not be on the interface any more. Raises OSError."""
        self._line.transact([nft.drop_table(family, self._table) for family in _FAMILIES])

    def _closed(self) -> list[Message]:
        """The first table, made anew, and those of the other interfaces."""
        messages = []
        flags = nft.OWNED | nft.KEPT if self.is_kept else 0
        for family in _FAMILIES:
            messages += [nft.make_table(family, self._table), nft.drop_table(family, self._table)]
            messages.append(nft.make_table(family, self._table, flags))
        messages.append(nft.make_timeout_set(NETDEV, self._table, "grants"))
        messages += [nft.make_chain(NETDEV, self._table, name) for name in ("forget", "check", "grant")]
        messages += self._hooks(self._table, -1, "forget")
        messages += self._hooks(self._table, +1, "check")
        rules: tuple[tuple[str, Rule], ...] = (
            ("forget", nft.set_mark(MARK, False)),
            ("check", (*nft.lacks_mark(MARK), verdict(nft.DROP))),
            ("check", nft.set_mark(MARK, False)),
            ("check", (verdict(nft.JUMP, "grant"),)),
            ("check", (verdict(nft.DROP),)),
        )
        messages += [nft.add_rule(NETDEV, self._table, chain, *rule) for chain, rule in rules]
        return [*messages, *self._nowhere_else()]

    def _holder_lives(self) -> list[Message]:
        """The second table, between the two looks of the first."""
        return [
            nft.make_table(NETDEV, self._life, nft.OWNED),
            nft.make_chain(NETDEV, self._life, "lives"),
            *self._hooks(self._life, 0, "lives"),
            nft.add_rule(NETDEV, self._life, "lives", *nft.set_mark(MARK, True)),
        ]

    def _hooks(self, table: str, step: int, target: str) -> list[Message]:
        """At the interface, in both directions: whatever is of a public address goes to the chain `target`."""
        messages = []
        for hook, name, told_by in ((_INGRESS, "in", _arriving), (_EGRESS, "out", _leaving)):
            base = f"{name}-{target}"
            messages.append(nft.make_base_chain(NETDEV, table, base, hook, _FIRST + step, self._interface))
            for rule in self._rules(told_by):
                messages.append(nft.add_rule(NETDEV, table, base, *rule, verdict(nft.GOTO, target)))
        return messages

    def _nowhere_else(self) -> list[Message]:
        """At every other interface but the machine's own loop: nothing for the addresses, and nothing from them."""
        messages = []
        for family, hook, name, key, told_by in (
            (INET, 0, "in", nft.IN_NAME, _routed_in),
            (INET, 3, "out", nft.OUT_NAME, _routed_out),
            (ARP, 1, "out", nft.OUT_NAME, _asserted),
        ):
            messages.append(nft.make_base_chain(family, self._table, name, hook, _FIRST))
            other = [
                part
                for interface in (self._interface, "lo")
                for part in nft.is_interface(key, interface, nft.UNEQUAL)
            ]
            for rule in self._rules(told_by):
                messages.append(nft.add_rule(family, self._table, name, *rule, *other, verdict(nft.DROP)))
        return messages

    def _rules(self, told_by: Callable[[Address], list[Rule]]) -> list[Rule]:
        return [rule for address in self._addresses for rule in told_by(address)]


def _arriving(address: Address) -> list[Rule]:
    """How to tell a packet that is for the address, at the interface."""
    if isinstance(address, IPv6Address):
        to_it = (*is_meta(nft.PROTOCOL, _IPV6), *holds(NETWORK, 24, address.packed))
        return [to_it, _neighbour_discovery(_SOLICITATION, address)]
    to_it = (*is_meta(nft.PROTOCOL, _IPV4), *holds(NETWORK, 16, address.packed))
    asked_for = (*is_meta(nft.PROTOCOL, _IS_ARP), *holds(NETWORK, 24, address.packed))
    not_announced = holds(NETWORK, 14, address.packed, nft.UNEQUAL)
    return [to_it, (*asked_for, *not_announced)]


def _leaving(address: Address) -> list[Rule]:
    """How to tell a packet that is from the address, or says who has it, at the interface."""
    if isinstance(address, IPv6Address):
        from_it = (*is_meta(nft.PROTOCOL, _IPV6), *holds(NETWORK, 8, address.packed))
        return [from_it, _neighbour_discovery(_ADVERTISEMENT, address)]
    from_it = (*is_meta(nft.PROTOCOL, _IPV4), *holds(NETWORK, 12, address.packed))
    return [from_it, (*is_meta(nft.PROTOCOL, _IS_ARP), *holds(NETWORK, 14, address.packed))]


def _neighbour_discovery(kind: bytes, address: Address) -> Rule:
    message = (*is_meta(nft.PROTOCOL, _IPV6), *is_meta(nft.L4, _ICMPV6), *holds(TRANSPORT, 0, kind))
    return (*message, *holds(TRANSPORT, 8, address.packed))


def _routed_in(address: Address) -> list[Rule]:
    """How to tell a packet for the address, where there are only IPv4 and IPv6."""
    return [(*_of_family(address), *holds(NETWORK, 16 if address.version == 4 else 24, address.packed))]


def _routed_out(address: Address) -> list[Rule]:
    """How to tell a packet from the address, where there are only IPv4 and IPv6."""
    return [(*_of_family(address), *holds(NETWORK, 12 if address.version == 4 else 8, address.packed))]


def _of_family(address: Address) -> Rule:
    return is_meta(nft.FAMILY, b"\x02" if address.version == 4 else b"\x0a")


def _asserted(address: Address) -> list[Rule]:
    """How to tell a packet that says who has the address, where there is only ARP."""
    return [holds(NETWORK, 14, address.packed)] if address.version == 4 else []
