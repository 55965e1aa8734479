"""The figures of a server, fetched over HTTP as Prometheus does."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from urllib.request import urlopen

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from takeover import node as node_module
from takeover.commands.key_making import make_keys
from takeover.config import NodeConfig, load_node
from takeover.control.metrics import Metrics
from takeover.control.status import status_of_node
from takeover.endpoint import Endpoint
from takeover.errors import ConfigurationError, EnvironmentFault
from takeover.node import Node
from takeover_spec import actions as act

SCHEMA = json.loads(files("takeover").joinpath("control", "status.schema.json").read_text())

TOML = """\
pair = "db"
identity = "secondary"
data_directory = "data"
keys = "keys/secondary/keys"
[channel]
peer = "127.0.0.1:1"
[witness]
address = "127.0.0.1:2"
[public_identity]
listen = "127.0.0.1:3"
forward = "127.0.0.1:4"
[metrics]
listen = "127.0.0.1:5"
"""


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    """A node that is to serve figures."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")
    return load_node(tmp_path / "node.toml")


@pytest.fixture
def node(config: NodeConfig) -> Iterator[Node]:
    """A server that has not started to run."""

    async def made() -> Node:
        return Node(config)

    node = asyncio.run(made())
    yield node
    node.store.close()
    node.trace.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fetched(node: Node) -> dict[str, float]:
    """What is fetched from a server, by name and labels."""
    listen = Endpoint("127.0.0.1", _free_port())

    def fetch() -> str:
        with urlopen(f"http://{listen}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    async def serve() -> str:
        metrics = Metrics(listen, lambda: status_of_node(node))
        try:
            return await asyncio.to_thread(fetch)
        finally:
            await metrics.close()

    families = text_string_to_metric_families(asyncio.run(serve()))
    return {
        sample.name + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_figures_of_a_server_are_served(node: Node) -> None:
    """Role, epoch, queues, grants, links, and which server of which pair it is."""
    figures = _fetched(node)
    assert 1 == figures["takeover_server_info identity=secondary pair=db"]
    assert 0 == figures["takeover_active"]
    assert 0 == figures["takeover_epoch"]
    assert 0 == figures["takeover_witness_connected"]
    assert {"takeover_unsafe_bytes", "takeover_safe_updates", "takeover_lease_seconds"} <= set(figures)


def test_refusals_are_counted_by_clause(node: Node) -> None:
    """Why it did not take over, and how often."""
    refrain = act.Refrain("ROLE-3", "this server never had the data, and the primary begins")
    asyncio.run(node.performer.perform((refrain, refrain), 0, None))
    assert 2 == _fetched(node)["takeover_refusals_total clause=ROLE-3"]
    jsonschema.validate(status_of_node(node), SCHEMA)
    assert [refrain.reason] * 2 == [refusal["reason"] for refusal in status_of_node(node)["refusals"]]


def test_an_address_in_use_is_said(config: NodeConfig) -> None:
    """With the table and the address."""

    async def serve(listen: Endpoint) -> None:
        Metrics(listen, dict)

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = Endpoint("127.0.0.1", other.getsockname()[1])
        with pytest.raises(EnvironmentFault, match=rf"\[metrics\] {listen} cannot be listened on"):
            asyncio.run(serve(listen))


def test_a_missing_library_is_said_before_anything_is_there(
    config: NodeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install; the data directory is not even made."""
    monkeypatch.setattr(node_module, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigurationError,
        match=r"\[metrics\] needs prometheus_client, .* extra `metrics`: pip install 'prometheus-client",
    ):
        Node(config)
    assert not config.data_directory.exists()
