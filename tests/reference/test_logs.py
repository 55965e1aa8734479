"""What a person reads in a log: sentences, names, and a count instead of the same line a thousand times."""

from __future__ import annotations

import json
import logging
from typing import Any, get_args

import pytest

from takeover.logs import JsonLines, Repeats, named
from takeover.telling import in_words
from takeover_spec import actions as act
from takeover_spec.words import Cause, Identity


def test_the_same_passes_once_in_a_while_with_a_count() -> None:
    """Something else passes at once; the memory of it is bounded."""
    repeats = Repeats(most=2)
    assert [1, 0, 0] == [repeats.count("a", 60) for _ in range(3)]
    assert 1 == repeats.count("b", 60)
    assert 3 == repeats.count("a", 0)
    assert 1 == repeats.count("c", 60)  # and the others are forgotten
    assert 1 == repeats.count("a", 60)


def test_enumerations_are_named() -> None:
    """Not numbered."""
    fields = named({"cause": Cause.SILENCE, "epoch": 2, "to": Identity.SECONDARY})
    record = logging.LogRecord("takeover.x", logging.INFO, "", 0, "said", None, None)
    record.fields = fields
    line = json.loads(JsonLines().format(record))
    assert ("silence", 2, "secondary") == (line["cause"], line["epoch"], line["to"])


def test_a_takeover_reads_as_sentences() -> None:
    """Each says what was done, with the values that matter."""
    assert [
        "has drained epoch 1: kept up to update 4, discards 5",
        "takes the role of epoch 2: the active server is silent",
        "enables the public identity",
        "starts the applications",
    ] == [
        in_words(action)
        for action in (
            act.Discard(1, 4, 9),
            act.TakeRole(2, Cause.SILENCE),
            act.Enable(7),
            act.StartApplications(),
        )
    ]
    assert "does not take over: too early (LEASE-1)" == in_words(act.Refrain("LEASE-1", "too early"))


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words(cause: Cause) -> None:
    """A server must not fail for want of a sentence, least of all when it takes over."""
    assert in_words(act.TakeRole(2, cause)).startswith("takes the role of epoch 2: ")


SILENT = {
    "Store",
    "StoreStatus",
    "ReportSafe",
    "Apply",
    "Promise",
    "CountLease",
    "CountPromise",
    "Log",
    "CarryOut",
} | {
    "HearSafe",
    "Acknowledge",
    "Trim",
    "Drop",
    "WitnessStart",
}
"""What is done all the time, or only accounts for something."""


@pytest.mark.parametrize("kind", get_args(act.Action), ids=lambda kind: kind.__name__)
def test_every_change_has_a_sentence(kind: Any) -> None:
    """And no class's name is in it."""
    values = {"cause": Cause.FIRST, "to": Identity.PRIMARY, "clause": "ROLE-3", "reason": "why"}
    fields = {name: values.get(name, 1) for name in kind.__dataclass_fields__}
    words = in_words(kind(**fields))
    assert (kind.__name__ in SILENT) == (words == "")
    assert kind.__name__ not in words
