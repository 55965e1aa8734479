"""Who is let in on a connection between the parties, who is not, and that each reason is needed and logged.

Sockets and keys are real. The door is a primary's, which expects its secondary.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from takeover.channel import accepting, channel
from takeover.channel.accepting import Acceptor
from takeover.channel.channel import Connection, dial, greet
from takeover.channel.keys import CERTIFICATE_FILE, KEY_FILE, REVOKED_FILE, Keys
from takeover.commands.key_making import Authority, read_authority
from takeover.endpoint import Endpoint
from takeover.errors import PeerError
from takeover_spec import wire
from takeover_spec.words import Constants

PAIR = "db"
C = Constants(10**9, 10**9, 1000, 10**8, True)
MESSAGE = wire.AskPromise(1, 2, 3)
DAY = timedelta(days=1)
DEADLINE_S = 20


def hello(party: str, pair: str = PAIR) -> wire.Hello:
    return wire.hello(pair, party, 1, C)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, logger = Handler(), logging.getLogger("takeover")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def keys(keys_of: Callable[[str], Path], tmp_path: Path) -> Path:
    """A directory of its own with the keys of the pair, to be changed as a test likes."""
    for path in keys_of(PAIR).rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(keys_of(PAIR))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(0o600)
    return tmp_path


class Door:
    """A primary that listens for its secondary; whom it let in, and what they said."""

    def __init__(self, keys: Path) -> None:
        self.keys = keys
        self.endpoint = Endpoint("127.0.0.1", free_port())
        self.let_in: list[str] = []
        self.heard: list[wire.Message] = []
        self.accepted: list[Connection] = []
        self.dialled: list[Connection] = []
        mine = Keys(keys / "primary" / "keys", PAIR, "primary")
        expected = ("secondary",)
        start = asyncio.create_task
        say = partial(greet, mine=hello("primary"))
        self.acceptor = Acceptor(self.endpoint, mine, expected, say, self._serve, start)

    async def _serve(self, connection: Connection) -> None:
        self.let_in.append(connection.theirs.party)
        self.accepted.append(connection)
        async for message in connection.messages():
            self.heard.append(message)

    async def dial(self, party: str = "secondary") -> Connection:
        """Dial it as a party of the pair."""
        keys = Keys(self.keys / party / "keys", PAIR, party)
        self.dialled.append(await dial(self.endpoint, keys, hello(party), ("primary",)))
        return self.dialled[-1]


@asynccontextmanager
async def listening(keys: Path) -> AsyncIterator[Door]:
    door = Door(keys)
    door.acceptor.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield door
    finally:
        for connection in door.dialled:
            connection.close()
        await door.acceptor.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; whoever calls has the deadline."""
    while not condition():
        await asyncio.sleep(0.002)


# --- intruders --------------------------------------------------------------------------------------------


