"""The public identity as a node uses it, with real guards, and what becomes of it when the node stops or dies."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from takeover.address.identity import IdentityLapsed, IdentityPort, PublicIdentity
from takeover.address.identity_guard import listener_guard
from takeover.address.listeners import ListenerTable
from takeover.endpoint import Endpoint
from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import boottime_ns, processes
from takeover.observer import Observer

MS = 1_000_000
LATENESS_NS_MAX = 200 * MS
COUNTER = itertools.count()

NODE = """
import asyncio, sys
from takeover.endpoint import Endpoint
from takeover.address.identity import IdentityLapsed, PublicIdentity
from takeover.address.identity_guard import listener_guard
from takeover.linux import boottime_ns

async def main():
    identity = PublicIdentity(listener_guard(Endpoint.parse(sys.argv[1]), Endpoint.parse(sys.argv[1])))
    await identity.start()
    while True:  # a naive renewer: it never asks whether the identity lapsed in the meantime
        until_ns = boottime_ns() + int(sys.argv[2]) * 1_000_000
        try:
            await identity.enable(until_ns)
        except IdentityLapsed as refusal:
            print("lapsed", refusal.lapse.until_ns, flush=True)
            break
        print("enabled", until_ns, flush=True)
        await asyncio.sleep(0.02)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def fresh_endpoint() -> Endpoint:
    """An address of the loopback network that belongs to this process alone."""
    pid = os.getpid()
    return Endpoint(f"127.{pid >> 16 & 15 | 208}.{pid >> 8 & 255}.{pid & 255}", 10_000 + next(COUNTER))


def holders(endpoint: Endpoint) -> int:
    table = ListenerTable()
    try:
        return table.addresses(endpoint.port).count(socket.inet_aton(endpoint.host))
    finally:
        table.close()


def guards_of(node_pid: int) -> list[int]:
    return sorted(
        process.pid for process in processes() if process.parent == node_pid and is_guard(process.pid)
    )


def is_guard(pid: int) -> bool:
    with (
        contextlib.suppress(FileNotFoundError, ProcessLookupError),
        open(f"/proc/{pid}/cmdline", "rb") as file,
    ):
        return b"takeover.address.identity_guard" in file.read().split(b"\0")
    return False


@contextlib.asynccontextmanager
async def started(endpoint: Endpoint) -> AsyncIterator[PublicIdentity]:
    identity = PublicIdentity(listener_guard(endpoint, endpoint))
    await identity.start()
    try:
        yield identity
    finally:
        await identity.close()


def run(scenario: Callable[[Endpoint], Awaitable[None]]) -> None:
    """Run a scenario on an address of its own; nothing may be left of it."""
    endpoint = fresh_endpoint()

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario(endpoint)

    asyncio.run(bounded())
    assert 0 == holders(endpoint)
    assert [] == guards_of(os.getpid())


def after_ms(duration_ms: int) -> int:
    return boottime_ns() + duration_ms * MS


def test_enable_and_disable_hold_and_release_the_address() -> None:
    """ADDR-2: on return from each it is so; both are quick, because a guard is ready."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            port: IdentityPort = identity
            for _ in range(2):
                assert 0 == holders(endpoint)
                begun_ns = boottime_ns()
                await port.enable(after_ms(60_000))
                enabled_ns = boottime_ns()
                assert 1 == holders(endpoint)
                await port.disable()
                disabled_ns = boottime_ns()
                assert 0 == holders(endpoint)
                await port.disable()
                print(
                    f"enable {(enabled_ns - begun_ns) / MS:.2f} ms, disable {(disabled_ns - enabled_ns) / MS:.2f} ms"
                )

    run(scenario)


def test_it_lapses_on_time_unless_it_is_renewed() -> None:
    """ADDR-2: renewals extend; after the last one the identity goes, and the node hears of it."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            first_ns = after_ms(100)
            last_ns = first_ns + 100 * MS
            await identity.enable(first_ns)
            await identity.enable(last_ns)
            lapse = await identity.lapsed()
            assert last_ns == lapse.until_ns
            assert 0 <= lapse.noticed_ns - last_ns <= LATENESS_NS_MAX
            assert 0 == holders(endpoint)

    run(scenario)


