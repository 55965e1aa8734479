"""The adapter protocol: what the runner asks of an adapter, and what it may answer, one line of JSON each.

An adapter is a small program around somebody's server. It acts only when it is asked: a request is answered by any
number of lines, in the order in which the server does things, and then by one `end`. Nothing else is ever written.

The runner owns everything that a server stands on. **Time** is in each request, on the server's own clock; there is no
other. **The disk** is what the actions say: an action is written when it is answered, and durable when a later `sync`
is, so a crash may lose whatever was not synced, from any point on; after it the runner tells what is left, by `found`
and `queued`, before `start`. **The network** carries frames, which are opaque here: the adapter encodes and decodes
them as its server does. **The kernel** ends the public identity at the time the last `enable` said. **The protected
data** is the runner's too: it carries out what is logged, in order, and says how that ended; it carries out what is
applied; and it has the copy that a server resynchronises from, once all its parts arrived.

Lines are flat: text, whole numbers, true and false; bytes are base64. A request has an `id`, and so have all lines of
its answer. So an adapter needs no JSON library to speak of.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, cast

from takeover_spec.actions import ServerAction
from takeover_spec.codec import Malformed, json_text, kind_of, of_kind, parse_json, plain
from takeover_spec.wire import Message
from takeover_spec.words import Queue, Status

PROTOCOL = 1
"""The version of this protocol."""

LINE_BYTES_MAX = 1 << 20
"""How long a line may be, in bytes; a frame of the longest operation that the runner offers fits in many times."""

Partner = Annotated[str, ("peer", "witness")]
"""With whom a server speaks. What is annotated with texts is one of them; the schema says so."""


# --- what the runner asks -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """Who are you? Asked once, first; answered by one `Metadata`. `protocol` is the version that is spoken."""

    protocol: int


@dataclass(frozen=True, slots=True)
class Found:
    """Forget everything: this is on the server's disk. The fields are those of `found` in a trace's header."""

    active: bool
    epoch: int
    seen: int
    returned: bool
    drained: bool
    unsafe: bool
    released: int
    begun: int
    applied: int
    newest: int
    reported: int
    logged: int
    peer_left: bool
    peer_released: int
    carried: int
    """Every logged update up to here was carried out; `applied` if there is none."""


@dataclass(frozen=True, slots=True)
class Queued:
    """And this update is in a queue there. Those of a queue come in the order of their numbers."""

    queue: Queue
    seq: int
    status: Status
    operation: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """The server's process starts, with what was found; `Start` is its first action.

    `run` is never used twice. `seed` is all the randomness there is. The other names are the protocol's.
    """

    now: int
    me: Annotated[str, ("primary", "secondary")]
    pair: str
    run: int
    seed: int
    lease_ns: int
    promise_ns: int
    drift_ppm: int
    expiry_slack_ns: int
    synchronous: bool
    beat_ns: int
    """How often grants are to be asked for."""
    patience_ns: int
    """How long the passive server may be silent before it is declared not eligible."""


@dataclass(frozen=True, slots=True)
class Wake:
    """It is as late as the server asked to be woken at, or it is woken for nothing."""

    now: int


@dataclass(frozen=True, slots=True)
class Connected:
    """There is a new connection to the peer, on which `Hello` has been exchanged.

    What was said on an old one may still come.
    """

    now: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame arrived, its length included."""

    now: int
    sender: Partner
    frame: bytes


@dataclass(frozen=True, slots=True)
class Idle:
    """There is nothing else to do just now. It comes again for as long as it is answered by anything but `end`."""

    now: int
    room: bool
    """There is time to apply an update."""


@dataclass(frozen=True, slots=True)
class Write:
    """An application wants this done to the protected data. Answered by `log`, or it is refused."""

    now: int
    operation: bytes


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """The next logged update was carried out, and ended like this."""

    now: int
    seq: int
    status: Annotated[Status, ("done", "failed")]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the copy that was asked for by `take-copy`; all of them come, in their order, before `Copied`."""

    operation: bytes


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy is of the data as it is after update `upto`, the last one that was carried out."""

    now: int
    upto: int


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's order. Answered by `answer`, now or later."""

    now: int
    order: Annotated[str, ("switchover", "promote", "resync")]
    number: int
    """Names the order, and comes back in the answer."""
    within_ns: int
    """For a switchover, how long emptying the queues may take; otherwise 0."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The operator shuts the server down. After the answer its process is gone, and what it did not sync may be."""

    now: int


