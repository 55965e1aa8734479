"""Whoever starts with another length of grants waits out the longer one (LEASE-2, LEASE-3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.commands.check_trace import breaks_between_runs, judge_file
from takeover.config import load_node, load_witness
from takeover.core.witness import NEW_PAIR
from takeover.errors import StateDamaged
from takeover.node import Node
from takeover.storage.data_directory import DataDirectory
from takeover.storage.granted_length import FILE_NAME, GrantedLength
from takeover.witness.record import write_record
from takeover.witness.service import WitnessService
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.trace import Header, action_line, header_line
from takeover_spec.words import Constants

MS = 1_000_000
LONG_MS, SHORT_MS = 10_000, 1_000


def test_the_longer_one_is_kept_until_it_is_waited_out(tmp_path: Path) -> None:
    """Through any number of starts, and in either direction."""
    with DataDirectory.open(tmp_path / "data") as directory:
        assert 10 == GrantedLength(directory, 10).longest_ns
        assert 10 == GrantedLength(directory, 1).longest_ns
        length = GrantedLength(directory, 2)
        assert 10 == length.longest_ns
        length.waited_out()
        assert 2 == GrantedLength(directory, 1).longest_ns
        assert 5 == GrantedLength(directory, 5).longest_ns


def test_a_length_that_makes_no_sense_is_damage(tmp_path: Path) -> None:
    """With the file."""
    with DataDirectory.open(tmp_path / "data") as directory:
        GrantedLength(directory, 10)._state.save({"length_ns": "ten"})
        with pytest.raises(StateDamaged, match=FILE_NAME):
            GrantedLength(directory, 10)


def _node(tmp_path: Path, keys: Path, promise_ms: int) -> int:
    """How long a server waits that is started with promises of this length, in nanoseconds."""
    file = tmp_path / "node.toml"
    file.write_text(
        'pair = "db"\nidentity = "secondary"\ndata_directory = "data"\n'
        f'keys = "{keys}/secondary/keys"\n'
        '[channel]\npeer = "127.0.0.1:1"\n[witness]\naddress = "127.0.0.1:2"\n'
        '[public_identity]\nlisten = "127.0.0.1:3"\nforward = "127.0.0.1:4"\n'
        f"[grants]\npromise_ms = {promise_ms}\nbeat_ms = 100\n"
    )

    async def start() -> int:
        node = Node(load_node(file))
        node.store.close()
        node.trace.close()
        return node.core.know.given_until - node.core.know.started

    return asyncio.run(start())


def _witness(tmp_path: Path, keys: Path, lease_ms: int) -> None:
    """Start a witness with leases of this length, and end it."""
    file = tmp_path / "witness.toml"
    file.write_text(
        f'pair = "db"\nlisten = "127.0.0.1:1"\ndata_directory = "data"\n'
        f'keys = "{keys}/witness/keys"\n[grants]\nlease_ms = {lease_ms}\n'
    )
    config = load_witness(file)
    if not (config.data_directory / "state.json").exists():
        write_record(config.data_directory, NEW_PAIR)
    service = WitnessService(config)
    service.stop()
    asyncio.run(service.serve())


def test_a_server_waits_out_promises_of_an_earlier_length(
    tmp_path: Path, keys_of: Callable[[str], Path]
) -> None:
    """A server that promised for long, and is told a shorter length, waits for long."""
    assert LONG_MS * MS == _node(tmp_path, keys_of("db"), LONG_MS)
    assert LONG_MS * MS == _node(tmp_path, keys_of("db"), SHORT_MS)


def test_a_witness_waits_out_leases_of_an_earlier_length(
    tmp_path: Path, keys_of: Callable[[str], Path]
) -> None:
    """A witness that granted for long, and is told a shorter length, waits for long."""
    _witness(tmp_path, keys_of("db"), LONG_MS)
    _witness(tmp_path, keys_of("db"), SHORT_MS)
    earlier, later = (judge_file(file) for file in sorted((tmp_path / "data" / "trace").iterdir()))
    assert [LONG_MS * MS] * 2 == [earlier.verdict.waits_ns, later.verdict.waits_ns]
    assert [] == breaks_between_runs([earlier, later])


def _started(party: str, length_ms: int) -> str:
    """The trace of a run that waits for as long as it was told, and no longer."""
    length_ns = length_ms * MS
    constants = Constants(length_ns, length_ns, 0, 0, synchronous=True)
    if party == "witness":
        header = Header(party, "db", constants, WitnessKnowledge())
        return header_line(header) + action_line(1, 0, act.WitnessStart(length_ns))
    start = act.Start(active=False, enabled=False, until=0, wait_until=length_ns)
    return header_line(Header(party, "db", constants, Knowledge())) + action_line(1, 0, start)


@pytest.mark.parametrize("party", ["secondary", "witness"])
def test_the_checker_of_two_runs_sees_who_does_not(tmp_path: Path, party: str) -> None:
    """Each run obeys the rules with the length that it was told; together they do not."""
    runs = []
    for length_ms in (LONG_MS, SHORT_MS):
        file = tmp_path / f"{length_ms}.ndjson"
        file.write_text(_started(party, length_ms))
        runs.append(judge_file(file))
    assert ["obeys"] * 2 == [run.verdict.verdict for run in runs]
    (gap,) = breaks_between_runs(runs)
    assert f"of {LONG_MS * MS} ns before, and waits for {SHORT_MS * MS} ns" in gap.problem
    assert [] == breaks_between_runs(runs[::-1])