def test_after_a_lapse_nothing_is_enabled_until_the_node_has_disabled() -> None:
    """ROLE-6: a renewal that was under way does not bring the identity back; a new takeover does."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            await identity.enable(after_ms(50))
            lapse = await identity.lapsed()
            for _ in range(2):
                with pytest.raises(IdentityLapsed) as refusal:
                    await identity.enable(after_ms(60_000))
                assert lapse == refusal.value.lapse
            assert 0 == holders(endpoint)
            await identity.disable()
            await identity.enable(after_ms(60_000))
            assert 1 == holders(endpoint)

    run(scenario)


def test_a_renewal_that_finds_the_guard_dead_is_refused() -> None:
    """The renewal itself may be the first to notice; it must not fall to the next guard."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            until_ns = after_ms(60_000)
            await identity.enable(until_ns)
            (guard,) = guards_of(os.getpid())
            os.kill(guard, signal.SIGKILL)
            with pytest.raises(IdentityLapsed):
                await identity.enable(after_ms(60_000))
            lapse = await identity.lapsed()
            assert until_ns == lapse.until_ns
            assert lapse.noticed_ns < until_ns
            assert 0 == holders(endpoint)

    run(scenario)


def test_disabling_works_on_a_stopped_guard() -> None:
    """A guard that does nothing any more is ended all the same, and it is no lapse."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            await identity.enable(after_ms(60_000))
            (guard,) = guards_of(os.getpid())
            os.kill(guard, signal.SIGSTOP)
            await identity.disable()
            assert 0 == holders(endpoint)
            await identity.enable(after_ms(60_000))
            assert 1 == holders(endpoint)

    run(scenario)


def test_disabling_overtakes_an_enable_that_hangs() -> None:
    """The enable ends with an error, and the identity is not held."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            (guard,) = guards_of(os.getpid())
            os.kill(guard, signal.SIGSTOP)
            enabling = asyncio.create_task(identity.enable(after_ms(60_000)))
            while identity._holder is None:
                await asyncio.sleep(0)
            await identity.disable()
            with pytest.raises(CallerError):
                await enabling
            assert 0 == holders(endpoint)
            await identity.enable(after_ms(60_000))

    run(scenario)


def test_disabling_overtakes_an_enable_that_waits_for_a_guard() -> None:
    """What was asked for before the disable is not done after it."""

    async def scenario(endpoint: Endpoint) -> None:
        identity = PublicIdentity(listener_guard(endpoint, endpoint))
        enabling = [asyncio.create_task(identity.enable(after_ms(60_000))) for _ in range(2)]
        while identity._spare is None:
            await asyncio.sleep(0)
        await identity.disable()
        for refused in enabling:
            with pytest.raises(CallerError):
                await refused
        assert 0 == holders(endpoint)
        await identity.close()

    run(scenario)


def test_a_start_that_is_cancelled_does_no_harm() -> None:
    """The guard gets ready all the same, and is used or closed."""

    async def scenario(endpoint: Endpoint) -> None:
        identity = PublicIdentity(listener_guard(endpoint, endpoint))
        starting = asyncio.create_task(identity.start())
        while identity._spare is None:
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        await identity.enable(after_ms(60_000))
        assert 1 == holders(endpoint)
        await identity.close()

    run(scenario)


def test_an_enable_that_is_cancelled_leaves_nothing_unknown() -> None:
    """Whether the guard enabled is not known any more, so it is ended; that is a lapse, and is reported."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            (guard,) = guards_of(os.getpid())
            os.kill(guard, signal.SIGSTOP)
            enabling = asyncio.create_task(identity.enable(after_ms(60_000)))
            while identity._holder is None:
                await asyncio.sleep(0)
            enabling.cancel()
            await identity.lapsed()
            assert enabling.cancelled()
            with pytest.raises(IdentityLapsed):
                await identity.enable(after_ms(60_000))

    run(scenario)


def test_a_guard_that_died_while_it_waited_is_replaced() -> None:
    """Nothing was held, so nothing lapsed: the next enable only takes longer."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            (guard,) = guards_of(os.getpid())
            os.kill(guard, signal.SIGKILL)
            while identity._spare is None or identity._spare.result().alive:
                await asyncio.sleep(0.001)
            await identity.enable(after_ms(60_000))
            assert 1 == holders(endpoint)

    run(scenario)


