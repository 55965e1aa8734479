"""The lab's machines, its wire and its observer, for real: in namespaces, without root.

Each test runs a function of this file inside (`inside`), where it may build whatever it likes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from takeover.lab import namespaces
from takeover.lab.machines import Machine, Program
from takeover.lab.networks import Direction, Network
from takeover.lab.probes import Asked
from takeover.lab.watch import Watch
from takeover.lab.wire import Plug, Wire
from takeover.linux import boottime_ns
from takeover.observer import Observation

DEADLINE_S = 60
SHORT_S = 0.5
"""How long is waited for what is not expected to come."""

NAMES = ("primary", "secondary", "client")
ASKED = Asked(
    IPv4Address("10.77.0.10"),
    8000,
    IPv4Address("10.77.0.192"),
    IPv6Address("fd77::10"),
    IPv6Address("fd77::c0"),
)


def launcher(*argv: str) -> list[str]:
    """A command in namespaces of its own."""
    return [sys.executable, "-P", "-m", "takeover.lab.namespaces", "--", *argv]


def inside(function: str, directory: Path) -> str:
    """Run a function of this file inside a lab's namespaces; what it printed."""
    command = launcher(sys.executable, "-P", __file__, function, str(directory))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    return ended.stdout


# --- what runs inside ----------------------------------------------------------------------------


@asynccontextmanager
async def machines() -> AsyncIterator[tuple[Wire, dict[str, Machine]]]:
    """Three machines, on."""
    wire = Wire()
    await wire.open()
    built = {name: Machine(name, plugs(name), wire) for name in NAMES}
    for machine in built.values():
        await machine.power_on()
    yield wire, built
    for machine in built.values():
        await machine.power_cut()
    await wire.close()


def plugs(name: str) -> list[Plug]:
    number = NAMES.index(name) + 1
    return [
        Plug(name, network, f"02:00:00:00:0{index}:0{number}", (f"10.{77 + index}.0.{number}/24",))
        for index, network in enumerate(Network)
    ]


async def python(machine: Machine, directory: Path, *lines: str) -> Program:
    """Start a program in a machine."""
    name = f"{machine.name}-{boottime_ns()}"
    return await machine.start(name, [sys.executable, "-c", "\n".join(lines)], directory / f"{name}.log")


async def reaches(machine: Machine, directory: Path, host: str, timeout_s: float = 10.0) -> bool:
    """Whether a SYN to the host is answered, if only with RST: nobody listens there."""
    program = await python(
        machine,
        directory,
        "import socket, sys",
        f"try: socket.create_connection(('{host}', 9), timeout={timeout_s})",
        "except ConnectionRefusedError: sys.exit(7)",
        "except OSError: sys.exit(8)",
    )
    status = await program.wait()
    assert status in (7, 8)
    return status == 7


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def play_cuts(directory: Path) -> None:
    """Each direction of each link by itself, and the networks apart from each other."""
    async with machines() as (wire, built):
        for network, subnet in ((Network.PUBLIC, "10.77.0"), (Network.CHANNEL, "10.78.0")):
            for direction in Direction:
                await wire.cut("primary", network, direction)
                assert not await reaches(built["client"], directory, f"{subnet}.1", SHORT_S)
                assert not await reaches(built["primary"], directory, f"{subnet}.2", SHORT_S)
                assert await reaches(built["client"], directory, f"{subnet}.2")
                other = "10.78.0" if subnet == "10.77.0" else "10.77.0"
                assert await reaches(built["client"], directory, f"{other}.1")
                await wire.mend("primary", network, direction)
                assert await reaches(built["client"], directory, f"{subnet}.1")
        assert not wire.cuts


async def play_one_way(directory: Path) -> None:
    """A cut of one direction lets the other through: UDP goes in and nothing comes out, and the other way round."""
    receive = ("import socket", "s = socket.socket(type=socket.SOCK_DGRAM)", "s.bind(('0.0.0.0', 5))")
    async with machines() as (wire, built):
        # Neighbours know each other before, and a cut does not make them forget.
        assert await reaches(built["primary"], directory, "10.77.0.3")
        assert await reaches(built["client"], directory, "10.77.0.1")
        for direction, receiver, target in ((Direction.OUT, "primary", 1), (Direction.IN, "client", 3)):
            listening = await python(built[receiver], directory, *receive, "s.recv(9)")
            await wire.cut("primary", Network.PUBLIC, direction)
            sender = built["client" if receiver == "primary" else "primary"]
            sending = await python(
                sender,
                directory,
                "import socket, time",
                "s = socket.socket(type=socket.SOCK_DGRAM)",
                f"while True: s.sendto(b'.', ('10.77.0.{target}', 5)); time.sleep(0.01)",
            )
            async with asyncio.timeout(DEADLINE_S):
                assert 0 == await listening.wait()
            sending.send_signal(signal.SIGKILL)
            await wire.mend("primary", Network.PUBLIC, direction)


