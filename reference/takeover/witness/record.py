"""The witness's record: what it must keep, as names and values; and telling a witness what it is.

The record is the same whatever keeps it: a file on the witness's disk, or a key in etcd. Where there is none, the
witness is new or has lost it, and only a person knows which: `write_record` is what that person's word does. It never
replaces a record, for a witness that forgets is how two servers come to hold one address.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from takeover.errors import CallerError, StateDamaged
from takeover.storage.data_directory import DataDirectory
from takeover.storage.durable_state import Value
from takeover_spec.codec import Malformed
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.trace import WITNESS_FOUND, parse_witness_found
from takeover_spec.words import Identity


def record_of(know: WitnessKnowledge) -> dict[str, Value]:
    """What a witness that knows this must keep."""
    values: dict[str, Value] = {name: int(getattr(know, name)) for name in ("epoch", "holder", "version")}
    return values | {"eligible": bool(know.eligible), "ended": bool(know.ended)}


def parse_record(values: Mapping[str, object], where: str) -> WitnessKnowledge:
    """What a witness knows that kept these values. Raises `Malformed`."""
    if set(values) != set(WITNESS_FOUND):
        raise Malformed(where, f"holds {sorted(values)}, not {sorted(WITNESS_FOUND)}")
    return parse_witness_found(dict(values), where)


def read_record(directory: DataDirectory) -> WitnessKnowledge | None:
    """The record in a witness's data directory; None if there is none. Raises `StateDamaged`."""
    saved = directory.state.load()
    if saved is None:
        return None
    try:
        return parse_record(saved, "state")
    except Malformed as error:
        raise StateDamaged(directory.path / "state.json", 0, str(error)) from error


def write_record(path: Path, know: WitnessKnowledge) -> None:
    """Tell the witness with this data directory what it is. Raises `CallerError` where it has a record, or runs."""
    with DataDirectory.open(path) as directory:
        write_first_record(directory, know)


def write_first_record(directory: DataDirectory, know: WitnessKnowledge) -> None:
    """Tell a witness that does not run what it is. Raises `CallerError` where it has a record."""
    there = read_record(directory)
    if there is not None:
        raise CallerError(f"{directory.path}: this witness has a record, and keeps it: {shown(there)}")
    directory.state.save(record_of(know))


def shown(know: WitnessKnowledge) -> str:
    """A record for a person."""
    if know.epoch == 0:
        return "a pair that never ran"
    return f"epoch {know.epoch}, held by the {Identity(know.holder).name.lower()}"
