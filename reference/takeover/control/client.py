"""Asking a node that runs on this machine: one line to its control socket, one line of JSON back.

The socket is in the data directory, and only its owner and root may use it; the node asks the kernel who it is. A node
that does not run has no socket, or one that nobody listens on; both are the same answer here: `NotRunning`.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from takeover.errors import EnvironmentFault, PeerError

SOCKET_NAME = "control.sock"
"""The socket's name in the data directory."""

TIMEOUT_S = 5.0
"""How long a node may take to answer, in seconds."""

_ANSWER_BYTES_MAX = 1 << 20


class NotRunning(EnvironmentFault):
    """No node works on this data directory."""


def ask(data_directory: Path, word: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """The node's answer to a word. Raises NotRunning, PeerError when the answer makes no sense, or EnvironmentFault."""
    path = data_directory / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            connection.sendall(word.encode() + b"\n")
            line = _line(connection)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(f"{data_directory}: no node runs on it: {path}: {error.strerror}") from error
        except OSError as error:
            raise EnvironmentFault(f"{path}: {word}: {error}") from error
    if not line:
        raise NotRunning(f"{data_directory}: the node ended before it answered")
    return _parse(path, line)


def _line(connection: socket.socket) -> bytes:
    """What comes back, up to the end of the connection or of the line."""
    received = b""
    while not received.endswith(b"\n") and len(received) < _ANSWER_BYTES_MAX:
        more = connection.recv(65_536)
        if not more:
            break
        received += more
    return received


def _parse(path: Path, line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PeerError(f"{path}: an answer that is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise PeerError(f"{path}: an answer that is not a JSON object: {line[:80]!r}")
    if "error" in answer:
        raise PeerError(f"{path}: {answer['error']}")
    return answer
