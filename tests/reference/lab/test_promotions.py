"""Whether a promotion was needed, by what the traces say the witness and the server knew, and not what was believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from takeover.lab.promotions import Need, Ordered, judge_promotions, need_of
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, WitnessKnowledge
from takeover_spec.trace import Header, action_line, header_line
from takeover_spec.words import Constants, Identity

CONSTANTS = Constants(lease_ns=10, promise_ns=10, drift_ppm=0, expiry_slack_ns=0, synchronous=True)
ORDERED = Ordered(4, "secondary", 7)
RETURNED = Knowledge(epoch=7, seen=7, returned=True, unsafe=True, logged=9, applied=5, newest=5)
UNTOLD = WitnessKnowledge(epoch=7, holder=Identity.SECONDARY)


@pytest.mark.parametrize(
    ("known", "record", "was_lost", "need"),
    [
        (RETURNED, UNTOLD, True, Need.RECORD_LOST),
        (RETURNED, UNTOLD, False, Need.NOT_DECLARED),
        (RETURNED, replace(UNTOLD, version=2), True, Need.DECLARED_OUT),
        (RETURNED, replace(UNTOLD, version=1, eligible=True), True, Need.NONE),  # LEASE-3: the other one may
        (RETURNED, replace(UNTOLD, holder=Identity.PRIMARY), True, Need.NONE),
        (replace(RETURNED, returned=False), UNTOLD, True, Need.NONE),
        (replace(RETURNED, applied=9), UNTOLD, True, Need.NONE),  # REJOIN-4: it had begun nothing
        (replace(RETURNED, applied=9, released=7), UNTOLD, True, Need.RECORD_LOST),
    ],
)
def test_the_need(known: Knowledge, record: WitnessKnowledge, was_lost: bool, need: Need) -> None:
    """The one that was active last has returned and had begun something, and the witness knows nobody eligible."""
    assert need == need_of("secondary", known, record, was_lost=was_lost)


def write(
    directory: Path, name: str, party: str, found: Knowledge | WitnessKnowledge, *did: act.Action
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    lines = [header_line(Header(party, "db", CONSTANTS, found))]
    lines += [action_line(n, 100 * n, action) for n, action in enumerate(did, 1)]
    (directory / name).write_text("".join(line.rstrip("\n") + "\n" for line in lines))


@pytest.mark.parametrize(
    ("told", "need"),
    [
        ((), Need.RECORD_LOST),
        ((act.Record(7, 3, False),), Need.DECLARED_OUT),
        ((act.Record(7, 3, True),), Need.NONE),
    ],
)
def test_it_is_judged_by_the_witness_that_was_there(
    tmp_path: Path, told: tuple[act.Action, ...], need: Need
) -> None:
    """In its second life it was told to adopt the epoch; what it had recorded in its first is gone."""
    lives, server = [tmp_path / "first", tmp_path / "second"], tmp_path / "server"
    grant = act.Grant(Identity.SECONDARY, 8, 1000, True)
    recorded = (act.Record(7, 2, True),)
    write(lives[0], "1.ndjson", "witness", UNTOLD, act.WitnessStart(110), *recorded)
    write(lives[1], "1.ndjson", "witness", UNTOLD, act.WitnessStart(110), *told, grant)
    write(server, "1.ndjson", "secondary", RETURNED, act.Promote(7, 5, 9, True))
    (promotion,) = judge_promotions([ORDERED], lives, {"secondary": server})
    assert need == promotion.need
    assert "epoch 7, holder secondary" in promotion.evidence


def test_one_that_was_not_granted_was_not_needed(tmp_path: Path) -> None:
    """Nor one that the server does not tell of."""
    write(tmp_path / "s", "1.ndjson", "secondary", RETURNED, act.Promote(7, 5, 9, True))
    write(tmp_path / "w", "1.ndjson", "witness", UNTOLD, act.WitnessStart(110))
    for server in (tmp_path / "s", tmp_path / "none"):
        (promotion,) = judge_promotions([ORDERED], [tmp_path / "w"], {"secondary": server})
        assert Need.NONE == promotion.need
