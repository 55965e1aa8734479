"""The demo's application and the link it is replicated over, each by itself."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from takeover.demo.application import Server, Store
from takeover.demo.client import _Connection, read_all
from takeover.demo.client_process import Client
from takeover.demo.link import Link
from takeover.demo.parties import LocalHost
from takeover.demo.records import Record, decode, encode
from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault
from takeover.interception import Interception, NotAccepted, OutcomeUnknown
from takeover.operations import Operation, Outcome, Write
from takeover.operations import decode as decode_operation
from takeover.protected_files import NotActive, ProtectedFiles
from takeover.storage.carrying_out import carry_out

DEADLINE_S = 20
Rule = Callable[[Operation], Outcome | Exception | None]


@contextmanager
def node(directory: Path, rule: Rule = lambda operation: None) -> Iterator[ProtectedFiles]:
    """A stand-in for a node that carries operations out, unless `rule` says how one ends instead."""
    root = directory / "data"
    root.mkdir(exist_ok=True)

    async def submit(encoded: bytes) -> Outcome:
        operation = decode_operation(encoded)
        instead = rule(operation)
        if isinstance(instead, Exception):
            raise instead
        return carry_out(root, operation) if instead is None else instead

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    interception = Interception(directory / "socket", submit)
    asyncio.run_coroutine_threadsafe(interception.start(), loop).result(DEADLINE_S)
    files = ProtectedFiles(directory / "socket", root)
    try:
        yield files
    finally:
        files.close()
        asyncio.run_coroutine_threadsafe(interception.stop(), loop).result(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def serving(files: ProtectedFiles) -> Iterator[Endpoint]:
    """The application over TCP."""
    with free_socket() as free:
        listen = endpoint_of(free)
    with Server(listen, Store(files)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listen
        server.shutdown()
        thread.join()


def free_socket() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def endpoint_of(listener: socket.socket) -> Endpoint:
    return Endpoint("127.0.0.1", listener.getsockname()[1])


def ask(address: Endpoint, *requests: str) -> list[str]:
    """The first line of the answer to each request, on one connection."""
    with socket.create_connection((address.host, address.port), DEADLINE_S) as connection:
        file = connection.makefile("rw")
        answers = []
        for request in requests:
            file.write(request + "\n")
            file.flush()
            answers.append(file.readline().rstrip("\n"))
        return answers


def test_what_was_put_is_there_and_still_there_after_a_restart(tmp_path: Path) -> None:
    """The files are all it needs."""
    with node(tmp_path) as files:
        with serving(files) as address:
            assert ["OK", "OK", "VALUE 2", "NONE"] == ask(address, "PUT a 1", "PUT a 2", "GET a", "GET b")
            assert ["OK"] * 20 == ask(address, *(f"PUT k{i} v{i}" for i in range(20)))
        with serving(files) as address:
            expected = {"a": "2"} | {f"k{i}": f"v{i}" for i in range(20)}
            assert expected == asyncio.run(read_all(address))


def test_a_request_that_makes_no_sense_is_answered_so(tmp_path: Path) -> None:
    """And the next one is served."""
    with node(tmp_path) as files, serving(files) as address:
        answers = ask(address, "PUT a", "PUT a b c", "what", "", "PUT \x01 1", "GET a")
        assert [True] * 5 + [False] == [answer.startswith("ERROR a request is") for answer in answers]


def test_a_record_that_was_cut_short_is_cut_off(tmp_path: Path) -> None:
    """What stands before it is recovered, and what is written next follows that."""
    with node(tmp_path) as files:
        Store(files).put(Record("a", "1")).result(DEADLINE_S)
        (file,) = [path for path in (files.root / "records").iterdir() if path.stat().st_size]
        with file.open("ab") as torn:
            torn.write(encode(Record("b", "2"))[:-3])
        store = Store(files)
        assert {"a": "1"} == store.table
        store.put(Record("a", "3")).result(DEADLINE_S)
        assert [Record("a", "1"), Record("a", "3")] == decode(file.read_bytes())[0]


@pytest.mark.parametrize(
    ("end", "raised"),
    [
        (NotAccepted("this server is not active"), NotActive),
        (Outcome(False, 0, "ENOSPC"), OSError),
        (Outcome(True, 3), OSError),
    ],
)
def test_a_write_that_fails_leaves_no_trace(
    tmp_path: Path, end: Outcome | Exception, raised: type[Exception]
) -> None:
    """Refused, failed, or done in part: the value is not there, and the next write is where it should be."""
    failing = [True]

    def rule(operation: Operation) -> Outcome | Exception | None:
        if failing[0] and isinstance(operation, Write):
            if end == Outcome(True, 3):
                carry_out(tmp_path / "data", Write(operation.path, operation.offset, operation.data[:3]))
            return end
        return None

    with node(tmp_path, rule) as files:
        store = Store(files)
        with pytest.raises(raised):
            store.put(Record("a", "1")).result(DEADLINE_S)
        assert {} == store.table
        failing[0] = False
        store.put(Record("a", "2")).result(DEADLINE_S)
        assert {"a": "2"} == store.table == Store(files).table


def test_an_outcome_that_is_not_known_ends_the_process_without_an_answer(tmp_path: Path) -> None:
    """Neither OK nor ERROR would be true."""

    def rule(operation: Operation) -> Exception | None:
        return OutcomeUnknown("the role is lost") if isinstance(operation, Write) else None

    with node(tmp_path, rule), free_socket() as free:
        address = endpoint_of(free)
        free.close()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "takeover.demo.application", "--listen", str(address)],
            env={"TAKEOVER_SOCKET": str(tmp_path / "socket"), "TAKEOVER_DATA": str(tmp_path / "data")},
            stderr=subprocess.PIPE,
            text=True,
        )

        async def put() -> str:
            async with asyncio.timeout(DEADLINE_S):
                while (connection := await _Connection.open(address)) is None:
                    await asyncio.sleep(0.01)
                try:
                    return await connection.ask("PUT a 1")
                finally:
                    connection.close()

        with pytest.raises(ConnectionError):
            asyncio.run(put())
        _, said = process.communicate(timeout=DEADLINE_S)
        assert (1, "ends: the role is lost\n") == (process.returncode, said)


def test_without_a_node_the_application_says_what_is_missing(tmp_path: Path) -> None:
    """Exit 2."""
    argv = [sys.executable, "-P", "-m", "takeover.demo.application", "--listen", "127.0.0.1:1"]
    process = subprocess.run(argv, env={}, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (2, "not given, and not in the environment: TAKEOVER_SOCKET\n") == (
        process.returncode,
        process.stderr,
    )


def test_the_client_keeps_account_of_every_write(tmp_path: Path) -> None:
    """What it calls acknowledged is there, and nothing that it did not write."""
    with node(tmp_path) as files, serving(files) as address:

        async def play() -> tuple[Client, dict[str, str]]:
            client = Client(LocalHost(), tmp_path, address, writers=4, writes_per_second=4_000)
            await client.start()
            async with asyncio.timeout(DEADLINE_S):
                while len(client.writes) < 40:
                    await asyncio.sleep(0.001)
            await client.stop()
            return client, await client.read_all()

        client, found = asyncio.run(play())
        assert {"ACKNOWLEDGED"} == {write.end.name for write in client.writes}
        assert {write.key: write.value for write in client.writes} == found
        first = client.first_acknowledged(client.writes[10].ended_ns)
        assert first is not None
        assert first.sent_ns > client.writes[10].ended_ns


def test_nobody_to_read_from_is_an_error() -> None:
    """And not an empty answer."""
    with free_socket() as free:
        address = endpoint_of(free)
    with pytest.raises(EnvironmentFault):
        asyncio.run(read_all(address))


async def echoing(delay_ms: float, play: Callable[[Link, Endpoint], object]) -> None:
    """A link to somebody who sends back what comes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    with free_socket() as free:
        listen = endpoint_of(free)
    link = Link(listen, Endpoint("127.0.0.1", server.sockets[0].getsockname()[1]), delay_ms)
    await link.mend()
    async with asyncio.timeout(DEADLINE_S):
        await play(link, listen)  # type: ignore[misc]  # a coroutine
    await link.cut()
    server.close()


def test_the_link_takes_its_time_both_ways() -> None:
    """And changes nothing of what it carries, nor its order."""

    async def play(link: Link, listen: Endpoint) -> None:
        reader, writer = await asyncio.open_connection(listen.host, listen.port)
        begun = asyncio.get_running_loop().time()
        sent = bytes(range(256)) * 1000
        writer.write(sent)
        assert sent == await reader.readexactly(len(sent))
        assert asyncio.get_running_loop().time() - begun >= 0.1
        writer.close()

    asyncio.run(echoing(50, play))


def test_a_cut_link_loses_what_is_on_its_way_and_a_mended_one_carries_again() -> None:
    """Both ends see their connection break."""

    async def play(link: Link, listen: Endpoint) -> None:
        reader, writer = await asyncio.open_connection(listen.host, listen.port)
        writer.write(b"lost")
        await link.cut()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(4)
        writer.close()
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(listen.host, listen.port)
        await link.mend()
        reader, writer = await asyncio.open_connection(listen.host, listen.port)
        writer.write(b"back")
        assert b"back" == await reader.readexactly(4)
        writer.close()

    asyncio.run(echoing(20, play))