async def play_power(directory: Path) -> None:
    """A power cut ends everything, however it detached itself; the machine comes up empty, with its addresses."""
    async with machines() as (wire, built):
        machine = built["primary"]
        await wire.cut("primary", Network.PUBLIC, Direction.IN)
        program = await python(
            machine,
            directory,
            "import subprocess, time",
            "subprocess.Popen(['sleep', '1000'], start_new_session=True)",
            "subprocess.Popen(['sleep', '1001'])",
            "time.sleep(1000)",
        )
        await until(
            lambda: [("sleep",)] * 2 == [p.argv[:1] for p in machine.processes() if p.pid != program.pid]
        )
        pids = [process.pid for process in machine.processes()]
        assert program.pid in pids
        machine.stop_all()
        await until(lambda: {"T"} == {process.state for process in machine.processes()})
        machine.continue_all()
        await until(lambda: "T" not in {process.state for process in machine.processes()})
        machine.stop_all()  # a stopped one dies as well
        await machine.power_cut()
        assert -signal.SIGKILL == program.returncode
        for pid in pids:
            assert not os.path.exists(f"/proc/{pid}")
        assert not await reaches(built["client"], directory, "10.78.0.1", SHORT_S)
        await machine.power_on()
        assert [] == machine.processes()
        assert await reaches(built["client"], directory, "10.78.0.1")
        assert not await reaches(
            built["client"], directory, "10.77.0.1", SHORT_S
        )  # the switch is still as it was
        await wire.mend("primary", Network.PUBLIC, Direction.IN)
        assert await reaches(built["client"], directory, "10.77.0.1")


async def play_programs(directory: Path) -> None:
    """How a program ended is told, and one that cannot be started is an error."""
    async with machines() as (_, built):
        assert 3 == await (await python(built["client"], directory, "raise SystemExit(3)")).wait()
        killed = await python(built["client"], directory, "import time; time.sleep(1000)")
        killed.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == await killed.wait()
        try:
            await built["client"].start("missing", ["/does/not/exist"], directory / "log")
        except Exception as error:
            print(error)


HOLD = """
import sys, time
from pyroute2 import IPRoute
links = IPRoute()
(index,) = links.link_lookup(ifname="public0")
links.addr("add", index=index, address=sys.argv[1], prefixlen=int(sys.argv[2]), flags=2)
print("holds", flush=True)
time.sleep(float(sys.argv[3]))
links.addr("del", index=index, address=sys.argv[1], prefixlen=int(sys.argv[2]))
print("let go", flush=True)
time.sleep(float(sys.argv[3]))
"""


async def hold(
    machine: Machine, directory: Path, seconds: float, address: str = "10.77.0.10"
) -> Callable[[], str]:
    """Have a machine hold the public address for a while; what it says of itself."""
    log = directory / f"{machine.name}-holds-{boottime_ns()}"
    words = [address, "64" if ":" in address else "24", str(seconds)]
    await machine.start(log.name, [sys.executable, "-c", HOLD, *words], log)
    await until(lambda: log.exists() and "holds" in log.read_text())
    return log.read_text


async def observed(directory: Path, play: Callable[[Wire, dict[str, Machine]], object]) -> Observation:
    """Watch while something is played; what was observed."""
    async with machines() as (wire, built):
        watch = Watch(ASKED, [plugs(name)[0] for name in NAMES])
        await watch.start()
        await play(wire, built)  # type: ignore[misc]  # every play is a coroutine function
        await watch.stop()
        assert watch.observation is not None
        return watch.observation


def show(seen: Observation) -> None:
    began = seen.changes[0][0]
    print(json.dumps([seen.holders_max, [(at - began, holders) for at, holders in seen.changes]]))


