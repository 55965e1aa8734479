"""Who is at the other end of a Unix socket, as the kernel has it (SO_PEERCRED).

The operator's socket belongs to the user that the server runs as, and only that user may open it. The kernel's word is
asked as well: the file's mode can be changed, and it does not bind a process that got hold of the connection.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass

_UCRED = struct.Struct("3i")  # struct ucred: pid_t, uid_t, gid_t


@dataclass(frozen=True, slots=True)
class Credentials:
    """The process that opened the other end, at that moment."""

    pid: int
    uid: int
    gid: int


def credentials_of(connection: socket.socket) -> Credentials:
    """Whose connection it is."""
    size = _UCRED.size
    return Credentials(*_UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)))


def may_operate(who: Credentials) -> bool:
    """Whether this is root, or the user that this process runs as."""
    return who.uid in (0, os.geteuid())
