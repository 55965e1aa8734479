"""An independent observer of the public identity: it counts the holders from outside, in the kernel's own table.

The intuition: whoever listens on the public address holds it, whatever the servers say about themselves. So
the observer asks neither of them; it asks the kernel for its listeners many times a second and keeps every
change of the count.

What complicates it:
- A listener on the wildcard address answers on the public one too, and is counted. A dual-stack wildcard
  (`::`) is not told from an IPv6-only one; it is counted as well, for an observer may cry wolf but must not
  miss a second holder.
- What is shorter than the time between two samples can stay unseen. The longest such time is part of the
  result: a claim from an observer that was itself starved is worth as much as that number is small.
- It sees one network namespace. Holders on two machines take two observers.

Refused: connecting to the address and asking who answers. It finds one holder at a time, and never two.
"""

import ipaddress
import threading
from dataclasses import dataclass

from takeover.address.listeners import ListenerTable
from takeover.endpoint import Endpoint
from takeover.errors import CallerError
from takeover.linux import NANOSECONDS, boottime_ns

RATE_HZ = 200
"""Samples per second unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen from the return of `start` to the call of `stop`, both sampled."""

    samples: int
    """Number of times the kernel was asked."""
    holders_max: int
    """The most holders in one sample."""
    changes: tuple[tuple[int, int], ...]
    """(CLOCK_BOOTTIME ns, holders): the first sample, then every sample whose count differs from the one before."""
    gap_ns_max: int
    """The longest time between two samples in a row; what came and went within it may not have been seen."""


class Observer:
    """Counts the holders of one address, in a thread of its own. Use it once."""

    def __init__(self, host: str, port: int, rate_hz: float = RATE_HZ) -> None:
        """Watch `host`:`port`. Raises CallerError when the address or the rate makes no sense."""
        if rate_hz <= 0:
            raise CallerError(f"observer of {host} port {port}: a rate of {rate_hz} Hz")
        self._port = port
        self._addresses = _answering_on(Endpoint(host, port))
        self._table: ListenerTable
        self._period_ns = int(NANOSECONDS / rate_hz)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._failure: Exception | None = None
        self._samples = 0
        self._sampled_ns = 0
        self._gap_ns_max = 0
        self._changes: list[tuple[int, int]] = []

    def start(self) -> None:
        """Take the first sample and go on in the background. Raises EnvironmentFault when the kernel refuses."""
        self._table = ListenerTable()
        self._sample()
        self._thread.start()

    def stop(self) -> Observation:
        """Take the last sample and return what was seen. Raises what ended the observation earlier, if anything did."""
        self._stopping.set()
        self._thread.join()
        try:
            if self._failure is not None:
                raise self._failure
            self._sample()
        finally:
            self._table.close()
        return Observation(
            samples=self._samples,
            holders_max=max(count for _, count in self._changes),
            changes=tuple(self._changes),
            gap_ns_max=self._gap_ns_max,
        )

    def _run(self) -> None:
        due_ns = boottime_ns()
        try:
            while not self._stopping.is_set():
                self._sample()
                due_ns = max(due_ns + self._period_ns, boottime_ns())
                self._stopping.wait(max(0, due_ns - boottime_ns()) / NANOSECONDS)
        except Exception as failure:
            self._failure = failure

    def _sample(self) -> None:
        count = sum(address in self._addresses for address in self._table.addresses(self._port))
        now_ns = boottime_ns()
        if self._samples:
            self._gap_ns_max = max(self._gap_ns_max, now_ns - self._sampled_ns)
        if not self._changes or self._changes[-1][1] != count:
            self._changes.append((now_ns, count))
        self._sampled_ns = now_ns
        self._samples += 1


def _answering_on(endpoint: Endpoint) -> frozenset[bytes]:
    """The addresses on which a listener answers on `endpoint`: its own, in each family, and the wildcards."""
    address = ipaddress.ip_address(endpoint.host).packed
    if endpoint.is_ipv6:
        return frozenset((address, bytes(16)))
    return frozenset((address, bytes(4), bytes(10) + b"\xff\xff" + address, bytes(16)))
