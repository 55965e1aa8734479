"""Interception and the applications' library, against each other and against clients that misbehave."""

import asyncio
import errno
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from takeover.errors import CallerError, DiskFull
from takeover.interception import ON_THEIR_WAY_MAX, Interception, NotAccepted, OutcomeUnknown
from takeover.interception_frames import (
    LENGTH_BYTES,
    OPERATION_BYTES_MAX,
    WRITE_BYTES_MAX,
    Done,
    Failed,
    Refused,
    Unknown,
    decode_answer,
    frame,
)
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Outcome,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
    decode,
    encode,
)
from takeover.protected_files import Interrupted, NotActive, ProtectedFiles

DEADLINE_S = 10


class Node:
    """A stand-in for the node: notes what is submitted, and ends it as the test says."""

    def __init__(self, end: Callable[[Operation], Awaitable[Outcome]]) -> None:
        self.submitted: list[Operation] = []
        self._end = end

    async def submit(self, encoded: bytes) -> Outcome:
        operation = decode(encoded)
        self.submitted.append(operation)
        return await self._end(operation)


async def done(operation: Operation) -> Outcome:
    return Outcome(True, len(operation.data) if isinstance(operation, Write) else 0)


@asynccontextmanager
async def intercepting(path: Path, node: Node) -> AsyncIterator[Interception]:
    interception = Interception(path, node.submit)
    await interception.start()
    try:
        yield interception
    finally:
        await interception.stop()


def run(tmp_path: Path, node: Node, work: Callable[[ProtectedFiles], object]) -> object:
    """Do `work` with protected files, in a thread of its own as an application does, and return what it returns."""

    async def both() -> object:
        async with intercepting(tmp_path / "socket", node):
            files = ProtectedFiles(tmp_path / "socket", tmp_path)
            try:
                async with asyncio.timeout(DEADLINE_S):
                    return await asyncio.to_thread(work, files)
            finally:
                files.close()

    return asyncio.run(both())


async def read_answer(reader: asyncio.StreamReader) -> object:
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    return decode_answer(await reader.readexactly(length))


def raising(error: Exception) -> Callable[[Operation], Awaitable[Outcome]]:
    async def end(operation: Operation) -> Outcome:
        raise error

    return end


def test_every_operation_reaches_the_node_as_it_was_meant(tmp_path: Path) -> None:
    """One call is one update."""
    node = Node(done)

    def work(files: ProtectedFiles) -> int:
        files.make_directory("d")
        files.create("d/f")
        amount = files.write("d/f", 7, b"abc")
        files.truncate("d/f", 4)
        files.rename("d/f", "d/g")
        files.remove("d/g")
        files.remove_directory("d")
        return amount

    assert 3 == run(tmp_path, node, work)
    expected = [
        MakeDirectory("d"),
        Create("d/f"),
        Write("d/f", 7, b"abc"),
        Truncate("d/f", 4),
        Rename("d/f", "d/g"),
        Remove("d/g"),
        RemoveDirectory("d"),
    ]
    assert expected == node.submitted


@pytest.mark.parametrize(
    ("ended", "raised", "number"),
    [
        (NotAccepted("this server is not active"), NotActive, None),
        (NotAccepted("no room", "ENOSPC"), OSError, errno.ENOSPC),
        (DiskFull("journal.write", Path("unsafe"), errno.ENOSPC), OSError, errno.ENOSPC),
        (OutcomeUnknown("the role is lost"), Interrupted, None),
    ],
)
def test_the_four_ends_of_an_update_are_told_apart(
    tmp_path: Path, ended: Exception, raised: type[Exception], number: int | None
) -> None:
    """What was never begun is no `Interrupted`, and what may have happened is no `NotActive`."""

    def work(files: ProtectedFiles) -> Exception:
        with pytest.raises(raised) as caught:
            files.create("f")
        return caught.value

    error = run(tmp_path, Node(raising(ended)), work)
    assert type(error) in (raised, OSError)
    assert number == getattr(error, "errno", None)


def test_a_failed_update_raises_its_errno(tmp_path: Path) -> None:
    """With the path, as the operating system would."""

    async def failed(operation: Operation) -> Outcome:
        return Outcome(False, 0, "EEXIST")

    def work(files: ProtectedFiles) -> object:
        with pytest.raises(FileExistsError) as caught:
            files.create("f")
        return caught.value.filename

    assert "f" == run(tmp_path, Node(failed), work)


def test_the_reason_of_a_refusal_reaches_the_application(tmp_path: Path) -> None:
    """In the node's words."""

    def work(files: ProtectedFiles) -> object:
        with pytest.raises(NotActive, match=r"^this server is not active$"):
            files.create("f")
        return True

    assert run(tmp_path, Node(raising(NotAccepted("this server is not active"))), work)


