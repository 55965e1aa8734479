"""The operator's socket: who may ask, and that whoever may not is told nothing, and logged."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from takeover.control import control
from takeover.control.client import ask
from takeover.control.control import ControlServer, Orders
from takeover.control.credentials import Credentials, credentials_of, may_operate
from takeover.errors import PeerError


def test_the_kernel_says_who_is_there() -> None:
    """Process, user and group of the other end."""
    here, there = socket.socketpair()
    with here, there:
        assert Credentials(os.getpid(), os.geteuid(), os.getegid()) == credentials_of(here)


def test_root_and_the_own_user_may_operate() -> None:
    """And nobody else."""
    own = os.geteuid()
    assert [True, True, False] == [may_operate(Credentials(1, uid, 0)) for uid in (0, own, own + 1)]


def answers(path: Path) -> dict[str, Any]:
    """What a server that listens at `path` answers to `status`."""

    async def play() -> dict[str, Any]:
        server = ControlServer(path.parent, lambda: {"role": "active"}, Orders(lambda event: None))
        await server.start()
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        try:
            return await asyncio.to_thread(ask, path.parent, "status")
        finally:
            await server.stop()

    return asyncio.run(play())


def test_another_user_is_refused_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Though it got past the mode of the file; the owner is answered."""
    path = tmp_path / "control.sock"
    assert {"role": "active"} == answers(path)
    stranger = os.geteuid() + 1
    monkeypatch.setattr(control, "credentials_of", lambda _: Credentials(4711, stranger, 0))
    logger = logging.getLogger("takeover.control")
    logger.addHandler(caplog.handler)
    with pytest.raises(PeerError, match=f"user {stranger} may not operate this server"):
        answers(path)
    logger.removeHandler(caplog.handler)
    record = caplog.records[-1]
    assert (
        f"an operator is refused: user {stranger} is not this server's",
        {"pid": 4711, "uid": stranger},
    ) == (
        record.getMessage(),
        json.loads(json.dumps(record.__dict__["fields"])),
    )
