"""The words of the protocol that are values: who, what kind, how it ended, and the numbers a pair agrees on.

Enumerations are whole numbers so that a symbolic term can stand for one; a trace writes their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

PPM = 1_000_000
"""Parts in a million: the unit of `Constants.drift_ppm`, as a whole."""


class Identity(IntEnum):
    """Which machine of the pair; fixed for life."""

    PRIMARY = 0
    SECONDARY = 1

    @property
    def peer(self) -> Identity:
        """The other one."""
        return Identity(1 - self)


class Status(IntEnum):
    """How an update ended on the active server."""

    NONE = 0
    """Not known (yet)."""
    DONE = 1
    FAILED = 2
    """It changed nothing."""


class Queue(IntEnum):
    """Where a server took an update from when it applied it."""

    SAFE = 0
    UNSAFE = 1


class Cause(IntEnum):
    """Why a server takes over."""

    FIRST = 0
    """No server has been active before: epoch 1."""
    SILENCE = 1
    """The active server is not heard: a failover."""
    RELEASE = 2
    """The active server released the role: a switchover."""
    OPERATOR = 3
    """A person ordered it, and accepts what it loses (REJOIN-4)."""
    RESUMED = 4
    """It was active last and had logged nothing yet: its own takeover was cut, and goes on (SWITCH-2)."""


class Arbiter(StrEnum):
    """Who plays the witness's part (PROTOCOL.md, "Without a witness")."""

    WITNESS = "witness"
    """A third party: the only one under which the properties need no assumption about who is dead."""
    CRASH_STOP = "crash-stop"
    """Each server for itself, for whom silence means dead."""
    OPERATOR = "operator"
    """Each server for itself, on a person's order alone."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What both servers and the witness must have been told alike."""

    lease_ns: int
    """How long a witness lease is valid for the witness, in nanoseconds of its clock; > 0."""
    promise_ns: int
    """How long a passive server's promise binds it, in nanoseconds of its clock; > 0."""
    drift_ppm: int
    """ρ: every clock runs within this many parts in a million of true rate; 0 <= ρ < 1,000,000."""
    expiry_slack_ns: int
    """σ: how late the kernel may be in ending the public identity, in nanoseconds; >= 0."""
    synchronous: bool
    """Whether an update is acknowledged only when it is safe (SYNC-1)."""

    def __post_init__(self) -> None:
        if isinstance(self.lease_ns, int):  # symbolic constants are bounded by the prover
            checks = {
                "lease_ns": self.lease_ns > 0,
                "promise_ns": self.promise_ns > 0,
                "drift_ppm": 0 <= self.drift_ppm < PPM,
                "expiry_slack_ns": self.expiry_slack_ns >= 0,
            }
            for name, good in checks.items():
                if not good:
                    raise ValueError(f"{name} = {getattr(self, name)} is out of range")
