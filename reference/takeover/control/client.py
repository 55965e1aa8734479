"""Asking a node that runs: one line to it, one line of JSON back.

On its own machine that goes through a socket in the data directory. Only its owner and root may use it; the node asks
the kernel who it is. From another machine it goes over TLS, with the operator's key (`remote`). A node that does not
run has no socket, or one that nobody listens on; both are the same answer here: `NotRunning`.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from takeover.channel.keys import OPERATOR, Keys, refusal_of
from takeover.config import Operated, OperatorConfig
from takeover.errors import EnvironmentFault, PeerError

SOCKET_NAME = "control.sock"
"""The socket's name in the data directory."""

TIMEOUT_S = 5.0
"""How long a node may take to answer, in seconds."""

_ANSWER_BYTES_MAX = 1 << 20


class NotRunning(EnvironmentFault):
    """No node works on this data directory, or listens there."""


def ask(server: Operated, word: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """A node's answer to a word; it is named by its data directory here, or by what an operator elsewhere was told.

    Raises NotRunning, PeerError when it is not the node or its answer makes no sense, or EnvironmentFault.
    """
    where = str(server / SOCKET_NAME if isinstance(server, Path) else server.server)
    try:
        with _here(server, timeout_s) if isinstance(server, Path) else _away(server, timeout_s) as connection:
            connection.sendall(word.encode() + b"\n")
            line = _line(connection)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        place = server if isinstance(server, Path) else where
        raise NotRunning(f"{place}: no node runs on it: {where}: {error.strerror}") from error
    except OSError as error:
        raise EnvironmentFault(f"{where}: {word}: {refusal_of(error)}") from error
    if not line and isinstance(server, Path):
        raise NotRunning(f"{server}: the node ended before it answered")
    if not line:
        raise PeerError(f"{where}: the node ended, or let nobody in; its log says which")
    return _parse(where, line)


def _here(directory: Path, timeout_s: float) -> socket.socket:
    """A connection to the node that works on this directory."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(directory / SOCKET_NAME))
    except BaseException:
        connection.close()
        raise
    return connection


def _away(config: OperatorConfig, timeout_s: float) -> socket.socket:
    """A connection to a node elsewhere, which has shown that it is one of this pair. Raises PeerError, or OSError."""
    keys = Keys(config.keys, config.pair, OPERATOR)
    plain = socket.create_connection((config.server.host, config.server.port), timeout_s)
    with plain:  # wrapping it takes it over
        connection = keys.client.wrap_socket(plain)
    try:
        keys.identify(
            connection.getpeercert() or {}, connection.getpeercert(True) or b"", ("primary", "secondary")
        )
    except PeerError as error:
        connection.close()
        raise PeerError(f"{config.server}: {error}") from error
    return connection


def _line(connection: socket.socket) -> bytes:
    """What comes back, up to the end of the connection or of the line."""
    received = b""
    while not received.endswith(b"\n") and len(received) < _ANSWER_BYTES_MAX:
        more = connection.recv(65_536)
        if not more:
            break
        received += more
    return received


def _parse(where: str, line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PeerError(f"{where}: an answer that is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise PeerError(f"{where}: an answer that is not a JSON object: {line[:80]!r}")
    if "error" in answer:
        raise PeerError(f"{where}: {answer['error']}")
    return answer
