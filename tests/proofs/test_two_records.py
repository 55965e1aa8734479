"""Two records are as good as one where the assumption is true, and are not where it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from takeover_proofs import two_records
from takeover_proofs.induction import PROVED
from takeover_proofs.two_records import Both, Half, obligations_of, prove, records_tasks
from takeover_proofs.world import Nature
from takeover_spec.words import Arbiter

CRASH_STOP, OPERATOR = (task.nature for task in records_tasks())


def _refuted(nature: Nature) -> set[str]:
    results = list(prove(nature))
    assert [o.id for o in obligations_of(nature)] == [r.obligation.id for r in results]
    return {r.obligation.step for r in results if r.verdict != PROVED}


@pytest.mark.parametrize("nature", [CRASH_STOP, OPERATOR], ids=["crash-stop", "operator"])
def test_everything_is_proved(nature: Nature) -> None:
    """Every step keeps every clause."""
    assert set() == _refuted(nature)


@pytest.mark.parametrize(
    ("nature", "steps"),
    [
        (replace(CRASH_STOP, silence=False), {"GoAlone", "GrantUnasked"}),
        (replace(CRASH_STOP, operator=False), {"GrantOrdered"}),
        (replace(OPERATOR, operator=False), {"GrantOrdered"}),
        (replace(OPERATOR, silence=False), set()),
    ],
)
def test_an_assumption_is_needed_where_it_is_made(nature: Nature, steps: set[str]) -> None:
    """Silence is used to go on alone and to take over; a person's word for an order; and nothing else."""
    assert steps == _refuted(nature)


def _remembers(both: Both, me: int, said: Any, nature: Nature) -> Any:
    """Who starts anew still believes that it is eligible."""
    conditions, after = _start(both, me, said, nature)
    half = replace(after.halves[me], eligible=both.halves[me].eligible, version=both.halves[me].version)
    return conditions, two_records._with(after, me, half)


def _knows_of_the_release(both: Both, me: int, said: Any, nature: Nature) -> Any:
    """Who starts anew remembers that the peer gave its epoch up, and that it was to succeed."""
    conditions, after = _start(both, me, said, nature)
    ended = both.halves[me].ended
    return conditions, two_records._with(after, me, replace(after.halves[me], ended=ended, eligible=ended))


def _hasty(both: Both, me: int, said: Any, nature: Nature) -> Any:
    """Goes on alone as soon as it has declared so."""
    return [both.halves[me].active], replace(both, alone=True)


_start = two_records.start


@pytest.mark.parametrize(
    ("name", "broken"),
    [("start", _remembers), ("start", _knows_of_the_release), ("go_alone", _hasty)],
)
def test_a_precaution_left_out_is_refuted(
    name: str, broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is there for something."""
    broken.__name__ = name
    steps = tuple(broken if step.__name__ == name else step for step in two_records.STEPS)
    monkeypatch.setattr(two_records, "STEPS", steps)
    assert "".join(word.capitalize() for word in name.split("_")) in _refuted(CRASH_STOP)


def test_the_pair_can_do_it() -> None:
    """What is proved is about something: a run, by steps that are possible, to a takeover by silence."""
    both = Both()
    for step, me, said in (
        ("start", 0, (0, 0, False)), ("start", 1, (0, 0, False)), ("grant_ordered", 0, (0, 0, False)),
        ("begin", 0, (0, 0, False)), ("follow", 1, (0, 0, False)), ("declare", 0, (0, 0, True)),
        ("record", 1, (0, 1, True)), ("die", 0, (0, 0, False)), ("grant_unasked", 1, (0, 0, False)),
        ("begin", 1, (0, 0, False)),
    ):  # fmt: skip
        conditions, both = getattr(two_records, step)(both, me, two_records.Said(*said), CRASH_STOP)
        assert all(conditions), step
        assert all(clause(both, CRASH_STOP) for clause in two_records.CLAUSES)
    assert (2, 1, True) == (both.latest, both.leader, both.halves[1].active)
    assert isinstance(both.halves[0], Half)
    assert Arbiter.CRASH_STOP is CRASH_STOP.arbiter
