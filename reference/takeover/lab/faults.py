"""The rounds of a campaign: what is broken, what an operator asks for meanwhile, and how a seed becomes both.

Nothing here does anything. The intuition: a campaign is a series of *rounds*. A round begins with a pair in sync
under load, breaks one to three things at about the same time, and ends with everything mended; then the service has
to come back. In some rounds an operator asks for a switchover (SWITCH-1) beside that, in many of them so that a
fault hits the middle of it. What is broken, whose, when and for how long is drawn from the seed before anything is
started, so a seed is a campaign.

What complicates it: whose. A fault is aimed at the server that is active when the round begins, or at its peer:
aimed at a machine, half of them would hit the wrong one. **What a seed does not fix** follows from that, and from
real time. The same faults come in the same order, at the same times of their rounds. Which machine has the role then
is what the pair made of the rounds before; and a few milliseconds decide whether a fault finds a process that
another fault has just taken, or how far a switchover has come. The report says of each fault whom it hit, and whether
that machine had the address (`rounds_played`).

**What hardly ever comes about by chance is drawn on purpose**: a round in which the active server is cut off, first
from its peer and then from everybody, and the witness restarts. Its lease then outlives its peer's promise, and the
only one who knew of that lease has forgotten when it ends.

**What is avoided, and why: "both down to one".** A server that is active *alone* (its peer is not eligible), and
then restarts or loses its grants, does not become active again by itself, and its peer cannot: an operator has to
`promote` one of them (PROTOCOL, REJOIN-3, LEASE-3). So all faults of a round begin within `WINDOW` of a lease,
before the peer can have taken over and be alone; what lasts longer than that is not followed by another fault. That
is the only combination that is left out. It may come about all the same: a switchover that was just carried out
leaves a server alone for a moment; one that is alone may lose its grants to a stalled disk; a witness that lost its
disk has forgotten who is eligible. The campaign recognises it (`evidence.both_down_to_one`) and does what an operator
would; whether the rules needed that is then judged by the traces (`promotions`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from takeover.lab.networks import Direction, Network

WINDOW = 0.6
"""All faults of a round begin within this part of a lease."""

LASTS_MIN, LASTS_MAX = 0.1, 2.5
"""How long a fault lasts, in leases."""

FAULTS_PER_ROUND_MAX = 3

ISOLATIONS = 0.08
"""The share of rounds in which the active server is cut off and the witness restarts."""

SWITCHOVERS = 0.35
"""The share of rounds with a switchover."""

MIDDLE = 0.25
"""How long before a fault a switchover is ordered that the fault is to hit, in leases: about as long as one takes."""

WITHIN = 3.0
"""How long a switchover may take before it is called off, in leases."""

STARVERS = (16, 128)
"""With how many processes that never rest a starved machine shares its processor: so that it is slow, or too slow."""


class Target(Enum):
    """Whom a fault is aimed at, as things are when its round begins."""

    ACTIVE = "active"
    PASSIVE = "passive"
    WITNESS = "witness"
    CLIENT = "client"
    """Only its link is broken."""


class Role(Enum):
    """What a process is to its machine."""

    SERVICE = "service"
    """The node, or the witness."""
    GUARD = "guard"
    """The process that holds the public identity."""
    APPLICATION = "application"
    KEEPER = "keeper"
    """The process that keeps an application, or is ready to."""
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

    beside: int
    """With how many."""

    @property
    def kind(self) -> str:
        """See Fault."""
        return "starve"


@dataclass(frozen=True, slots=True)
class Wipe(Fault):
    """The witness is killed, and starts again with an empty disk: it grants nothing until it is told what it is."""

    @property
    def kind(self) -> str:
        """See Fault."""
        return "wiped disk"


@dataclass(frozen=True, slots=True)
class Switchover:
    """What an operator asks the active server for. It is no fault, and is not counted as one."""

    at_ms: int
    """When, from the beginning of the round."""
    within_ms: int
    """For how long the server may try."""
    back: bool
    """Whether it is asked of the other server too, once that one is active and the pair is in sync."""


@dataclass(frozen=True, slots=True)
class Round:
    """What happens between two times at which all is well."""

    faults: tuple[Fault, ...]
    """In the order in which they begin."""
    switchover: Switchover | None = None


def draw_rounds(seed: int, faults: int, lease_ms: int) -> Iterator[Round]:
    """The rounds of a campaign, `faults` faults all together."""
    chance = random.Random(seed)
    left = faults
    while left > 0:
        if chance.random() < ISOLATIONS and left >= FAULTS_PER_ROUND_MAX:
            yield Round(_draw_isolation(chance, lease_ms))
            left -= FAULTS_PER_ROUND_MAX
            continue
        count = min(left, chance.randint(1, FAULTS_PER_ROUND_MAX))
        drawn = sorted((_draw(chance, lease_ms) for _ in range(count)), key=lambda fault: fault.at_ms)
        yield Round(tuple(drawn), _draw_switchover(chance, drawn, lease_ms))
        left -= count


def _draw_isolation(chance: random.Random, lease_ms: int) -> tuple[Fault, ...]:
    """The active server loses its peer, later everybody, and then the witness restarts before that is over."""

    def within(least: float, most: float) -> int:
        return int(chance.uniform(least, most) * lease_ms)

    def directions() -> tuple[Direction, ...]:
        return chance.choice(((Direction.OUT,), (Direction.IN,), tuple(Direction)))

    peer = Cut(Target.ACTIVE, within(0, 0.15), within(1.5, LASTS_MAX), Network.CHANNEL, directions())
    others = Cut(Target.ACTIVE, within(0.35, 0.5), within(1.5, LASTS_MAX), Network.PUBLIC, directions())
    at_ms, lasts_ms = within(0.5, WINDOW), within(LASTS_MIN, 0.4)
    restarts = (
        Kill(Target.WITNESS, at_ms, lasts_ms, Role.SERVICE),
        Restart(Target.WITNESS, at_ms, lasts_ms),
        PowerCut(Target.WITNESS, at_ms, lasts_ms, also_peer=False),
    )
    return peer, others, chance.choice(restarts)


def _draw_switchover(chance: random.Random, faults: Sequence[Fault], lease_ms: int) -> Switchover | None:
    if chance.random() >= SWITCHOVERS:
        return None
    at_ms = int(chance.uniform(0, WINDOW) * lease_ms)
    if chance.random() < 0.6:
        at_ms = max(0, chance.choice(faults).at_ms - int(chance.uniform(0, MIDDLE) * lease_ms))
    return Switchover(at_ms, int(WITHIN * lease_ms), back=chance.random() < 0.4)


def _draw(chance: random.Random, lease_ms: int) -> Fault:
    target = chance.choices(list(Target), weights=(10, 6, 4, 1))[0]
    at_ms = int(chance.uniform(0, WINDOW) * lease_ms)
    lasts_ms = int(chance.uniform(LASTS_MIN, LASTS_MAX) * lease_ms)
    is_server = target in (Target.ACTIVE, Target.PASSIVE)
    weights = {"kill": 5, "stop": 6, "cut": 5, "power": 3, "restart": 1, "starve": 2}
    if target is Target.WITNESS:
        weights["wipe"] = 3
    if target is Target.CLIENT:
        weights = {"cut": 1}
    match chance.choices(list(weights), list(weights.values()))[0]:
        case "wipe":
            return Wipe(target, at_ms, lasts_ms)
        case "kill":
            return Kill(
                target,
                at_ms,
                lasts_ms,
                _role(chance, target, tuple(role for role in Role if role is not Role.ALL)),
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
    return Starve(target, at_ms, lasts_ms, chance.choice(STARVERS))


def _role(chance: random.Random, target: Target, roles: tuple[Role, ...]) -> Role:
    """A passive server has no application; the witness has neither that nor a guard."""
    if target is Target.WITNESS:
        return Role.SERVICE
    if target is Target.PASSIVE:
        roles = tuple(role for role in roles if role is not Role.APPLICATION)
    return chance.choice(roles)