async def play_takeover(directory: Path) -> None:
    """One lets go and the next takes it at once, and one of them is cut off meanwhile."""

    async def play(wire: Wire, built: dict[str, Machine]) -> None:
        says = await hold(built["primary"], directory, 0.3)
        await wire.cut("primary", Network.PUBLIC, Direction.OUT)
        await until(lambda: "let go" in says())
        says = await hold(built["secondary"], directory, 0.3)
        await until(lambda: "let go" in says())

    show(await observed(directory, play))


async def play_second_holder(directory: Path) -> None:
    """The second holder is cut off in both directions, and holds for ten milliseconds only."""

    async def play(wire: Wire, built: dict[str, Machine]) -> None:
        for direction in Direction:
            await wire.cut("client", Network.PUBLIC, direction)
        says = await hold(built["primary"], directory, 2)
        await hold(built["client"], directory, 0.01)
        await until(lambda: "let go" in says())

    show(await observed(directory, play))


async def play_ipv6(directory: Path) -> None:
    """One holds the IPv4 address and the other the IPv6 address: those are two holders as well."""

    async def play(wire: Wire, built: dict[str, Machine]) -> None:
        says = await hold(built["primary"], directory, 2)
        await hold(built["secondary"], directory, 0.05, "fd77::10")
        await until(lambda: "let go" in says())

    show(await observed(directory, play))


async def play_for_ever(directory: Path) -> None:
    """A lab that waits to be killed."""
    async with machines() as (_, built):
        for machine in built.values():
            await machine.start("sleeper", ["sh", "-c", "setsid sleep 1000"], directory / "log")
        (directory / "built").touch()
        await asyncio.sleep(1000)


# --- the tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("play", ["play_cuts", "play_one_way", "play_power"])
def test_faults(tmp_path: Path, play: str) -> None:
    """What the play's own docstring says."""
    inside(play, tmp_path)


def test_programs_in_machines(tmp_path: Path) -> None:
    """Their ends are known, and errors say what was wrong and where."""
    said = inside("play_programs", tmp_path)
    assert "client: missing" in said
    assert "No such file" in said


def test_a_takeover_is_one_holder(tmp_path: Path) -> None:
    """Two changes of hands, seen, and never two at once; a holder that is cut off is still seen."""
    most, changes = json.loads(inside("play_takeover", tmp_path))
    assert 1 == most
    assert [0, 1, 0, 1, 0] == [holders for _, holders in changes]
    assert changes[2][0] - changes[1][0] > 250_000_000


@pytest.mark.parametrize("play", ["play_second_holder", "play_ipv6"])
def test_two_holders_are_caught(tmp_path: Path, play: str) -> None:
    """However short and hidden."""
    assert 2 == json.loads(inside(play, tmp_path))[0]


def test_a_killed_lab_takes_everything_along(tmp_path: Path) -> None:
    """Also what detached itself, in every machine."""
    lab = subprocess.Popen(launcher(sys.executable, "-P", __file__, "play_for_ever", str(tmp_path)))
    wait_until((tmp_path / "built").exists)
    pids = descendants(lab.pid)
    assert (
        len(pids) >= 1 + 3 * 4
    )  # the lab, and of each machine the launcher, its first process, and two programs
    lab.kill()
    lab.wait(DEADLINE_S)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def test_a_machine_that_allows_none_says_why(tmp_path: Path) -> None:
    """The reason is the kernel's, and a lab is possible where this test runs."""
    assert "" == namespaces.refusal()
    said = inside("refused", tmp_path)
    assert "network" in said
    assert "No space left on device" in said


def refused(directory: Path) -> None:
    """In a world where no network namespace may be made."""
    Path("/proc/sys/user/max_net_namespaces").write_text("0")
    print(namespaces.refusal())


def test_the_status_of_the_program_is_passed_on() -> None:
    """Also that of one which was killed."""
    assert 7 == subprocess.run(launcher("sh", "-c", "exit 7"), timeout=DEADLINE_S, check=False).returncode
    killed = subprocess.run(
        launcher("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), timeout=DEADLINE_S, check=False
    )
    assert 128 + signal.SIGKILL == killed.returncode


if __name__ == "__main__":
    chosen = globals()[sys.argv[1]]
    if asyncio.iscoroutinefunction(chosen):
        asyncio.run(chosen(Path(sys.argv[2])))
    else:
        chosen(Path(sys.argv[2]))
