"""A server's figures for Prometheus: the numbers of `takeover status`, asked for each time they are fetched.

Nothing is counted here. This module needs the client library (`takeover[metrics]`), and is imported only by a server
that was told to serve figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault

ANSWER_S = 5.0
"""How long the server's task may take to say its status, in seconds."""

_GAUGES: tuple[tuple[str, str, Callable[[dict[str, Any]], float]], ...] = (
    ("active", "Whether this server is active.", lambda s: s["role"] == "active"),
    ("epoch", "The epoch that this server's data belongs to.", lambda s: s["epoch"]),
    ("serving", "Whether all applications are well.", lambda s: s["serving"]),
    ("public_identity_enabled", "Whether it holds the public identity.", lambda s: s["public_identity"]["enabled"]),
    ("lease_seconds", "How long it may still count on the witness's lease.", lambda s: s["grants"]["lease_ms"] / 1e3),
    (
        "promise_seconds",
        "How long it may still count on the peer's promise.",
        lambda s: s["grants"]["promise_ms"] / 1e3,
    ),
    ("promised_seconds", "How long its own promise still binds it.", lambda s: s["grants"]["given_ms"] / 1e3),
    ("peer_connected", "Whether the link to the peer is up.", lambda s: s["peer_connected"]),
    ("witness_connected", "Whether the link to the witness is up.", lambda s: s["witness_connected"]),
    ("peer_eligible", "Whether the passive server is recorded as eligible.", lambda s: s["eligible_declared"]),
    ("unsafe_updates", "Updates not known to be safe on the passive server.", lambda s: s["unsafe_queue"]["updates"]),
    ("unsafe_bytes", "The size of the unsafe queue on the disk.", lambda s: s["unsafe_queue"]["bytes"]),
    ("safe_updates", "Updates in the safe queue, to be applied.", lambda s: s["safe_queue"]["updates"]),
    ("safe_bytes", "The size of the safe queue on the disk.", lambda s: s["safe_queue"]["bytes"]),
    ("logged_update", "The number of the last update logged.", lambda s: s["logged"]),
    ("acknowledged_update", "The number of the last update acknowledged.", lambda s: s["acknowledged"]),
    ("applied_update", "The number of the last update applied.", lambda s: s["applied"]),
)  # fmt: skip
"""Name without the prefix, help, and where in the status the figure is."""

PREFIX = "takeover_"


class Figures(Collector):
    """The figures of one server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, status: Callable[[], dict[str, Any]]) -> None:
        """`status` is called in this loop."""
        self._loop = loop
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment; called in a thread that serves them."""
        status = asyncio.run_coroutine_threadsafe(self._ask(), self._loop).result(ANSWER_S)
        info = InfoMetricFamily(PREFIX + "server", "Which server of which pair this is.")
        info.add_metric([], {"pair": status["pair"], "identity": status["identity"]})
        yield info
        for name, text, value in _GAUGES:
            yield GaugeMetricFamily(PREFIX + name, text, value=float(value(status)))
        well = GaugeMetricFamily(
            PREFIX + "application_well", "Whether this application is well.", labels=["application"]
        )
        for application in status["applications"]:
            well.add_metric([application["name"]], float(application["state"] == "well"))
        yield well
        refusals = CounterMetricFamily(
            PREFIX + "refusals", "What it did not do, by the clause that stopped it.", labels=["clause"]
        )
        for clause, count in status["refusals_total"].items():
            refusals.add_metric([clause], count)
        yield refusals

    async def _ask(self) -> dict[str, Any]:
        return self._status()


class Metrics:
    """Serves the figures over HTTP, from threads of its own."""

    def __init__(self, listen: Endpoint, status: Callable[[], dict[str, Any]]) -> None:
        """Serve from now on; `status` is called in the loop that runs. Raises `EnvironmentFault`."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Figures(asyncio.get_running_loop(), status))
        try:
            self._server, self._thread = start_http_server(listen.port, listen.host, registry)
        except OSError as error:
            raise EnvironmentFault(f"[metrics] {listen} cannot be listened on: {error.strerror}") from error

    async def close(self) -> None:
        """Serve no more."""
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()
        self._thread.join()
