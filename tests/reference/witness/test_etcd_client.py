"""The client of etcd, against members that do not do as etcd does; real ones are in tests/service."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from takeover.config import EtcdConfig
from takeover.errors import ConfigurationError
from takeover.witness.etcd_client import Entry, EtcdClient, EtcdFailure

URLS = ("http://192.0.2.1:2379", "http://192.0.2.2:2379")
CONFIG = EtcdConfig(URLS, "/takeover/", "", None, None, None, None)

Member = Callable[[httpx.Request], httpx.Response]


def asked(member: Member, config: EtcdConfig = CONFIG, times: int = 1) -> list[Entry]:
    """What a client reads, so many times, where the members answer thus."""

    async def play() -> list[Entry]:
        async with EtcdClient(config, "key", 1.0) as client:
            client._http = httpx.AsyncClient(transport=httpx.MockTransport(member))
            return [await client.read() for _ in range(times)]

    return asyncio.run(play())


def found(request: httpx.Request) -> httpx.Response:
    """A member that has the value."""
    return httpx.Response(200, json={"header": {}, "kvs": [{"mod_revision": "7", "value": "dg=="}]})


def test_a_member_that_fails_is_left_for_the_next_one() -> None:
    """It does not answer, has no leader, or is no etcd; and the next request begins with the one that answered."""
    tried: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def hang(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("")

    def distrust(request: httpx.Request) -> httpx.Response:
        raise ssl.SSLError("bad certificate")

    def leaderless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, json={"error": "etcdserver: no leader", "code": 14})

    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, text="<html>")

    for first in (refuse, hang, distrust, leaderless, page):
        tried.clear()

        def member(request: httpx.Request, first: Member = first) -> httpx.Response:
            tried.append(request.url.host)
            return first(request) if request.url.host == "192.0.2.1" else found(request)

        assert [Entry(7, b"v")] * 2 == asked(member, times=2)
        assert ["192.0.2.1", "192.0.2.2", "192.0.2.2"] == tried


def test_when_no_member_answers_each_is_named_with_its_reason() -> None:
    """So that an operator sees what is wrong with which."""

    def member(request: httpx.Request) -> httpx.Response:
        if request.url.host == "192.0.2.1":
            raise httpx.ReadTimeout("")
        return httpx.Response(503, json={"error": "etcdserver: no leader", "code": 14})

    with pytest.raises(EtcdFailure) as failure:
        asked(member)
    assert f"{URLS[0]}: no answer in time; {URLS[1]}: etcdserver: no leader" == str(failure.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"kvs": [{}]},
        {"kvs": [{"mod_revision": "x"}]},
        {"kvs": [{"mod_revision": "7", "value": "?"}]},
        {"kvs": 7},
        {"kvs": [7]},
    ],
)
def test_an_answer_that_makes_no_sense_is_a_failure(answer: Any) -> None:
    """And not an absent value: who takes it for one would make a new record."""
    with pytest.raises(EtcdFailure, match="etcd answered a read with"):
        asked(lambda request: httpx.Response(200, json=answer))


def test_a_replacement_compares_revision_and_value() -> None:
    """Both, or for an absent value that it is still absent; and an answer that makes no sense is not success."""
    bodies: list[Any] = []
    answer: dict[str, Any] = {"header": {"revision": "9"}, "succeeded": True}

    def member(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=answer)

    async def play() -> None:
        async with EtcdClient(CONFIG, "key", 1.0) as client:
            client._http = httpx.AsyncClient(transport=httpx.MockTransport(member))
            assert (True, Entry(9, b"new")) == await client.replace(Entry(7, b"v"), b"new")
            await client.replace(Entry(), b"new")
            wrongs: list[dict[str, Any]] = [{"succeeded": True}, {}, {"responses": []}]
            for wrong in wrongs:
                answer.clear()
                answer.update(wrong)
                with pytest.raises(EtcdFailure, match="etcd answered a transaction with"):
                    await client.replace(Entry(), b"new")

    asyncio.run(play())
    revision = {"key": "a2V5", "target": "MOD", "result": "EQUAL", "mod_revision": "7"}
    value = {"key": "a2V5", "target": "VALUE", "result": "EQUAL", "value": "dg=="}
    assert [revision, value] == bodies[0]["compare"]
    assert [{**revision, "mod_revision": "0"}] == bodies[1]["compare"]


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """The password's, and those for TLS."""
    absent = tmp_path / "absent"
    secure = replace(CONFIG, endpoints=("https://192.0.2.1:2379",))
    for config, problem in (
        (replace(CONFIG, user="u", password_file=absent), rf"witness.password_file: {absent}"),
        (replace(secure, ca_file=absent), f"the files for TLS, {absent}"),
        (replace(secure, certificate_file=absent, key_file=absent), f"the files for TLS, {absent}, {absent}"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            EtcdClient(config, "key", 1.0)


def test_one_https_member_is_enough_for_certificates_to_be_checked() -> None:
    """Whichever comes first."""
    client = EtcdClient(replace(CONFIG, endpoints=(*URLS, "https://192.0.2.3:2379")), "key", 1.0)
    transport: Any = client._http._transport
    assert ssl.CERT_REQUIRED == transport._pool._ssl_context.verify_mode
    asyncio.run(client.close())


def test_without_its_library_it_says_which_to_install() -> None:
    """The extra is named, and nothing else of takeover needs it."""
    program = (
        "import sys; sys.modules['httpx'] = None\n"
        "import takeover.commands.node, takeover.commands.witness\n"
        "from takeover.errors import ConfigurationError\n"
        "try:\n    import takeover.witness.etcd_link\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.startswith(
        "witness.etcd needs httpx, which is not installed; it is of the extra `etcd`"
    )
