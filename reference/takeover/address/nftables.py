"""The words of nftables that takeover uses: tables, chains, rules and the expressions in them, as messages of netlink.

A rule is a sequence of expressions that work on registers; only register 1 is used, and register 0, the verdict. An
expression that does not hold ends the rule. Numbers that the kernel only reads are big-endian, numbers in a register
are as the machine writes them, and what is compared with a packet is as it is in the packet.
"""

from __future__ import annotations

import struct

from takeover.address.netlink import APPEND, CREATE, Message, attribute, nested, text

INET, ARP, NETDEV = 1, 3, 5
"""The families of tables: IPv4 and IPv6; ARP; everything at an interface."""

NEWTABLE, DELTABLE, NEWCHAIN, NEWRULE, DELRULE, NEWSET, NEWSETELEM = 0, 2, 3, 6, 8, 9, 12
"""What a message asks for."""

DROP, ACCEPT, JUMP, GOTO = 0, 1, -3, -4
"""Verdicts."""

EQUAL, UNEQUAL = 0, 1
NETWORK, TRANSPORT = 1, 2
"""Headers of a packet."""

PROTOCOL, MARK, IN_NAME, OUT_NAME, FAMILY, L4 = 1, 3, 6, 7, 15, 16
"""What is known of a packet beside its bytes."""

Rule = tuple[bytes, ...]
"""Expressions."""

OWNED, KEPT = 0x2, 0x4
"""Of a table: only the line may change it that it was made by; and it stays, for anybody, when that line goes."""

_NFTABLES = 10 << 8
_TIMEOUT = 0x10
_NAME_BYTES = 16
_KEY_BYTES = 4
_TYPE_MARK = 19  # only for those who list it


def message(family: int, kind: int, flags: int, *attributes: bytes) -> Message:
    """Any message."""
    return Message(_NFTABLES | kind, struct.pack(">BBH", family, 0, 0) + b"".join(attributes), flags)


def make_table(family: int, name: str, flags: int = 0) -> Message:
    """Make a table, if it is not there. One that is owned and not kept goes with the line that it was made by."""
    said = [attribute(2, _big(flags))] if flags else []
    return message(family, NEWTABLE, CREATE, attribute(1, text(name)), *said)


def drop_table(family: int, name: str) -> Message:
    """Take a table away."""
    return message(family, DELTABLE, 0, attribute(1, text(name)))


def make_timeout_set(family: int, table: str, name: str) -> Message:
    """Make a set of numbers that time out."""
    names = (attribute(1, text(table)), attribute(2, text(name)))
    key = (attribute(4, _big(_TYPE_MARK)), attribute(5, _big(_KEY_BYTES)))
    return message(family, NEWSET, CREATE, *names, attribute(3, _big(_TIMEOUT)), *key, attribute(10, _big(1)))


def add_element(family: int, table: str, name: str, key: int, timeout_ms: int, flags: int) -> Message:
    """Put a number into such a set."""
    element = nested(1, _value(1, _number(key)), attribute(4, struct.pack(">Q", timeout_ms)))
    names = (attribute(1, text(table)), attribute(2, text(name)))
    return message(family, NEWSETELEM, CREATE | flags, *names, nested(3, element))


def make_chain(family: int, table: str, name: str, *attributes: bytes) -> Message:
    """Make a chain that others jump to."""
    names = (attribute(1, text(table)), attribute(3, text(name)))
    return message(family, NEWCHAIN, CREATE, *names, *attributes)


def make_base_chain(
    family: int, table: str, name: str, hook: int, priority: int, interface: str = ""
) -> Message:
    """Make a chain that packets come to; `interface` is for the family of interfaces."""
    where = [attribute(1, _big(hook)), attribute(2, struct.pack(">i", priority))]
    if interface:
        where.append(attribute(3, text(interface)))
    return make_chain(family, table, name, nested(4, *where), attribute(7, text("filter")))


def add_rule(family: int, table: str, chain: str, *expressions: bytes) -> Message:
    """Put a rule at the end of a chain."""
    names = (attribute(1, text(table)), attribute(2, text(chain)))
    return message(family, NEWRULE, CREATE | APPEND, *names, nested(4, *expressions))


def empty_chain(family: int, table: str, chain: str) -> Message:
    """Take every rule out of a chain."""
    return message(family, DELRULE, 0, attribute(1, text(table)), attribute(2, text(chain)))


def is_meta(key: int, value: bytes, how: int = EQUAL) -> Rule:
    """What is known of the packet is this."""
    return _load_meta(key), _compare(value, how)


def is_interface(key: int, name: str, how: int = EQUAL) -> Rule:
    """The packet's interface has this name."""
    return is_meta(key, name.encode().ljust(_NAME_BYTES, b"\0"), how)


def holds(header: int, offset: int, value: bytes, how: int = EQUAL) -> Rule:
    """These bytes are there in the packet."""
    where = (attribute(2, _big(header)), attribute(3, _big(offset)), attribute(4, _big(len(value))))
    return _expression("payload", attribute(1, _big(1)), *where), _compare(value, how)


def is_in_set(name: str, key: int) -> Rule:
    """This number is in the set now, whatever the packet is."""
    load = _expression("immediate", attribute(1, _big(1)), _value(2, _number(key)))
    return load, _expression("lookup", attribute(1, text(name)), attribute(2, _big(1)))


def lacks_mark(bit: int) -> Rule:
    """The bit is not in the packet's mark."""
    return _load_meta(MARK), _masked(bit, 0), _compare(_number(0))


def set_mark(bit: int, on: bool) -> Rule:
    """Put a bit of the packet's mark on or off; the rest of the mark stays."""
    store = _expression("meta", attribute(2, _big(MARK)), attribute(3, _big(1)))
    return _load_meta(MARK), _masked(~bit & 0xFFFF_FFFF, bit if on else 0), store


def verdict(code: int, chain: str = "") -> bytes:
    """How a rule ends."""
    target = [attribute(2, text(chain))] if chain else []
    said = nested(2, attribute(1, struct.pack(">i", code)), *target)
    return _expression("immediate", attribute(1, _big(0)), nested(2, said))


def _load_meta(key: int) -> bytes:
    return _expression("meta", attribute(1, _big(1)), attribute(2, _big(key)))


def _compare(value: bytes, how: int = EQUAL) -> bytes:
    return _expression("cmp", attribute(1, _big(1)), attribute(2, _big(how)), _value(3, value))


def _masked(mask: int, flip: int) -> bytes:
    registers = (attribute(1, _big(1)), attribute(2, _big(1)), attribute(3, _big(4)))
    return _expression("bitwise", *registers, _value(4, _number(mask)), _value(5, _number(flip)))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, attribute(1, text(name)), nested(2, *attributes))


def _value(kind: int, value: bytes) -> bytes:
    return nested(kind, attribute(1, value))


def _big(number: int) -> bytes:
    return struct.pack(">I", number)


def _number(number: int) -> bytes:
    return struct.pack("=I", number)
