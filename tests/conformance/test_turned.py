"""The counterexamples turned round: each is there or says why not, passes who is right, and catches who follows it."""

from __future__ import annotations

import pytest

from takeover_conformance.cases import RunCase, files_of_cases, read
from takeover_conformance.making.turned import TURNED, UNTURNED
from takeover_conformance.playing.adapter_host import AdapterHost
from takeover_conformance.playing.bench import Bench, Outcome, play
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.servers.named import WRONG
from takeover_proofs.gallery import GALLERY
from takeover_proofs.rulebook import EVERY_RULE
from takeover_spec.codec import kind_of

REFUTED = {id: entry.breaks for id, entry in GALLERY.items() if entry.breaks}
FILE = dict(files_of_cases())["turned.ndjson"]
CASES = {case.name: case for case in read("turned.ndjson", FILE) if isinstance(case, RunCase)}
CLAUSES = {wrong.name: wrong.clauses for wrong in WRONG}

SHOWS_ITSELF_AT_ONCE = {"ADDR-2"}
"""Their followers are caught as soon as they have the role: the search gives them a peer first, which is not needed."""


def played(entry: str, like: str = "") -> Outcome:
    """What comes of an entry's case, for the reference or somebody who is wrong."""
    case = CASES[TURNED[entry].name]
    return play(Bench(lambda: InProcess(like)), case, case.tested[0])


def done(outcome: Outcome) -> list[str]:
    """The kinds of what the tested server did until it was caught."""
    assert outcome.world is not None
    host = outcome.world.servers[outcome.tested == "secondary"]
    assert isinstance(host, AdapterHost)
    return [kind_of(type(action)) for action in host.account.actions()]


def told(entry: str) -> list[str]:
    """The kinds of what the server that breaks the clause does in the opening of the gallery's run."""
    actor = ("primary", "secondary").index(TURNED[entry].tested)
    return [kind_of(move.kind) for move in REFUTED[entry].plan.opening if move.actor == actor]


def about(entry: str) -> set[str]:
    """The kinds of action that the rules are about which the entry leaves out, or weakens."""
    kept = GALLERY[entry].rules.rules
    return {kind_of(rule.about) for rule in EVERY_RULE.rules if rule not in kept}


def in_order(wanted: list[str], there: list[str]) -> int:
    """How many of these are there, one after the other."""
    rest, count = iter(there), 0
    while count < len(wanted) and wanted[count] in rest:
        count += 1
    return count


def test_every_counterexample_is_turned_round_or_says_why_not() -> None:
    """And none is twice, nor is a reason left over. The case says which it is, by what reaches `takeover verify`."""
    assert REFUTED.keys() == TURNED.keys() | UNTURNED.keys()
    assert set() == TURNED.keys() & UNTURNED.keys()
    origins = [f"verify --without {entry}" for entry in TURNED]
    assert origins == [case.origin for case in CASES.values()]


def test_those_that_are_not_turned_are_no_servers_doing() -> None:
    """What they leave out is an assumption, or a rule about what the witness does."""
    witnessed = {"grant", "record", "end-lease", "witness-start"}
    assert [] == [entry for entry in UNTURNED if not about(entry) <= witnessed]


@pytest.mark.parametrize("entry", TURNED)
def test_a_right_server_passes(entry: str) -> None:
    """It is led to that step, and does not follow; and is asked for something there."""
    assert played(entry).finding is None
    assert CASES[TURNED[entry].name].counts


@pytest.mark.parametrize("entry", TURNED)
def test_who_follows_is_caught_there(entry: str) -> None:
    """By that clause, at an action that the rules left out are about; having done, in order, what the server of the
    counterexample did before. So the case is not idle, and shows that scene and no other."""
    turned = TURNED[entry]
    outcome = played(entry, turned.follower)
    assert outcome.finding is not None
    assert outcome.finding.name == turned.clause
    assert turned.clause in CLAUSES[turned.follower]
    actions = done(outcome)
    assert actions[-1] in about(entry)
    if entry not in SHOWS_ITSELF_AT_ONCE and not turned.finds:
        opening = told(entry)
        reached = in_order(opening, actions)
        assert reached == len(opening) or opening[reached - 1] == actions[-1]


def test_a_case_that_leads_elsewhere_is_noticed() -> None:
    """Who follows in one is not taken for following in another: it is not caught, or did something else before."""
    assert played("SYNC-1", TURNED["APPLY-1"].follower).finding is None
    actions = done(played("LEASE-5", TURNED["LEASE-5"].follower))
    assert in_order(told("REJOIN-4:unordered"), actions) < len(told("REJOIN-4:unordered"))


@pytest.mark.parametrize(
    "finds", ['"tested": ["both"], "finds": {}', '"tested": ["primary"], "finds": {"x": 1}']
)
def test_who_is_alone_is_one_server_with_a_disk(finds: str) -> None:
    """A case that says otherwise is refused with its place."""
    line = f'{{"name":"x","level":1,"clauses":[],"why":"","origin":"","setup":"default",{finds},"steps":[]}}'
    with pytest.raises(ValueError, match="f:2"):
        read("f", b'{"cases":1}\n' + line.encode())
