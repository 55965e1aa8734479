"""The observer's frames: what is asked, and what counts as an answer."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from takeover.lab.probes import (
    TAGS,
    Asked,
    answer_in,
    arp_probe,
    neighbour_probe,
    tcp_probe,
)

ASKED = Asked(
    IPv4Address("10.77.0.10"),
    8000,
    IPv4Address("10.77.0.192"),
    IPv6Address("fd77::10"),
    IPv6Address("fd77::c0"),
)
OURS, THEIRS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
TAG = 5


def arp_answer(tag: int = TAG, sender: str = "10.77.0.10", operation: int = 2) -> bytes:
    """What a kernel answers to an ARP probe."""
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + THEIRS + IPv4Address(sender).packed
    return OURS + THEIRS + b"\x08\x06" + body + OURS + (ASKED.asker + tag).packed


def tcp_answer(probe: bytes, flags: int, port: int = 8000) -> bytes:
    """What a kernel answers to a SYN."""
    (source,) = struct.unpack_from(">H", probe, 34)
    segment = struct.pack(">HHIIBBHHH", port, source, 7, (TAG << 16) + 1, 5 << 4, flags, 1024, 0, 0)
    return probe[6:12] + probe[:6] + probe[12:26] + probe[30:34] + probe[26:30] + segment


def checksum_is_right(content: bytes) -> bool:
    total: int = sum(struct.unpack(f">{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def test_an_arp_answer_brings_its_tag_back() -> None:
    """And names who sent it."""
    answer = answer_in(arp_answer(), ASKED)
    assert answer is not None
    assert ("arp", TAG, THEIRS, b"") == (answer.kind, answer.tag, answer.mac, answer.reply)


@pytest.mark.parametrize(
    "frame",
    [
        arp_answer(tag=TAGS),
        arp_answer(tag=-1),
        arp_answer(sender="10.77.0.11"),
        arp_answer(operation=1),
        arp_answer()[:30],
        arp_probe(ASKED, OURS, TAG),
        tcp_probe(ASKED, OURS, THEIRS, TAG),
        neighbour_probe(ASKED, OURS, TAG),
        b"",
    ],
)
def test_what_is_no_answer_is_none(frame: bytes) -> None:
    """Another address, another asker, a question, a piece."""
    assert answer_in(frame, ASKED) is None


@pytest.mark.parametrize(("flags", "replied"), [(0x12, True), (0x14, False)])
def test_syn_ack_and_rst_both_answer(flags: int, replied: bool) -> None:
    """Either shows that the address is taken there; only the first has to be ended."""
    probe = tcp_probe(ASKED, OURS, THEIRS, TAG)
    answer = answer_in(tcp_answer(probe, flags), ASKED)
    assert answer is not None
    assert ("tcp", TAG, replied) == (answer.kind, answer.tag, bool(answer.reply))
    if replied:
        assert 0x04 == answer.reply[47]
        assert probe[:12] == answer.reply[:12]


def test_another_port_is_no_answer() -> None:
    """It is somebody's connection."""
    probe = tcp_probe(ASKED, OURS, THEIRS, TAG)
    assert answer_in(tcp_answer(probe, 0x12, port=8001), ASKED) is None


def test_checksums_are_right() -> None:
    """A kernel drops a packet whose are not."""
    tcp = tcp_probe(ASKED, OURS, THEIRS, TAG)
    assert checksum_is_right(tcp[14:34])
    assert checksum_is_right(tcp[26:34] + struct.pack(">HH", 6, 20) + tcp[34:])
    ndp = neighbour_probe(ASKED, OURS, TAG)
    assert checksum_is_right(ndp[22:54] + struct.pack(">II", 32, 58) + ndp[54:])


def test_a_neighbour_advertisement_answers() -> None:
    """For the public IPv6 address only."""
    assert ASKED.address_ipv6 is not None
    assert ASKED.asker_ipv6 is not None
    to = (ASKED.asker_ipv6 + TAG).packed
    header = struct.pack(">IHBB", 6 << 28, 32, 58, 255) + ASKED.address_ipv6.packed + to
    body = struct.pack(">BBHI", 136, 0, 0, 0x60000000)
    frame = OURS + THEIRS + b"\x86\xdd" + header + body + ASKED.address_ipv6.packed + b"\x02\x01" + THEIRS
    answer = answer_in(frame, ASKED)
    assert answer is not None
    assert ("ndp", TAG) == (answer.kind, answer.tag)
    assert answer_in(frame[:62] + bytes(16) + frame[78:], ASKED) is None