def test_times_that_make_no_sense_are_refused_and_change_nothing() -> None:
    """Past, shorter than the present grant, or of another clock."""

    async def scenario(endpoint: Endpoint) -> None:
        async with started(endpoint) as identity:
            with pytest.raises(CallerError):
                await identity.enable(boottime_ns() - 1)
            assert 0 == holders(endpoint)
            until_ns = after_ms(60_000)
            await identity.enable(until_ns)
            for senseless_ns in (boottime_ns(), until_ns - 1, time.time_ns()):
                with pytest.raises(CallerError):
                    await identity.enable(senseless_ns)
            assert 1 == holders(endpoint)

    run(scenario)


def test_an_address_that_cannot_be_had_is_told_at_the_start() -> None:
    """Not when a failover needs it."""

    async def scenario(endpoint: Endpoint) -> None:
        with socket.create_server((endpoint.host, endpoint.port)):
            identity = PublicIdentity(listener_guard(endpoint, endpoint))
            with pytest.raises(EnvironmentFault, match=str(endpoint)):
                await identity.start()
            await identity.close()

    run(scenario)


class Node:
    """A process that plays the node and renews without thinking; and an observer of its address."""

    def __init__(self, grant_ms: int) -> None:
        self.endpoint = fresh_endpoint()
        self.observer = Observer(self.endpoint.host, self.endpoint.port)
        self.observer.start()
        self.process = subprocess.Popen(
            [sys.executable, "-c", NODE, str(self.endpoint), str(grant_ms)], stdout=subprocess.PIPE
        )
        for _ in range(3):
            assert "enabled" == self.line()[0]

    def line(self) -> list[str]:
        """The words of the next line that the node prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().split()

    def stop(self) -> int:
        """Stop the process and return when that was."""
        os.kill(self.process.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(self.process.pid, os.WUNTRACED)[1])
        return boottime_ns()

    def wait_until_hidden(self) -> None:
        deadline_ns = after_ms(10_000)
        while holders(self.endpoint) > 0:
            assert boottime_ns() < deadline_ns
            time.sleep(0.001)


@pytest.fixture
def start_node() -> Iterator[Callable[[int], Node]]:
    nodes: list[Node] = []

    def start(grant_ms: int) -> Node:
        nodes.append(Node(grant_ms))
        return nodes[-1]

    yield start
    for node in nodes:
        assert node.process.stdout is not None
        node.process.kill()
        node.process.wait()
        node.process.stdout.close()


@pytest.mark.parametrize("guard_too", [False, True])
def test_a_stopped_node_loses_the_identity_and_does_not_bring_it_back(
    start_node: Callable[[int], Node], guard_too: bool
) -> None:
    """ADDR-2, ROLE-6: on time at the end of the last grant, also with the guard stopped; waking up changes nothing."""
    grant_ms = 150
    node = start_node(grant_ms)
    stopped_ns = node.stop()
    if guard_too:
        for guard in guards_of(node.process.pid):
            os.kill(guard, signal.SIGSTOP)
    node.wait_until_hidden()
    os.kill(node.process.pid, signal.SIGCONT)
    while (line := node.line())[0] == "enabled":
        pass  # what it had printed before
    assert "lapsed" == line[0]
    seen = node.observer.stop()
    assert [0, 1, 0] == [count for _, count in seen.changes]
    granted_ns, hidden_ns = int(line[1]), seen.changes[-1][0]
    print(f"hidden {(hidden_ns - granted_ns) / MS:.1f} ms after the end of the grant")
    assert granted_ns <= stopped_ns + grant_ms * MS
    assert 0 <= hidden_ns - granted_ns <= LATENESS_NS_MAX + seen.gap_ns_max


def test_a_killed_node_loses_the_identity_at_once(start_node: Callable[[int], Node]) -> None:
    """It need not wait for the end of the grant, and no process is left."""
    node = start_node(60_000)
    guards = guards_of(node.process.pid)
    node.process.kill()
    node.wait_until_hidden()
    assert [0, 1, 0] == [count for _, count in node.observer.stop().changes]
    deadline_ns = after_ms(10_000)
    while any(process.pid in guards for process in processes()):
        assert boottime_ns() < deadline_ns
        time.sleep(0.001)
