"""The kill matrix: what it says is so, and it would be seen if a check were idle, or caught what is legal."""

from copy import deepcopy

import pytest

from takeover_conformance.cases import FrameCase, RunCase, shipped
from takeover_conformance.making.matrix import (
    Row,
    check_of,
    checks,
    failures,
    names,
    of_the_matrix,
    row,
    shipped_matrix,
)
from takeover_conformance.playing.bench import Bench, play
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.servers.named import WRONG
from takeover_conformance.servers.variants import VARIANTS
from takeover_conformance.servers.wrappings import Wrong

CASES = {case.name: case for case in shipped()}
MATRIX = shipped_matrix()


def test_the_suite_has_no_idle_check_and_no_mistake_goes_free() -> None:
    """Nor is a legal variant caught, nor does a blank pass anything that counts."""
    assert [] == list(failures(MATRIX, checks(CASES.values())))


def test_it_is_of_the_adapters_that_there_are() -> None:
    """Make it anew when there are others: python -m takeover_conformance.making.matrix."""
    assert names() == [line["adapter"] for line in MATRIX]


@pytest.mark.parametrize("line", MATRIX, ids=lambda line: line["adapter"])
def test_each_check_catches_what_it_is_said_to_catch(line: Row) -> None:
    """By the case that is named. The whole matrix is made by hand; this is what it says."""
    for check, name in line["caught"].items():
        case = CASES[name]
        bench = Bench(lambda: InProcess(line["adapter"]))
        finding = play(bench, case, "" if isinstance(case, FrameCase) else case.tested[-1]).finding
        assert finding is not None
        assert check == check_of(finding)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_run_that_was_found_to_tell_a_mistake_tells_it(wrong: Wrong) -> None:
    """By a check of a clause that it is about."""
    case = CASES.get(f"tells-{wrong.name}")
    if isinstance(case, RunCase):
        finding = play(Bench(lambda: InProcess(wrong.name)), case, case.tested[0]).finding
        assert finding is not None
        assert finding.name in wrong.clauses


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
