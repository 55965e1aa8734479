"""Sending the unsafe queue.

It is long, and decides nothing: the core says from where to ship. It runs beside the core as a task that lives no
longer than the connection it uses.
"""

from __future__ import annotations

import asyncio

from takeover.channel.channel import Connection
from takeover.storage.queues import Queue, status_of
from takeover_spec import wire


async def ship(connection: Connection, queue: Queue, seq: int, status: int, grown: asyncio.Event) -> None:
    """Send the queue's updates from `seq` on and its statuses from `status` on, and go on as it grows.

    Only what is durable here is sent, and a status only after its update.
    """
    updates, statuses = queue.updates.cursor(seq), queue.statuses.cursor(status)
    try:
        while True:
            moved = False
            while statuses.index < min(updates.index, queue.statuses.durable_index):
                entry = statuses.next()
                assert entry is not None
                outcome = queue.decode_status(entry[1], entry[0])
                ended = wire.UpdateStatus(queue.epoch, entry[0], status_of(outcome), outcome.amount)
                await connection.send(ended)
                moved = True
            if updates.index < queue.updates.durable_index:
                entry = updates.next()
                assert entry is not None
                operation = queue.decode_update(entry[1], entry[0])
                await connection.send(wire.Update(queue.epoch, entry[0], operation))
                moved = True
            if not moved:
                grown.clear()
                await grown.wait()
    finally:
        updates.close()
        statuses.close()
