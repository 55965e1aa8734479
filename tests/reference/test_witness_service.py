"""The witness as a service says nothing that is not on its disk."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any, cast

import pytest

from takeover.channel import Connection
from takeover.config import load_witness
from takeover.errors import DiskFull
from takeover.witness_service import WitnessService
from takeover_spec import wire
from takeover_spec.words import Identity


class Heard:
    """A connection that only listens."""

    def __init__(self) -> None:
        self.messages: list[wire.Message] = []

    def say(self, message: wire.Message) -> None:
        """Hear."""
        self.messages.append(message)


def service(tmp_path: Path) -> WitnessService:
    """A witness that waits for nobody: its leases last a millisecond."""
    file = tmp_path / "witness.toml"
    file.write_text(
        'pair = "p"\nlisten = "127.0.0.1:1"\ndata_directory = "witness"\n'
        "[grants]\nlease_ms = 1\npromise_ms = 1\nexpiry_slack_ms = 0\n"
    )
    return WitnessService(load_witness(file))


def said(witness: WitnessService, message: wire.Message) -> list[wire.Message]:
    """What the witness answers the primary."""
    heard = Heard()
    witness._said(cast(Connection, heard), Identity.PRIMARY, message)
    return heard.messages


def test_what_it_granted_and_recorded_it_knows_after_a_restart(tmp_path: Path) -> None:
    """The epoch, its holder and the latest declaration survive."""

    async def play() -> None:
        witness = service(tmp_path)
        await asyncio.sleep(0.002)  # the lease that it may have granted in a run before
        assert [wire.Leased(1, 7, 5)] == said(witness, wire.AskLease(1, 7, 5))
        assert [wire.Recorded(1, 1, True)] == said(witness, wire.DeclareEligible(1, 1, True))
        witness.stop()
        witness._directory.close()
        again = service(tmp_path)
        known = again._core.know
        assert (1, Identity.PRIMARY, 1, True) == (known.epoch, known.holder, known.version, known.eligible)
        again._directory.close()

    asyncio.run(play())


def test_a_witness_that_cannot_save_never_speaks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A declaration that is not on the disk is not confirmed, neither at once nor when it is repeated."""

    def full(state: Any) -> None:
        raise DiskFull("state.write", tmp_path, errno.ENOSPC)

    async def play() -> None:
        witness = service(tmp_path)
        await asyncio.sleep(0.002)
        said(witness, wire.AskLease(1, 7, 5))
        monkeypatch.setattr(witness._directory.state, "save", full)
        for _ in range(2):
            assert [] == said(witness, wire.DeclareEligible(1, 1, False))
        assert isinstance(witness._failure, DiskFull)
        assert witness._stopped.is_set()
        witness._directory.close()

    asyncio.run(play())
