"""Copies of records: as those of `dataclasses.replace`, which is slower."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any, cast

import pytest

from takeover_spec.knowledge import Knowledge
from takeover_spec.records import replace


def test_a_copy_is_as_the_standard_library_makes_it() -> None:
    """Whichever fields change, all or none; what was copied stays as it was."""
    names = [field.name for field in fields(Knowledge)]
    values: dict[str, Any] = {name: number for number, name in enumerate(names)}
    know = Knowledge(**values)
    every: list[dict[str, Any]] = [{}, {"epoch": 7}, {"epoch": 7, "returned": True}, dict.fromkeys(names, -1)]
    for changes in every:
        assert dataclasses.replace(know, **changes) == replace(know, **changes)
        assert Knowledge(**values) == know
    assert replace(know) is not know


def test_a_field_that_is_unknown_is_refused() -> None:
    """A misspelt name changes nothing in silence."""
    misspelt: dict[str, Any] = {"epoche": 7}
    with pytest.raises(KeyError, match="epoche"):
        replace(Knowledge(), **misspelt)


def test_a_record_that_looks_at_its_values_is_refused() -> None:
    """It would not be asked."""

    @dataclass(frozen=True, slots=True)
    class Positive:
        number: int

        def __post_init__(self) -> None:
            assert self.number > 0

    with pytest.raises(AssertionError, match="Positive has something to say"):
        replace(cast(Any, Positive)(1), number=-1)