def test_a_connection_lost_on_the_way_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """The update was sent whole, so it may have been done."""

    async def both() -> object:
        begun = asyncio.Event()

        async def never(operation: Operation) -> Outcome:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        interception = Interception(tmp_path / "socket", Node(never).submit)
        await interception.start()
        files = ProtectedFiles(tmp_path / "socket", tmp_path)
        call = asyncio.create_task(asyncio.to_thread(files.create, "f"))
        await begun.wait()
        await interception.stop()
        return (await asyncio.gather(call, return_exceptions=True))[0]

    assert isinstance(asyncio.run(both()), Interrupted)


def test_without_a_node_nothing_was_begun(tmp_path: Path) -> None:
    """No socket, and a socket that closed before the update was sent, are both `NotActive`."""
    with pytest.raises(NotActive):
        ProtectedFiles(tmp_path / "socket", tmp_path).create("f")

    async def both() -> object:
        files = ProtectedFiles(tmp_path / "socket", tmp_path)
        async with intercepting(tmp_path / "socket", Node(done)):
            await asyncio.to_thread(files.create, "f")  # leaves an idle connection behind
        return (await asyncio.gather(asyncio.to_thread(files.create, "g"), return_exceptions=True))[0]

    assert isinstance(asyncio.run(both()), NotActive)


def test_a_long_write_is_several_updates(tmp_path: Path) -> None:
    """In order, without a gap, and the amount is their sum."""
    node = Node(done)
    data = bytes(range(256)) * (WRITE_BYTES_MAX // 256) + b"rest"
    assert len(data) == run(tmp_path, node, lambda files: files.write("f", 5, data))
    assert [Write("f", 5, data[:WRITE_BYTES_MAX]), Write("f", 5 + WRITE_BYTES_MAX, b"rest")] == node.submitted


def test_a_write_that_fails_halfway_returns_what_was_written(tmp_path: Path) -> None:
    """A full disk after the first piece: the caller learns how far it got."""

    async def half(operation: Operation) -> Outcome:
        assert isinstance(operation, Write)
        return await done(operation) if operation.offset == 0 else Outcome(False, 0, "ENOSPC")

    data = bytes(WRITE_BYTES_MAX + 1)
    assert WRITE_BYTES_MAX == run(tmp_path, Node(half), lambda files: files.write("f", 0, data))


def test_an_empty_write_is_an_update(tmp_path: Path) -> None:
    """It fails like any other if the file is not there."""
    node = Node(done)
    assert 0 == run(tmp_path, node, lambda files: files.write("f", 0, b""))
    assert [Write("f", 0, b"")] == node.submitted


def test_threads_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Eight calls from eight threads are on their way at the same time."""
    count = 8

    async def both() -> list[Operation]:
        everyone = asyncio.Event()

        async def together(operation: Operation) -> Outcome:
            if len(node.submitted) == count:
                everyone.set()
            await everyone.wait()
            return Outcome(True)

        node = Node(together)
        async with intercepting(tmp_path / "socket", node), asyncio.timeout(DEADLINE_S):
            files = ProtectedFiles(tmp_path / "socket", tmp_path)
            threads = [threading.Thread(target=files.create, args=(f"f{i}",)) for i in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            files.close()
        return node.submitted

    assert [Create(f"f{i}") for i in range(count)] == sorted(asyncio.run(both()), key=lambda each: each.path)


def test_a_closed_library_refuses(tmp_path: Path) -> None:
    """Rather than open a connection that nobody would close."""

    def work(files: ProtectedFiles) -> object:
        files.create("f")
        files.close()
        with pytest.raises(CallerError):
            files.create("g")
        return True

    assert run(tmp_path, Node(done), work)


def test_a_path_that_leads_out_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    """To write and to read alike."""
    files = ProtectedFiles(tmp_path / "absent", tmp_path)
    for call in (files.create, files.open_read):
        with pytest.raises(CallerError):
            call("../f")


def test_reading_needs_no_node(tmp_path: Path) -> None:
    """The files are ordinary ones."""
    (tmp_path / "f").write_bytes(b"there")
    with ProtectedFiles(tmp_path / "absent", tmp_path).open_read("f") as file:
        assert b"there" == file.read()


def test_the_environment_says_where_the_node_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without it an application is told what is missing."""
    monkeypatch.delenv("TAKEOVER_SOCKET", raising=False)
    monkeypatch.delenv("TAKEOVER_DATA", raising=False)
    with pytest.raises(CallerError, match="TAKEOVER_SOCKET"):
        ProtectedFiles()
    monkeypatch.setenv("TAKEOVER_SOCKET", str(tmp_path / "socket"))
    monkeypatch.setenv("TAKEOVER_DATA", str(tmp_path))
    assert tmp_path == ProtectedFiles().root


def test_pipelined_requests_are_submitted_and_answered_in_order(tmp_path: Path) -> None:
    """Also when the later ones end first."""

    async def both() -> tuple[list[object], list[Operation]]:
        last = asyncio.Event()

        async def backwards(operation: Operation) -> Outcome:
            assert isinstance(operation, Write)
            if operation.offset == 9:
                last.set()
            await last.wait()
            return Outcome(True, operation.offset)

        node = Node(backwards)
        async with intercepting(tmp_path / "socket", node), asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(b"".join(frame(encode(Write("f", i, b"x"))) for i in range(10)))
            writer.write_eof()
            answers = [await read_answer(reader) for _ in range(10)]
            assert b"" == await reader.read()
            writer.close()
        return answers, node.submitted

    answers, submitted = asyncio.run(both())
    assert [Done(i) for i in range(10)] == answers
    assert [Write("f", i, b"x") for i in range(10)] == submitted


def test_an_application_that_never_reads_is_made_to_wait(tmp_path: Path) -> None:
    """Only so many of its operations are on their way, however many it sends."""

    async def both() -> int:
        release = asyncio.Event()

        async def held(operation: Operation) -> Outcome:
            await release.wait()
            return Outcome(True)

        node = Node(held)
        async with intercepting(tmp_path / "socket", node), asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(frame(encode(Create("f"))) * (3 * ON_THEIR_WAY_MAX))
            while len(node.submitted) < ON_THEIR_WAY_MAX:
                await asyncio.sleep(0)
            for _ in range(1_000):  # time enough for all the others, if nothing held them
                await asyncio.sleep(0)
            on_their_way = len(node.submitted)
            release.set()
            for _ in range(3 * ON_THEIR_WAY_MAX):
                await read_answer(reader)
            writer.close()
        return on_their_way

    assert ON_THEIR_WAY_MAX <= asyncio.run(both()) <= ON_THEIR_WAY_MAX + 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (frame(b"no operation"), "encoded operation"),
        (frame(b'{"op":"create","path":"../f"}\n'), "'..'"),
        ((OPERATION_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big"), "a frame of"),
        (bytes(LENGTH_BYTES), "a frame of 0 bytes"),
        (frame(encode(Create("f")))[:-1], "in the middle of a request"),
    ],
)
def test_a_malformed_request_ends_its_connection_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: bytes, reason: str
) -> None:
    """What came before it is answered, and the reason is in the log."""

    async def both() -> list[Operation]:
        node = Node(done)
        async with intercepting(tmp_path / "socket", node), asyncio.timeout(DEADLINE_S):
            other_reader, other = await asyncio.open_unix_connection(tmp_path / "socket")
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(frame(encode(Create("before"))) + bad)
            writer.write_eof()
            assert Done(0) == await read_answer(reader)
            assert b"" == await reader.read()
            other.write(frame(encode(Create("after"))))
            assert Done(0) == await read_answer(other_reader)
            other.close()
            writer.close()
        return node.submitted

    with caplog.at_level("WARNING", "takeover"):
        assert [Create("before"), Create("after")] == asyncio.run(both())
    assert 1 == len(caplog.messages)
    assert reason in caplog.messages[0]


