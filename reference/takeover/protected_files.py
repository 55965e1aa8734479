"""Protected files: the small library with which an application changes its protected data, and reads it.

    files = ProtectedFiles()                    # finds its node by TAKEOVER_SOCKET and TAKEOVER_DATA
    files.create("orders.log")
    files.write("orders.log", 0, b"first\\n")    # on return it is complete: in synchronous mode safe on both servers
    with files.open_read("orders.log") as orders:
        ...

The intuition: changes go through the node, which logs, carries out and replicates them; each call returns when its
update is acknowledged. Reading needs no node: the files are ordinary ones.

What complicates it: a call can end in four ways, and an application has to tell them apart.

- It returns: done, and complete.
- `OSError`, with the errno: it failed, and changed nothing; the next call may succeed.
- `NotActive`: it was never begun, and never will be. This server is not (or not yet) the active one.
- `Interrupted`: the role was lost on the way. Whether the update is there, the next active server's data will tell;
  this process should end.

What a call has changed may be read while it still waits, by another thread as well: reading sees what was carried out,
not only what is complete. An application that answers its clients from memory keeps the two apart by changing its
memory after the call.

Refused: an `append`. Where a file ends is known for certain only to one that is alone in writing to it, and then it can
keep count itself; two appending processes would overwrite each other.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path
from typing import BinaryIO

from takeover.errors import CallerError, EnvironmentFault, PeerError
from takeover.interception_frames import (
    ANSWER_BYTES_MAX,
    LENGTH_BYTES,
    WRITE_BYTES_MAX,
    Answer,
    Done,
    Failed,
    Refused,
    Unknown,
    body_length,
    decode_answer,
    frame,
)
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
    encode,
)

SOCKET_VARIABLE = "TAKEOVER_SOCKET"
"""Names the socket of the node, in the environment that it gives its applications."""

DATA_VARIABLE = "TAKEOVER_DATA"
"""Names the directory of the protected data, in the same environment."""


class NotActive(EnvironmentFault):
    """The update was not begun, and never will be: this server is not active, or its node does not run."""


class Interrupted(EnvironmentFault):
    """The update was sent, and the server lost its role or its life: whether it was done is not known."""


class ProtectedFiles:
    """The protected data of this server. Any number of threads may use it; each call waits. `close` it at the end.

    Paths are relative to the protected data, with `/` between their parts. Every method that changes something may
    raise OSError, NotActive and Interrupted, as the module says, and CallerError for a path that leads out of the data.
    """

    def __init__(self, socket_path: str | Path | None = None, root: str | Path | None = None) -> None:
        """Both come from the environment unless they are given. Raises CallerError when they are in neither."""
        self._socket_path = _given(socket_path, SOCKET_VARIABLE)
        self.root = Path(_given(root, DATA_VARIABLE))
        """The directory of the protected data, to read from."""
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Give the idle connections back. Calls that wait end as they would have."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def create(self, path: str) -> None:
        """A new, empty file; EEXIST when the name is taken."""
        self._do(Create(path))

    def write(self, path: str, offset: int, data: bytes) -> int:
        """Put `data` at `offset`, in bytes, of an existing file; how many bytes were written.

        Up to `WRITE_BYTES_MAX` bytes are one update: a failover keeps all of it or none. More are several updates, one
        after the other. A smaller number than was given says that the rest was not written; the next call says why.
        """
        written = 0
        while True:
            piece = data[written : written + WRITE_BYTES_MAX]
            try:
                amount = self._do(Write(path, offset + written, bytes(piece)))
            except (OSError, NotActive):
                if written:
                    return written
                raise
            written += amount
            if amount < len(piece) or written == len(data):
                return written

    def truncate(self, path: str, size: int) -> None:
        """Another length, in bytes, for an existing file; a longer one adds zeros."""
        self._do(Truncate(path, size))

    def rename(self, path: str, target: str) -> None:
        """Another name for a file or directory, in one step; a file that had it is gone."""
        self._do(Rename(path, target))

    def remove(self, path: str) -> None:
        """A file less."""
        self._do(Remove(path))

    def make_directory(self, path: str) -> None:
        """A new, empty directory; EEXIST when the name is taken."""
        self._do(MakeDirectory(path))

    def remove_directory(self, path: str) -> None:
        """An empty directory less."""
        self._do(RemoveDirectory(path))

    def open_read(self, path: str) -> BinaryIO:
        """The file, open to be read; it sees what is written later. Raises OSError."""
        Create(path)  # refuses a path that leads out of the data
        return (self.root / path).open("rb")

    def _do(self, operation: Operation) -> int:
        """One update, from its start to its acknowledgement; how many bytes were written."""
        connection = self._connect()
        try:
            answer = _ask(connection, encode(operation))
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)
        return _amount(answer, operation)

    def _connect(self) -> socket.socket:
        """A connection that nobody else uses: one that is idle, or a new one."""
        with self._lock:
            if self._closed:
                raise CallerError(f"{self.root}: these protected files are closed")
            if self._idle:
                return self._idle.pop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self._socket_path)
        except OSError as cause:
            connection.close()
            raise NotActive(f"{self._socket_path}: {cause.strerror or cause}") from cause
        return connection


def _given(value: str | Path | None, variable: str) -> str:
    found = os.environ.get(variable, "") if value is None else str(value)
    if not found:
        raise CallerError(f"not given, and not in the environment: {variable}")
    return found


def _ask(connection: socket.socket, encoded: bytes) -> Answer:
    """Send one operation and wait for its answer."""
    try:
        connection.sendall(frame(encoded))
    except OSError as cause:
        # The last byte has not left, so nobody has the whole operation.
        raise NotActive(f"the node closed the connection before the update was sent: {cause}") from cause
    try:
        length = body_length(_receive(connection, LENGTH_BYTES), ANSWER_BYTES_MAX)
        return decode_answer(_receive(connection, length))
    except (OSError, PeerError) as cause:
        raise Interrupted(f"the update was sent, and not answered: {cause}") from cause


def _receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    received = b""
    while len(received) < size:
        more = connection.recv(size - len(received))
        if not more:
            raise PeerError("the node closed the connection")
        received += more
    return received


def _amount(answer: Answer, operation: Operation) -> int:
    """What an answer means to the caller."""
    match answer:
        case Done(amount):
            return amount
        case Failed(error):
            raise _os_error(error, operation.path)
        case Refused(reason, error):
            if error:
                raise _os_error(error, operation.path)
            raise NotActive(reason)
        case Unknown(reason):
            raise Interrupted(reason)


def _os_error(name: str, path: str) -> OSError:
    number = getattr(errno, name, errno.EIO)
    return OSError(number, os.strerror(number), path)
