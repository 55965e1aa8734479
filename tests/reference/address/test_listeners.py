"""The kernel's list of listeners."""

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator

import pytest

from takeover.address.listeners import ListenerTable
from takeover.errors import EnvironmentFault

COUNTER = itertools.count()


@pytest.fixture
def table() -> Iterator[ListenerTable]:
    open_table = ListenerTable()
    yield open_table
    open_table.close()


def fresh_host() -> str:
    """An address of the loopback network that belongs to this process alone."""
    pid = os.getpid()
    return f"127.{pid >> 16 & 15 | 192}.{pid >> 8 & 255}.{pid & 255}"


def fresh_port() -> int:
    return 20_000 + os.getpid() % 5_000 + next(COUNTER)


def test_both_families_are_listed(table: ListenerTable) -> None:
    """Each address as it goes over the wire."""
    host, port = fresh_host(), fresh_port()
    with socket.create_server((host, port)), socket.create_server(("::1", port), family=socket.AF_INET6):
        listed = table.addresses(port)
        assert 1 == listed.count(socket.inet_aton(host))
        assert 1 == listed.count(socket.inet_pton(socket.AF_INET6, "::1"))


def test_a_long_list_is_complete(table: ListenerTable) -> None:
    """It comes in several datagrams, and each listener is in it once."""
    host, port = fresh_host(), fresh_port()
    assert 0 == table.addresses(port).count(socket.inet_aton(host))
    with contextlib.ExitStack() as servers:
        for _ in range(400):
            servers.enter_context(socket.create_server((host, port), reuse_port=True))
        assert 400 == table.addresses(port).count(socket.inet_aton(host))


def test_a_closed_table_is_an_error_and_not_an_empty_list(table: ListenerTable) -> None:
    """No answer is not the answer that there is nobody."""
    table.close()
    with pytest.raises(EnvironmentFault):
        table.addresses(1)
