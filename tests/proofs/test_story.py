"""A run is told in words: a numbered line a step, and at the end what is broken, by which values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from takeover_proofs import gallery, story
from takeover_proofs.examples import EXAMPLES
from takeover_proofs.gallery import GALLERY
from takeover_proofs.properties import property_named
from takeover_proofs.runs import Run, replay
from takeover_proofs.story import SENTENCES, as_data, sentence, tell, who
from takeover_proofs.symbols import STEPS
from takeover_proofs.transition import Forget
from takeover_proofs.world import is_own


def test_every_kind_of_step_has_a_sentence() -> None:
    """Nothing happens without words for it."""
    assert {*STEPS, Forget} == set(SENTENCES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_line_a_step(name: str, run_of: Callable[[str], Run]) -> None:
    """Each step is told in a line of its own, with its number, the clocks after it and who does it."""
    run = run_of(name)
    own = is_own(run.first.nature)
    worlds = replay(run, EXAMPLES[name].goal)
    lines = list(tell(run, worlds))[3:]
    assert len(run.steps) == len(lines)
    for number, (line, step, world) in enumerate(zip(lines, run.steps, worlds[1:], strict=True), 1):
        clocks = [world.sides[0].clock, world.sides[1].clock, world.witness_clock][: 2 if own else 3]
        assert [str(n) for n in (number, *clocks)] == line.split()[: 1 + len(clocks)]
        assert line.endswith(sentence(step, run.first.nature))
        assert who(step, run.first.nature) in line
        assert not own or "witness" not in line


def test_the_takeover_is_told(run_of: Callable[[str], Run]) -> None:
    """A story says who holds the public identity, and who takes over with which epoch."""
    name = "switchover"
    run = run_of(name)
    lines = list(tell(run, replay(run, EXAMPLES[name].goal)))
    assert any("the secondary takes over: epoch 2" in line for line in lines)
    assert lines[3].split()[4] == "nobody"
    assert lines[-1].split()[4] == "secondary"


def test_the_end_says_what_is_broken_and_by_what() -> None:
    """The last lines have the property's name, its sentence, and the values that break it."""
    entry = GALLERY["SYNC-1:weaker"]
    assert entry.breaks is not None
    run = gallery.search(entry, 60_000)
    assert isinstance(run, Run)
    worlds = replay(run, gallery.goal_of(entry.breaks), entry.rules)
    prop = property_named(entry.breaks.prop)
    *_, name, says, here = tell(run, worlds, prop)
    assert "Broken: nothing-acknowledged-is-lost" == name
    assert prop.text in says
    mark = f"update {worlds[-1].mark_seq} of epoch {worlds[-1].mark_epoch} was acknowledged"
    assert mark in here
    assert "the secondary, active in epoch 2" in here


def test_a_program_is_told_the_same(run_of: Callable[[str], Run]) -> None:
    """As data a step has its number, its actor, its action with all it says, the clocks and the holders."""
    name = "first-takeover"
    run = run_of(name)
    worlds = replay(run, EXAMPLES[name].goal)
    data = as_data(run, worlds)
    assert list(range(1, len(run.steps) + 1)) == [step["step"] for step in data]
    assert ["TakeRole", "primary"] == [data[3]["action"], data[3]["actor"]]
    assert {"epoch": 1, "cause": 0} == data[3]["says"] | {"cause": 0}
    assert ["primary"] == data[-1]["holders"]
    assert [story.sentence(step) for step in run.steps] == [step["text"] for step in data]
