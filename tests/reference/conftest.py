"""Keys for the tests: made once for each pair's name, for all of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.commands.key_making import make_keys


@pytest.fixture(scope="session")
def keys_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory with the keys of a pair, as `make_keys` leaves it. Nobody changes what is in it."""
    made: dict[str, Path] = {}

    def keys_of(pair: str) -> Path:
        if pair not in made:
            made[pair] = tmp_path_factory.mktemp(f"keys-{pair}")
            make_keys(made[pair], pair)
        return made[pair]

    return keys_of