def certified(door: Door, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """What somebody dials with who looks at nobody, and shows this certificate."""
    context = unverified()
    chain = door.keys / "intruder.pem"
    chain.write_bytes(certificate + key)
    context.load_cert_chain(chain)
    return context


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def intrude(door: Door, context: ssl.SSLContext | None, said: wire.Hello) -> None:
    """Dial, say hello and a message, and stay until the end."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", door.endpoint.port, ssl=context, server_hostname="" if context else None
        )
        try:
            writer.write(wire.encode(said) + wire.encode(MESSAGE))
            await writer.drain()
            ended = asyncio.ensure_future(reader.read(-1))
            await until(lambda: door.heard or ended.done())
            if not ended.cancel():
                await ended
        finally:
            writer.transport.abort()


Intruder = Callable[[Door], Awaitable[None]]


def with_certificate(
    make: Callable[[Authority], tuple[bytes, bytes]], said: wire.Hello | None = None
) -> Intruder:
    """Somebody with a certificate that is made from the pair's own authority."""

    async def come(door: Door) -> None:
        context = certified(door, *make(read_authority(door.keys)))
        await intrude(door, context, said or hello("secondary"))

    return come


async def without_certificate(door: Door) -> None:
    await intrude(door, unverified(), hello("secondary"))


async def in_plain_text(door: Door) -> None:
    await intrude(door, None, hello("secondary"))


async def with_the_last_version(door: Door) -> None:
    context = certified(door, *read_authority(door.keys).issue(PAIR, "secondary"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    await intrude(door, context, hello("secondary"))


async def revoked(door: Door) -> None:
    own = door.keys / "secondary" / "keys"
    pem = (own / CERTIFICATE_FILE).read_bytes()
    print_of = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex(":").upper()
    (door.keys / "primary" / "keys" / REVOKED_FILE).write_text(f"# lost\n{print_of}  # laptop\n")
    door.acceptor._keys.reload()
    await intrude(door, certified(door, pem, (own / KEY_FILE).read_bytes()), hello("secondary"))


async def with_a_recording(door: Door) -> None:
    """Record what a secondary sends, and send the same once more."""
    recorded = b""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal recorded
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", door.endpoint.port)

        async def back() -> None:
            while data := await far_reader.read(65_536):
                writer.write(data)

        returning = asyncio.create_task(back())
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                recorded += data
                far_writer.write(data)
        returning.cancel()
        for each in (far_writer, writer):
            each.transport.abort()

    relay = await asyncio.start_server(carry, "127.0.0.1", 0)
    port = relay.sockets[0].getsockname()[1]
    own = Keys(door.keys / "secondary" / "keys", PAIR, "secondary")
    connection = await dial(Endpoint("127.0.0.1", port), own, hello("secondary"), ("primary",))
    connection.say(MESSAGE)
    await until(lambda: door.heard)
    connection.close()
    relay.close()
    door.let_in.clear()
    door.heard.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.endpoint.port)
    writer.write(recorded)
    with contextlib.suppress(OSError):
        while await reader.read(1000):
            pass
    writer.transport.abort()


def self_signed(authority: Authority) -> tuple[bytes, bytes]:
    """A certificate that names the secondary, and that nobody but itself vouches for."""
    alone = Authority.make(PAIR)
    return pem(alone.certificate), key_pem(alone.key)


def from_a_party(authority: Authority) -> tuple[bytes, bytes]:
    """A certificate that the secondary made, with its own as the authority."""
    certificate, key = authority.issue(PAIR, "witness")
    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    false, false_key = Authority(x509.load_pem_x509_certificate(certificate), private).issue(
        PAIR, "secondary"
    )
    return false + certificate, false_key


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _now() -> datetime:
    return datetime.now(UTC)


PARTY_OF = "the {} of pair '{}'"
INTRUDERS: dict[str, tuple[Intruder, str, str]] = {
    "no certificate": (without_certificate, "it shows no certificate", "verification"),
    "self-signed": (
        with_certificate(self_signed),
        "its certificate is refused: self-signed certificate",
        "verification",
    ),
    "another authority": (
        with_certificate(lambda _: Authority.make(PAIR).issue(PAIR, "secondary")),
        "its certificate is refused: unable to get local issuer certificate",
        "verification",
    ),
    "made by a party": (
        with_certificate(from_a_party),
        "its certificate is refused: invalid CA certificate",
        "verification",
    ),
    "expired": (
        with_certificate(lambda a: a.issue(PAIR, "secondary", _now() - 2 * DAY, _now() - DAY)),
        "its certificate is refused: certificate has expired",
        "verification",
    ),
    "not yet valid": (
        with_certificate(lambda a: a.issue(PAIR, "secondary", _now() + DAY, _now() + 2 * DAY)),
        "its certificate is refused: certificate is not yet valid",
        "verification",
    ),
    "another pair": (
        with_certificate(lambda a: a.issue("other", "secondary")),
        f"its certificate is that of {PARTY_OF.format('secondary', 'other')}, and this is pair 'db'",
        "identity",
    ),
    "another party": (
        with_certificate(lambda a: a.issue(PAIR, "witness")),
        f"its certificate is that of {PARTY_OF.format('witness', 'db')}, and not of the secondary",
        "identity",
    ),
    "no party": (
        with_certificate(lambda a: a.issue(PAIR, "Mallory")),
        "the certificate names no party of a pair, but ['takeover:db/Mallory']",
        "identity",
    ),
    "revoked": (revoked, f"the certificate of {PARTY_OF.format('secondary', 'db')} is revoked: ", "identity"),
    "another party in its hello": (
        with_certificate(lambda a: a.issue(PAIR, "secondary"), hello("primary")),
        "a primary is there, and not a secondary; its certificate is that of the secondary",
        "agreement",
    ),
    "another pair in its hello": (
        with_certificate(lambda a: a.issue(PAIR, "secondary"), hello("secondary", "other")),
        "pair is 'db' here and 'other' there; its certificate is that of the secondary",
        "agreement",
    ),
    "another protocol version": (
        with_certificate(lambda a: a.issue(PAIR, "secondary"), replace(hello("secondary"), protocol=99)),
        "protocol is 1 here and 99 there; its certificate is that of the secondary",
        "agreement",
    ),
    "TLS 1.2": (with_the_last_version, "no session can be made with it: unsupported protocol", "version"),
    "plain text": (in_plain_text, "it does not speak TLS: ", "TLS"),
    "a recording": (with_a_recording, "no session can be made with it: ", "nothing"),
}
"""Who comes, why each is refused, and by which check."""


@pytest.mark.parametrize("intruder", INTRUDERS)
def test_an_intruder_is_refused_with_a_reason_and_changes_nothing(
    keys: Path, logged: list[str], intruder: str
) -> None:
    """The log says from where, and why; nothing of it is heard; and the secondary comes in after it as before."""
    come, reason, _ = INTRUDERS[intruder]

    async def play() -> None:
        async with listening(keys) as door:
            await come(door)
            expected = f"a connection is refused: 127.0.0.1: {reason}"
            await until(
                lambda: (
                    [line for line in logged if line.startswith(expected)] or not_refused(logged, expected)
                )
            )
            assert ([], []) == (door.let_in, door.heard)
            if intruder != "revoked":
                (await door.dial()).say(MESSAGE)
                await until(lambda: door.heard)
                assert (["secondary"], [MESSAGE]) == (door.let_in, door.heard)

    asyncio.run(play())


def not_refused(logged: list[str], expected: str) -> bool:
    """Whether something else was logged, which is then shown."""
    others = [line for line in logged if "refused" in line and not line.startswith(expected)]
    assert [] == others
    return False


@pytest.mark.parametrize("intruder", [name for name in INTRUDERS if INTRUDERS[name][2] != "nothing"])
def test_without_the_check_the_intruder_gets_in(
    keys: Path, monkeypatch: pytest.MonkeyPatch, intruder: str
) -> None:
    """So each check is what keeps it out, and the test above can fail."""
    come, _, check = INTRUDERS[intruder]
    leave_out(monkeypatch, check)

    async def play() -> None:
        async with listening(keys) as door:
            await come(door)
            assert ([MESSAGE], 1) == (door.heard, len(door.let_in))

    asyncio.run(play())


def leave_out(monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    """Leave one check out of the code."""
    faithful = Keys._context

    def lax(keys: Keys, protocol: int) -> ssl.SSLContext:
        context = faithful(keys, protocol)
        if protocol == ssl.PROTOCOL_TLS_SERVER:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if check == "verification":
                context.verify_mode = ssl.CERT_NONE
        return context

    async def plain(accepted: socket.socket, keys: Keys) -> Any:
        return await asyncio.open_connection(sock=accepted)

    if check == "agreement":
        monkeypatch.setattr(channel, "agree", lambda *_: "")
    if check in ("verification", "version"):
        monkeypatch.setattr(Keys, "_own_certificate", lambda keys: own(keys.directory))
        monkeypatch.setattr(Keys, "_context", lax)
    if check in ("verification", "identity", "TLS"):
        monkeypatch.setattr(Keys, "identify", lambda *_: "secondary")
    if check == "TLS":
        monkeypatch.setattr(accepting, "_secure", plain)
        monkeypatch.setattr(channel, "identify", lambda *_: "secondary")


def own(directory: Path) -> dict[str, Any]:
    """What `Keys` would have read from the certificate."""
    found = x509.load_pem_x509_certificate((directory / CERTIFICATE_FILE).read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (name,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return {"subjectAltName": (("URI", name),), "notAfter": "Jan  1 00:00:00 2099 GMT"}


def test_a_recording_would_be_heard_without_tls(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames are the same in every session: it is TLS, and nothing in them, that tells a recording."""
    leave_out(monkeypatch, "TLS")

    async def play() -> None:
        async with listening(keys) as door:
            for times in (1, 2):
                door.heard.clear()
                await intrude(door, None, hello("secondary"))
                assert (times, [MESSAGE]) == (len(door.let_in), door.heard)

    asyncio.run(play())


def test_a_session_cut_off_in_a_frame_is_logged_and_nothing_of_it_is_heard(
    keys: Path, logged: list[str]
) -> None:
    """TCP ends without TLS's goodbye, half a message inside; what came whole before it counts."""

    async def play() -> None:
        async with listening(keys) as door:
            connection = await door.dial()
            connection.say(MESSAGE)
            connection._writer.write(wire.encode(MESSAGE)[:-5])
            await until(lambda: door.heard)
            raw = connection._writer.get_extra_info("socket")
            raw.shutdown(socket.SHUT_WR)
            await until(lambda: logged)
            frame = len(wire.encode(MESSAGE)) - wire.LENGTH_BYTES - 5
            what = "the connection of the secondary is broken"
            expected = f"{what}: 127.0.0.1: ended in the middle of a frame, after {frame} bytes"
            assert ([expected], [MESSAGE]) == (logged, door.heard)
            connection.close()
            await door.dial()

    asyncio.run(play())


IMPOSTORS: dict[str, tuple[Callable[[Authority], tuple[bytes, bytes]], str]] = {
    "self-signed": (self_signed, "its certificate is refused: self-signed certificate"),
    "another authority": (
        lambda _: Authority.make(PAIR).issue(PAIR, "primary"),
        "its certificate is refused: unable to get local issuer certificate",
    ),
    "expired": (
        lambda a: a.issue(PAIR, "primary", _now() - 2 * DAY, _now() - DAY),
        "its certificate is refused: certificate has expired",
    ),
    "another pair": (lambda a: a.issue("other", "primary"), "and this is pair 'db'"),
    "another party": (lambda a: a.issue(PAIR, "secondary"), "and not of the primary"),
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_whoever_dials_looks_as_closely(keys: Path, impostor: str) -> None:
    """An impostor that listens is refused by the one that dials, and is told nothing, not even a hello."""
    make, reason = IMPOSTORS[impostor]

    async def play() -> None:
        received: list[bytes] = []
        ended = asyncio.Event()

        async def lurk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                received.append(await reader.read(1000))
            writer.transport.abort()
            ended.set()

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain = keys / "impostor.pem"
        chain.write_bytes(b"".join(make(read_authority(keys))))
        context.load_cert_chain(chain)
        server = await asyncio.start_server(lurk, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        own = Keys(keys / "secondary" / "keys", PAIR, "secondary")
        with pytest.raises(PeerError, match=reason) as caught:
            await dial(Endpoint("127.0.0.1", port), own, hello("secondary"), ("primary",))
        assert f"127.0.0.1:{port}: " in str(caught.value)
        if "pair" in reason or "not of" in reason:  # or else there was no session
            async with asyncio.timeout(DEADLINE_S):
                await ended.wait()
            assert b"" == b"".join(received)
        server.close()

    asyncio.run(play())


def test_a_stranger_is_told_nothing(keys: Path) -> None:
    """Not even the hello: it does not learn what the constants are."""

    async def play() -> None:
        async with listening(keys) as door:
            context = certified(door, *read_authority(keys).issue("other", "secondary"))
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", door.endpoint.port, ssl=context, server_hostname=""
            )
            assert b"" == await reader.read(1000)
            writer.transport.abort()

    asyncio.run(play())


def test_the_same_refusal_is_logged_once_in_a_while(
    keys: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger cannot fill the disk; another reason is logged at once, and the same one when its time has come."""
    monkeypatch.setattr(accepting, "REPEAT_S", 60.0)

    async def play() -> None:
        async with listening(keys) as door:
            for _ in range(3):
                await without_certificate(door)
            await in_plain_text(door)
            await until(lambda: len(logged) >= 2)
            assert ["no certificate" in line for line in logged] == [True, False]
            monkeypatch.setattr(accepting, "REPEAT_S", 0.0)
            await without_certificate(door)
            await until(lambda: len(logged) == 3)

    asyncio.run(play())


def test_strangers_on_their_way_in_wait_and_do_not_shut_the_door(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent connections have their time; then it is the secondary's turn."""
    monkeypatch.setattr(accepting, "HELLO_TIMEOUT_S", 0.2)
    monkeypatch.setattr(accepting, "GREETED_MAX", 2)

    async def play() -> None:
        async with listening(keys) as door:
            silent = [await asyncio.open_connection("127.0.0.1", door.endpoint.port) for _ in range(4)]
            (await door.dial()).say(MESSAGE)
            await until(lambda: door.heard)
            for _, writer in silent:
                writer.transport.abort()

    asyncio.run(play())


def test_small_messages_are_not_held_back(keys: Path) -> None:
    """Neither by whoever dialled nor by whoever was dialled: the kernel would wait 40 ms with each second one."""

    async def play() -> list[int]:
        async with listening(keys) as door:
            await door.dial()
            await until(lambda: door.accepted)
            ends = [end._writer.get_extra_info("socket") for end in (*door.dialled, *door.accepted)]
            return [end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for end in ends]

    assert [1, 1] == asyncio.run(play())


def test_no_session_is_resumed_and_no_name_is_sent(keys: Path) -> None:
    """A session has no ticket for another one, is TLS 1.3, and neither side looked at a host name."""

    async def play() -> None:
        async with listening(keys) as door:
            connection = await door.dial()
            connection.say(MESSAGE)
            await until(lambda: door.heard)
            session = connection._writer.get_extra_info("ssl_object")
            assert ("TLSv1.3", None) == (session.version(), session.server_hostname)
            assert not session.session.has_ticket
            assert not session.session_reused

    asyncio.run(play())
