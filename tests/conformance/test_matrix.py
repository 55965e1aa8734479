"""The kill matrix: it would be seen if a check were idle, or caught what is legal.

That what it says is so `make remade` sees, which makes it again.
"""

from copy import deepcopy

from takeover_conformance.cases import shipped
from takeover_conformance.making.matrix import (
    checks,
    failures,
    names,
    of_the_matrix,
    row,
    shipped_matrix,
)
from takeover_conformance.servers.named import WRONG
from takeover_conformance.servers.variants import VARIANTS

CASES = {case.name: case for case in shipped()}
MATRIX = shipped_matrix()


def test_the_suite_has_no_idle_check_and_no_mistake_goes_free() -> None:
    """Nor is a legal variant caught, nor does a blank pass anything that counts."""
    assert [] == list(failures(MATRIX, checks(CASES.values())))


def test_it_is_of_the_adapters_that_there_are() -> None:
    """Make it anew when there are others: python -m takeover_conformance.making making/kills.ndjson."""
    assert names() == [line["adapter"] for line in MATRIX]


def test_a_row_is_made_of_what_its_adapter_is_put_through() -> None:
    """All that is asked; of the runs that tell a mistake, its own."""
    few = [CASES["frame-goodbye-small"], CASES["follower-meets-goodbye-same"], CASES["tells-out-of-order"]]
    put = [case.name for case, _ in of_the_matrix("goodbye-unheard", few)]
    assert ["frame-goodbye-small", "follower-meets-goodbye-same"] == put
    caught = {"duty ROLE-4": "follower-meets-goodbye-same"}
    assert {"adapter": "goodbye-unheard", "passes": True, "caught": caught} == row("goodbye-unheard", few)


def test_what_is_wrong_with_a_matrix_is_said() -> None:
    """A mistake that goes free, a variant that is caught, a blank that passes, a check that is idle."""
    spoilt = deepcopy(MATRIX)
    of = {line["adapter"]: line for line in spoilt}
    mistake, variant = WRONG[0].name, next(iter(VARIANTS))
    of[mistake]["caught"] = {}
    of[variant]["caught"] = {"rule LEASE-2": "failover"}
    of["does-nothing"]["passes"] = True
    told = list(failures(spoilt, ["rule LEASE-3"]))
    assert told[0].startswith(f"{mistake} is caught by no check that belongs to")
    assert [
        f"{variant} is legal, and is caught by rule LEASE-2",
        "does-nothing passes something that counts",
        "rule LEASE-3 catches no mistake",
    ] == told[1:]
