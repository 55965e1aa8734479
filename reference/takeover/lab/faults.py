"""The faults of a campaign: what can be broken, and how a seed becomes rounds of it. Nothing here does anything.

The intuition: a campaign is a series of *rounds*. A round begins with a pair in sync under load, breaks one to
three things at about the same time, and ends with everything mended; then the service has to come back. What is
broken, whose, when and for how long is drawn from the seed before anything is started, so a seed is a campaign.

What complicates it: whose. A fault is aimed at the server that is active when the round begins, or at its peer:
aimed at a machine, half of them would hit the wrong one. So a seed replays the same faults, and which machine they
hit follows from what the pair did.

**What is avoided, and why: "both down to one".** A server that is active *alone* (its peer is not eligible), and
then restarts or loses its grants, does not become active again by itself, and its peer cannot: an operator has to
`promote` one of them (PROTOCOL, REJOIN-3, LEASE-3). So all faults of a round begin within `WINDOW` of a lease,
before the peer can have taken over and be alone; what lasts longer than that is not followed by another fault. That
is the only combination that is left out. It may come about all the same: a server that is alone may lose its grants
to a stalled disk. The campaign recognises it (`campaign.both_down_to_one`), calls it by that name, counts it, and
does what an operator would.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from takeover.lab.wire import Direction, Network

WINDOW = 0.6
"""All faults of a round begin within this part of a lease."""

LASTS_MIN, LASTS_MAX = 0.1, 2.5
"""How long a fault lasts, in leases."""

FAULTS_PER_ROUND_MAX = 3


class Target(Enum):
    """Whom a fault is aimed at, as things are when its round begins."""

    ACTIVE = "active"
    PASSIVE = "passive"
    WITNESS = "witness"


class Role(Enum):
    """What a process is to its machine."""

    SERVICE = "service"
    """The node, or the witness."""
    GUARD = "guard"
    """The process that holds the public identity."""
    APPLICATION = "application"
    ALL = "all"
    """Every process of the machine."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is broken for a while."""

    target: Target
    at_ms: int
    """When, from the beginning of the round."""
    lasts_ms: int
    """For how long: then it is started again, continued, mended."""

    @property
    def kind(self) -> str:
        """A name for the report."""
        return "kill"


@dataclass(frozen=True, slots=True)
class Kill(Fault):
    """SIGKILL. A service is started again after its time; the rest is its node's business."""

    role: Role

    @property
    def kind(self) -> str:
        """See Fault."""
        return f"kill {self.role.value}"


@dataclass(frozen=True, slots=True)
class Stop(Fault):
    """SIGSTOP, and SIGCONT after its time."""

    role: Role

    @property
    def kind(self) -> str:
        """See Fault."""
        return f"stop {self.role.value}"


@dataclass(frozen=True, slots=True)
class Restart(Fault):
    """The service is asked to stop, as by an operator, and started again after its time."""

    @property
    def kind(self) -> str:
        """See Fault."""
        return "restart"


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """A link carries nothing in these directions."""

    network: Network
    directions: tuple[Direction, ...]

    @property
    def kind(self) -> str:
        """See Fault."""
        return f"cut {self.network.value} {'+'.join(direction.value for direction in self.directions)}"


@dataclass(frozen=True, slots=True)
class PowerCut(Fault):
    """The machine is off, and on again after its time."""

    also_peer: bool
    """Both servers at once."""

    @property
    def kind(self) -> str:
        """See Fault."""
        return "double power cut" if self.also_peer else "power cut"


@dataclass(frozen=True, slots=True)
class Starve(Fault):
    """The machine's processes share one processor with many that never rest."""

    @property
    def kind(self) -> str:
        """See Fault."""
        return "starve"


def draw_rounds(seed: int, faults: int, lease_ms: int) -> Iterator[tuple[Fault, ...]]:
    """The rounds of a campaign, `faults` faults all together."""
    chance = random.Random(seed)
    left = faults
    while left > 0:
        count = min(left, chance.randint(1, FAULTS_PER_ROUND_MAX))
        drawn = [_draw(chance, lease_ms) for _ in range(count)]
        yield tuple(sorted(drawn, key=lambda fault: fault.at_ms))
        left -= count


def _draw(chance: random.Random, lease_ms: int) -> Fault:
    target = chance.choices(list(Target), weights=(5, 3, 2))[0]
    at_ms = int(chance.uniform(0, WINDOW) * lease_ms)
    lasts_ms = int(chance.uniform(LASTS_MIN, LASTS_MAX) * lease_ms)
    is_server = target is not Target.WITNESS
    match chance.choices(("kill", "stop", "cut", "power", "restart", "starve"), weights=(5, 6, 5, 3, 1, 2))[
        0
    ]:
        case "kill":
            return Kill(
                target, at_ms, lasts_ms, _role(chance, target, (Role.SERVICE, Role.GUARD, Role.APPLICATION))
            )
        case "stop":
            return Stop(target, at_ms, lasts_ms, _role(chance, target, tuple(Role)))
        case "cut":
            network = chance.choice(list(Network)) if is_server else Network.PUBLIC
            directions = chance.choice(((Direction.OUT,), (Direction.IN,), tuple(Direction)))
            return Cut(target, at_ms, lasts_ms, network, directions)
        case "power":
            return PowerCut(target, at_ms, lasts_ms, also_peer=is_server and chance.random() < 0.4)
        case "restart":
            return Restart(target, at_ms, lasts_ms)
    return Starve(target, at_ms, lasts_ms)


def _role(chance: random.Random, target: Target, roles: tuple[Role, ...]) -> Role:
    """A passive server has no application; the witness has neither that nor a guard."""
    if target is Target.WITNESS:
        return Role.SERVICE
    if target is Target.PASSIVE:
        roles = tuple(role for role in roles if role is not Role.APPLICATION)
    return chance.choice(roles)
