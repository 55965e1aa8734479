"""What a server has to do: a duty stands where the text has it, and a reference that does not do one is seen."""

import pytest

from takeover_conformance.cases import RunCase, shipped
from takeover_conformance.making import moments as making
from takeover_conformance.making.situations import situations
from takeover_conformance.playing.bench import Bench, Unmet, play
from takeover_conformance.servers.inprocess import InProcess

MOMENTS = {case.name: case for case in shipped() if isinstance(case, RunCase) and case.situation is not None}


@pytest.mark.parametrize(
    ("like", "moment", "clause"),
    [
        ("older-epoch-unanswered", "behind-meets-ask-promise-same", "ROLE-5"),
        ("goodbye-unheard", "follower-meets-goodbye-same", "ROLE-4"),
        ("refrains-in-silence", "follower-meets-order-switch", "SWITCH-1"),
        ("carries-on-lapsed", "recorded-meets-newer-newer", "REJOIN-1"),
        ("leaves-the-address-on", "recorded-meets-newer-newer", "REJOIN-1"),
        ("leaves-the-address-on", "recorded-meets-stopped", "ROLE-4"),
        ("starts-in-silence", "recorded-meets-restarted-with-all", "ROLE-1"),
        ("declares-once", "reported-meets-unanswered", "REJOIN-2"),
        ("promise-outlives-a-release", "promised-one-meets-released-and-woken", "LEASE-1"),
        ("needs-no-copy", "cut-drain-meets-connected", "REJOIN-2"),
    ],
)
def test_who_does_not_do_it_is_told_which_clause_asks_for_it(like: str, moment: str, clause: str) -> None:
    """The reference passes the same moment."""
    case = MOMENTS[moment]
    assert play(Bench(InProcess), case, case.tested[0]).finding is None
    finding = play(Bench(lambda: InProcess(like)), case, case.tested[0]).finding
    assert isinstance(finding, Unmet)
    assert clause == finding.name


def test_a_duty_that_the_reference_does_not_do_ends_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two is wrong then."""
    monkeypatch.setattr(making, "InProcess", lambda: InProcess("older-epoch-unanswered"))
    behind = next(situation for situation in situations() if situation.name == "behind")
    with pytest.raises(Unmet, match="say newer"):
        making.moments(behind)
