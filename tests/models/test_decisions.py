"""A run is one word, and the word is the run."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from takeover_models.deciding import DECIDED
from takeover_models.decisions import VERBS, Decision, parse_decision, parse_run, run_text
from takeover_models.setup import Setup, parse_setup

DECISIONS = st.sampled_from(sorted(VERBS)).flatmap(
    lambda verb: st.builds(
        Decision, st.just(verb), st.sampled_from(VERBS[verb][0]), st.integers(-10, 10), st.booleans()
    )
)
SETUPS = st.builds(Setup, lease=st.integers(1, 2000), drift=st.integers(0, 10), shell=st.integers(0, 3))


@settings(derandomize=True, database=None, deadline=None)
@given(SETUPS, st.lists(DECISIONS))
def test_there_and_back(setup: Setup, decisions: list[Decision]) -> None:
    """What is written is read as it was."""
    assert (setup, decisions) == parse_run(run_text(setup, decisions))


@pytest.mark.parametrize("word", ["fly", "", "cut/0", "wake/w", "start/01", "heal/1", "pass//soon"])
def test_what_is_no_decision_is_refused(word: str) -> None:
    """An unknown verb, somebody whom it cannot be about, a number that is none."""
    with pytest.raises(ValueError, match=r".+"):
        parse_decision(word)


@pytest.mark.parametrize("word", ["speed=1", "lease", "lease=long"])
def test_what_is_no_setup_is_refused(word: str) -> None:
    """A name that there is not, a value that is no number."""
    with pytest.raises(ValueError, match=r".+"):
        parse_setup(word)


def test_every_verb_is_carried_out() -> None:
    """The table of verbs and the table of what they do are about the same."""
    assert set(VERBS) == set(DECIDED)
