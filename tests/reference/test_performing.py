"""What an acknowledgement waits for before the application hears of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from takeover.performing import Performer
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge

SAFE_UPTO = 7


def _done(seq: int, *, synchronous: bool) -> list[str]:
    """What a server does, in order, when its core acknowledges this update."""
    done: list[str] = []
    queue = SimpleNamespace(sync=lambda: done.append("queue synced"))
    node: Any = SimpleNamespace(
        config=SimpleNamespace(constants=SimpleNamespace(synchronous=synchronous)),
        core=SimpleNamespace(know=Knowledge(safe_upto=SAFE_UPTO)),
        store=SimpleNamespace(dirty=[queue], sync_data=lambda: done.append("data synced")),
        trace=SimpleNamespace(note=lambda action, now: None, flush=lambda: done.append("trace written")),
        offers=SimpleNamespace(acknowledged=lambda seq: None, answer=lambda: done.append("told")),
    )

    async def acknowledge() -> None:
        performer = Performer(cast(Any, node))
        await performer.perform((act.Acknowledge(1, seq),), 0, None)
        await performer.flush()

    asyncio.run(acknowledge())
    return done


def test_alone_the_data_is_durable_first() -> None:
    """SYNC-1: without a passive server that has it, an acknowledged update is in this server's data for good."""
    alone = _done(SAFE_UPTO + 1, synchronous=True)
    assert ["queue synced", "data synced", "trace written", "told"] == alone


@pytest.mark.parametrize(("seq", "synchronous"), [(SAFE_UPTO, True), (SAFE_UPTO + 1, False)])
def test_otherwise_nothing_more_is_waited_for(seq: int, synchronous: bool) -> None:
    """What the passive server has is durable there, and asynchronous mode promises less."""
    assert ["queue synced", "trace written", "told"] == _done(seq, synchronous=synchronous)


@pytest.mark.parametrize("action", [act.Promote(1, 4, 9, True), act.SetAside(1, 4, 9)])
def test_a_loss_is_stated_first_and_beside_the_loop(action: act.ServerAction) -> None:
    """LOSS-1: however much is lost, the loop goes on reading messages while it is written down."""
    done: list[tuple[str, bool]] = []

    def noted(what: str) -> Callable[[int, int], None]:
        return lambda kept, last: done.append((what, threading.current_thread() is threading.main_thread()))

    store = SimpleNamespace(unsafe=object(), promote=noted("done"), set_aside=noted("done"))
    store.state_promote_loss = store.state_rejoin_loss = noted("stated")
    node: Any = SimpleNamespace(store=store, trace=SimpleNamespace(note=lambda action, now: None))
    asyncio.run(Performer(node).perform((action,), 0, None))
    assert [("stated", False), ("done", True)] == done
