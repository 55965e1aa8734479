"""A run is executed, not believed: one that was tampered with is refused, at the step that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from takeover_proofs.examples import EXAMPLES
from takeover_proofs.rulebook import EVERY_RULE
from takeover_proofs.runs import NotARun, Run, replay
from takeover_proofs.transition import Tick
from takeover_spec import actions as act
from takeover_spec.words import Status

NAME = "failover-keeps-what-was-acknowledged"
GOAL = EXAMPLES[NAME].goal


def _index(run: Run, kind: type, actor: int | None = None) -> int:
    return next(
        i for i, step in enumerate(run.steps) if isinstance(step.action, kind) and actor in (None, step.actor)
    )


def _changed(run: Run, index: int, **fields: object) -> Run:
    step = run.steps[index]
    changed = replace(step, action=replace(step.action, **fields))
    return replace(run, steps=(*run.steps[:index], changed, *run.steps[index + 1 :]))


def test_an_untouched_run_is_accepted(run_of: Callable[[str], Run]) -> None:
    """The run as it was found replays."""
    assert replay(run_of(NAME), GOAL)[-1].sides[1].know.serving


def test_a_rule_that_is_broken_is_named(run_of: Callable[[str], Run]) -> None:
    """A lease counted for longer breaks LEASE-4, at that step."""
    run = run_of(NAME)
    index = _index(run, act.CountLease)
    with pytest.raises(NotARun, match=rf"step {index + 1}, .*breaks LEASE-4"):
        replay(_changed(run, index, until=90), GOAL)


def test_what_was_not_said_is_not_heard(run_of: Callable[[str], Run]) -> None:
    """A status that the active server never gave cannot be stored, though no rule forbids it."""
    run = run_of(NAME)
    index = _index(run, act.StoreStatus)
    status = Status.FAILED if run.steps[index].action.status == Status.DONE else Status.DONE
    with pytest.raises(NotARun, match=f"step {index + 1}, .*not possible"):
        replay(_changed(run, index, status=status), GOAL)


def test_clocks_do_not_run_away(run_of: Callable[[str], Run]) -> None:
    """A clock that runs too fast is not possible."""
    run = run_of(NAME)
    index = _index(run, Tick)
    with pytest.raises(NotARun, match=f"step {index + 1}, .*not possible"):
        replay(_changed(run, index, clock_witness=99), GOAL)


def test_a_missing_step_is_missed(run_of: Callable[[str], Run]) -> None:
    """Without one of its steps the run is refused, whichever it is."""
    run = run_of(NAME)
    refused = 0
    for index in range(len(run.steps)):
        shorter = replace(run, steps=(*run.steps[:index], *run.steps[index + 1 :]))
        try:
            replay(shorter, GOAL)
        except NotARun:
            refused += 1
    assert len(run.steps) - 1 <= refused


def test_a_goal_that_does_not_hold_is_noticed(run_of: Callable[[str], Run]) -> None:
    """A run that ends too early is refused although each of its steps is allowed."""
    run = run_of(NAME)
    with pytest.raises(NotARun, match="goal does not hold"):
        replay(replace(run, steps=run.steps[:-1]), GOAL)


def test_a_rulebook_has_only_clauses_that_exist() -> None:
    """A clause, a part of one or a rule that does not exist cannot be left out: a slip of the pen is an error."""
    with pytest.raises(KeyError):
        EVERY_RULE.without("LEASE-9")
    with pytest.raises(KeyError):
        EVERY_RULE.without("LEASE-4", "promise_only_grows")
    with pytest.raises(KeyError):
        EVERY_RULE.weakened("no_such_rule", lambda know, action, now, c: True)
