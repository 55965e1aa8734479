"""What a witness does, whichever kind it is: the built-in one, or a record in etcd.

Both are real processes, and are spoken to through the link that a server uses. Every test ends with what the witness
did held against the rules, and with the two servers' leases, as they count them: never two at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from takeover.linux import boottime_ns
from takeover_spec import wire

if TYPE_CHECKING:
    from tests.service.conftest import Asker, PairUnderTest, WitnessUnderTest

    WithWitness = Callable[..., None]


def test_one_server_holds_the_lease_and_the_other_succeeds_it(with_witness: WithWitness) -> None:
    """LEASE-3: renewed for its holder, refused to the other while it runs, granted to the eligible other after it."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        await primary.declare(1, 1, True)
        held_since = boottime_ns()
        while boottime_ns() < held_since + primary.config.constants.lease_ns * 3 // 2:
            assert isinstance(await primary.ask(1), wire.Leased)
            refused = await secondary.refused(2)
            assert ("LEASE-3", 1) == (refused.clause, refused.current)
            await asyncio.sleep(0.05)
        assert "the lease of the holder has not run out" == refused.reason
        await secondary.lease(2)
        assert "is over" in (await primary.refused(1)).reason
        assert "the other server is recorded as the holder" in (await primary.refused(2)).reason
        assert "not recorded as eligible" in (await primary.refused(3)).reason
        assert isinstance(await secondary.ask(2), wire.Leased)

    with_witness(play)


def test_only_the_server_that_was_declared_eligible_last_succeeds(with_witness: WithWitness) -> None:
    """LEASE-3, REJOIN-2: not before it was declared, and not after that was taken back, however long one waits."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        assert "not recorded as eligible" in (await secondary.refused(2)).reason
        await primary.declare(1, 1, True)
        last = await primary.lease(1)
        await primary.declare(1, 2, False)
        primary.link.say(wire.DeclareEligible(1, 1, True))  # an old message, that was on its way for long
        secondary.link.say(wire.DeclareEligible(1, 3, True))  # and the words of somebody whose they are not
        while boottime_ns() < last.until + primary.config.constants.lease_ns // 2:
            assert "not recorded as eligible" in (await secondary.refused(2)).reason
            await asyncio.sleep(0.05)
        await primary.lease(1)

    with_witness(play)


def test_a_release_ends_the_lease_at_once(with_witness: WithWitness) -> None:
    """LEASE-5: the released epoch is not renewed, and its lease is not waited for."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        await primary.declare(1, 1, True)
        await asyncio.sleep(
            primary.config.constants.lease_ns / 1e9
        )  # or else the witness itself has just begun
        last = await primary.lease(1)
        primary.release(1)
        while isinstance(refused := await primary.ask(1), wire.Leased):
            primary.leases.pop()  # it was asked for before the witness had heard of the release
        assert "LEASE-5" == refused.clause
        after = await secondary.lease(2)
        assert after.heard < last.until

    with_witness(play)


def test_a_witness_that_restarts_knows_what_it_knew_and_waits(with_witness: WithWitness) -> None:
    """SIGKILL and a new start: the epoch, its holder and who is eligible are known, and a lease is waited out."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        await primary.declare(1, 1, True)
        lease = await primary.lease(1)
        await witness.kill()
        await witness.start()
        answer = await secondary.ask(2)
        if isinstance(answer, wire.Leased):  # it took so long to start that the lease was over
            assert lease.until <= boottime_ns()
        else:
            assert "LEASE-3" == answer.clause
        after = await secondary.lease(2)
        assert lease.until <= after.heard
        assert "is over" in (await primary.refused(1)).reason

    with_witness(play)


def test_a_late_answer_makes_a_shorter_lease(with_witness: WithWitness) -> None:
    """LEASE-4: a lease is counted from when it was asked for, however long the answer took."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        lease = await primary.lease(1)
        await primary.declare(1, 1, True)
        lease = await primary.lease(1)
        assert lease.until - lease.heard <= primary.config.constants.lease_ns - 300_000_000
        after = await secondary.lease(2)
        assert lease.until <= after.heard

    with_witness(play, delay_ms=150)


def test_a_server_that_cannot_reach_the_witness_gets_no_lease_until_it_can(with_witness: WithWitness) -> None:
    """The link is cut and mended: it says so, what was said is lost, and the next request is granted."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        assert primary.link.connected
        await primary.wire.cut()
        count = len(primary.leases)
        deadline = boottime_ns() + 10_000_000_000
        while primary.link.connected:
            assert boottime_ns() < deadline
            primary.link.say(wire.AskLease(1, 1, boottime_ns(), False))
            await asyncio.sleep(0.05)
        assert "not recorded as eligible" in (await secondary.refused(2)).reason
        assert count == len(primary.leases)
        await primary.wire.mend()
        await primary.lease(1)
        assert primary.link.connected

    with_witness(play)


def test_the_link_is_made_anew_when_there_are_new_keys(with_witness: WithWitness) -> None:
    """The next request goes over the new connection, whatever was under way on the old one."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        for _ in range(5):
            primary.link.say(wire.AskLease(1, 1, boottime_ns(), False))
            primary.link.hang_up()
            secondary.link.hang_up()
            await primary.lease(1)
        assert "not recorded as eligible" in (await secondary.refused(2)).reason

    with_witness(play)


def test_a_witness_that_lost_its_record_refuses_until_it_is_told(with_witness: WithWitness) -> None:
    """A wiped disk: every lease is refused; an adopted epoch is renewed, and declared anew by its holder's link."""

    async def play(witness: WitnessUnderTest, primary: Asker, secondary: Asker) -> None:
        await primary.lease(1)
        await primary.declare(1, 1, True)
        await witness.kill()
        witness.wipe()
        await witness.start()
        for asker, epoch in ((primary, 1), (secondary, 2), (secondary, 1)):
            refused = await asker.refused(epoch)
            assert ("LEASE-3", 0) == (refused.clause, refused.current)
            assert "has no record" in refused.reason
        assert 0 == await witness.tell("--adopt", "1", "--holder", "primary")
        assert 2 == await witness.tell("--new")
        assert "LEASE-3" == (await secondary.refused(2)).clause
        await primary.lease(1)
        await secondary.lease(2)

    with_witness(play)


def test_a_pair_fails_over(kind: str, with_pair: Callable[..., None]) -> None:
    """SIGKILL of the active server: the passive one takes over, and the first one returns and follows."""

    async def play(pair: PairUnderTest) -> None:
        await pair.parties["primary"].kill()
        await pair.until("the takeover", lambda: pair.status("secondary").get("serving") is True)
        await pair.parties["primary"].start()
        await pair.until("the primary to follow", lambda: pair.leads("secondary"))
        assert ("passive", 2) == tuple(pair.status("primary")[k] for k in ("role", "epoch"))

    with_pair(kind, play)
