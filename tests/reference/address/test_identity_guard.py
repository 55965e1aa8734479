"""The guard process by itself: what the kernel does to it, and what it answers."""

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from takeover.address.guard_commands import GRANT_NS_MAX
from takeover.address.listeners import ListenerTable
from takeover.endpoint import Endpoint
from takeover.linux import boottime_ns
from takeover.observer import Observer

MS = 1_000_000
LATENESS_NS_MAX = 200 * MS  # generous: other tests share the processors; a broken guard is late by forever
COUNTER = itertools.count()
NO_BACKEND = Endpoint("127.0.0.1", 1)

NO_TIMER = """
from takeover.linux import Deadline
Deadline.arm = lambda self, until_ns: None
from takeover.address.identity_guard import main
main()
"""

ORPHAN_MAKER = """
import os, subprocess, sys
guard = subprocess.Popen(
    [sys.executable, "-m", "takeover.address.identity_guard", "--parent", str(os.getpid()),
     "--listen", sys.argv[1], "--forward", sys.argv[1]]
)
guard.wait()
"""


def ready(descriptor: int) -> list[tuple[int, int]]:
    """Wait for a process to end; whether it did within ten seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll(10_000)


def fresh_endpoint() -> Endpoint:
    """An address of the loopback network that belongs to this process alone."""
    pid = os.getpid()
    return Endpoint(f"127.{pid >> 16 & 63 | 64}.{pid >> 8 & 255}.{pid & 255}", 10_000 + next(COUNTER))


class GuardUnderTest:
    """A guard whose node is this process."""

    def __init__(self, endpoint: Endpoint, forward: Endpoint, parent: int, program: tuple[str, ...]) -> None:
        self.endpoint = endpoint
        addresses = ("--listen", str(endpoint), "--forward", str(forward))
        self.process = subprocess.Popen(
            (sys.executable, *program, "--parent", str(parent), *addresses),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def ask(self, line: str) -> str:
        self.send(line)
        return self.answer()

    def enable_for(self, duration_ms: int) -> int:
        until_ns = boottime_ns() + duration_ms * MS
        assert f"enabled {until_ns}" == self.ask(f"enable {until_ns}")
        return until_ns

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


StartGuard = Callable[..., GuardUnderTest]


@pytest.fixture
def start_guard() -> Iterator[StartGuard]:
    guards: list[GuardUnderTest] = []

    def start(
        endpoint: Endpoint | None = None,
        forward: Endpoint | None = None,
        parent: int | None = None,
        program: tuple[str, ...] = ("-m", "takeover.address.identity_guard"),
    ) -> GuardUnderTest:
        guards.append(
            GuardUnderTest(
                endpoint or fresh_endpoint(), forward or NO_BACKEND, parent or os.getpid(), program
            )
        )
        return guards[-1]

    yield start
    for guard in guards:
        guard.close()


@pytest.fixture
def guard(start_guard: StartGuard) -> GuardUnderTest:
    ready = start_guard()
    assert "ready" == ready.answer()
    return ready


def stop_process(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])


def wait_for_end(pid: int) -> int:
    """Wait for the end of a process without a polling interval; when it was seen. Its sockets are closed by then."""
    process = os.pidfd_open(pid)
    try:
        assert [(process, select.POLLIN)] == ready(process)
        return boottime_ns()
    finally:
        os.close(process)


def assert_killed_at(guard: GuardUnderTest, until_ns: int) -> None:
    """Wait for the end of the guard, check that the kernel brought it about on time, and print how late it was."""
    late_ns = wait_for_end(guard.process.pid) - until_ns
    print(f"killed {late_ns / MS:.2f} ms after the deadline")
    assert -signal.SIGKILL == guard.process.wait()
    assert 0 <= late_ns <= LATENESS_NS_MAX


def holders(endpoint: Endpoint) -> int:
    table = ListenerTable()
    try:
        return table.addresses(endpoint.port).count(socket.inet_aton(endpoint.host))
    finally:
        table.close()


def connect(endpoint: Endpoint) -> socket.socket:
    return socket.create_connection((endpoint.host, endpoint.port), timeout=10)


def test_it_holds_the_address_from_enable_to_the_deadline(guard: GuardUnderTest) -> None:
    """ADDR-2: an observer sees no holder, then one, then none, in step with the grant."""
    observer = Observer(guard.endpoint.host, guard.endpoint.port)
    observer.start()
    until_ns = guard.enable_for(150)
    assert_killed_at(guard, until_ns)
    seen = observer.stop()
    assert [0, 1, 0] == [holders for _, holders in seen.changes]
    assert until_ns <= seen.changes[2][0]
    assert seen.changes[2][0] - until_ns <= LATENESS_NS_MAX + seen.gap_ns_max


def test_the_kernel_kills_a_stopped_guard_on_time(guard: GuardUnderTest) -> None:
    """ADDR-2: a SIGSTOP to the guard does not keep the address."""
    until_ns = guard.enable_for(150)
    stop_process(guard.process.pid)
    assert_killed_at(guard, until_ns)
    assert 0 == holders(guard.endpoint)


def test_a_guard_that_does_not_arm_its_timer_is_found_out(start_guard: StartGuard) -> None:
    """The test above can fail: without the timer a stopped guard keeps the address beyond the deadline."""
    broken = start_guard(program=("-c", NO_TIMER))
    assert "ready" == broken.answer()
    broken.enable_for(50)
    stop_process(broken.process.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        broken.process.wait(timeout=0.15)
    assert 1 == holders(broken.endpoint)


def test_a_renewal_extends(guard: GuardUnderTest) -> None:
    """The last deadline counts, and the first one passes without effect."""
    first_ns = guard.enable_for(150)
    last_ns = first_ns + 150 * MS
    assert f"enabled {last_ns}" == guard.ask(f"enable {last_ns}")
    assert_killed_at(guard, last_ns)


def test_a_shorter_grant_is_refused_and_the_present_one_holds(guard: GuardUnderTest) -> None:
    """A deadline only moves away; a refusal changes nothing."""
    until_ns = guard.enable_for(250)
    assert guard.ask(f"enable {until_ns - 1}").startswith("refused the grant ends at ")
    assert 1 == holders(guard.endpoint)
    assert_killed_at(guard, until_ns)


@pytest.mark.parametrize("until_ns", [0, 1, 2**64, 10**40])
def test_a_deadline_that_makes_no_sense_never_leads_to_listening(
    guard: GuardUnderTest, until_ns: int
) -> None:
    """Past ones and absurd ones are refused; the guard lives on and does not hold the address."""
    observer = Observer(guard.endpoint.host, guard.endpoint.port)
    observer.start()
    assert guard.ask(f"enable {until_ns}").startswith("refused the grant end")
    assert 0 == observer.stop().holders_max
    guard.enable_for(5_000)


def test_a_wall_clock_time_is_refused(guard: GuardUnderTest) -> None:
    """A time of another clock would be a deadline years away: no deadline at all."""
    answer = guard.ask(f"enable {time.time_ns() + 100 * MS}")
    assert f"more than {GRANT_NS_MAX} ns after" in answer


@pytest.mark.parametrize("line", ["", "enable", "enable soon", "enable -1", "enable 1 2", "disable now"])
def test_what_is_not_a_command_is_refused(guard: GuardUnderTest, line: str) -> None:
    """Each line gets its answer."""
    assert guard.ask(line).endswith("is not a command")


def test_a_late_wake_up_never_enables(guard: GuardUnderTest) -> None:
    """A command that was sent in time and is read after its deadline is refused, and nobody sees a holder."""
    stop_process(guard.process.pid)
    observer = Observer(guard.endpoint.host, guard.endpoint.port, rate_hz=1_000)
    observer.start()
    until_ns = boottime_ns() + 20 * MS
    guard.send(f"enable {until_ns}")
    while boottime_ns() <= until_ns:
        time.sleep(0.001)
    os.kill(guard.process.pid, signal.SIGCONT)
    assert guard.answer().startswith(f"refused the grant ended at {until_ns}")
    assert 0 == observer.stop().holders_max


def test_connections_die_with_the_grant(start_guard: StartGuard) -> None:
    """ADDR-2: a connection in use and one that nobody has accepted yet are reset, although the guard is stopped."""
    backend_endpoint = fresh_endpoint()
    with socket.create_server((backend_endpoint.host, backend_endpoint.port)) as backend:
        backend.settimeout(10)
        guard = start_guard(forward=backend_endpoint)
        assert "ready" == guard.answer()
        until_ns = guard.enable_for(250)
        with connect(guard.endpoint) as used, backend.accept()[0] as behind:
            behind.settimeout(10)
            used.sendall(b"question")
            assert b"question" == behind.recv(100)
            stop_process(guard.process.pid)
            behind.sendall(b"an answer that the guard had no time to pass on")
            with connect(guard.endpoint) as queued:
                for connection in (used, queued, behind):
                    with pytest.raises(ConnectionResetError):
                        connection.recv(100)
                    assert 0 <= boottime_ns() - until_ns <= LATENESS_NS_MAX


def test_the_end_of_its_input_ends_it(guard: GuardUnderTest) -> None:
    """A node that is gone cannot renew; its guard does not wait for the deadline."""
    guard.enable_for(60_000)
    assert guard.process.stdin is not None
    guard.process.stdin.close()
    assert 0 == guard.process.wait(timeout=10)
    assert 0 == holders(guard.endpoint)


def test_it_dies_with_its_parent() -> None:
    """A SIGKILL of the node ends the guard, long before the deadline, even if its input stays open."""
    endpoint = fresh_endpoint()
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN_MAKER, str(endpoint)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        assert b"ready\n" == node.stdout.readline()
        node.stdin.write(f"enable {boottime_ns() + 60_000 * MS}\n".encode())
        node.stdin.flush()
        assert node.stdout.readline().startswith(b"enabled ")
        node.kill()
        assert b"" == node.stdout.read()  # the guard had the last writing end
    deadline_ns = boottime_ns() + 10_000 * MS
    while holders(endpoint) > 0:  # the sockets are closed a moment after the pipe
        assert boottime_ns() < deadline_ns


def test_a_guard_whose_parent_is_gone_already_never_gets_ready(start_guard: StartGuard) -> None:
    """The kernel reports a parent's death only to a child that asked before; the child looks for itself."""
    orphan = start_guard(parent=os.getppid())
    assert "" == orphan.answer()
    assert -signal.SIGKILL == orphan.process.wait(timeout=10)


def test_an_address_that_is_taken_is_refused_at_the_start(start_guard: StartGuard) -> None:
    """What cannot be held is said before a failover needs it."""
    endpoint = fresh_endpoint()
    with socket.create_server((endpoint.host, endpoint.port)):
        guard = start_guard(endpoint)
        assert guard.answer().startswith(f"refused {endpoint}: ")
        assert 1 == guard.process.wait(timeout=10)
