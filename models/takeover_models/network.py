"""The network of the virtual world: six one-way links that lose, double, overtake and delay as they are told.

A link does nothing by itself: what becomes of each message is a decision of whoever drives the world. The two links
between the servers carry the channel, which is a connection: what is said while it is broken is lost, and when it
comes up again both servers are told. The links to the witness are just there. Each direction can be cut alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from takeover_spec import wire

LINKS = ("01", "10", "0w", "w0", "1w", "w1")
"""From whom to whom: servers 0 and 1, the witness w."""

CHANNEL = ("01", "10")

TOLD_MAX = 240
"""How many of the last messages are remembered, to be shown to a person."""

LETTERS_MAX = 400
"""How many messages may be under way on one link; the oldest is lost then."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message under way."""

    message: wire.Message
    frame: bytes
    """The message as it was sent."""
    due_ns: int
    """When it arrives if the world is calm, in true time."""


@dataclass(slots=True)
class Link:
    """One direction between two parties."""

    up: bool = True
    slower_ns: int = 0
    """By how much a message takes longer here than elsewhere."""
    letters: list[Letter] = field(default_factory=list)


class Network:
    """All links, and the channel's connection."""

    def __init__(self, latency_ns: int) -> None:
        self.latency_ns = latency_ns
        """How long a message takes while the world is calm."""
        self.links = {name: Link() for name in LINKS}
        self.connected = False
        self.now_ns = 0
        """True time; the world keeps it."""
        self._told: deque[tuple[int, str, wire.Message]] = deque(maxlen=TOLD_MAX)
        """When what was last said, on which link."""

    def send(self, name: str, message: wire.Message) -> None:
        """Put a message on its way, framed as on the wire, unless the link is cut or the channel broken."""
        self.carry(name, wire.encode(message))

    def carry(self, name: str, frame: bytes) -> wire.Message:
        """Put a frame on its way, as `send` does; what it says. Raises `Malformed` if it is none, link or no link."""
        message = wire.decode_frame(frame)
        self._told.append((self.now_ns, name, message))
        link = self.links[name]
        if not link.up or (name in CHANNEL and not self.connected):
            return message
        link.letters.append(Letter(message, frame, self.now_ns + self.latency_ns + link.slower_ns))
        del link.letters[:-LETTERS_MAX]
        return message

    def take(self, name: str, index: int, *, keep: bool) -> Letter | None:
        """A message that is under way, counted around if there are fewer; kept under way, it will arrive again."""
        letters = self.links[name].letters
        if not letters:
            return None
        index %= len(letters)
        return letters[index] if keep else letters.pop(index)

    def overheard(self, name: str, message: wire.Message) -> None:
        """A message came on a link from somebody who is not of this world, at once: it is shown with the others."""
        self._told.append((self.now_ns, name, message))

    def said(self) -> tuple[tuple[int, str, wire.Message], ...]:
        """The last messages that were said: when, in true time; on which link; and what."""
        return tuple(self._told)

    def delay(self, name: str, more_ns: int) -> bool:
        """Make all that is under way on a link later; whether there is anything. What is sent after it overtakes it."""
        letters = self.links[name].letters
        letters[:] = [replace(letter, due_ns=letter.due_ns + more_ns) for letter in letters]
        return bool(letters)

    def first_due(self, name: str) -> int | None:
        """Which of the messages under way on a link is due first; None if there is none."""
        letters = self.links[name].letters
        return min(range(len(letters)), key=lambda index: letters[index].due_ns) if letters else None

    def can_connect(self) -> bool:
        """Whether the channel is broken, and neither of its directions is cut."""
        return not self.connected and all(self.links[name].up for name in CHANNEL)

    def disconnect(self, *, lose: bool) -> None:
        """Break the channel; what is under way on it is lost, or may still arrive."""
        self.connected = False
        if lose:
            for name in CHANNEL:
                self.links[name].letters.clear()