@dataclass(frozen=True, slots=True)
class Encode:
    """What is this message as a frame? Its `kind` and its fields are in the request. Answered by `Encoded`."""

    message: Message


@dataclass(frozen=True, slots=True)
class Decode:
    """What does this frame say? Answered by `Decoded` or `Refused`. No server runs, or nothing comes of it there."""

    frame: bytes


Timed = Wake | Connected | Frame | Idle | Write | CarriedOut | Copied | Order | Stop
"""What a running server is asked at a time of its clock."""

Request = (
    Hello
    | Encode
    | Decode
    | Found
    | Queued
    | Start
    | Wake
    | Connected
    | Frame
    | Idle
    | Write
    | CarriedOut
    | Part
    | Copied
    | Order
    | Stop
)


# --- what the adapter answers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who this is: the answer to `Hello`."""

    protocol: int
    name: str
    version: str
    language: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """The answer to `Encode`."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """The message that a frame is of; its `kind` and its fields are in the line."""

    message: Message


@dataclass(frozen=True, slots=True)
class Refused:
    """That is no frame, or not one of a message."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send a frame, its length included; or lose it, if there is no connection."""

    to: Partner
    frame: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection; nothing more is said on it."""

    to: Partner


@dataclass(frozen=True, slots=True)
class Sync:
    """Everything done so far is durable before anything that follows is done or said."""


@dataclass(frozen=True, slots=True)
class TakeCopy:
    """Let what is logged be carried out, and then read the data: `Part`s and `Copied` are the answer.

    Until then applications are held.
    """


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Ask to be woken when the server's clock shows this; takes the place of what was asked before."""

    at: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operator is told of an order."""

    number: int
    accepted: bool
    clause: str
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """The answer is complete."""


Word = Metadata | Encoded | Decoded | Refused | Say | Close | Sync | TakeCopy | WakeAt | Answer | End
Reply = Word | ServerAction
"""A line of an answer: a word of this protocol, or an action as in a trace (its name under `do`)."""


def request_line(number: int, request: Request) -> bytes:
    """A request as a line."""
    return _line({"id": number, "op": kind_of(type(request)), **_flat(request)})


def reply_line(number: int, reply: Reply) -> bytes:
    """A line of an answer."""
    key = "is" if isinstance(reply, Word) else "do"
    return _line({"id": number, key: kind_of(type(reply)), **_flat(reply)})


def _flat(line: Request | Reply) -> dict[str, Any]:
    if isinstance(line, Encode | Decoded):
        return {"kind": kind_of(type(line.message)), **plain(line.message)}
    return plain(line)


def _message(values: dict[str, Any], where: str) -> Message:
    return cast(Message, of_kind(Message, values.pop("kind", None), values, where))


def _line(values: dict[str, Any]) -> bytes:
    return json_text(values).encode() + b"\n"


def parse_request(line: bytes) -> tuple[int, Request]:
    """The number and the request in a line; raises `Malformed`."""
    values = parse_json(line, "request")
    number, kind = _number(values), values.pop("op", None)
    if kind == "encode":
        return number, Encode(_message(values, "request"))
    return number, cast(Request, of_kind(Request, kind, values, "request"))


def parse_reply(line: bytes) -> tuple[int, Reply]:
    """The number and the reply in a line; raises `Malformed`."""
    values = parse_json(line, "reply")
    number = _number(values)
    if "do" in values:
        return number, cast(Reply, of_kind(ServerAction, values.pop("do"), values, "reply"))
    kind = values.pop("is", None)
    if kind == "decoded":
        return number, Decoded(_message(values, "reply"))
    return number, cast(Reply, of_kind(Word, kind, values, "reply"))


def _number(values: dict[str, Any]) -> int:
    number = values.pop("id", None)
    if type(number) is not int:
        raise Malformed("id", "is missing, or not a whole number")
    return number


FOUND_NAMES = tuple(f.name for f in fields(Found) if f.name != "carried")
"""The names of `Found` that are names of what a server knows."""
