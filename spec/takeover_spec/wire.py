"""The messages: what servers and witness say to each other, and how a message is framed.

A frame is a length in 4 bytes (big-endian, of what follows) and that many bytes of JSON in UTF-8: the message's
fields and its `kind`. No message is longer than `FRAME_BYTES_MAX`; an update larger than that is not one update.

A message may be lost, doubled, late or overtaken by another; none asks the receiver to remember that it was sent.
`sent` is the asker's own clock, returned untouched: the asker counts a grant from it (LEASE-4). `run` names the
asker's run, so that an answer to a request of an earlier run is recognised.

Refused: a binary encoding. It would be smaller, and every implementer would have to write one before the first line
of the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast, get_args

from takeover_spec.codec import Malformed, json_text, kind_of, of_kind, parse_json, plain
from takeover_spec.words import Arbiter, Constants, Status

PROTOCOL = 1
"""The version of the wire protocol; both ends must have the same."""

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""The greatest length of a frame's JSON, in bytes."""

LENGTH_BYTES = 4

COPY_BLOCK_BYTES = 64 * 1024
"""How much of a file one digest in a copy's listing stands for, in bytes."""

COPY_DIGEST_BYTES = 16
"""How much of the SHA-256 of a block a listing has, in bytes."""

# --- both ways, and first on every connection ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message each way on every connection: who is there, and what both must have been told alike."""

    protocol: int
    pair: str
    party: str
    """`primary`, `secondary` or `witness`."""
    run: int
    """Names this run of the party."""
    lease_ns: int
    promise_ns: int
    drift_ppm: int
    expiry_slack_ns: int
    synchronous: bool
    arbiter: str = Arbiter.WITNESS.value
    """`witness`, `crash-stop` or `operator`."""


def hello(pair: str, party: str, run: int, c: Constants, arbiter: Arbiter = Arbiter.WITNESS) -> Hello:
    """The `Hello` of a party."""
    lengths = c.lease_ns, c.promise_ns, c.drift_ppm, c.expiry_slack_ns
    return Hello(PROTOCOL, pair, party, run, *lengths, c.synchronous, arbiter.value)


# --- active server to passive server -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskPromise:
    """*Do not take over from me for a promise's length.* Also the active server's sign of life."""

    epoch: int
    run: int
    sent: int


@dataclass(frozen=True, slots=True)
class Update:
    """An update that was logged: store it."""

    epoch: int
    seq: int
    operation: bytes
    """The encoded operation, opaque to the protocol."""


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """How an update ended: store that."""

    epoch: int
    seq: int
    status: Status
    amount: int
    """How many bytes were written, for an update that writes; 0 otherwise."""


@dataclass(frozen=True, slots=True)
class CopyBegin:
    """A copy of the whole of the protected data follows, as it is after update `upto`."""

    epoch: int
    begun: int
    """Where the sender's own epochs began: what it has of the receiver's history, if the receiver was active before."""
    upto: int


@dataclass(frozen=True, slots=True)
class CopyPart:
    """A piece of the copy: an operation to be carried out on what the pieces before have made."""

    epoch: int
    upto: int
    index: int
    """0, 1, 2…, counting listings as well."""
    operation: bytes


@dataclass(frozen=True, slots=True)
class CopyEntry:
    """A directory of the copy, or a file, or more of the file before."""

    path: bytes
    """As an operation has it, in its bytes."""
    directory: bool
    size: int
    """The file's length in bytes; 0 for a directory."""
    first: int
    """The number in the file of the first block that is listed here."""
    digests: bytes
    """`COPY_DIGEST_BYTES` of each block from there on; what is listed nowhere is zeros."""

    def __post_init__(self) -> None:
        if not self.path or len(self.digests) % COPY_DIGEST_BYTES:
            raise ValueError("there is no path, or not a whole number of digests")
        count = len(self.digests) // COPY_DIGEST_BYTES
        if self.directory and (self.size or self.first or count):
            raise ValueError("a directory has neither size nor blocks")
        if count and (self.first + count - 1) * COPY_BLOCK_BYTES >= self.size:
            raise ValueError(f"{count} blocks from {self.first} on do not begin within {self.size} bytes")


@dataclass(frozen=True, slots=True)
class CopyListing:
    """A piece of the copy, of which the passive server may have much: names, sizes and digests."""

    epoch: int
    upto: int
    index: int
    """As that of a part."""
    entries: tuple[CopyEntry, ...]


