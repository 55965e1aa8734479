"""Every obligation is proved, and the prover can fail."""

from __future__ import annotations

from dataclasses import fields

import pytest

from takeover_proofs import induction
from takeover_proofs.induction import (
    PROVED,
    REFUTED,
    UNDECIDED,
    Obligation,
    kinds_of_step,
    name_of,
    obligations,
    obligations_of_own,
    prove,
)
from takeover_proofs.invariant import CLAUSES, Clause, clauses_under
from takeover_proofs.rulebook import EVERY_RULE
from takeover_proofs.symbols import QUEUE_WORDS, STEPS, TIMES
from takeover_proofs.world import Nature
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge
from takeover_spec.logic import SymbolicTruthError, not_
from takeover_spec.words import Constants


@pytest.mark.parametrize("step", [name_of(kind) for kind in kinds_of_step()])
def test_every_clause_is_kept(step: str) -> None:
    """The step keeps every clause of the invariant, by every rule."""
    results = list(prove(lambda obligation: obligation.step == step))
    assert len(CLAUSES) == len(results)
    assert [] == [(r.obligation.id, r.verdict) for r in results if r.verdict != PROVED]


OWN = [(nature, step) for nature, of_own in obligations_of_own() for step in sorted({o.step for o in of_own})]


@pytest.mark.parametrize(("nature", "step"), OWN, ids=[f"{nature.arbiter}-{step}" for nature, step in OWN])
def test_every_clause_is_kept_with_arbiters_of_their_own(nature: Nature, step: str) -> None:
    """The same where there is no witness, for what is said to hold then."""
    results = list(prove(lambda obligation: obligation.step == step, nature=nature))
    assert len(clauses_under(nature.arbiter)) == len(results)
    assert [] == [(r.obligation.id, r.verdict) for r in results if r.verdict != PROVED]


def test_a_property_that_fails_is_refuted() -> None:
    """What an example shows not to hold is not proved either; and nothing is concluded from it."""
    for clause in CLAUSES:
        for arbiter in clause.fails_under:
            cases = list(induction._cases(act.Release, EVERY_RULE, Nature(arbiter=arbiter)))
            cases += induction._cases(act.Record, EVERY_RULE, Nature(arbiter=arbiter))
            assert REFUTED in {case.decide(clause, 20_000) for case in cases}
            assert clause.is_carried


def test_nothing_is_left_out() -> None:
    """There is an obligation for every kind of step, and for the first world, with every clause."""
    actions = (*act.ServerAction.__args__, *act.WitnessAction.__args__)
    steps = {"Initially", "Tick", *(kind.__name__ for kind in actions)}
    expected = {f"{step}/{clause.id}" for step in steps for clause in CLAUSES}
    assert expected == {obligation.id for obligation in obligations()}
    assert len(expected) == len(obligations()) == (len(STEPS) + 1) * len(CLAUSES)


def test_the_properties_are_among_them() -> None:
    """The properties are clauses of the invariant, under the names that the design gives them."""
    assert {
        "one-holder",
        "exact-prefix",
        "no-ghost",
        "nothing-acknowledged-is-lost",
        "drained-before-serving",
        "switchover-loses-nothing",
        "switchover-settles",
        "takes-over-in-time",
        "exact-loss",
    } == {clause.name for clause in CLAUSES if clause.is_property}


def test_an_invariant_that_is_false_is_refuted() -> None:
    """A clause that some step loses is refuted at that step: the prover does not say yes to everything."""
    lying = Clause("nobody is active", "queue", lambda world, c, at: not_(world.sides[0].know.active), False)
    case = next(induction._cases(act.TakeRole, EVERY_RULE, Nature()))
    assert REFUTED == case.decide(lying, 20_000)


def test_a_time_out_is_undecided() -> None:
    """A solver that runs out of time has proved nothing."""
    hard = {"Grant/witness-outlasts-its-leases", "Tick/identity-within-a-grant", "Enable/one-holder"}
    results = list(prove(lambda obligation: obligation.id in hard, timeout_ms=1))
    assert len(hard) == len(results)
    assert UNDECIDED in {result.verdict for result in results}


def _hasty(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    return know.lease_epoch == action.epoch and now < know.lease_until


def _branching(know: Knowledge, action: act.TakeRole, now: int, c: Constants) -> bool:
    return now < know.lease_until if know.active else True


@pytest.mark.parametrize("rule", [_hasty, _branching], ids=["and", "if"])
def test_a_rule_that_asks_for_a_truth_value_is_refused(rule: object) -> None:
    """A rule written with `and` or `if` is not silently proved about something else: it is an error."""
    rules = EVERY_RULE.weakened("challenger_needs_both", rule)  # type: ignore[arg-type]
    with pytest.raises(SymbolicTruthError):
        list(prove(lambda obligation: obligation.step == "TakeRole", rules))


def test_each_layer_is_a_proof_of_its_own() -> None:
    """The hypotheses of the lease layer name nothing of the queues, and those of the queue layer no time."""
    case = next(induction._cases(act.TakeRole, EVERY_RULE, Nature()))
    for layer, words in (("lease", QUEUE_WORDS), ("queue", TIMES)):
        symbols = {s.decl().name() for h in case.hypotheses[layer] for s in induction._symbols_in(h)}
        assert symbols
        assert set() == {name for name in symbols if name.rsplit(".", 1)[-1] in words}


def test_an_obligation_is_named_by_step_and_clause() -> None:
    """An id has no blank, so that it can be given on a command line."""
    first = Obligation("Tick", CLAUSES[0])
    assert f"Tick/{CLAUSES[0].name.replace(' ', '-')}" == first.id
    assert [f.name for f in fields(Obligation)] == ["step", "clause"]
