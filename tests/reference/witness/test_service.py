"""The witness as a service says nothing that is not on its disk."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any, cast

import pytest

from takeover.channel.channel import Connection
from takeover.cli import Exit, main
from takeover.commands.key_making import make_keys
from takeover.config import load_witness
from takeover.core.witness import NEW_PAIR, adopted
from takeover.errors import CallerError, DiskFull, StateDamaged
from takeover.storage.data_directory import DataDirectory
from takeover.witness.record import write_record
from takeover.witness.service import WitnessService
from takeover_spec import wire
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import Identity


class Heard:
    """A connection that only listens."""

    def __init__(self) -> None:
        self.messages: list[wire.Message] = []

    def say(self, message: wire.Message) -> None:
        """Hear."""
        self.messages.append(message)


def service(tmp_path: Path, told: WitnessKnowledge | None = NEW_PAIR) -> WitnessService:
    """A witness that waits for nobody: its leases last a millisecond. It was told this, if it has no record."""
    file = tmp_path / "witness.toml"
    file.write_text(
        'pair = "p"\nlisten = "127.0.0.1:1"\ndata_directory = "witness"\nkeys = "keys/witness/keys"\n'
        "[grants]\nlease_ms = 1\npromise_ms = 1\nexpiry_slack_ms = 0\n"
    )
    if not (tmp_path / "keys").exists():
        make_keys(tmp_path / "keys", "p")
    config = load_witness(file)
    if told is not None and not (config.data_directory / "state.json").exists():
        write_record(config.data_directory, told)
    return WitnessService(config)


def said(
    witness: WitnessService, message: wire.Message, sender: Identity = Identity.PRIMARY
) -> list[wire.Message]:
    """What the witness answers."""
    heard = Heard()
    witness._said(cast(Connection, heard), sender, message)
    return heard.messages


def test_what_it_granted_and_recorded_it_knows_after_a_restart(tmp_path: Path) -> None:
    """The epoch, its holder and the latest declaration survive."""

    async def play() -> None:
        witness = service(tmp_path)
        await asyncio.sleep(0.002)  # the lease that it may have granted in a run before
        assert [wire.Leased(1, 7, 5)] == said(witness, wire.AskLease(1, 7, 5, False))
        assert [wire.Recorded(1, 1, True)] == said(witness, wire.DeclareEligible(1, 1, True))
        witness.stop()
        witness._directory.close()
        again = service(tmp_path)
        assert again._core is not None
        known = again._core.know
        assert (1, Identity.PRIMARY, 1, True) == (known.epoch, known.holder, known.version, known.eligible)
        again._directory.close()

    asyncio.run(play())


def test_without_a_record_it_refuses_every_lease_and_says_nothing_else(tmp_path: Path) -> None:
    """Whatever the epoch; and it records nothing, and writes no trace."""

    async def play() -> None:
        witness = service(tmp_path, None)
        await asyncio.sleep(0.002)
        for epoch in (1, 7):
            (refused,) = said(witness, wire.AskLease(epoch, 3, 5, False))
            assert isinstance(refused, wire.NotLeased)
            assert (epoch, 3, 5, 0) == (refused.epoch, refused.run, refused.sent, refused.current)
            assert "no record" in refused.reason
        assert [] == said(witness, wire.DeclareEligible(7, 1, True))
        assert [] == said(witness, wire.Released(7))
        assert not (tmp_path / "witness" / "trace").exists()
        witness._directory.close()
        again = service(tmp_path, None)
        assert isinstance(said(again, wire.AskLease(1, 3, 5, False))[0], wire.NotLeased)
        again._directory.close()

    asyncio.run(play())


def test_an_adopted_epoch_is_renewed_for_its_holder_and_nobody_is_eligible(tmp_path: Path) -> None:
    """Not even a declaration of an older version helps anybody else; the holder's next one is recorded."""

    async def play() -> None:
        witness = service(tmp_path, adopted(7, Identity.PRIMARY))
        await asyncio.sleep(0.002)
        assert [wire.Leased(7, 3, 5)] == said(witness, wire.AskLease(7, 3, 5, False))
        (refused,) = said(witness, wire.AskLease(8, 3, 5, False), Identity.SECONDARY)
        assert isinstance(refused, wire.NotLeased)
        assert "not recorded as eligible" in refused.reason
        assert [wire.Recorded(7, 4, True)] == said(witness, wire.DeclareEligible(7, 4, True))
        await asyncio.sleep(0.002)
        assert [wire.Leased(8, 3, 5)] == said(witness, wire.AskLease(8, 3, 5, False), Identity.SECONDARY)
        witness._directory.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("epoch", "sender", "reason"),
    [
        (7, Identity.PRIMARY, "knows only older epochs"),
        (5, Identity.SECONDARY, "other server is recorded as the holder"),
        (4, Identity.PRIMARY, "is over"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_epoch(
    tmp_path: Path, epoch: int, sender: Identity, reason: str
) -> None:
    """A witness that was told too old an epoch, or the wrong holder, is recognised by its answer."""

    async def play() -> None:
        witness = service(tmp_path, adopted(5, Identity.PRIMARY))
        await asyncio.sleep(0.002)
        (refused,) = said(witness, wire.AskLease(epoch, 3, 5, False), sender)
        assert isinstance(refused, wire.NotLeased)
        assert (5, "ROLE-5") == (refused.current, refused.clause)
        assert reason in refused.reason
        witness._directory.close()

    asyncio.run(play())


def test_a_record_is_never_replaced(tmp_path: Path) -> None:
    """Neither of a witness that runs, nor of one that does not."""
    path = tmp_path / "witness"
    write_record(path, adopted(7, Identity.SECONDARY))
    with pytest.raises(CallerError, match="has a record, and keeps it: epoch 7, held by the secondary"):
        write_record(path, NEW_PAIR)
    witness = service(tmp_path)
    with pytest.raises(CallerError, match="held by process"):
        write_record(path, NEW_PAIR)
    witness._directory.close()


def test_a_record_that_is_none_stops_the_witness(tmp_path: Path) -> None:
    """A state file with other names, or values that cannot be, is damage, with the file named."""
    for values in ({"epoch": 1}, {"epoch": 1, "holder": 2, "version": 0, "eligible": False, "ended": False}):
        directory = DataDirectory.open(tmp_path / "witness")
        directory.state.save(cast(Any, values))
        directory.close()
        with pytest.raises(StateDamaged, match=r"state\.json"):
            service(tmp_path)
        DataDirectory.open(tmp_path / "witness").close()  # it is not held any more


def test_the_operator_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once, with `--new` or `--adopt`; the second time is refused, and so is half of an order."""
    file = tmp_path / "witness.toml"
    file.write_text('pair = "p"\nlisten = "127.0.0.1:1"\ndata_directory = "witness"\nkeys = "keys"\n')
    command = ["witness", "--config", str(file)]
    for half in (["--adopt", "7"], ["--holder", "primary"], ["--new", "--holder", "primary"]):
        assert Exit.USAGE == main([*command, *half])
        assert "--adopt and --holder go together" in capsys.readouterr().err
    assert Exit.HOLDS == main([*command, "--adopt", "7", "--holder", "secondary"])
    assert "the witness was told: epoch 7, held by the secondary\n" == capsys.readouterr().out
    assert Exit.USAGE == main([*command, "--new"])
    assert "has a record, and keeps it: epoch 7" in capsys.readouterr().err
    for wrong in (["--adopt", "0", "--holder", "primary"], ["--new", "--adopt", "1", "--holder", "primary"]):
        with pytest.raises(SystemExit, match="2"):
            main([*command, *wrong])


NODE = """
pair = "p"
identity = "secondary"
data_directory = "data"
keys = "keys"
[channel]
peer = "127.0.0.1:7400"
[witness]
{witness}
[public_identity]
listen = "127.0.0.1:80"
forward = "127.0.0.1:8080"
"""


@pytest.mark.parametrize(
    ("witness", "status", "said"),
    [
        ('address = "192.0.2.3:7401"', Exit.USAGE, "this node's witness runs at 192.0.2.3:7401"),
        (
            'etcd = ["http://127.0.0.1:1"]',
            Exit.UNDECIDED,
            "http://127.0.0.1:1: All connection attempts failed",
        ),
    ],
)
def test_told_through_a_nodes_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], witness: str, status: Exit, said: str
) -> None:
    """Only where etcd is the witness, and there it must be reached; neither makes a data directory."""
    file = tmp_path / "node.toml"
    file.write_text(NODE.format(witness=witness))
    assert status == main(["witness", "--config", str(file), "--new"])
    assert said in capsys.readouterr().err
    assert [file] == list(tmp_path.iterdir())


def test_a_witness_that_cannot_save_never_speaks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A declaration that is not on the disk is not confirmed, neither at once nor when it is repeated."""

    def full(state: Any) -> None:
        raise DiskFull("state.write", tmp_path, errno.ENOSPC)

    async def play() -> None:
        witness = service(tmp_path)
        await asyncio.sleep(0.002)
        said(witness, wire.AskLease(1, 7, 5, False))
        monkeypatch.setattr(witness._directory.state, "save", full)
        for _ in range(2):
            assert [] == said(witness, wire.DeclareEligible(1, 1, False))
        assert isinstance(witness._failure, DiskFull)
        assert witness._stopped.is_set()
        witness._directory.close()

    asyncio.run(play())


def test_it_logs_what_a_person_wants_to_follow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A new epoch, a record, a refusal when it changes; a renewal, or the same refusal again, is nothing new."""

    async def play() -> None:
        witness = service(tmp_path)
        await asyncio.sleep(0.002)  # the lease that it may have granted in a run before
        with caplog.at_level("INFO"):
            for _ in range(3):
                said(witness, wire.AskLease(1, 7, 5, False))
                said(witness, wire.DeclareEligible(1, 1, True))
                said(witness, wire.AskLease(3, 7, 5, False), Identity.SECONDARY)
        witness._directory.close()

    asyncio.run(play())
    assert [
        "grants the primary the lease of epoch 1",
        "records that the passive server is eligible",
        "refuses the secondary a lease: the record knows only older epochs: it was lost, or told wrong",
    ] == caplog.messages
    decided = vars(caplog.records[-1])["fields"]
    assert ("ROLE-5", 3, 1) == tuple(decided[name] for name in ("clause", "epoch", "witness_epoch"))
    assert ("primary", True, False) == tuple(decided[name] for name in ("holder", "eligible", "released"))
    assert decided["wait_until_ms"] <= decided["lease_until_ms"] <= 1  # a lease lasts 1 ms here
