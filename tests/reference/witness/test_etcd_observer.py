"""What the observer of a record makes of its changes: one action each, and a trace that the rules judge."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from takeover.witness.etcd_client import Entry, EtcdClient
from takeover.witness.etcd_observer import EtcdObserver
from takeover.witness.etcd_witness import Kept, encode
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.trace import Verdict, check
from takeover_spec.words import Constants, Identity

C = Constants(1_000_000_000, 1_000_000_000, 1000, 0, True)
PRIMARY, SECONDARY = Identity
NEW = Kept(WitnessKnowledge(), None)
FIRST = Kept(WitnessKnowledge(epoch=1, holder=PRIMARY), False)


def judged(directory: Path, *values: bytes) -> Verdict:
    """What the rules say of a record that had these values, each some time after the one before."""
    observer = EtcdObserver(cast(EtcdClient, None), "p", C, directory)
    for revision, value in enumerate(values, 1):
        observer._saw(Entry(revision, value), revision * 2 * C.lease_ns)
    assert "" == observer.problem
    (file,) = directory.glob("*.ndjson")
    with file.open("rb") as lines:
        return check(lines)


def taken(promoted: bool | None) -> Kept:
    """The secondary has taken over, and nobody had said that it is eligible."""
    return Kept(WitnessKnowledge(epoch=2, holder=SECONDARY), promoted)


def test_a_takeover_that_was_ordered_is_one(tmp_path: Path) -> None:
    """LEASE-3: the record says so, and the server need not be eligible."""
    values = [encode(kept, C) for kept in (NEW, FIRST, taken(True))]
    assert "obeys" == judged(tmp_path, *values).verdict


def test_a_takeover_that_nobody_ordered_is_found_out(tmp_path: Path) -> None:
    """LEASE-3: a witness that grants too much is not excused by an order that there was not."""
    values = [encode(kept, C) for kept in (NEW, FIRST, taken(False))]
    verdict = judged(tmp_path, *values)
    assert verdict.violation is not None
    assert "only_to_an_eligible_server" == verdict.violation.rule.name


def test_where_the_record_does_not_say_an_order_is_taken_for_granted(tmp_path: Path) -> None:
    """As in a record of the first format."""
    values = [encode(kept, C) for kept in (NEW, FIRST, taken(None))]
    values[2] = values[2].replace(b'"promoted":null,', b"").replace(b'"format":2', b'"format":1')
    assert "obeys" == judged(tmp_path, *values).verdict
