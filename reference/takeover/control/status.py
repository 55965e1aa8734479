"""What a running server says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from takeover.core.ordering import promotion, why_no_promotion
from takeover.core.state import Turn, status_upto
from takeover.linux import boottime_ns
from takeover.witness.own_arbiter_link import OwnArbiterLink
from takeover_spec.knowledge import lapsed

if TYPE_CHECKING:
    from takeover.node import Node


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
        "public_identity": {
            "enabled": know.enabled and know.until > now and not performer.identity_flaw,
            "until_ms": left_ms(know.until),
            "flaw": performer.identity_flaw,
        },
        "grants": {
            "lease_ms": left_ms(know.lease_until),
            "promise_ms": left_ms(know.promise_until),
            "given_ms": left_ms(know.given_until),
            "longest_ms": max(node.config.constants.lease_ns, node.config.constants.promise_ns) // 1_000_000,
        },
        "peer_connected": node.peer.connected,
        "witness_connected": node.witness.connected,
        "arbiter": str(node.config.arbiter),
        "waits_for_person": not know.active and know.given_until <= now and _waits_for_a_person(node),
        "last_refrain": {"clause": refrain.clause, "reason": refrain.reason} if refrain else None,
        "refusals": [
            {
                "at": r.at.isoformat(timespec="milliseconds"),
                "clause": r.clause,
                "reason": r.reason,
                "evidence": r.evidence,
            }
            for r in performer.refusals
        ],
        "refusals_total": dict(performer.refusals_total),
        "promotion": _promotion(node, now),
        "resynchronise": know.returned or know.seen > know.epoch,
        "intercepting": know.intercepting,
        "serving": know.serving and node.serving.conditions.all_are_well,
        "applications": node.serving.conditions.as_values(),
        "trace": str(node.trace.path),
    }


def _waits_for_a_person(node: Node) -> bool:
    return (
        isinstance(node.witness, OwnArbiterLink)
        and node.witness.waits_for_a_person
        and not node.core.know.promoted
    )


def _promotion(node: Node, now: int) -> dict[str, Any]:
    kept, last = promotion(node.core.know)
    refusal = why_no_promotion(Turn(node.core, now))
    refused = {"clause": refusal[0], "reason": refusal[1]} if refusal else None
    return {"kept": kept, "last": last, "refused": refused}
