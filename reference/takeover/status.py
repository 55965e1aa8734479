"""What a running server says of itself, over a Unix socket in its data directory."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from takeover.core.state import status_upto
from takeover.credentials import Credentials, credentials_of, may_operate
from takeover.linux import boottime_ns
from takeover_spec.knowledge import lapsed

if TYPE_CHECKING:
    from takeover.node import Node

log = logging.getLogger("takeover.status")

LINE_BYTES_MAX = 256


def status_of_node(node: Node) -> dict[str, Any]:
    """The status of a server, as plain JSON values; times in milliseconds from now, 0 for over."""
    know, now = node.core.know, boottime_ns()

    def left_ms(until: int) -> int:
        return max(0, (until - now) // 1_000_000)

    performer, unsafe, safe = node.performer, node.store.unsafe, node.store.safe
    refrain = performer.last_refrain if node.core.refrained else None
    return {
        "pair": node.config.pair,
        "identity": node.config.identity.name.lower(),
        "role": "active" if know.active and not lapsed(know, now) else "passive",
        "epoch": know.epoch,
        "seen": know.seen,
        "applied": know.applied,
        "stored": know.newest,
        "statuses": status_upto(know),
        "reported": know.reported,
        "logged": know.logged,
        "safe_upto": know.safe_upto,
        "acknowledged": know.acknowledged,
        "eligible_declared": node.core.offered and node.core.recorded,
        "alone": know.alone,
        "unsafe_queue": {
            "updates": know.logged - max(know.safe_upto, know.applied) if unsafe else 0,
            "bytes": unsafe.size_bytes if unsafe else 0,
            "bytes_max": node.config.unsafe_bytes_max,
        },
        "safe_queue": {
            "updates": know.newest - know.applied if safe else 0,
            "bytes": safe.size_bytes if safe else 0,
        },
        "public_identity": {"enabled": know.enabled and know.until > now, "until_ms": left_ms(know.until)},
        "grants": {
            "lease_ms": left_ms(know.lease_until),
            "promise_ms": left_ms(know.promise_until),
            "given_ms": left_ms(know.given_until),
        },
        "peer_connected": node.peer.connected,
        "witness_connected": node.witness.connected,
        "last_refrain": {"clause": refrain.clause, "reason": refrain.reason} if refrain else None,
        "refusals": [
            {"at": r.at.isoformat(timespec="milliseconds"), "clause": r.clause, "reason": r.reason}
            for r in performer.refusals
        ],
        "refusals_total": dict(performer.refusals_total),
        "resynchronise": know.returned or know.seen > know.epoch,
        "intercepting": know.intercepting,
        "serving": know.serving and node.serving.conditions.all_are_well,
        "applications": node.serving.conditions.as_values(),
        "trace": str(node.trace.path),
    }


class StatusServer:
    """Answers `status` with one line of JSON."""

    def __init__(self, path: Path, status: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._status = status
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket that an earlier process left is replaced."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._asked, self._path, limit=LINE_BYTES_MAX)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            word = (await reader.readline()).strip()
            refusal = _refusal(credentials_of(writer.get_extra_info("socket")))
            if refusal:
                answer = {"error": refusal}
            elif word == b"status":
                answer = self._status()
            else:
                answer = {"error": f"{word!r} is not known; known: status"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError):
            pass  # whoever asked is gone, or sent no line
        finally:
            writer.close()


def _refusal(who: Credentials) -> str:
    """Why this user may not ask; empty for one who may."""
    if may_operate(who):
        return ""
    fields = {"pid": who.pid, "uid": who.uid}
    log.warning("an operator is refused: user %d is not this server's", who.uid, extra={"fields": fields})
    return f"user {who.uid} may not operate this server: only root and user {os.geteuid()} may"
