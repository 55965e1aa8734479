"""The client of the speed measurements, on the client's machine; and a service that answers it.

    python prober.py probe SOCKET HOST PORT     measures when it is told to, over a Unix socket
    python prober.py load HOST PORT CONNECTIONS SECONDS FILE
                                                writes over so many connections, one write after the other on each, and
                                                puts the time that each took into FILE, in seconds
    python prober.py answer PORT                answers every line with OK
    python prober.py store PORT FILE            the same, when the line is durable in FILE

A probe begins a new connection every `EVERY_NS`, whatever became of those before, and writes over the first that is
accepted. So what it finds is the server's time: no wait of its own for a lost packet, no pause after a failure.

It uses nothing but Python, so that it is quick to start and costs the machine little.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import socketserver
import sys
import time

EVERY_NS = 2_000_000
"""How often a connection is begun."""

UNANSWERED_NS = 100_000_000
"""After so long without an answer a connection is given up; others were begun meanwhile."""

UNWRITTEN_NS = 2_000_000_000
"""After so long without an answer to the write a connection is given up."""


def now_ns() -> int:
    """CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Probe:
    """Connections to one address, until a write over one of them is answered."""

    def __init__(self, host: str, port: int, key: str, after_ns: int) -> None:
        """What is heard before `after_ns` does not count: it may be the last of the server that is gone."""
        self._to = host, port
        self._line = f"PUT {key} 1\n".encode()
        self._after_ns = after_ns
        self._ready = selectors.DefaultSelector()
        self._begun: dict[socket.socket, int] = {}
        self._accepted: set[socket.socket] = set()
        self.first = {"answered": 0, "accepted": 0, "written": 0}
        """When the address first answered at all, when a connection was first accepted, when a write was answered."""

    def run(self) -> dict[str, int]:
        """Probe; what came first when."""
        next_ns = now_ns()
        while not self.first["written"]:
            if now_ns() >= next_ns:
                next_ns = max(next_ns + EVERY_NS, now_ns())
                self._begin()
            for key, _ in self._ready.select(max(0, (next_ns - now_ns()) / 1e9)):
                assert isinstance(key.fileobj, socket.socket)
                self._hear(key.fileobj)
            self._give_up()
        for line in list(self._begun):
            self._drop(line)
        return self.first

    def _begin(self) -> None:
        line = socket.socket()
        line.setblocking(False)
        self._begun[line] = now_ns()
        if line.connect_ex(self._to) in (0, errno.EINPROGRESS):
            self._ready.register(line, selectors.EVENT_WRITE)
        else:
            del self._begun[line]  # the network is down, or the address has no neighbour
            line.close()

    def _hear(self, line: socket.socket) -> None:
        if line in self._accepted:
            try:
                said = line.recv(1000)
            except OSError:
                said = b""
            if said == b"OK\n":
                self._note("written")
            self._drop(line)
            return
        error = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error in (0, errno.ECONNREFUSED):
            self._note("answered")
        if error:
            self._drop(line)
            return
        self._note("accepted")
        self._accepted.add(line)
        self._ready.modify(line, selectors.EVENT_READ)
        line.send(self._line)

    def _note(self, what: str) -> None:
        at_ns = now_ns()
        if at_ns >= self._after_ns:
            self.first[what] = self.first[what] or at_ns

    def _give_up(self) -> None:
        at_ns = now_ns()
        for line, begun_ns in list(self._begun.items()):
            if at_ns - begun_ns > (UNWRITTEN_NS if line in self._accepted else UNANSWERED_NS):
                self._drop(line)

    def _drop(self, line: socket.socket) -> None:
        self._ready.unregister(line)
        self._accepted.discard(line)
        del self._begun[line]
        line.close()


def probe_when_told(path: str, host: str, port: int) -> None:
    """A line of JSON with `key` and `after_ns` begins a probe; a line with what it found is the answer."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    asker = listener.accept()[0].makefile("rw")
    for line in asker:
        order = json.loads(line)
        found = Probe(host, port, order["key"], order["after_ns"]).run()
        asker.write(json.dumps(found) + "\n")
        asker.flush()


def load(host: str, port: int, connections: int, seconds: float) -> list[float]:
    """Write; how long each write took, in seconds."""
    ready = selectors.DefaultSelector()
    sent: dict[socket.socket, float] = {}
    took: list[float] = []
    for number in range(connections):
        line = socket.create_connection((host, port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.register(line, selectors.EVENT_READ, f"PUT {now_ns()}-{number} 1\n".encode())
    until = time.perf_counter() + seconds
    for key in list(ready.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        sent[key.fileobj] = time.perf_counter()
        key.fileobj.send(key.data)
    while time.perf_counter() < until:
        for key, _ in ready.select(1):
            answered = key.fileobj
            assert isinstance(answered, socket.socket)
            said = answered.recv(1000)
            if said != b"OK\n":
                sys.exit(f"a write was answered with {said!r}")
            took.append(time.perf_counter() - sent[answered])
            sent[answered] = time.perf_counter()
            answered.send(key.data)
    return took


class _Answers(socketserver.StreamRequestHandler):
    server: _Service
    disable_nagle_algorithm = True

    def handle(self) -> None:
        for line in self.rfile:
            if self.server.file is not None:
                os.write(self.server.file, line)
                os.fdatasync(self.server.file)
            self.wfile.write(b"OK\n")


class _Service(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    file: int | None = None
    """Where lines are stored; None for nowhere."""

    def __init__(self, port: int, path: str = "") -> None:
        super().__init__(("0.0.0.0", port), _Answers)
        if path:
            self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def main(words: list[str]) -> None:
    """The command line; see the module's docstring."""
    match words:
        case ["probe", path, host, port]:
            probe_when_told(path, host, int(port))
        case ["load", host, port, connections, seconds, path]:
            took = load(host, int(port), int(connections), float(seconds))
            with open(path, "w") as file:
                json.dump(took, file)
        case ["answer", port]:
            _Service(int(port)).serve_forever()
        case ["store", port, path]:
            _Service(int(port), path).serve_forever()
        case _:
            sys.exit("usage: prober.py probe|load|answer|store ...; see its head")


if __name__ == "__main__":
    main(sys.argv[1:])
