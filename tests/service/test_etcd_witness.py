"""A witness in etcd: a pair on a cluster that loses its leader, and clients that are wrong on purpose."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from takeover.commands.key_making import Authority
from takeover.config import EtcdConfig
from takeover.errors import CallerError, ConfigurationError
from takeover.linux import boottime_ns
from takeover.witness.etcd_client import Entry, EtcdClient, EtcdFailure
from takeover.witness.etcd_observer import EtcdObserver
from takeover.witness.etcd_witness import EtcdWitness, Kept, encode
from takeover_spec import wire
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.trace import Verdict, check
from takeover_spec.words import Constants, Identity

if TYPE_CHECKING:
    from tests.service.conftest import EtcdCluster, InEtcd, PairUnderTest

C = Constants(1_000_000_000, 1_000_000_000, 1000, 0, True)
PRIMARY, SECONDARY = Identity
KEY = "/takeover/p/witness"
NEW = Kept(WitnessKnowledge(), None)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_a_pair_outlives_the_leader_of_its_cluster(with_pair: Callable[..., None], killed: bool) -> None:
    """SIGKILL or SIGSTOP of the member that leads: leases are renewed again, and two are enough for a failover."""

    async def play(pair: PairUnderTest) -> None:
        cluster = cast("InEtcd", pair.witness).cluster
        leader = await cluster.leader()
        if killed:
            await cluster.kill(leader)
        else:
            cluster.pause(leader)
        lost = boottime_ns()
        lease_ns = 1_000_000_000

        def renewed() -> bool:
            said = pair.status("primary")
            return boottime_ns() > lost + lease_ns and bool(said) and said["grants"]["lease_ms"] > 0

        await pair.until("the lease to be renewed", renewed)
        roles = sorted(pair.status(name)["role"] for name in ("primary", "secondary"))
        assert ["active", "passive"] == roles
        active = next(name for name in ("primary", "secondary") if pair.status(name)["role"] == "active")
        other = "secondary" if active == "primary" else "primary"
        await pair.until("the pair to be in sync", lambda: pair.leads(active))
        await pair.parties[active].kill()
        await pair.until("the takeover", lambda: pair.status(other).get("serving") is True)
        await pair.parties[active].start()
        await pair.until("the old active server to follow", lambda: pair.leads(other))

    with_pair("etcd of three", play)


class Careless(EtcdClient):
    """A client that puts its decision into etcd whatever is there."""

    async def replace(self, there: Entry, value: bytes) -> tuple[bool, Entry]:
        return await super().replace(await self.read(), value)


def in_a_hurry() -> int:
    """The clock of one who does not wait: every lease has run out."""
    return boottime_ns() * 1_000_000


@pytest.mark.parametrize(
    ("client", "clock", "obeys"),
    [
        (EtcdClient, boottime_ns, True),
        (Careless, boottime_ns, False),
        (EtcdClient, in_a_hurry, False),
    ],
    ids=["right", "without the comparison", "without the wait"],
)
def test_a_wrong_client_breaks_a_rule_that_the_observer_sees(
    etcd: Callable[..., None],
    tmp_path: Path,
    client: type[EtcdClient],
    clock: Callable[[], int],
    obeys: bool,
) -> None:
    """LEASE-3: a server whose view is old, or that does not wait, takes no lease that runs; if it does, it shows."""

    async def play(cluster: EtcdCluster) -> None:
        config = cluster.config()
        right, tested = EtcdClient(config, KEY, 1.0), client(config, KEY, 1.0)
        observer = EtcdObserver(right, "p", C, tmp_path / "observed")
        watching = asyncio.create_task(observer.watch())
        primary, secondary = EtcdWitness(right, PRIMARY, C), EtcdWitness(tested, SECONDARY, C, clock)
        await primary.tell(WitnessKnowledge())
        for witness in (primary, secondary):
            await witness.look()
        while not await leased(primary, 1):
            await asyncio.sleep(0.02)
        await primary.hear(wire.DeclareEligible(1, 1, True))
        await secondary.look()
        seen = boottime_ns()
        while boottime_ns() < seen + C.lease_ns * 5 // 4:  # renewed all the time, unseen by the secondary
            assert await leased(primary, 1)
            await asyncio.sleep(0.05)
        assert await leased(secondary, 2) is not obeys
        await heard(observer, 1 if obeys else 2)
        watching.cancel()
        await asyncio.wait([watching])
        await right.close()
        await tested.close()
        verdict = judged(tmp_path)
        assert "" == observer.problem
        if obeys:
            assert "obeys" == verdict.verdict
        else:
            assert verdict.violation is not None
            assert "LEASE-3" == verdict.violation.rule.clause

    etcd(play)


async def leased(witness: EtcdWitness, epoch: int) -> bool:
    """Ask for a lease; whether it is granted."""
    return any(
        isinstance(answer, wire.Leased) for answer in await witness.hear(wire.AskLease(epoch, 1, 1, False))
    )


async def heard(observer: EtcdObserver, epoch: int) -> None:
    """Wait until the observer has heard of an epoch."""
    deadline = boottime_ns() + 10_000_000_000
    while observer._know.epoch < epoch:
        assert boottime_ns() < deadline
        await asyncio.sleep(0.02)


def judged(directory: Path) -> Verdict:
    """What the rules say of what the observer wrote."""
    (file,) = (directory / "observed").glob("*.ndjson")
    with file.open("rb") as lines:
        return check(lines)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (encode(Kept(WitnessKnowledge(epoch=1, version=3), False), C), "is no action of a witness"),
        (b"{}", "cannot be read"),
        (None, "was deleted"),
    ],
)
def test_a_record_that_was_meddled_with_is_noticed(
    etcd: Callable[..., None], tmp_path: Path, value: bytes | None, problem: str
) -> None:
    """Someone puts a value there that follows from nothing, or none that can be read, or takes it away."""

    async def play(cluster: EtcdCluster) -> None:
        client = EtcdClient(cluster.config(), KEY, 1.0)
        await EtcdWitness(client, PRIMARY, C).tell(WitnessKnowledge())
        observer = EtcdObserver(client, "p", C, tmp_path / "observed")
        watching = asyncio.create_task(observer.watch())
        if value is None:
            await client._ask("kv/deleterange", {"key": client._key})
        else:
            await client.replace(await client.read(), value)
        async with asyncio.timeout(10):
            await watching
        assert problem in observer.problem
        await client.close()

    etcd(play)


def test_a_record_that_cannot_be_read_grants_nothing(etcd: Callable[..., None]) -> None:
    """A value that is none, and one of a pair that was told other constants: both are named."""

    async def play(cluster: EtcdCluster) -> None:
        client = EtcdClient(cluster.config(), KEY, 1.0)
        other = Constants(2_000_000_000, 1_000_000_000, 1000, 0, True)
        for value, problem in (
            (b"\xff", "is not text in UTF-8"),
            (b'{"format":1}', "is not of format 2, nor of an earlier one"),
            (b'{"format":1,"record":{},"constants":{}}', "record.constants.lease_ns: is missing"),
            (encode(NEW, C).replace(b'"holder":0', b'"holder":2'), "2 is neither 0 nor 1"),
            (encode(NEW, other), "lease_ns is 1000000000 here and 2000000000 in etcd"),
        ):
            await client.replace(await client.read(), value)
            with pytest.raises(EtcdFailure, match=problem):
                await EtcdWitness(client, PRIMARY, C).hear(wire.AskLease(1, 1, 1, False))
        await client.close()

    etcd(play)


def test_a_record_is_made_once(etcd: Callable[..., None]) -> None:
    """Also when two operators do it at the same time."""

    async def play(cluster: EtcdCluster) -> None:
        client = EtcdClient(cluster.config(), KEY, 1.0)
        tellings: list[Any] = [
            EtcdWitness(client, PRIMARY, C).tell(WitnessKnowledge(epoch=epoch)) for epoch in (7, 8)
        ]
        outcomes = await asyncio.gather(*tellings, return_exceptions=True)
        assert 1 == outcomes.count(None)
        (refused,) = (outcome for outcome in outcomes if outcome is not None)
        assert isinstance(refused, CallerError)
        assert "has a record of this witness, and keeps it: epoch" in str(refused)
        await client.close()

    etcd(play)


def test_a_user_is_let_in_with_the_password_and_again_after_the_token_is_gone(
    etcd: Callable[..., None], tmp_path: Path
) -> None:
    """A wrong password, or none, is refused with etcd's own word; a token that etcd forgot is asked for anew."""
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")

    async def play(cluster: EtcdCluster) -> None:
        plain = EtcdClient(cluster.config(), KEY, 5.0)
        for call, body in (
            ("user/add", {"name": "root", "password": "root"}),
            ("role/add", {"name": "root"}),
            ("user/grant", {"user": "root", "role": "root"}),
            ("user/add", {"name": "pair", "password": "secret"}),
            ("role/add", {"name": "pair"}),
            ("role/grant", permission("/takeover/")),
            ("user/grant", {"user": "pair", "role": "pair"}),
            ("enable", {}),
        ):
            await plain._ask(f"auth/{call}", body)
        with pytest.raises(EtcdFailure, match="user name is empty"):
            await plain.read()
        let_in = replaced(cluster, tmp_path / "password")
        right, elsewhere = EtcdClient(let_in, KEY, 5.0), EtcdClient(let_in, "/other", 5.0)
        wrong = EtcdClient(replaced(cluster, tmp_path / "wrong"), KEY, 5.0)
        with pytest.raises(EtcdFailure, match=r"user 'pair' is not let in: .*invalid user ID or password"):
            await wrong.read()
        with pytest.raises(EtcdFailure, match="permission denied"):
            await elsewhere.read()
        await EtcdWitness(right, PRIMARY, C).tell(WitnessKnowledge())
        await cluster.kill(0)
        await cluster.start(0)
        deadline, value = boottime_ns() + 20_000_000_000, b""
        while not value:
            assert boottime_ns() < deadline
            with contextlib.suppress(EtcdFailure):
                value = (await right.read()).value
            await asyncio.sleep(0.05)
        for client in (plain, right, wrong, elsewhere):
            await client.close()

    etcd(play)


