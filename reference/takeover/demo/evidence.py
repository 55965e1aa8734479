"""Gathering what a demo's judge needs from the parties' directories: traces, a loss statement, copies of the data."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from takeover.commands.check_trace import Judged
from takeover.demo.judgement import Loss
from takeover.demo.parties import Party
from takeover.demo.records import Record, decode
from takeover.errors import EnvironmentFault, StorageDamaged
from takeover.storage.loss_statements import read_statement
from takeover_spec.trace import check


def check_traces(directories: Sequence[Path], killed: Collection[Path]) -> list[Judged]:
    """The verdict on every trace in these directories, one for each party, and each party's runs in order.

    `killed` are the traces of the runs that were killed: their last lines may have been cut off by that, and are then
    left out.
    """
    return [
        Judged(file, check(_whole_lines(file, cut_allowed=file in killed)))
        for directory in directories
        for file in sorted(directory.glob("*.ndjson"))
    ]


def _whole_lines(file: Path, *, cut_allowed: bool) -> Iterator[bytes]:
    with file.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") or not cut_allowed:
                yield line


def read_loss(party: Party, epoch: int) -> Loss:
    """The loss statement of a server that was active in `epoch` and has returned. Raises EnvironmentFault."""
    file = party.data_directory / "aside" / str(epoch) / "loss.ndjson"
    try:
        head, updates = read_statement(file)
        lost = list(updates)
        return Loss(
            head.epoch,
            head.kept,
            head.last,
            tuple(update["seq"] for update in lost),
            tuple(record for update in lost for record in _records(update)),
        )
    except (OSError, StorageDamaged, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFault(f"{file}: no loss statement can be read: {error!r}") from error


def losses_of(party: Party) -> list[Loss]:
    """Every loss statement of a server that was active and has returned. Raises EnvironmentFault."""
    directories = (
        path for path in (party.data_directory / "aside").glob("*") if (path / "loss.ndjson").exists()
    )
    return [read_loss(party, int(directory.name)) for directory in directories if directory.name.isdecimal()]


def _records(update: dict[str, Any]) -> list[Record]:
    """What an update would have stored; nothing if it had failed, or was no write."""
    operation = update["operation"]
    if operation["kind"] != "Write" or update["done"] is False:
        return []
    data = base64.b64decode(operation["data"])
    records, end = decode(data)
    if end != len(data):
        raise ValueError(f"update {update['seq']} writes something that is not made of records")
    return records


def data_root(party: Party) -> Path:
    """Where a server that has stopped keeps its copy of the protected data: the newest of its copies."""
    copies = [path for path in (party.data_directory / "data").iterdir() if path.name.isdecimal()]
    if not copies:
        raise EnvironmentFault(f"{party.data_directory}: there is no copy of the protected data")
    return max(copies, key=lambda path: int(path.name))


def differing_files(one: Path, other: Path) -> list[str]:
    """The files that are not the same in two directories, by their names in them; what only one has among them."""
    contents = [
        {
            str(file.relative_to(root)): file.read_bytes() if file.is_file() else None
            for file in root.rglob("*")
        }
        for root in (one, other)
    ]
    return [
        name
        for name in sorted(contents[0].keys() | contents[1].keys())
        if contents[0].get(name, b"absent") != contents[1].get(name, b"absent")
    ]
