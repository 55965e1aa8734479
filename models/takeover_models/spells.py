"""Decisions by chance, in spells: what a campaign does to a virtual world.

Pure chance would mostly leave both servers dead, and a dead pair breaks nothing. So decisions come in spells: calm, in
which a pair finds together; small steps, in which messages overtake each other and queues fill; faults, after which
much is left broken; repair; orders of an operator; and three that lead to where it is close: the active server goes
while updates are on their way, it is left with one grant whose giver forgets it, or its peer has fallen behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from takeover_models.decisions import Decision
from takeover_models.network import LINKS
from takeover_models.world import World

Spell = Callable[[random.Random, World], Iterator[Decision]]


def decisions(rng: random.Random, world: World) -> Iterator[Decision]:
    """Decisions without end, chosen with an eye on the world."""
    yield Decision("heal")
    yield Decision("calm", number=rng.choice((1500, 2500, 4000)), flag=rng.random() < 0.8)
    spells, weights = zip(*_SPELLS, strict=True)
    while True:
        yield from rng.choices(spells, weights)[0](rng, world)


def _calm(rng: random.Random, world: World) -> Iterator[Decision]:
    yield Decision("calm", number=rng.choice((20, 100, 300, 800, 2500)), flag=rng.random() < 0.7)


def _repair(rng: random.Random, world: World) -> Iterator[Decision]:
    if rng.random() < 0.6:
        yield Decision("heal")
    else:
        yield Decision("start", rng.choice("01w"))
        yield Decision("resume", rng.choice("01w"))
        yield Decision("mend", rng.choice(LINKS))
        yield Decision("connect")
    yield Decision("calm", number=rng.choice((300, 1500, 3000)), flag=rng.random() < 0.7)


def _small(rng: random.Random, world: World) -> Iterator[Decision]:
    """Some of what an instant of calm is made of, in another order, with losses and doubles."""
    active = _active(world) or rng.choice("01")
    for _ in range(rng.randrange(5, 30)):
        choice = rng.random()
        if choice < 0.25:
            yield Decision("offer", active, rng.randrange(9), rng.random() < 0.2)
        elif choice < 0.5:
            yield Decision(
                "work", active if rng.random() < 0.7 else rng.choice("01"), rng.choice((0, 0, 1, 2, 3, 4))
            )
        elif choice < 0.8:
            yield _delivery(rng, world)
        elif choice < 0.88:
            yield Decision("idle", rng.choice("01"))
        elif choice < 0.94:
            yield Decision("pass", number=rng.choice((100, 2_000, 30_000, 200_000)))
        elif choice < 0.97:
            yield Decision("wake", rng.choice("01"))
        else:
            yield Decision("sync", rng.choice("01w"))


def _delivery(rng: random.Random, world: World) -> Decision:
    busy = [name for name in LINKS if world.network.links[name].letters] or list(LINKS)
    name = rng.choice(busy)
    index = 0 if rng.random() < 0.75 else rng.randrange(max(1, len(world.network.links[name].letters)))
    if rng.random() < 0.05:
        return Decision("lose", name, index)
    return Decision("deliver", name, index, rng.random() < 0.25)


def _fault(rng: random.Random, world: World) -> Iterator[Decision]:
    for _ in range(rng.randrange(1, 4)):
        yield _one_fault(rng)
    if rng.random() < 0.4:
        who = rng.choice("01w")
        yield Decision("reach", who, rng.randrange(6), rng.random() < 0.3)
        yield Decision("wake", rng.choice("01"))
    if rng.random() < 0.6:
        yield Decision("calm", number=rng.choice((100, 700, 1500, 3500)), flag=rng.random() < 0.5)


def _one_fault(rng: random.Random) -> Decision:
    who = rng.choice("0011w")
    choice = rng.randrange(10)
    if choice < 3:
        return Decision("crash", who, rng.randrange(8), rng.random() < 0.4)
    if choice < 5:
        return Decision("cut", rng.choice(LINKS))
    if choice < 6:
        if rng.random() < 0.5:
            return Decision("delay", rng.choice(LINKS), rng.choice((100, 700, 1500, 3000)))
        return Decision("disconnect", flag=rng.random() < 0.5)
    if choice < 7:
        return Decision("interrupt", who, rng.randrange(6))
    if choice < 8:
        return Decision("stop", who)
    if choice < 9 or rng.random() < 0.8:
        return Decision("rate", who, rng.choice((-200_000, 0, 200_000)))
    return Decision("bye", rng.choice("01"))


def _exchange(rng: random.Random, world: World) -> Iterator[Decision]:
    """The active server goes, at whatever point of its work, and comes back: the road to takeovers and rejoins."""
    active = _active(world)
    if active is None:
        return
    if rng.random() < 0.5:
        yield from _half_shipped(rng, active)
    if rng.random() < 0.4:
        yield Decision("busy", str(1 - int(active)), rng.choice((300, 2000, 4000)))
        yield Decision("calm", number=rng.choice((100, 300)), flag=True)
    if rng.random() < 0.4:
        yield Decision("interrupt", rng.choice("01"), rng.randrange(9))
        yield Decision("calm", number=rng.choice((1, 200)), flag=True)
    away = Decision("crash", active, rng.randrange(8), rng.random() < 0.5)
    yield rng.choice((away, away, Decision("stop", active), Decision("cut", f"{active}w")))
    yield Decision("calm", number=rng.choice((500, 1500, 4000)), flag=rng.random() < 0.5)
    yield Decision("heal")
    yield Decision("calm", number=rng.choice((500, 2500)), flag=rng.random() < 0.7)


def _half_shipped(rng: random.Random, active: str) -> Iterator[Decision]:
    """Some updates on their way, some without their statuses; what has not arrived may get lost, or arrive late."""
    passive = str(1 - int(active))
    for _ in range(rng.randrange(1, 5)):
        yield Decision("offer", active, rng.randrange(9), rng.random() < 0.2)
        yield Decision("work", active, 1)
        if rng.random() < 0.5:
            yield Decision("work", active, 3)
        yield Decision("work", active, 2)
        if rng.random() < 0.7:
            yield Decision("work", active, 3)
    for _ in range(rng.randrange(8)):
        yield Decision("deliver", active + passive, flag=rng.random() < 0.3)
    fate = rng.random()
    if fate < 0.4:
        yield Decision("disconnect", flag=True)
    elif fate < 0.8:
        yield Decision("delay", active + passive, rng.choice((100, 1500, 3000, 6000)))


def _squeezed(rng: random.Random, world: World) -> Iterator[Decision]:
    """The active server is left with one of its two grants, whose giver forgets it; the other one wants the role."""
    active = _active(world)
    if active is None:
        return
    passive = str(1 - int(active))
    kept, giver = rng.choice((("promise", passive), ("lease", "w")))
    for name in (f"{active}w", f"w{active}") if kept == "promise" else (active + passive, passive + active):
        if rng.random() < 0.8:
            yield Decision("cut", name)
    if rng.random() < 0.3:
        yield Decision("rate", rng.choice("01w"), rng.choice((-200_000, 200_000)))
    if rng.random() < 0.4:
        yield Decision("slow", giver + active, rng.choice((60, 300, 500)))
    yield Decision("calm", number=rng.choice((400, 900, 1800)), flag=rng.random() < 0.3)
    if rng.random() < 0.6:
        yield Decision("crash", giver, rng.randrange(8), rng.random() < 0.5)
        yield Decision("start", giver)
    if rng.random() < 0.6:
        yield Decision("calm", number=rng.choice((5, 50, 200)))
        yield Decision("cut", giver + active)
        yield Decision("cut", active + giver)
    yield Decision("calm", number=rng.choice((100, 700, 1500)), flag=rng.random() < 0.3)
    if rng.random() < 0.7:
        yield Decision("heal")


def _lagging(rng: random.Random, world: World) -> Iterator[Decision]:
    """The passive server falls behind, and the active one goes while it catches up."""
    active = _active(world)
    if active is None:
        return
    name = active + str(1 - int(active))
    yield Decision("cut", name)
    yield Decision("calm", number=rng.choice((600, 1000)), flag=True)
    yield Decision("disconnect", flag=True)
    yield Decision("mend", name)
    if rng.random() < 0.7:
        yield Decision("connect")
        yield Decision("deliver", name[::-1])
        yield Decision("work", active, 3)
        yield Decision("delay", name, rng.choice((100, 3000)))
    yield Decision("calm", number=rng.choice((1, 5, 80)))
    yield Decision("crash", active, rng.randrange(8), rng.random() < 0.5)
    yield Decision("disconnect", flag=rng.random() < 0.7)
    yield Decision("calm", number=rng.choice((1500, 3000)))
    yield Decision("heal")


def _ordered(rng: random.Random, world: World) -> Iterator[Decision]:
    """An operator orders something: sensible, or at a bad time, or of the wrong server; and something may cut it."""
    active = _active(world) or rng.choice("01")
    who = active if rng.random() < 0.9 else str(1 - int(active))
    if rng.random() < 0.3:
        yield Decision("interrupt", rng.choice("01w"), rng.randrange(12))
    order = rng.random()
    if order < 0.55:
        yield Decision("offer", active, rng.randrange(9), rng.random() < 0.2)
        if rng.random() < 0.2:
            yield Decision("cut", rng.choice(LINKS))
        yield Decision("switch", who, rng.choice((0, 50, 1000, 1000)))
    elif order < 0.7:
        yield Decision("resync", str(1 - int(who)))
    else:
        yield from _promoted(rng, active)
    yield Decision("calm", number=rng.choice((1, 100, 1500, 3500)), flag=rng.random() < 0.5)


def _promoted(rng: random.Random, active: str) -> Iterator[Decision]:
    """The passive server is not eligible, and the active one goes; one of them is promoted."""
    passive = str(1 - int(active))
    yield rng.choice((Decision("crash", passive), Decision("cut", active + passive)))
    yield Decision("calm", number=rng.choice((100, 900, 1500)), flag=True)
    yield Decision("crash", active, rng.randrange(8), rng.random() < 0.5)
    back = rng.choice("01")
    yield Decision("start", back)
    if rng.random() < 0.5:
        yield Decision("start", str(1 - int(back)))
    yield Decision("calm", number=rng.choice((1, 1200)))
    yield Decision("promote", rng.choice("01"))
    yield Decision("calm", number=rng.choice((100, 1500)))
    yield Decision("promote", rng.choice("01"))


def _active(world: World) -> str | None:
    return next((str(server.index) for server in world.servers if server.leads), None)


_SPELLS: tuple[tuple[Spell, int], ...] = (
    (_calm, 5),
    (_small, 6),
    (_fault, 4),
    (_repair, 3),
    (_exchange, 3),
    (_squeezed, 2),
    (_lagging, 2),
    (_ordered, 3),
)
"""The spells, and how often each comes up."""
