"""Netlink, as far as takeover speaks it: messages with attributes, questions, lists, and transactions of nftables.

The intuition: a request is a header, a body and a tree of attributes, in the machine's byte order. The kernel carries
it out *while it is being sent*; when the call returns, the answer lies ready. So nothing here waits, and nothing is
to be made asynchronous.

What complicates it: a list comes in several datagrams and is only complete when its end was read. A transaction is
refused as a whole, and the refusals and the confirmations of its parts come in the order of the parts, with the
refusal of the whole after them.

Refused: pyroute2, which is well kept. Its nftables is a table of names without types, cannot write all that is needed
here, and does not read what the kernel thinks of a rule; and a server would need more than Python. The whole of what
is used of netlink is below.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ROUTE = 0
SOCKET_DIAGNOSIS = 4
NETFILTER = 12
"""The families that are used here."""

CREATE = 0x400
EXCLUSIVE = 0x200
APPEND = 0x800
"""Flags of a request that makes something: make it if need be; fail if it is there; put it at the end."""

_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300
_NESTED = 0x8000
_ERROR, _DONE = 2, 3
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_BATCH_OF_NFTABLES = struct.pack(">BBH", 0, 0, 10)
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer."""

    kind: int
    body: bytes
    """What the kind asks for, and then the attributes."""
    flags: int = 0
    """CREATE, EXCLUSIVE, APPEND."""


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds others."""
    return attribute(kind | _NESTED, b"".join(attributes))


def text(value: str) -> bytes:
    """A text as the kernel wants it."""
    return value.encode() + b"\0"


def attributes_in(body: bytes, offset: int) -> dict[int, bytes]:
    """The attributes of `body` from `offset` on, by kind."""
    found = {}
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & ~_NESTED] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


class Netlink:
    """One open line to the kernel, in the network namespace that it was opened in. Call `close` at the end."""

    def __init__(self, family: int, groups: int = 0) -> None:
        """`groups` are the ROUTE family's broadcasts to be heard. Raises OSError."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
        self._socket.bind((0, groups))
        self._sequence = 0

    @classmethod
    def inherited(cls, descriptor: int) -> Netlink:
        """The line that another process opened, and does not use while this one does. Raises OSError."""
        line = cls.__new__(cls)
        line._socket = socket.socket(fileno=descriptor)
        line._sequence = 0
        while line._waiting() is not None:
            pass  # the answers to one that was killed before it heard them
        return line

    def close(self) -> None:
        """Everything that the kernel keeps for this line ends with it, if no other process has it too."""
        self._socket.close()

    def fileno(self) -> int:
        """For whoever waits for broadcasts, or hands it on."""
        return self._socket.fileno()

    def request(self, message: Message) -> None:
        """Have one thing done. Raises OSError with the kernel's reason."""
        self._sequence += 1
        self._socket.send(_pack(message, _REQUEST | _ACKNOWLEDGE | message.flags, self._sequence))
        for kind, sequence, body in self._datagram():
            if kind == _ERROR and sequence == self._sequence:
                _raise_if_failed(body)

    def listing(self, message: Message) -> list[Message]:
        """Everything of a kind. Raises OSError."""
        self._sequence += 1
        self._socket.send(_pack(message, _REQUEST | _DUMP, self._sequence))
        found: list[Message] = []
        while True:
            for kind, _, body in self._datagram():
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    _raise_if_failed(body)
                found.append(Message(kind, body))

    def transact(self, messages: Sequence[Message]) -> None:
        """Have nftables do all of it at one instant, or nothing. Raises OSError with the first reason."""
        begin = self._sequence + 1
        self._sequence += len(messages) + 2
        packed = [_pack(Message(_BATCH_BEGIN, _BATCH_OF_NFTABLES), _REQUEST, begin)]
        for sequence, message in enumerate(messages, begin + 1):
            packed.append(_pack(message, _REQUEST | _ACKNOWLEDGE | message.flags, sequence))
        packed.append(_pack(Message(_BATCH_END, _BATCH_OF_NFTABLES), _REQUEST, self._sequence))
        self._socket.send(b"".join(packed))
        confirmed = 0
        failure: OSError | None = None
        while (answer := self._waiting()) is not None:
            for kind, sequence, body in answer:
                if kind != _ERROR or sequence < begin:
                    continue
                confirmed += 1
                try:
                    _raise_if_failed(body)
                except OSError as error:
                    failure = failure or error
        if failure is not None:
            raise failure
        if confirmed < len(messages):
            raise OSError(errno.EPROTO, f"nftables confirmed {confirmed} of {len(messages)}")

    def broadcasts(self) -> list[Message]:
        """What was broadcast since the last call. Raises OSError (ENOBUFS) when some of it was lost."""
        heard = []
        while (answer := self._waiting()) is not None:
            heard += [Message(kind, body) for kind, _, body in answer]
        return heard

    def _waiting(self) -> list[tuple[int, int, bytes]] | None:
        try:
            return list(_messages(self._socket.recv(_ANSWER_BYTES, socket.MSG_DONTWAIT)))
        except BlockingIOError:
            return None

    def _datagram(self) -> list[tuple[int, int, bytes]]:
        return list(_messages(self._socket.recv(_ANSWER_BYTES)))


def _pack(message: Message, flags: int, sequence: int) -> bytes:
    length = _HEADER.size + len(message.body)
    return _HEADER.pack(length, message.kind, flags, sequence, 0) + message.body + bytes(-length % 4)


def _raise_if_failed(body: bytes) -> None:
    number = -struct.unpack_from("=i", body)[0]
    if number:
        raise OSError(number, os.strerror(number))


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages in `datagram`: (type, sequence number, body)."""
    offset = 0
    while offset < len(datagram):
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram, offset)
        yield kind, sequence, datagram[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3
