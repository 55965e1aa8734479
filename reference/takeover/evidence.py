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
    "REJOIN-2": ("active", "seen", "applied"),
    "REJOIN-3": ("returned", "applied", "logged"),
    "REJOIN-4": ("active", "seen", "given_until"),
    "ROLE-3": ("seen", "applied"),
    "ROLE-4": ("peer_left", "peer_released"),
    "ROLE-5": ("seen",),
    "ROLE-6": ("seen", "lease_until", "promise_until"),
    "SWITCH-1": ("active", "peer_follows", "logged", "safe_upto"),
    "SWITCH-2": ("successor", "version", "logged", "safe_upto"),
}
"""What of a server's knowledge each clause is refused by, beside its epoch."""


def evidence_of(clause: str, know: Knowledge, now: int, heard_at: int = 0) -> dict[str, int]:
    """The numbers by name, 1 for what is so and 0 for what is not; a time as `…_ms`, in milliseconds from `now` on,
    negative when it is over by so much. `heard_at` is when an active server last heard its peer well."""
    found = {"epoch": know.epoch}
    for name in _NAMES.get(clause, ()):
        value = int(getattr(know, name))
        if name.endswith("_until"):
            found[f"{name}_ms"] = (value - now) // 1_000_000 if value else 0
        else:
            found[name] = value
    if clause == "SWITCH-1" and know.active:
        found["heard_ms"] = (heard_at - now) // 1_000_000
    return found
