"""A small real application: a key-value store over TCP that keeps its data in protected files.

    python -m takeover.demo.application --listen HOST:PORT

A request is a line, and so is its answer:

    PUT key value       -> OK, when the value is complete; ERROR reason, when it was not stored
    GET key             -> VALUE value, or NONE
    ALL                 -> a line `key value` for each key, then END

The intuition: a few files to which records are appended, and a table in memory, as many databases do it. A key's file
follows from the key. Each file has a thread that writes, and takes along whatever else is waiting (group commit). The
table changes when a write is complete, so nobody reads what a failover might still take away.

What complicates it:
- At its start it finds whatever a failover left. A record that was cut short ends its file, and the rest is cut off.
- When a write's outcome is not known, neither is the file's end. The process ends then, without an answer; starting
  again is the way to find out.

Refused: a write for each request. It is simpler, and would show nothing of updates that share a wait.
"""

from __future__ import annotations

import argparse
import os
import socketserver
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import NoReturn
from zlib import crc32

from takeover.demo.records import WORD, Record, decode, encode
from takeover.endpoint import Endpoint
from takeover.errors import CallerError
from takeover.protected_files import Interrupted, NotActive, ProtectedFiles

FILES = 4
"""How many files the records are spread over."""

BATCH_MAX = 64
"""How many records one write takes along."""

_DIRECTORY = "records"


class RecordFile:
    """One file of records, and the thread that writes to it."""

    def __init__(self, files: ProtectedFiles, path: str, table: dict[str, str]) -> None:
        """Recover the file, or create it, and put what it holds into `table`."""
        self._files = files
        self._path = path
        self._table = table
        self._waiting: SimpleQueue[tuple[Record, Future[None]]] = SimpleQueue()
        self._end = self._recover()
        threading.Thread(target=self._write_for_ever, name=path, daemon=True).start()

    def put(self, record: Record) -> Future[None]:
        """Store a record. The result comes when it is complete, or the error for which it was not stored."""
        stored: Future[None] = Future()
        self._waiting.put((record, stored))
        return stored

    def _recover(self) -> int:
        try:
            with self._files.open_read(self._path) as file:
                content = file.read()
        except FileNotFoundError:
            self._files.create(self._path)
            return 0
        records, end = decode(content)
        if end < len(content):
            self._files.truncate(self._path, end)
        self._table.update((record.key, record.value) for record in records)
        return end

    def _write_for_ever(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < BATCH_MAX and not self._waiting.empty():
                batch.append(self._waiting.get())
            try:
                self._write(b"".join(encode(record) for record, _ in batch))
            except (OSError, NotActive) as error:
                for _, stored in batch:
                    stored.set_exception(error)
            except Interrupted as error:
                _give_up(error)
            else:
                self._table.update((record.key, record.value) for record, _ in batch)
                for _, stored in batch:
                    stored.set_result(None)

    def _write(self, lines: bytes) -> None:
        """Append all of it, or nothing."""
        written = self._files.write(self._path, self._end, lines)
        if written < len(lines):
            self._files.truncate(self._path, self._end)
            raise OSError(f"only {written} of {len(lines)} bytes could be written")
        self._end += written


class Store:
    """All keys and their values."""

    def __init__(self, files: ProtectedFiles) -> None:
        """Recover what the files hold."""
        self.table: dict[str, str] = {}
        if not (files.root / _DIRECTORY).is_dir():
            files.make_directory(_DIRECTORY)
        self._files = [RecordFile(files, f"{_DIRECTORY}/{number}", self.table) for number in range(FILES)]

    def put(self, record: Record) -> Future[None]:
        """Store a record in the file of its key."""
        return self._files[crc32(record.key.encode()) % FILES].put(record)


class Server(socketserver.ThreadingTCPServer):
    """The store over TCP, a thread for each client."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listen: Endpoint, store: Store) -> None:
        self.store = store
        super().__init__((listen.host, listen.port), _Client)


class _Client(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        try:
            for line in self.rfile:
                self.wfile.write(self._answer(line.decode(errors="replace").split()))
        except ConnectionError:
            pass  # the client is gone

    def _answer(self, words: list[str]) -> bytes:
        store = self.server.store
        match words:
            case ["PUT", key, value] if WORD.fullmatch(key) and WORD.fullmatch(value):
                try:
                    store.put(Record(key, value)).result()
                except (OSError, NotActive) as error:
                    return f"ERROR {error}\n".encode()
                return b"OK\n"
            case ["GET", key]:
                value = store.table.get(key, "")
                return f"VALUE {value}\n".encode() if value else b"NONE\n"
            case ["ALL"]:
                lines = [f"{key} {value}\n" for key, value in sorted(store.table.copy().items())]
                return "".join([*lines, "END\n"]).encode()
        return b"ERROR a request is PUT key value, GET key or ALL\n"


def _give_up(error: Interrupted) -> NoReturn:
    """End at once: the server has lost its role, and what the files hold is for the next start to find out."""
    print(f"ends: {error}", file=sys.stderr, flush=True)
    os._exit(1)


def main(words: Sequence[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="takeover.demo.application")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    arguments = parser.parse_args(words)
    try:
        store = Store(ProtectedFiles())
        with Server(Endpoint.parse(arguments.listen), store) as server:
            server.serve_forever()
    except CallerError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, NotActive) as error:
        print(f"cannot serve: {error}", file=sys.stderr)
        return 1
    except Interrupted as error:
        _give_up(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
