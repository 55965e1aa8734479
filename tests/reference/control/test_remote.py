"""An operator on another machine is answered if he shows the operator's key, and nobody else is."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from takeover.channel.keys import Keys
from takeover.config import OperatorConfig, load_operated
from takeover.control.client import NotRunning, ask
from takeover.control.control import LINE_BYTES_MAX
from takeover.control.remote import RemoteControl
from takeover.endpoint import Endpoint
from takeover.errors import ConfigurationError, EnvironmentFault, PeerError, TakeoverError

PAIR = "p1"
DEADLINE_S = 20.0


def free_endpoint() -> Endpoint:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return Endpoint("127.0.0.1", held.getsockname()[1])


@asynccontextmanager
async def listening(keys: Path, asked: list[bytes]) -> AsyncIterator[Endpoint]:
    """A primary that answers operators; what it was asked."""

    async def answer(line: bytes) -> bytes:
        asked.append(line)
        return b'{"said": "%s"}\n' % line.strip()

    endpoint = free_endpoint()
    own = Keys(keys / "primary" / "keys", PAIR, "primary")
    remote = RemoteControl(endpoint, own, answer, asyncio.create_task)
    remote.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield endpoint
    finally:
        await remote.close()


def operator(endpoint: Endpoint, keys: Path, pair: str = PAIR) -> OperatorConfig:
    """What an operator was told."""
    return OperatorConfig(Path("operator.toml"), pair, endpoint, keys)


def asked_by(config: Callable[[Endpoint], OperatorConfig], keys: Path) -> tuple[list[bytes], object]:
    """What a server heard of somebody who asks for its status, and what he got: an answer, or an error."""
    asked: list[bytes] = []

    async def play() -> object:
        async with listening(keys, asked) as endpoint:
            try:
                return await asyncio.to_thread(ask, config(endpoint), "status")
            except TakeoverError as error:
                return error

    return asked, asyncio.run(play())


def test_the_operator_is_answered(keys_of: Callable[[str], Path]) -> None:
    """With the key that was made for him; a line in, a line out."""
    keys = keys_of(PAIR)
    said = asked_by(lambda endpoint: operator(endpoint, keys / "operator" / "keys"), keys)
    assert ([b"status\n"], {"said": "status"}) == said


@pytest.mark.parametrize(
    ("party", "reason"),
    [
        ("secondary", "its certificate is that of the secondary of pair 'p1', and not of the operator"),
        ("witness", "its certificate is that of the witness of pair 'p1', and not of the operator"),
    ],
)
def test_a_party_of_the_pair_is_no_operator(
    keys_of: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    party: str,
    reason: str,
) -> None:
    """A server's key, in whoever's hands, gives no orders: it is heard by the channel alone."""
    keys = keys_of(PAIR)
    monkeypatch.setattr("takeover.control.client.OPERATOR", party)
    with caplog.at_level(logging.WARNING, "takeover"):
        asked, error = asked_by(lambda endpoint: operator(endpoint, keys / party / "keys"), keys)
    assert ([], True) == (asked, isinstance(error, PeerError | EnvironmentFault))
    assert reason in caplog.text


def test_the_operator_of_another_pair_is_refused(keys_of: Callable[[str], Path]) -> None:
    """Its authority is not this one's; neither side believes the other."""
    other = keys_of("p2") / "operator" / "keys"
    asked, error = asked_by(lambda endpoint: operator(endpoint, other, "p2"), keys_of(PAIR))
    assert ([], EnvironmentFault) == (asked, type(error))
    assert "certificate" in str(error)


def test_a_revoked_operator_is_refused(
    keys_of: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """His fingerprint on the server's list is enough."""
    shutil.copytree(keys_of(PAIR), tmp_path, dirs_exist_ok=True)
    certificate = ssl.PEM_cert_to_DER_cert((tmp_path / "operator" / "keys" / "own.crt").read_text())
    with (tmp_path / "primary" / "keys" / "revoked.txt").open("a") as file:
        file.write(f"{hashlib.sha256(certificate).hexdigest()}\n")
    with caplog.at_level(logging.WARNING, "takeover"):
        asked, error = asked_by(lambda endpoint: operator(endpoint, tmp_path / "operator" / "keys"), tmp_path)
    assert ([], True) == (asked, isinstance(error, PeerError | EnvironmentFault))
    assert "the certificate of the operator of pair 'p1' is revoked" in caplog.text


def test_whoever_is_no_server_of_the_pair_is_not_asked(keys_of: Callable[[str], Path]) -> None:
    """The operator looks as closely: the witness's certificate answers no order, and is not told one."""
    keys, endpoint = keys_of(PAIR), free_endpoint()
    received: list[bytes] = []

    async def lurk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.transport.abort()

    async def play() -> None:
        context = Keys(keys / "witness" / "keys", PAIR, "witness").server
        async with await asyncio.start_server(lurk, endpoint.host, endpoint.port, ssl=context):
            config = operator(endpoint, keys / "operator" / "keys")
            with pytest.raises(
                PeerError, match="is that of the witness of pair 'p1', and not of the primary or"
            ):
                await asyncio.to_thread(ask, config, "status")

    asyncio.run(play())
    assert b"".join(received) == b""


def test_a_line_without_an_end_is_not_kept(
    keys_of: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """A line that is too long is refused, and the reason logged."""
    keys, asked = keys_of(PAIR), list[bytes]()

    async def play() -> None:
        async with listening(keys, asked) as endpoint:
            config = operator(endpoint, keys / "operator" / "keys")
            with pytest.raises((PeerError, EnvironmentFault)):
                await asyncio.to_thread(ask, config, "x" * LINE_BYTES_MAX)

    with caplog.at_level(logging.WARNING, "takeover"):
        asyncio.run(play())
    assert [] == asked
    assert f"asked {LINE_BYTES_MAX + 1} bytes; at most {LINE_BYTES_MAX}" in caplog.text


def test_where_nobody_listens_no_node_runs(keys_of: Callable[[str], Path]) -> None:
    """The same answer as for a socket that is not there."""
    config = operator(free_endpoint(), keys_of(PAIR) / "operator" / "keys")
    with pytest.raises(NotRunning, match="no node runs on it"):
        ask(config, "status")


def test_an_operators_file_is_read_whole_or_refused(tmp_path: Path) -> None:
    """What is wrong in it is named, with its place."""
    file = tmp_path / "primary.toml"
    file.write_text('pair = "p1"\nserver = "192.0.2.1:7402"\nkeys = "keys"\n')
    expected = OperatorConfig(file, "p1", Endpoint("192.0.2.1", 7402), tmp_path / "keys")
    assert expected == load_operated(file)
    file.write_text('pair = "p1"\nserver = "here"\nkey = "keys"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_operated(file)
    assert all(word in str(caught.value) for word in ("primary.toml", "server", "keys", "key"))