def test_over_tls_each_side_shows_its_certificate(etcd: Callable[..., None], tmp_path: Path) -> None:
    """A member or a client of another authority is not believed, and a client needs one; files are read anew."""
    keys, others = tmp_path / "keys", tmp_path / "others"
    for directory in (keys, others):
        make_certificates(directory)

    async def play(cluster: EtcdCluster) -> None:
        config = cluster.config()
        for wrong in (
            replace(config, ca_file=others / "ca.pem"),
            replace(config, certificate_file=None, key_file=None),
            replace(config, certificate_file=others / "client.pem", key_file=others / "client.key"),
        ):
            async with EtcdClient(wrong, KEY, 5.0) as client:
                with pytest.raises(EtcdFailure, match=r"https://127\.0\.0\.1"):
                    await client.read()
        own = tmp_path / "own.pem"
        own.write_bytes((others / "client.pem").read_bytes() + (others / "client.key").read_bytes())
        async with EtcdClient(replace(config, certificate_file=own, key_file=own), KEY, 5.0) as client:
            with pytest.raises(EtcdFailure):
                await client.read()
            own.write_text("nonsense")
            with pytest.raises(ConfigurationError, match="the files for TLS"):
                await client.renew()
            own.write_bytes((keys / "client.pem").read_bytes() + (keys / "client.key").read_bytes())
            await client.renew()
            await EtcdWitness(client, PRIMARY, C).tell(WitnessKnowledge())

    etcd(play, keys)


def make_certificates(directory: Path) -> None:
    """An authority, and certificates of a member at 127.0.0.1 and of a client."""
    directory.mkdir()
    authority = Authority.make("etcd")
    (directory / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    public = authority.key.public_key()
    from_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    for name in ("member", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(authority.certificate.not_valid_before_utc)
            .not_valid_after(authority.certificate.not_valid_after_utc)
            .add_extension(both, False)
            .add_extension(here, False)
            .add_extension(from_authority, False)  # Python 3.13 insists on it
        )
        signed = builder.sign(authority.key, hashes.SHA256())
        (directory / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (directory / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


def replaced(cluster: EtcdCluster, password_file: Path) -> EtcdConfig:
    """How the pair's own user reaches the cluster."""
    return replace(cluster.config(), user="pair", password_file=password_file)


def permission(prefix: str) -> dict[str, Any]:
    """Leave to read and write everything under a prefix."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    key, range_end = (b64encode(text.encode()).decode() for text in (prefix, end))
    return {"name": "pair", "perm": {"permType": "READWRITE", "key": key, "range_end": range_end}}
