"""What each clause is for: the runs are found and replay, and what is not needed is proved not to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from takeover_proofs import gallery
from takeover_proofs.assumptions import ASSUMPTIONS
from takeover_proofs.gallery import GALLERY
from takeover_proofs.induction import PROVED, REFUTED, Obligation, prove
from takeover_proofs.rulebook import EVERY_RULE, Rulebook
from takeover_proofs.runs import NotARun, Run, replay
from takeover_proofs.selection import PROPERTIES
from takeover_proofs.story import facts_against
from takeover_proofs.traces import as_traces, judged
from takeover_spec.rules import RULES

TIMEOUT_MS = 60_000

LENGTHS = {
    "APPLY-1": 24, "APPLY-2": 21, "APPLY-3": 22, "APPLY-4": 21, "APPLY-5": 23,
    "QUEUE-1": 23, "QUEUE-1:renumbered": 23, "QUEUE-4": 22, "QUEUE-5": 19,
    "SYNC-1": 20, "SYNC-1:weaker": 26,
    "ADDR-1": 21, "ADDR-2": 17,
    "LEASE-1": 21, "LEASE-1:either": 21, "LEASE-2": 22, "LEASE-2:short": 21,
    "LEASE-3": 16, "LEASE-3:ineligible": 23, "LEASE-3:restart": 17, "LEASE-3:short": 16,
    "LEASE-4": 17, "LEASE-4:from-arrival": 19, "LEASE-4:no-drift": 17, "LEASE-4:promise": 19,
    "LEASE-5": 19, "LEASE-5:used-again": 19,
    "ROLE-1": 2, "ROLE-2": 11, "ROLE-5": 32, "ROLE-5:old-declaration": 31,
    "REJOIN-2": 18, "REJOIN-2:old-declaration": 24, "REJOIN-2:torn-copy": 19, "REJOIN-2:twice": 23,
    "SWITCH-1": 22, "SWITCH-1:log": 23, "SWITCH-2": 17, "SWITCH-2:declared": 18,
    "REJOIN-1": 24, "REJOIN-3": 18, "REJOIN-4:unordered": 20, "REJOIN-4": 15,
    "LOSS-1": 19, "LOSS-1:rejoin": 24, "LOSS-1:copy": 24, "LOSS-1:order": 15,
    "clocks": 17, "kernel": 17, "durable": 26, "truthful": 15, "silence": 21, "operator": 22,
}  # fmt: skip
"""How many steps each run has."""

CLAUSES_WITH_RULES = list(dict.fromkeys(rule.clause for rule in RULES))


def test_every_clause_is_in_the_gallery() -> None:
    """Each clause that has a rule, the theorem ADDR-3, and each assumption have an entry under their own name."""
    assert set() == {*CLAUSES_WITH_RULES, "ADDR-3", *ASSUMPTIONS} - set(GALLERY)


def test_every_property_is_broken_by_something() -> None:
    """No property is out of danger: a clause is left out, or it does not hold under some arbiter."""
    broken = {e.breaks.prop for e in GALLERY.values() if e.breaks}
    assert {p.name for p in PROPERTIES} == broken | {p.name for p in PROPERTIES if p.fails_under}


def test_every_length_is_pinned() -> None:
    """There is a length for each run, and no other."""
    assert {id for id, entry in GALLERY.items() if entry.breaks} == set(LENGTHS)


@pytest.mark.parametrize("name", LENGTHS)
def test_the_run_is_found_and_replays(name: str) -> None:
    """A run of the length that is written down breaks the property and the clause, and is told; the trace checker names
    that clause and no other; no run by the same plan is shorter."""
    entry = GALLERY[name]
    assert entry.breaks is not None
    goal = gallery.goal_of(entry.breaks)
    run = gallery.search(entry, TIMEOUT_MS)
    assert isinstance(run, Run), run
    assert LENGTHS[name] == len(run.steps) == entry.breaks.length
    worlds = replay(run, goal, entry.rules)
    assert facts_against(entry.breaks.prop, worlds[-1], run.place)
    if entry.rules != EVERY_RULE:
        with pytest.raises(NotARun, match=f"breaks {name.split(':')[0]} "):
            replay(run, goal)
    clauses = {v.violation.rule.clause for v in judged(as_traces(run, worlds)).values() if v.violation}
    assert clauses == ({name.split(":")[0]} if entry.rules != EVERY_RULE else set())
    assert gallery.search(entry, TIMEOUT_MS, shorter_by=1) is None


@pytest.mark.parametrize("name", ASSUMPTIONS)
def test_the_run_needs_the_assumption_dropped(name: str) -> None:
    """With the assumption the same plan finds nothing."""
    entry = GALLERY[name]
    assert entry.breaks is not None
    kept = replace(entry, nature=replace(entry.nature, **{name: True}))  # type: ignore[arg-type]  # a flag, by its name
    assert gallery.search(kept, TIMEOUT_MS) is None


@pytest.mark.parametrize("clause", CLAUSES_WITH_RULES)
def test_the_induction_agrees(clause: str) -> None:
    """Without a clause that breaks a property some obligation is refuted; without any other all are proved.

    Only the steps that the clause is about are asked: of the others the rules, and so the obligations, are the same.
    """
    rules = EVERY_RULE.without(clause)
    verdicts = (result.verdict for result in prove(_about(clause, rules), rules))
    if GALLERY[clause].breaks:
        assert REFUTED in verdicts
    else:
        assert {PROVED} == set(verdicts)


def _about(clause: str, rules: Rulebook) -> Callable[[Obligation], bool]:
    steps = {rule.about.__name__ for rule in EVERY_RULE.rules if rule not in rules.rules}
    assert {clause} == {rule.clause for rule in EVERY_RULE.rules if rule not in rules.rules}
    return lambda obligation: obligation.step in steps
