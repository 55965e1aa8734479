"""The wire machine passes, and catches a decoder that is too kind, and one that fails in its own way."""

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from takeover_models import wire_machine
from takeover_models.wire_machine import SPOILT, WireMachine
from takeover_spec.codec import Malformed
from takeover_spec.wire import MESSAGES, AskPromise, Message, decode

SETTINGS = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)


def test_the_wire_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of message went through, and every way to spoil one was tried."""
    events: Counter[str] = Counter()
    monkeypatch.setattr(wire_machine, "event", lambda name: events.update([name]))
    run_state_machine_as_test(WireMachine, settings=SETTINGS)
    wanted = [f"said: {kind.__name__}" for kind in MESSAGES] + [f"refused: {spoil}" for spoil in SPOILT]
    assert [] == [name for name in wanted if not events[name]]


def guesses_the_encoding(body: bytes) -> Message:
    """Takes what Python's JSON takes: UTF-16, for one."""
    return decode(json.dumps(json.loads(body)).encode())


def ignores_what_it_does_not_know(body: bytes) -> Message:
    """Takes a message with more fields than it has."""
    try:
        return decode(body)
    except Malformed as error:
        if "is not a field" not in error.problem:
            raise
        return AskPromise(1, 1, 1)


def names_no_place(body: bytes) -> Message:
    """Refuses without saying where."""
    try:
        return decode(body)
    except Malformed as error:
        raise Malformed("", error.problem) from None


def raises_what_nobody_expects(body: bytes) -> Message:
    """Lets an error of its own out."""
    json.loads(body.decode())
    return decode(body)


@pytest.mark.parametrize(
    "decoder",
    [guesses_the_encoding, ignores_what_it_does_not_know, names_no_place, raises_what_nobody_expects],
    ids=lambda decoder: decoder.__name__,
)
def test_the_machine_catches_a_wrong_decoder(decoder: Callable[[bytes], Message]) -> None:
    """One that takes too much, one that does not say where, one that raises something else."""
    machine = type("Spoilt", (WireMachine,), {"decode_function": staticmethod(decoder)})
    with pytest.raises((AssertionError, ValueError)):
        run_state_machine_as_test(machine, settings=settings(SETTINGS, phases=[Phase.generate]))
