"""Addresses held under a grant, as another machine sees it, and holders that are wrong, which it must find out.

Every scenario has an IPv4 and an IPv6 address, and asks by ARP, neighbour discovery and TCP.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable

from tests.reference.address.judge import Judge, Verdict
from tests.reference.address.stage import (
    MS,
    OLDER_KERNEL,
    Guard,
    Host,
    Stage,
    after_ms,
    sleep_until,
    wait_until,
)

from takeover.linux import boottime_ns, processes

GRANT_MS = 700  # so long that a guard gets something done in it even on a busy machine
LATENESS_NS_MAX = 100 * MS  # generous: other tests share the processors; a broken holder is late by forever
NOTHING: Counter[str] = Counter()

OnStage = Callable[..., None]

PLAIN_ADDRESS = """
from takeover.address.address_guard import Addresses, main
from takeover.address.gate import Gate
from takeover.linux import Deadline
Deadline.arm = lambda self, until_ns: None
Gate.close = Gate.own = lambda self: None
Gate.prepare = lambda self, timeout_ms: 0
Gate.arm = lambda self, slot: None
main()
"""
"""No gate, and no end of the process: an address as everybody puts it on an interface."""

NO_TIMER = """
from takeover.linux import Deadline
Deadline.arm = lambda self, until_ns: None
from takeover.address.address_guard import main
main()
"""
"""The first mechanism alone: the set that times out."""

NO_TIMEOUT = """
from takeover.address.gate import Gate
prepare = Gate.prepare
Gate.prepare = lambda self, timeout_ms: prepare(self, 60_000)
from takeover.address.address_guard import main
main()
"""
"""The second mechanism alone: the end of the process."""

STOPS_AFTER_THE_CLOCK = """
import os, signal
from takeover.address.gate import Gate
from takeover.linux import Deadline
Deadline.arm = lambda self, until_ns: None
prepare, calls = Gate.prepare, []
def late(self, timeout_ms):
    calls.append(timeout_ms)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGSTOP)
    return prepare(self, timeout_ms)
