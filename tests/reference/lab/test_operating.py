"""What the operator of a campaign concludes from the statuses of two servers."""

from __future__ import annotations

from typing import Any

import pytest

from takeover.lab.operating import latest


def said(role: str, epoch: int, seen: int = 0, *, resynchronise: bool = False) -> dict[str, Any]:
    return {"role": role, "epoch": epoch, "seen": seen or epoch, "resynchronise": resynchronise}


@pytest.mark.parametrize(
    ("primary", "secondary", "expected"),
    [
        (said("active", 3), said("passive", 3), "primary"),
        (said("passive", 3), said("active", 3), "secondary"),
        (said("active", 3), said("passive", 4, resynchronise=True), "secondary"),
        (said("passive", 3), said("passive", 3, resynchronise=True), "secondary"),
        (said("passive", 3, resynchronise=True), said("passive", 3), "primary"),
        (said("passive", 3, 4, resynchronise=True), said("passive", 3, resynchronise=True), "secondary"),
    ],
)
def test_the_latest_data_is_with_whoever_was_active_last(
    primary: dict[str, Any], secondary: dict[str, Any], expected: str
) -> None:
    """Of two in one epoch, one only followed, and may lack what was acknowledged without it."""
    assert expected == latest({"primary": primary, "secondary": secondary})
