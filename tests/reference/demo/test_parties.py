"""A party's process: started, killed and stopped, also by several at once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from takeover.demo.parties import Party

IGNORES_SIGTERM = ["/bin/sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"]


async def started(directory: Path, command: list[str]) -> Party:
    """A party that runs, and has said so."""
    party = Party("primary", directory, command=command, configured=False)
    await party.start()
    async with asyncio.timeout(30):
        while "ready" not in party.log.read_text():
            await asyncio.sleep(0.01)
    return party


def test_one_that_is_killed_while_it_stops_has_stopped(tmp_path: Path) -> None:
    """Nothing is wrong with its end: it was ended, if not by the one who waits."""

    async def play() -> None:
        party = await started(tmp_path, IGNORES_SIGTERM)
        stopping = asyncio.create_task(party.stop())
        await asyncio.sleep(0)
        await asyncio.gather(party.kill(), party.kill())
        assert "" == await stopping
        assert not party.runs

    asyncio.run(play())


def test_an_end_that_nobody_asked_for_is_told(tmp_path: Path) -> None:
    """With the status, and what it said last."""

    async def play() -> None:
        party = await started(tmp_path, ["/bin/sh", "-c", "echo ready; exit 3"])
        async with asyncio.timeout(30):
            while party.runs:
                await asyncio.sleep(0.01)
        assert "the primary ended with 3; the end of its log:\nready\n" == party.ended
        await party.kill()
        assert "" == party.ended

    asyncio.run(play())


def test_the_signal_that_ended_it_is_told(tmp_path: Path) -> None:
    """As a negative number."""

    async def play() -> None:
        party = await started(tmp_path, ["/bin/sh", "-c", f"echo ready; kill -{signal.SIGKILL} $$"])
        async with asyncio.timeout(30):
            while party.runs:
                await asyncio.sleep(0.01)
        assert party.ended.startswith("the primary ended with -9;")
        await party.kill()

    asyncio.run(play())