Gate.prepare = late
"""
"""At the second renewal it is stopped between reading the clock and asking the kernel; and nothing kills it."""

RELATIVE = """
from takeover.address.address_guard import Addresses, MS, boottime_ns
def naive(self, until_ns):
    self._gate.arm(self._gate.prepare((until_ns - boottime_ns()) // MS))
    return ""
Addresses._open = naive
"""
"""A holder that believes that no time passes between the clock and the call."""

STOPS_BEFORE_ARMING = """
import os, signal
from takeover.address.gate import Gate
from takeover.linux import Deadline
Deadline.arm = lambda self, until_ns: None
arm, calls = Gate.arm, []
def late(self, slot):
    calls.append(slot)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGSTOP)
    arm(self, slot)
Gate.arm = late
"""
"""At the second renewal it is stopped with the slot in the set and not yet named."""

NAIVE = """
import sys, time
from takeover.address.address_guard import Addresses, main
from takeover.linux import Deadline, boottime_ns
Deadline.arm = lambda self, until_ns: None
import takeover.address.guard_commands
takeover.address.guard_commands.grant_flaw = lambda *_: ""
takeover.address.guard_commands.boottime_ns = lambda: 0
hold = Addresses.hold
async def renewing(self, until_ns):
    return await hold(self, max(until_ns, boottime_ns() + 200_000_000))
Addresses.hold = renewing
"""
"""It carries out what it finds to do, without a look at what became of the grant."""

MAIN = "from takeover.address.address_guard import main\nmain()\n"


def stop_process(pid: int) -> int:
    """Stop it; when that was."""
    os.kill(pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    return boottime_ns()


def watched(stage: Stage) -> tuple[Host, Judge]:
    """A machine with an application, and the judge of it."""
    holder, client = stage.host(), stage.host()
    stage.keep(holder.listen())
    return holder, Judge(client, [holder]).start()


def judged(judge: Judge, until_ns: int) -> Verdict:
    """The verdict some time after the end of the grant."""
    sleep_until(until_ns + LATENESS_NS_MAX + 200 * MS)
    return judge.stop()


def assert_silent_from(until_ns: int, verdict: Verdict, holder: Host) -> None:
    """It had answered, and does not any more."""
    last_ns = verdict.last_ns(holder)
    print(
        f"last answer {(last_ns - until_ns) / MS:.1f} ms after the end, judge's gap {verdict.gap_ns_max / MS:.1f}"
    )
    assert last_ns <= until_ns + LATENESS_NS_MAX


# --- the holder as it should be ---------------------------------------------------------------------


def held_while_renewed(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder).ready()
    begin_ns = boottime_ns()
    until_ns = guard.enable_for(GRANT_MS)
    enabled_ns = boottime_ns()
    for _ in range(5):
        sleep_until(until_ns - 500 * MS)
        until_ns += 100 * MS
        guard.enable(until_ns)
    verdict = judged(judge, until_ns)
    assert NOTHING == verdict.of(holder, 0, begin_ns)
    assert verdict.answers_throughout(holder, enabled_ns, until_ns - 30 * MS)
    assert_silent_from(until_ns, verdict, holder)


def test_held_while_renewed(on_stage: OnStage) -> None:
    """ADDR-2: the holder answers from the first enable to the end of the last grant, without a gap."""
    on_stage(held_while_renewed)


def guard_is_stopped(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder).ready()
    until_ns = guard.enable_for(GRANT_MS)
    stop_process(guard.process.pid)
    guard.send(f"enable {until_ns + 200 * MS}")
    assert_silent_from(until_ns, judged(judge, until_ns), holder)
    assert -signal.SIGKILL == guard.process.wait(10)


def test_a_stopped_guard_is_silent_on_time(on_stage: OnStage) -> None:
    """ADDR-2: and it is killed, so that a command that waits for it is never read."""
    on_stage(guard_is_stopped)


def guard_is_killed(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder).ready()
    guard.enable_for(60_000)
    sleep_until(after_ms(100))
    killed_ns = boottime_ns()
    guard.kill()
    gone_ns = boottime_ns()
    print(f"gone {(gone_ns - killed_ns) / MS:.1f} ms after the kill")
    assert_silent_from(gone_ns, judged(judge, gone_ns), holder)
    assert "192.0.2.10" in holder.on_interface()  # and yet silent


def test_a_killed_guard_is_silent_at_once(on_stage: OnStage) -> None:
    """It need not wait for the end of the grant, and nobody has to take the address off."""
    on_stage(guard_is_killed)


def only_the_set(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", NO_TIMER)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    stop_process(guard.process.pid)
    guard.send(f"enable {until_ns}")
    sleep_until(until_ns + LATENESS_NS_MAX)
    os.kill(guard.process.pid, signal.SIGCONT)
    assert guard.answer().startswith("refused the grant ended at")
    verdict = judged(judge, until_ns)
    assert_silent_from(until_ns, verdict, holder)
    assert "192.0.2.10" in holder.on_interface()


def test_the_set_suffices(on_stage: OnStage) -> None:
    """Without the kill, a stopped guard is silent on time, and when it is continued it stays so."""
    on_stage(only_the_set)


def only_the_kill(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", NO_TIMEOUT)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    stop_process(guard.process.pid)
    assert -signal.SIGKILL == guard.process.wait(10)
    gone_ns = boottime_ns()
    print(f"gone {(gone_ns - until_ns) / MS:.1f} ms after the end")
    assert_silent_from(gone_ns, judged(judge, gone_ns), holder)


def test_the_kill_suffices(on_stage: OnStage) -> None:
    """Without the set's time-out, the end of the guard closes the gate: as after a sleep of the machine."""
    on_stage(only_the_kill)


# --- stopped in the middle of a renewal -------------------------------------------------------------


def stopped_in_the_middle(stage: Stage, program: str) -> tuple[Verdict, Host, int]:
    """A guard that stops itself in its second renewal, is continued after the end, and is not killed."""
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", program + MAIN)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    guard.enable(until_ns)
    guard.send(f"enable {until_ns}")
    assert os.WIFSTOPPED(os.waitpid(guard.process.pid, os.WUNTRACED)[1])
    sleep_until(until_ns + LATENESS_NS_MAX)
    os.kill(guard.process.pid, signal.SIGCONT)
    return judged(judge, after_ms(0)), holder, until_ns


def stopped_after_the_clock(stage: Stage) -> None:
    verdict, holder, until_ns = stopped_in_the_middle(stage, STOPS_AFTER_THE_CLOCK)
    assert_silent_from(until_ns, verdict, holder)


def test_stopped_between_the_clock_and_the_call(on_stage: OnStage) -> None:
    """ADDR-2: what is asked of the kernel too late opens nothing, although nothing kills the guard."""
    on_stage(stopped_after_the_clock)


def stopped_before_arming(stage: Stage) -> None:
    verdict, holder, until_ns = stopped_in_the_middle(stage, STOPS_BEFORE_ARMING)
    assert_silent_from(until_ns, verdict, holder)


def test_stopped_before_the_gate_is_told(on_stage: OnStage) -> None:
    """ADDR-2: the time has run out in the kernel meanwhile."""
    on_stage(stopped_before_arming)


# --- holders that are wrong -------------------------------------------------------------------------


def relative_time(stage: Stage) -> None:
    verdict, holder, until_ns = stopped_in_the_middle(stage, STOPS_AFTER_THE_CLOCK + RELATIVE)
    back = verdict.of(holder, until_ns + LATENESS_NS_MAX)
    print(f"back: {dict(back)}")
    assert {"arp", "nd", "ipv4", "ipv6"} == set(back)
    assert NOTHING == verdict.of(holder, until_ns + 20 * MS, until_ns + 80 * MS)


def test_a_relative_time_is_found_out(on_stage: OnStage) -> None:
    """The judge sees an address that comes back although it was silent: one look at the clock is not enough."""
    on_stage(relative_time)


def plain_address(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", PLAIN_ADDRESS)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    stop_process(guard.process.pid)
    late = judged(judge, until_ns).of(holder, until_ns + LATENESS_NS_MAX)
    print(f"late: {dict(late)}")
    assert {"arp", "nd", "ipv4", "ipv6"} == set(late)


def test_a_plain_address_is_found_out(on_stage: OnStage) -> None:
    """The judge sees an address that the kernel does not end."""
    on_stage(plain_address)


def naive_renewer(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", NAIVE + MAIN)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    stop_process(guard.process.pid)
    guard.send(f"enable {until_ns + 50 * MS}")
    sleep_until(until_ns + LATENESS_NS_MAX)
    os.kill(guard.process.pid, signal.SIGCONT)
    back = judged(judge, after_ms(0)).of(holder, until_ns + LATENESS_NS_MAX)
    print(f"back: {dict(back)}")
    assert {"arp", "nd", "ipv4", "ipv6"} == set(back)


def test_a_naive_renewer_is_found_out(on_stage: OnStage) -> None:
    """The judge sees an address that is put back by a process that wakes up late."""
    on_stage(naive_renewer)


# --- the node ---------------------------------------------------------------------------------------

NODE = """
import asyncio, sys
from ipaddress import ip_interface
from takeover.address.address_guard import address_guard
from takeover.address.identity import IdentityLapsed, PublicIdentity
from takeover.address.interface import AddressConfig
from takeover.linux import boottime_ns, processes

async def main():
    addresses = tuple(ip_interface(address) for address in sys.argv[1:])
    identity = PublicIdentity(address_guard(AddressConfig("db", "eth0", addresses, 20)))
    await identity.start()
    while True:  # it never asks whether the identity lapsed in the meantime
        until_ns = boottime_ns() + 500_000_000
        try:
            await identity.enable(until_ns)
        except IdentityLapsed as refusal:
            print("lapsed", refusal.lapse.until_ns, flush=True)
            break
        print("enabled", until_ns, flush=True)
        await asyncio.sleep(0.02)
    await identity.disable()
    print("hidden", boottime_ns(), flush=True)
    await identity.enable(boottime_ns() + 60_000_000_000)
    print("again", boottime_ns(), flush=True)
    await asyncio.sleep(0.2)
    await identity.close()
    print("closed", boottime_ns(), flush=True)

asyncio.run(main())
"""


def comes_to_a_standstill(stage: Stage, stop: Callable[[int], int], go_on: Callable[[int], None]) -> None:
    """A node, and whatever belongs to it, stands still across the end of its grant; it goes on, and takes it again."""
    holder, judge = watched(stage)
    node, lines = holder.start_node(NODE)
    for _ in range(5):
        lines.readline()
    stopped_ns = stop(node.pid)
    sleep_until(stopped_ns + 500 * MS + LATENESS_NS_MAX)
    go_on(node.pid)
    while (line := lines.readline().split())[0] == b"enabled":
        pass
    granted_ns = int(line[1])
    assert b"lapsed" == line[0]
    assert granted_ns <= stopped_ns + 500 * MS
    hidden_ns, again_ns, closed_ns = (int(lines.readline().split()[1]) for _ in range(3))
    assert 0 == node.wait(10)
    wait_until(lambda: boottime_ns() > closed_ns + LATENESS_NS_MAX)
    verdict = judge.stop()
    assert verdict.of(holder, 0, granted_ns)
    assert hidden_ns > stopped_ns + 500 * MS + LATENESS_NS_MAX
    assert NOTHING == verdict.of(holder, granted_ns + LATENESS_NS_MAX, hidden_ns)
    assert verdict.answers_throughout(holder, again_ns, again_ns + 150 * MS)
    assert NOTHING == verdict.of(holder, closed_ns)
    assert not {"192.0.2.10", "2001:db8::10"} & holder.on_interface()


def node_is_stopped(stage: Stage) -> None:
    comes_to_a_standstill(stage, stop_process, lambda pid: os.kill(pid, signal.SIGCONT))


def test_a_stopped_node_loses_it_and_may_take_it_again(on_stage: OnStage) -> None:
    """ROLE-6: through its own reaction only; and what closes in an orderly way leaves nothing."""
    on_stage(node_is_stopped)


def node_is_killed(stage: Stage) -> None:
    holder, judge = watched(stage)
    node, lines = holder.start_node(NODE.replace("500_000_000", "60_000_000_000"))
    for _ in range(5):
        lines.readline()
    guards = {process.pid for process in processes() if process.parent == node.pid}
    assert guards
    node.kill()
    node.wait()
    wait_until(lambda: not guards & {process.pid for process in processes()})
    gone_ns = boottime_ns()
    assert_silent_from(gone_ns, judged(judge, gone_ns), holder)


def test_a_killed_node_loses_it_at_once(on_stage: OnStage) -> None:
    """The kernel ends the guard with it, long before the end of the grant."""
    on_stage(node_is_killed)


def guard_of_a_stopped_node_is_killed(stage: Stage) -> None:
    holder, judge = watched(stage)
    node, lines = holder.start_node(NODE.replace("500_000_000", "60_000_000_000"))
    for _ in range(5):
        lines.readline()
    stop_process(node.pid)
    (guard,) = (process.pid for process in processes() if process.parent == node.pid)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: guard not in {process.pid for process in processes()})
    gone_ns = boottime_ns()
    assert_silent_from(gone_ns, judged(judge, gone_ns), holder)
    node.kill()
    node.wait()


def test_what_the_node_has_open_does_not_keep_the_gate_open(on_stage: OnStage) -> None:
    """A killed guard is silent at once, also when its node is there and does nothing about it."""
    on_stage(guard_of_a_stopped_node_is_killed)


# --- the rules are flushed meanwhile ----------------------------------------------------------------


def flushed_while_stopped(stage: Stage) -> None:
    holder, judge = watched(stage)
    node, lines = holder.start_node(NODE)
    for _ in range(5):
        lines.readline()
    stopped_ns = stop_process(node.pid)
    (guard,) = (process.pid for process in processes() if process.parent == node.pid)
    os.kill(guard, signal.SIGSTOP)
    holder.flush_rules()
    until_ns = stopped_ns + 500 * MS
    sleep_until(until_ns + LATENESS_NS_MAX)
    wait_until(lambda: guard not in {process.pid for process in processes()})
    holder.flush_rules()  # now that only the node is left
    assert_silent_from(until_ns, judged(judge, after_ms(0)), holder)
    assert "192.0.2.10" in holder.on_interface()  # and yet silent
    node.kill()
    node.wait()


def test_a_flush_of_the_rules_does_not_prolong_the_grant(on_stage: OnStage) -> None:
    """ADDR-2: node and guard are stopped; the gate is not there for others to take, also when the guard is gone."""
    on_stage(flushed_while_stopped)


def flushed_on_an_older_kernel(stage: Stage) -> None:
    holder, judge = watched(stage)
    guard = Guard(holder, program=("-c", OLDER_KERNEL)).ready()
    until_ns = guard.enable_for(GRANT_MS)
    stop_process(guard.process.pid)
    holder.flush_rules()
    late = judged(judge, until_ns).of(holder, until_ns + LATENESS_NS_MAX)
    print(f"late: {dict(late)}")
    assert {"arp", "nd", "ipv4", "ipv6"} == set(late)


def test_a_gate_that_others_can_take_away_is_found_out(on_stage: OnStage) -> None:
    """The judge sees what a flush does where the kernel cannot prevent it: nothing ends the address."""
    on_stage(flushed_on_an_older_kernel)
