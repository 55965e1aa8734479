"""The witness that every server carries out for itself, over a store that keeps nothing but one value.

Two of them share a register in a virtual world: clocks drift, requests are late, are carried out twice or after they
were given up, answers are lost, servers restart. However that goes, their servers never count on two leases at once.
Protocols that are wrong on purpose show that the world is bad enough to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field, replace
from random import Random
from types import coroutine
from typing import Any, cast

import pytest

from takeover.core.state import counted_ns
from takeover.core.witness import Witness
from takeover.witness import etcd_witness
from takeover.witness.etcd_client import Entry, EtcdClient, EtcdFailure
from takeover.witness.etcd_witness import EtcdWitness, Kept, decode, encode
from takeover_spec import wire
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import PPM, Constants, Identity

C = Constants(1_000, 1_000, 100_000, 0, True)
RATES = (PPM - C.drift_ppm, PPM, PPM + C.drift_ppm)


@dataclass
class Register:
    """What etcd is to a witness."""

    entry: Entry = field(default_factory=lambda: Entry(1, encode(Kept(WitnessKnowledge(), None), C)))
    compares: bool = True

    def carry_out(self, request: Request) -> Any:
        """Do it, in one step."""
        if request.value is None:
            return self.entry
        if self.compares and request.there != self.entry:
            return False, self.entry
        self.entry = Entry(self.entry.revision + 1, request.value)
        return True, self.entry


@dataclass(frozen=True)
class Request:
    """A read, or a replacement."""

    there: Entry = field(default_factory=Entry)
    value: bytes | None = None


@coroutine
def sent(request: Request) -> Generator[Request, Any, Any]:
    """Hand a request to whoever drives the coroutine, and go on with its answer."""
    return (yield request)


class Client:
    """A client whose requests the test carries out."""

    async def read(self) -> Entry:
        return cast(Entry, await sent(Request()))

    async def replace(self, there: Entry, value: bytes) -> tuple[bool, Entry]:
        return cast(tuple[bool, Entry], await sent(Request(there, value)))


class Server:
    """A server as far as its lease goes: what it asked, and what it counts on."""

    def __init__(self, identity: Identity, rate: int, ahead: int) -> None:
        self.identity = identity
        self.rate = rate
        self.ahead = ahead
        self.real = 0
        self.start()

    def start(self) -> None:
        """Its process starts (again)."""
        self.witness = EtcdWitness(cast(EtcdClient, Client()), self.identity, C, lambda: self.clock)
        self.work: Coroutine[Any, Any, tuple[wire.Message, ...]] | None = None
        self.request: Request | None = None
        self.answer: Any = None
        self.epoch, self.until, self.version, self.asked = 0, 0, 0, 0
        self.released = 0
        self.began = self.clock

    @property
    def clock(self) -> int:
        return self.ahead + self.real * self.rate // PPM

    @property
    def counts(self) -> bool:
        """Whether it counts on a lease now."""
        return self.clock < self.until

    def stop(self) -> None:
        """Its process ends."""
        if self.work is not None:
            self.work.close()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have the witness do something."""
        self.work, self.answer = work, None
        self.request = work.send(None)

    def go_on(self, answer: Any = None) -> None:
        """The answer to the request arrives; None is that it failed."""
        assert self.work is not None
        self.answer = None
        try:
            if answer is None:
                self.request = self.work.throw(EtcdFailure("lost"))
            else:
                self.request = self.work.send(answer)
        except (StopIteration, EtcdFailure) as end:
            self.work = self.request = None
            for message in getattr(end, "value", None) or ():
                self.hear(message)

    def hear(self, message: wire.Message) -> None:
        """The witness said something."""
        if isinstance(message, wire.Leased) and message.epoch > self.released:
            until = message.sent + counted_ns(C.lease_ns, C.drift_ppm)  # LEASE-4
            self.until = max(until, self.until) if message.epoch == self.epoch else until
            self.epoch = message.epoch

    def say(self, choice: float) -> None:
        """Say something to the witness that a server may say."""
        know = self.witness.know
        if not self.counts:
            asks = wire.AskLease((know.epoch if know else 0) + 1, 1, self.clock, choice > 0.9)
            self.begin(self.witness.look() if choice < 0.4 else self.witness.hear(asks))
        elif choice < 0.6:
            self.begin(self.witness.hear(wire.AskLease(self.epoch, 1, self.clock, False)))
        elif choice < 0.95:
            self.version += 1
            self.begin(self.witness.hear(wire.DeclareEligible(self.epoch, self.version, choice < 0.9)))
        else:
            self.until, self.released = 0, self.epoch  # it is hidden before it says so
            self.begin(self.witness.hear(wire.Released(self.epoch)))


