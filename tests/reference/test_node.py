"""The shell of a server: what it does, and says, when something that it wants to do cannot be done."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from takeover.commands.key_making import make_keys
from takeover.config import load_node
from takeover.control.status import status_of_node
from takeover.core import events as ev
from takeover.errors import DiskFull, EnvironmentFault
from takeover.interception import NotAccepted
from takeover.linux import boottime_ns
from takeover.node import DISK_LOOK_S, DISK_QUICK_S, Node
from takeover.offers import Offer
from takeover.operations import Create, encode
from takeover_spec import actions as act
from takeover_spec import wire

DEADLINE_S = 30.0

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
        return [*shown, status["last_refrain"], [{**refusal, "at": ""} for refusal in status["refusals"]]]

    kept = {"at": "", "clause": "ROLE-3", "reason": "why", "evidence": {"epoch": 0, "seen": 0, "applied": 0}}
    assert [{"clause": "ROLE-3", "reason": "why"}, None, [kept]] == asyncio.run(play())


def test_an_identity_that_cannot_be_enabled_is_not_called_enabled(tmp_path: Path) -> None:
    """Somebody else answers for it, say: the status says why, until it is enabled, or there is no use in it."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")

    async def play() -> list[tuple[bool, str]]:
        node = Node(load_node(tmp_path / "node.toml"))
        until = boottime_ns() + 3_600 * 1_000_000_000
        node.core = replace(node.core, know=replace(node.core.know, enabled=True, until=until))
        taken = EnvironmentFault("192.0.2.10 is answered for already")
        close, enable = node.identity.close, AsyncMock(side_effect=[taken, None, taken])
        node.identity = Mock(close=close, enable=enable, disable=AsyncMock())
        shown = []
        for action in (act.Enable(until), act.Enable(until), act.Enable(until), act.Disable()):
            await node.performer.perform((action,), 0, None)
            identity = status_of_node(node)["public_identity"]
            shown.append((identity["enabled"], identity["flaw"]))
        await node._close()
        return shown

    flaw = "192.0.2.10 is answered for already"
    assert [(False, flaw), (True, ""), (False, flaw), (True, "")] == asyncio.run(play())


def test_a_promotion_that_would_be_refused_is_shown_with_the_reason(tmp_path: Path) -> None:
    """An active server has nothing to be promoted to, and is not said to keep or lose anything by it (REJOIN-4)."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")

    async def play() -> list[Any]:
        node = Node(load_node(tmp_path / "node.toml"))
        shown = [status_of_node(node)["promotion"]["refused"]]
        node.core = replace(node.core, know=replace(node.core.know, active=True))
        shown.append(status_of_node(node)["promotion"]["refused"])
        await node._close()
        return shown

    assert [None, {"clause": "REJOIN-4", "reason": "this server is active"}] == asyncio.run(play())


def _leased(epoch: int) -> ev.WitnessSaid:
    return ev.WitnessSaid(wire.Leased(epoch, 1, 0))


LOOKS = 20
"""For how many looks at the grants a disk goes on to hang."""


def _handled_while_the_disk_is_slow(tmp_path: Path, patience_ns: int) -> list[int]:
    """The epochs of the leases that a server deals with before a slow disk is done; three come.

    Without patience the disk goes on for as long as many looks at the grants would take.
    """
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")

    async def play() -> list[int]:
        node = Node(replace(load_node(tmp_path / "node.toml"), patience_ns=patience_ns))
        handled: list[int] = []
        done = asyncio.Event()

        async def handle(event: ev.Event, context: Any = None) -> bool:
            if isinstance(event, ev.WitnessSaid) and isinstance(event.message, wire.Leased):
                handled.append(event.message.epoch)
            return False

        node._handle = handle  # type: ignore[method-assign]  # a core that only notes what it is told

        async def slow() -> None:
            async with asyncio.timeout(DEADLINE_S):
                for epoch in (1, 2, 3):
                    node.tell(_leased(epoch))
                    while patience_ns and epoch not in handled:
                        await asyncio.sleep(0.001)
            if not patience_ns:
                await asyncio.sleep(DISK_QUICK_S + LOOKS * DISK_LOOK_S)
            done.set()

        await node._beside_grants(slow())
        assert done.is_set()
        await node._close()
        return handled

    return asyncio.run(play())


def test_grants_are_renewed_while_the_disk_is_waited_for(tmp_path: Path) -> None:
    """A slow disk costs no role: what the witness says is dealt with before the disk is done."""
    assert [1, 2, 3] == _handled_while_the_disk_is_slow(tmp_path, int(DEADLINE_S * 1e9))


def test_a_disk_that_hangs_costs_the_role(tmp_path: Path) -> None:
    """After the patience nothing is renewed before the disk has answered."""
    assert [] == _handled_while_the_disk_is_slow(tmp_path, 0)


def test_what_changes_the_disk_waits_for_it(tmp_path: Path) -> None:
    """While a thread waits for the disk, grants are counted and the identity is hidden, and no state is saved."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")

    async def play() -> list[str]:
        node = Node(load_node(tmp_path / "node.toml"))
        done: list[str] = []
        free = asyncio.Event()

        async def slow() -> None:
            async with node.performer._disk:
                await free.wait()
                done.append("disk")

        async def act_on(action: act.ServerAction) -> None:
            await node.performer.perform((action,), 0, None)
            done.append(type(action).__name__)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(slow())
            await asyncio.sleep(0)
            for action in (act.CountLease(1, 0, 1), act.Promise(0, 1)):
                await act_on(action)
            tasks.create_task(act_on(act.Promise(1, 1)))  # an epoch that has to be remembered
            tasks.create_task(act_on(act.HearGoodbye(1)))
            await asyncio.sleep(0)
            free.set()
        await node._close()
        return done

    assert ["CountLease", "Promise", "disk", "Promise", "HearGoodbye"] == asyncio.run(play())


def test_the_identity_is_told_to_look_before_a_promise_runs_out(tmp_path: Path) -> None:
    """Once for each promise that is not renewed, so early that the look is over by then; an active server never is."""
    (tmp_path / "node.toml").write_text(TOML)
    make_keys(tmp_path / "keys", "db")
    hour_ns = 3_600 * 1_000_000_000

    async def play() -> list[int]:
        node = Node(load_node(tmp_path / "node.toml"))
        told: list[int] = []
        look = Mock(side_effect=lambda: told.append(node.core.know.given_until))
        node.identity = Mock(look_ns=hour_ns, look=look, close=node.identity.close)

        def after_round(given_until: int, *, promised: bool = True, active: bool = False) -> None:
            know = replace(node.core.know, given_until=given_until, active=active)
            node.core = replace(node.core, know=know, promised=promised)
            assert node._look_at() <= given_until or not promised or active
            for _ in range(2):
                node._look_ahead()

        now = boottime_ns()
        after_round(now + 2 * hour_ns)
        after_round(now + 1, promised=False)
        after_round(now + 2, active=True)
        assert [] == told
        after_round(now + 3)
        after_round(now + 4)
        await node._close()
        return [until - now for until in told]

    assert [3, 4] == asyncio.run(play())