def test_an_application_that_vanishes_harms_nobody(tmp_path: Path) -> None:
    """Its connection is reset with an answer on its way; the next application is served."""

    async def both() -> list[Operation]:
        vanished = asyncio.Event()

        async def late(operation: Operation) -> Outcome:
            if operation.path == "first":
                await vanished.wait()
            return Outcome(True)

        node = Node(late)
        async with intercepting(tmp_path / "socket", node), asyncio.timeout(DEADLINE_S):
            with socket.socket(socket.AF_UNIX) as first:
                await asyncio.to_thread(first.connect, str(tmp_path / "socket"))
                first.sendall(frame(encode(Create("first"))))
                while not node.submitted:
                    await asyncio.sleep(0)
            vanished.set()
            files = ProtectedFiles(tmp_path / "socket", tmp_path)
            await asyncio.to_thread(files.create, "second")
            files.close()
        return node.submitted

    assert [Create("first"), Create("second")] == asyncio.run(both())


def test_a_defect_in_the_node_is_not_swallowed(tmp_path: Path) -> None:
    """The application hears that nothing is known, and `stop` raises what happened."""

    async def both() -> None:
        interception = Interception(tmp_path / "socket", Node(raising(ZeroDivisionError())).submit)
        await interception.start()
        files = ProtectedFiles(tmp_path / "socket", tmp_path)
        with pytest.raises(Interrupted):
            await asyncio.to_thread(files.create, "f")
        with pytest.raises(ExceptionGroup) as caught:
            await interception.stop()
        assert caught.group_contains(ZeroDivisionError)

    asyncio.run(both())


def test_a_socket_left_by_a_killed_node_is_replaced(tmp_path: Path) -> None:
    """And one that is in use by nobody after `stop` is gone."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "socket"))
    assert (tmp_path / "socket").exists()
    assert 0 == run(tmp_path, Node(done), lambda files: files.write("f", 0, b""))
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize("answer", [Done(3), Failed("EIO"), Refused("no", "ENOSPC"), Unknown("who knows")])
def test_the_module_of_frames_describes_its_answers(answer: object) -> None:
    """The shapes in its docstring are the ones that are read."""
    shapes = {
        Done: b'{"done": true, "amount": 3}',
        Failed: b'{"done": false, "error": "EIO"}',
        Refused: b'{"refused": "no", "error": "ENOSPC"}',
        Unknown: b'{"unknown": "who knows"}',
    }
    assert answer == decode_answer(shapes[type(answer)])