class World:
    """Two servers, their witness, and everything that can go wrong between them and the store."""

    def __init__(self, seed: int, compares: bool) -> None:
        self.chance = Random(seed)
        self.register = Register(compares=compares)
        self.servers = [Server(identity, self.chance.choice(RATES), identity * 77) for identity in Identity]
        self.old: list[Request] = []
        self.owners: dict[int, Identity] = {}

    def step(self) -> None:
        """Something happens."""
        server, luck = self.chance.choice(self.servers), self.chance.random()
        if luck < 0.25:
            length = self.chance.choice((1, 30, 100, 300, 850))
            for one in self.servers:
                one.real += length
        elif luck < 0.26:
            server.stop()
            server.start()
        elif luck < 0.30 and self.old:
            self.register.carry_out(self.chance.choice(self.old[-10:]))  # again, or late
        elif server.request is None:
            server.say(self.chance.random())
        elif luck < 0.35:
            self.old.append(server.request)
            server.go_on()  # given up: it may be carried out yet
        elif server.answer is None:
            self.old.append(server.request)
            server.answer = self.register.carry_out(server.request)
        else:
            server.go_on(server.answer)
        self.look()

    def look(self) -> None:
        """At most one server counts on a lease; and an epoch has one holder."""
        assert sum(server.counts for server in self.servers) <= 1
        for server in self.servers:
            if server.epoch:
                assert server.identity == self.owners.setdefault(server.epoch, server.identity)


def epochs_of(seeds: int, *, compares: bool = True) -> int:
    """Let so many worlds run; how many epochs there were in all of them."""
    count = 0
    for seed in range(seeds):
        world = World(seed, compares)
        try:
            for _ in range(400):
                world.step()
        except AssertionError as error:
            raise AssertionError(f"in the world of seed {seed}") from error
        finally:
            for server in world.servers:
                server.stop()
        count += len(world.owners)
    return count


def waits(lease: Callable[[WitnessKnowledge, int], int]) -> Callable[..., Witness]:
    """A witness that takes a lease it sees to run until this time."""

    def observe(witness: Witness, found: WitnessKnowledge, now: int) -> Witness:
        know = replace(found, lease_until=lease(found, now), wait_until=witness.know.wait_until)
        return replace(witness, know=know)

    return observe


def test_never_two_leases() -> None:
    """LEASE-3, LEASE-4: whatever becomes of requests, clocks and processes; and the servers do succeed each other."""
    assert 500 <= epochs_of(500)


def test_without_the_comparison_there_are_two() -> None:
    """A store that replaces whatever is there: the world is bad enough to show it."""
    with pytest.raises(AssertionError, match="in the world of seed"):
        epochs_of(100, compares=False)


@pytest.mark.parametrize(
    "observe",
    [
        waits(lambda found, now: now),
        waits(lambda found, now: 0),
        waits(lambda found, now: now if found.ended else now + C.lease_ns * 8 // 10),
    ],
    ids=["no wait", "none but at the start", "a wait shorter by more than the drift"],
)
def test_without_the_full_wait_there_are_two(monkeypatch: pytest.MonkeyPatch, observe: Any) -> None:
    """A full lease since the record was seen, and not less, for a holder's clock may be slow."""
    monkeypatch.setattr(etcd_witness, "observe", observe)
    with pytest.raises(AssertionError, match="in the world of seed"):
        epochs_of(1000)


# --- what the record says of an order ---------------------------------------------------------------


FIRST_FORMAT = encode(Kept(WitnessKnowledge(epoch=3, holder=Identity.SECONDARY), None), C).replace(
    b'"format":2', b'"format":1'
)


def carried_out(register: Register, work: Coroutine[Any, Any, Any]) -> Any:
    """Drive something that asks the store, to its end."""
    answer = None
    while True:
        try:
            answer = register.carry_out(work.send(answer))
        except StopIteration as end:
            return end.value


def asked(register: Register, clock: int, epoch: int, promoted: bool) -> bool | None:
    """The primary asks for a lease and gets it; what the record says then."""
    witness = EtcdWitness(cast(EtcdClient, Client()), Identity.PRIMARY, C, lambda: clock)
    carried_out(register, witness.look())
    clock += C.lease_ns
    (answer,) = carried_out(register, witness.hear(wire.AskLease(epoch, 1, clock, promoted)))
    assert isinstance(answer, wire.Leased)
    kept = decode(register.entry.value, C)
    assert (epoch, Identity.PRIMARY) == (kept.know.epoch, kept.know.holder)
    return kept.promoted


def test_the_record_says_whether_the_epoch_was_ordered() -> None:
    """REJOIN-4: from the first lease of the epoch on; a renewal, which is no order, leaves that as it is."""
    register = Register()
    assert asked(register, 0, 1, False) is False
    assert asked(register, 5_000, 1, False) is False
    assert asked(register, 10_000, 2, True) is True
    assert asked(register, 20_000, 2, False) is True


def test_a_record_of_the_first_format_is_read_and_not_written() -> None:
    """It does not say who was promoted; what is not known stays so until the next epoch."""
    later = FIRST_FORMAT.replace(b'"promoted":null,', b"")
    assert Kept(WitnessKnowledge(epoch=3, holder=Identity.SECONDARY), None) == decode(later, C)
    register = Register(Entry(1, later.replace(b'"holder":1', b'"holder":0')))
    assert asked(register, 0, 3, False) is None
    assert b'"format":2' in register.entry.value
    assert asked(register, 10_000, 4, True) is True


@pytest.mark.parametrize("value", [FIRST_FORMAT, FIRST_FORMAT.replace(b'"format":1', b'"format":3')])
def test_a_record_of_another_format_is_not_guessed_at(value: bytes) -> None:
    """The first one has no more than it has, and a later one is for later versions."""
    with pytest.raises(EtcdFailure, match="is not of format 2, nor of an earlier one"):
        decode(value, C)