@dataclass(frozen=True, slots=True)
class CopyEnd:
    """The copy is complete: `parts` pieces, listings included."""

    epoch: int
    upto: int
    parts: int
    digest: bytes
    """Of the whole copy; what is made of the pieces must have it. Empty when the sender gives none."""


@dataclass(frozen=True, slots=True)
class Released:
    """The sender gave the role of `epoch` up (also told to the witness); said again until a newer epoch is heard of."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The sender shuts down; its silence from now on is no failure."""

    epoch: int


# --- passive server to active server -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promised:
    """*I shall not take over for a promise's length.* The answer to `AskPromise`."""

    epoch: int
    run: int
    sent: int


@dataclass(frozen=True, slots=True)
class Safe:
    """What is durable here with its completion status."""

    epoch: int
    upto: int
    latest: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where the sender stands: sent after `Hello`, and whenever it changed otherwise than by updates."""

    epoch: int
    """The epoch its data belongs to."""
    stored: int
    """The last update of an unbroken run in its safe queue."""
    statuses: int
    """The last status of an unbroken run in its safe queue."""
    resynchronise: bool
    """It needs a copy before it can follow."""


@dataclass(frozen=True, slots=True)
class Newer:
    """*Your epoch is over:* the answer to anything of an older epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CopyLacking:
    """The blocks of a listing that the sender does not have: the answer to each `CopyListing`, in their order."""

    epoch: int
    upto: int
    index: int
    """The listing's."""
    blocks: tuple[int, ...]
    """Counted from 0 through the whole listing, ascending."""


# --- server to witness, and back ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskLease:
    """*Let me hold the public identity in this epoch.*"""

    epoch: int
    run: int
    sent: int
    promoted: bool
    """This server is promoted: grant it whether or not it is recorded as eligible (REJOIN-4)."""


@dataclass(frozen=True, slots=True)
class Leased:
    """The lease asked for is granted."""

    epoch: int
    run: int
    sent: int


@dataclass(frozen=True, slots=True)
class NotLeased:
    """The lease asked for is not granted, and why."""

    epoch: int
    run: int
    sent: int
    current: int
    """The latest epoch the witness has granted."""
    clause: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeclareEligible:
    """*Record whether my passive server is eligible.*"""

    epoch: int
    version: int
    eligible: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was declared is durable at the witness."""

    epoch: int
    version: int
    eligible: bool


Message = (
    Hello
    | AskPromise
    | Update
    | UpdateStatus
    | CopyBegin
    | CopyPart
    | CopyListing
    | CopyEnd
    | Released
    | Goodbye
    | Promised
    | Safe
    | Position
    | Newer
    | CopyLacking
    | AskLease
    | Leased
    | NotLeased
    | DeclareEligible
    | Recorded
)
"""Everything that can be said."""

MESSAGES: tuple[type, ...] = get_args(Message)


def encode(message: Message) -> bytes:
    """A message as a frame."""
    body = json_text({"kind": kind_of(type(message)), **plain(message)}).encode()
    if len(body) > FRAME_BYTES_MAX:
        raise Malformed(kind_of(type(message)), f"{len(body)} bytes are more than a frame may have")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode(body: bytes) -> Message:
    """The message in a frame's JSON (without the length); raises `Malformed`."""
    values = parse_json(body, "frame")
    return cast(Message, of_kind(Message, values.pop("kind", None), values, "frame"))


def decode_frame(frame: bytes) -> Message:
    """The message in a whole frame, its length included; raises `Malformed`."""
    length, body = frame_length(frame[:LENGTH_BYTES]), frame[LENGTH_BYTES:]
    if length != len(body):
        raise Malformed("frame", f"its length says {length} bytes, and it has {len(body)}")
    return decode(body)


def frame_length(prefix: bytes) -> int:
    """The length of the JSON that follows these `LENGTH_BYTES`; raises `Malformed` if no frame is that long."""
    length = int.from_bytes(prefix, "big")
    if not 2 <= length <= FRAME_BYTES_MAX:
        raise Malformed("frame", f"a length of {length} bytes is not from 2 to {FRAME_BYTES_MAX}")
    return length


def agree(mine: Hello, theirs: Hello, expected: tuple[str, ...]) -> str:
    """Why these two cannot talk; empty if they can. `expected` are the parties that may be on the other end."""
    for name in (f.name for f in fields(Hello) if f.name not in ("party", "run")):
        if getattr(mine, name) != getattr(theirs, name):
            return f"{name} is {getattr(mine, name)!r} here and {getattr(theirs, name)!r} there"
    if theirs.party not in expected:
        return f"a {theirs.party} is there, and not a {' or '.join(expected)}"
    return ""
