"""The observer, on listeners of the test's own, and on two real guards."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from takeover.endpoint import Endpoint
from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import boottime_ns
from takeover.observer import Observer

COUNTER = itertools.count()
SECOND_NS = 1_000_000_000


def fresh_endpoint() -> Endpoint:
    """An address of the loopback network that belongs to this process alone."""
    pid = os.getpid()
    return Endpoint(f"127.{pid >> 16 & 63 | 128}.{pid >> 8 & 255}.{pid & 255}", 10_000 + next(COUNTER))


def listener(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if endpoint.is_ipv6 else socket.AF_INET
    return socket.create_server((endpoint.host, endpoint.port), family=family, reuse_port=True)


def seen_now(endpoint: Endpoint) -> int:
    observer = Observer(endpoint.host, endpoint.port)
    observer.start()
    return observer.stop().holders_max


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_ns = boottime_ns() + 10 * SECOND_NS
    while not condition():
        assert boottime_ns() < deadline_ns
        time.sleep(0.001)


def test_every_change_is_recorded_with_its_time() -> None:
    """From none to one to two and back, each time between the act and its being seen."""
    endpoint = fresh_endpoint()
    observer = Observer(endpoint.host, endpoint.port)
    begun_ns = boottime_ns()
    observer.start()
    acts_ns = [begun_ns]
    sockets: list[socket.socket] = []
    for act in ("open", "open", "close", "close"):
        wait_for(lambda: boottime_ns() > acts_ns[-1] + SECOND_NS // 20)
        acts_ns.append(boottime_ns())
        if act == "open":
            sockets.append(listener(endpoint))
        else:
            sockets.pop().close()
    seen = observer.stop()
    assert [0, 1, 2, 1, 0] == [holders for _, holders in seen.changes]
    assert 2 == seen.holders_max
    slack_ns = seen.gap_ns_max + SECOND_NS // 100
    for act_ns, (seen_ns, _) in zip(acts_ns, seen.changes, strict=True):
        assert 0 <= seen_ns - act_ns <= slack_ns


def test_two_guards_on_one_address_are_seen_as_two() -> None:
    """The observer can find `one-holder` violated: the kernel lets two guards hold one address, and it counts both."""
    endpoint = fresh_endpoint()
    command = [sys.executable, "-m", "takeover.address.identity_guard", "--parent", str(os.getpid())]
    command += ["--listen", str(endpoint), "--forward", str(endpoint)]
    observer = Observer(endpoint.host, endpoint.port)
    observer.start()
    with contextlib.ExitStack() as guards:
        for _ in range(2):
            guard = guards.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            guards.callback(guard.kill)
            assert guard.stdin is not None
            assert guard.stdout is not None
            assert b"ready\n" == guard.stdout.readline()
            guard.stdin.write(f"enable {boottime_ns() + 60 * SECOND_NS}\n".encode())
            guard.stdin.flush()
            assert guard.stdout.readline().startswith(b"enabled ")
        assert 2 == observer.stop().holders_max


def test_it_samples_at_the_rate_asked_for() -> None:
    """The number of samples and the longest gap say how closely it looked."""
    endpoint = fresh_endpoint()
    observer = Observer(endpoint.host, endpoint.port, rate_hz=500)
    begun_ns = boottime_ns()
    observer.start()
    wait_for(lambda: boottime_ns() > begun_ns + SECOND_NS // 5)
    seen = observer.stop()
    lasted_ns = boottime_ns() - begun_ns
    assert lasted_ns // (4 * SECOND_NS // 500) <= seen.samples <= lasted_ns * 500 // SECOND_NS + 3
    assert lasted_ns // seen.samples <= seen.gap_ns_max <= lasted_ns


def test_only_the_address_asked_for_is_counted() -> None:
    """Neither another port nor another address."""
    endpoint = fresh_endpoint()
    with listener(fresh_endpoint()), listener(Endpoint("127.0.0.1", endpoint.port)):
        assert 0 == seen_now(endpoint)


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_a_wildcard_listener_holds_every_address(wildcard: str) -> None:
    """It answers on the public address, so it counts."""
    endpoint = fresh_endpoint()
    with listener(Endpoint(wildcard, endpoint.port)):
        assert 1 == seen_now(endpoint)


def test_an_ipv6_address_is_counted() -> None:
    """The other family."""
    endpoint = Endpoint("::1", fresh_endpoint().port)
    with listener(endpoint):
        assert 1 == seen_now(endpoint)
    assert 0 == seen_now(endpoint)


def test_a_connection_is_not_a_holder() -> None:
    """Only listening counts: an accepted connection has the same local address."""
    endpoint = fresh_endpoint()
    listening = listener(endpoint)
    with listening, socket.create_connection((endpoint.host, endpoint.port)), listening.accept()[0]:
        assert 1 == seen_now(endpoint)
        listening.close()
        assert 0 == seen_now(endpoint)


def test_an_observation_that_broke_off_is_not_an_observation() -> None:
    """A kernel that does not answer any more is an error, not a time without holders."""
    endpoint = fresh_endpoint()
    observer = Observer(endpoint.host, endpoint.port)
    observer.start()
    observer._table.close()
    wait_for(lambda: not observer._thread.is_alive())
    with pytest.raises(EnvironmentFault):
        observer.stop()


@pytest.mark.parametrize("rate_hz", [0, -1])
def test_a_rate_that_makes_no_sense_is_refused(rate_hz: float) -> None:
    """As is an address that is none, by Endpoint."""
    with pytest.raises(CallerError):
        Observer("192.0.2.1", 80, rate_hz)
