"""The shell of a server: what it does, and says, when something that it wants to do cannot be done."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from takeover.config import load_node
from takeover.errors import DiskFull
from takeover.interception import NotAccepted
from takeover.key_making import make_keys
from takeover.node import Node
from takeover.offers import Offer
from takeover.operations import Create, encode
from takeover.status import status_of_node
from takeover_spec import actions as act

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
"""


def test_a_full_disk_is_logged_and_told_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The application gets ENOSPC each time; the log says so at most once a second."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")

    async def play() -> list[BaseException | None]:
        node = Node(load_node(tmp_path / "node.toml"))

        async def full(*_: Any) -> None:
            raise DiskFull("journal.append", tmp_path / "updates", errno.ENOSPC)

        monkeypatch.setattr(node.performer, "perform", full)
        monkeypatch.setattr(node.store, "make_room", lambda error: False)
        refused = []
        for number in range(3):
            offer = Offer(encode(Create(f"{number}")))
            node.offers.put_back(offer)
            await node._offer_next()
            refused.append(offer.answer.exception())
        await node._close()
        return refused

    refused = asyncio.run(play())
    assert [NotAccepted] * 3 == [type(error) for error in refused]
    (message,) = (said for said in caplog.messages if "an update of an application is refused" in said)
    assert "No space left on device (ENOSPC)" in message


def test_what_it_refrained_for_is_shown_while_it_holds(tmp_path: Path) -> None:
    """The core forgets the reason when it is over; it stays among the refusals."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")

    async def play() -> list[Any]:
        node = Node(load_node(tmp_path / "node.toml"))
        node.core = replace(node.core, refrained="why")
        await node.performer.perform((act.Refrain("ROLE-3", "why"),), 0, None)
        shown = [status_of_node(node)["last_refrain"]]
        node.core = replace(node.core, refrained="")
        status = status_of_node(node)
        await node._close()
        return [*shown, status["last_refrain"], [refusal["reason"] for refusal in status["refusals"]]]

    assert [{"clause": "ROLE-3", "reason": "why"}, None, ["why"]] == asyncio.run(play())
