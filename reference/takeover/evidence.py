"""The evidence of a refusal: the numbers that its clause reads, as the server knew them when it refused.

Built beside the core, which says only the clause and the reason: what it decided on is in what it knows. A new clause
without a line in the table has its epoch, which every refusal is about.
"""

from __future__ import annotations

from takeover_spec.knowledge import Knowledge

_NAMES = {
    "LEASE-1": ("given_until",),
    "LEASE-3": ("seen", "given_until", "lease_until"),
    "LEASE-5": ("released",),
    "REJOIN-2": ("seen", "applied"),
    "REJOIN-3": ("applied", "logged"),
    "REJOIN-4": ("seen", "given_until"),
    "ROLE-3": ("seen", "applied"),
    "ROLE-4": ("peer_released",),
    "ROLE-5": ("seen",),
    "ROLE-6": ("seen", "lease_until", "promise_until"),
    "SWITCH-1": ("logged", "safe_upto"),
    "SWITCH-2": ("version", "logged", "safe_upto"),
}
"""What of a server's knowledge each clause is refused by, beside its epoch."""


def evidence_of(clause: str, know: Knowledge, now: int) -> dict[str, int]:
    """The numbers by name; a time as `…_ms`, in milliseconds from `now` on, negative when it is over by so much."""
    found = {"epoch": know.epoch}
    for name in _NAMES.get(clause, ()):
        value = getattr(know, name)
        if name.endswith("_until"):
            found[f"{name}_ms"] = (value - now) // 1_000_000 if value else 0
        else:
            found[name] = value
    return found
