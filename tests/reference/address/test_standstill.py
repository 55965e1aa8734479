"""A holder that stands still without a signal: in a control group's freezer, and on a machine that sleeps.

Freezing needs to be root, or a control group of one's own. A sleep is played with a time namespace, where
CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC; a process that moves there has slept, as far as it can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from tests.reference.address.freezer import Freezer, freezers
from tests.reference.address.stage import MS, Guard, Stage, after_ms, sleep_until
from tests.reference.address.test_grant import (
    GRANT_MS,
    LATENESS_NS_MAX,
    MAIN,
    NAIVE,
    NOTHING,
    RELATIVE,
    assert_silent_from,
    comes_to_a_standstill,
    guard_is_stopped,
    held_while_renewed,
    judged,
    node_is_stopped,
    watched,
)

from takeover.linux import boottime_ns, processes

OnStage = Callable[..., None]

A_DAY_S = 86_400

# --- the freezer ------------------------------------------------------------------------------------


def is_frozen(stage: Stage) -> None:
    for place in freezers():
        freezer = Freezer(place)

        comes_to_a_standstill(stage, partial(freeze_all, freezer), partial(thaw, freezer))
        freezer.close()


def freeze_all(freezer: Freezer, node: int) -> int:
    """Freeze a node and its guard; when that was."""
    freezer.put([node, *(process.pid for process in processes() if process.parent == node)])
    freezer.freeze()
    return boottime_ns()


def thaw(freezer: Freezer, node: int) -> None:
    freezer.thaw()


@pytest.mark.root
def test_a_frozen_node_and_guard_lose_it_and_may_take_it_again(on_stage: OnStage) -> None:
    """ADDR-2, ROLE-6: silent on time, and not there for a moment when they are thawed, until the node has reacted."""
    on_stage(is_frozen)


def naive_renewer_is_frozen(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", NAIVE + MAIN)).ready()
    freezer = Freezer(freezers()[0])
    freezer.put([guard.process.pid])
    until_ns = guard.enable_for(GRANT_MS)
    freezer.freeze()
    guard.send(f"enable {until_ns + 50 * MS}")
    sleep_until(until_ns + LATENESS_NS_MAX)
    freezer.thaw()
    verdict = judged(judge, after_ms(0))
    assert NOTHING == verdict.of(holder, until_ns, until_ns + LATENESS_NS_MAX)
    assert {"arp", "nd", "ipv4", "ipv6"} == set(verdict.of(holder, until_ns + LATENESS_NS_MAX))
    guard.kill()
    freezer.close()


@pytest.mark.root
def test_a_naive_renewer_that_was_frozen_is_found_out(on_stage: OnStage) -> None:
    """The judge sees an address that is put back after the thaw."""
    on_stage(naive_renewer_is_frozen)


# --- a machine that slept ---------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [held_while_renewed, guard_is_stopped, node_is_stopped])
def test_a_machine_that_has_slept_counts_as_one_that_has_not(
    on_stage: OnStage, scenario: Callable[[Stage], None]
) -> None:
    """Grants end in CLOCK_BOOTTIME, and all that carries them out agrees on that; or it would be a day out."""
    on_stage(scenario, slept_s=A_DAY_S)


ANOTHER_CLOCK = """
import time
from takeover.address import address_guard
from takeover.linux import Deadline
Deadline.arm = lambda self, until_ns: None
address_guard.boottime_ns = time.monotonic_ns
"""
"""A holder that counts in a clock that does not go on while the machine sleeps; and nothing kills it."""


def another_clock(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", ANOTHER_CLOCK + MAIN)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    late = judged(judge, until_ns).of(holder, until_ns + LATENESS_NS_MAX)
    assert {"arp", "nd", "ipv4", "ipv6"} == set(late)
    guard.kill()


def test_another_clock_is_found_out(on_stage: OnStage) -> None:
    """The judge sees a grant that ends a day late."""
    on_stage(another_clock, slept_s=A_DAY_S)


SLEEPS = """
import ctypes, os
from takeover.address import address_guard
from takeover.address.gate import Gate
from takeover.linux import Deadline
NEW_TIME = 0x80
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(NEW_TIME) == 0
with open("/proc/self/timens_offsets", "w") as offsets:
    offsets.write("boottime 10 0")
later = os.open("/proc/self/ns/time_for_children", os.O_RDONLY)
address_guard.keep_only = lambda names: None
Deadline.arm = lambda self, until_ns: None
prepare, calls = Gate.prepare, []
def asleep(self, timeout_ms):
    calls.append(timeout_ms)
    if len(calls) == 3:
        assert libc.setns(later, NEW_TIME) == 0
    return prepare(self, timeout_ms)
Gate.prepare = asleep
"""
"""At the second renewal the machine sleeps for ten seconds, between the clock and the call; and nothing kills it."""


def sleeps_in_the_middle(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", SLEEPS + MAIN)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    guard.enable(until_ns)
    sleep_until(until_ns - 200 * MS)
    guard.send(f"enable {until_ns + 2000 * MS}")
    assert guard.answer().endswith("ns are too little to open the gate for")
    assert_silent_from(until_ns, judged(judge, until_ns), holder)
    guard.kill()


def test_a_sleep_in_the_middle_of_a_renewal_is_noticed(on_stage: OnStage) -> None:
    """ADDR-2: the set's time stands still while the machine sleeps, so what was asked for before it opens nothing."""
    on_stage(sleeps_in_the_middle)


def nobody_notices(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", SLEEPS + RELATIVE + MAIN)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    guard.enable(until_ns)
    guard.enable(until_ns + 2000 * MS)
    late = judged(judge, until_ns).of(holder, until_ns + LATENESS_NS_MAX)
    assert {"arp", "nd", "ipv4", "ipv6"} == set(late)
    guard.kill()


def test_a_sleep_that_is_not_noticed_is_found_out(on_stage: OnStage) -> None:
    """The judge sees a grant that the sleep has prolonged, where the clock is not looked at again."""
    on_stage(nobody_notices)
