"""There are words for whatever a party does: a log that fails would end the server."""

from __future__ import annotations

from dataclasses import fields
from enum import IntEnum
from itertools import product
from typing import Any, get_args, get_type_hints

import pytest

from takeover.telling import in_words
from takeover_spec import actions as act
from takeover_spec.words import Cause

_VALUES: dict[type, tuple[Any, ...]] = {int: (0, 7), bool: (False, True), str: ("", "a reason")}


def _all_of(kind: type) -> list[Any]:
    """The actions of a kind, with every value of each enumeration, and some of each other field."""
    hints = get_type_hints(kind)
    ranges = [
        tuple(hint) if issubclass(hint := hints[field.name], IntEnum) else _VALUES[hint]
        for field in fields(kind)
    ]
    return [kind(*values) for values in product(*ranges)]


@pytest.mark.parametrize("kind", get_args(act.Action), ids=lambda kind: str(kind.__name__))
def test_every_action_can_be_told(kind: type) -> None:
    """Whatever its fields say, it is a line, or nothing where it is done all the time."""
    assert all("\n" not in in_words(action) for action in _all_of(kind))


def test_every_cause_of_a_takeover_is_told_apart() -> None:
    """An operator reads why."""
    told = {in_words(act.TakeRole(2, cause)) for cause in Cause}
    assert len(Cause) == len(told)
    assert "takes the role of epoch 2: the active server is silent" in told
