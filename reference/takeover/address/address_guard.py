"""The guard process that holds the public identity as addresses on an interface, under a grant that the kernel ends.

    python -m takeover.address.address_guard --parent PID --pair NAME --interface eth0 --probe-ms 30 \
        --address 192.0.2.10/24 ...

The intuition: an address is only as good as what may pass to and from it. So the address itself is put on the
interface behind a closed gate (`gate`), and what a grant opens, and its end closes, is the gate. Two mechanisms of
the kernel close it, and neither waits for a process: an element of a set that times out, which is looked at for every
packet; and the end of this process, which the kernel kills at the absolute time `until` (`guard_commands`), and whose
table the gate needs.

**Why nothing passes after `until`.** A grant is entered so: read the clock (a); put a slot in the set that times out
after `until` - a - b, b being the *budget* for this call; read the clock again (c); if c - a > b, begin anew with a
larger budget; else have the gate name the slot. The kernel began the time-out at some moment of [a, c], so it ends by
c + `until` - a - b, which is at most `until`. No later step can move that. Stopping (SIGSTOP), starving or freezing
this process between any two of these:

- before (a), or before the set is asked: what is asked then is found too late at (c), and never named; or the process
  is killed before it gets there. The gate keeps to the slot that it names, which ends with its own grant.
- in the kernel, while the slot is put into the set (another program may be busy with nftables): as before. The slot
  is in the set, perhaps for too long, and nothing names it.
- after (c): the slot runs out meanwhile. Naming it then opens nothing. So a process that wakes up late never puts the
  address back, not even for a moment: **this does not depend on the kill being on time.**
- before an announcement is sent: it passes the gate like any other packet, or does not.
- in the control group's freezer: as when stopped. A frozen process of the older kind is killed when it is thawed,
  before it runs again.

**What else may happen.** *The node is killed*: the kernel kills the guard with it, the second table goes, and the
gate is closed, before `until`. *The guard is killed*: the same; the node hears of it as a lapse. *The machine
sleeps*: the set's time stands still, CLOCK_BOOTTIME does not; the guard is killed when processes run again, which is
a moment after the network does. *Somebody takes the address off*: the guard ends, which is a lapse. *Somebody flushes
the rules* (`nft flush ruleset`): they are the node's own, and stay, for as long as the node or the guard lives, stopped
or not. Once both are dead they are anybody's, and **a flush before the node is back opens the gate**. So does one at
any time before Linux 6.9, until the next renewal, which fails, and the guard takes the address off. *A reboot*:
there is neither address nor gate until the guard begins. *An earlier run was killed*: its address may be on the
interface, behind the gate. A guard that gets ready closes the gate anew, takes the addresses off, and ends their
connections (ROLE-1).

**What σ has to cover** (`expiry_slack_ms`): packets that had passed the gate and wait in the interface's queue, and
the network's own delay. A time-out counts in ticks of the kernel's clock (1 to 10 ms) and is rounded down, so the
gate closes up to two ticks and the budget *early*, and never late: over 50 grants of a stopped guard the last answer
came 5 to 19 ms before the end, and with the processors busy all over, 5 to 94 ms before it. The kill counts where the
set does not: when the machine slept (then also the time from the network's waking to the processes'), and if the set
should fail. It is late: 45 ms after the end the guard was gone, at worst 220 ms, and 560 ms with the processors busy
all over.

What complicates it:
- Who asks for the address of a holder that has lapsed gets no answer, and so finds nobody. Who does get one has found
  a second holder, or a stranger's machine: the address is then not put on at all.
- Everything is set up before the first `hold` but the address itself: on the machine where it is, its own programs
  would reach the local one.
- Asking who has the address takes a wait, which would lengthen every takeover. So the node has it asked (`look`)
  just before it may need to know: the gate of a holder whose grants end is closed σ earlier. Where somebody did
  answer, or too long ago, it is asked again.
- Neighbours may miss an announcement, so it is repeated at once. One whose cable was out for longer than that would go
  on sending to the old holder for as long as it believes what it knows, which is up to a minute. So it is said again
  every second for as long as the addresses are held, with the hardware address of then.

Refused: removing the address to end the grant (a stopped process removes nothing, and a resumed one may add it), and
`valid_lft` (whole seconds, late, and a late renewal adds the address again).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import ipaddress
import itertools
import os
import signal
import sys
from collections.abc import Sequence

from takeover.address.connections import end_connections
from takeover.address.gate import Address, Gate
from takeover.address.guard_commands import run_guard
from takeover.address.guard_process import GuardProgram
from takeover.address.interface import AddressConfig, AddressWatch, Interface, InterfaceAddress
from takeover.address.neighbours import Neighbours
from takeover.address.netlink import Netlink
from takeover.capabilities import NET_ADMIN, NET_RAW, keep_only, missing
from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import boottime_ns

MS = 1_000_000

BUDGET_NS = 4 * MS
"""How long putting a slot in the set may take at first, in ns; it takes 0.1 ms. Doubled when it was too little."""

LOOK_MARGIN_MS = 20
"""How much longer than the probe itself the node should allow for it, in ms."""

LOOK_NS_MAX = 1_000 * MS
"""For so long after it began it counts that a look found nobody, in ns."""

ANNOUNCED_AGAIN_MS = (50, 200, 500, 1000)
"""When the neighbours are told again, in ms after the first time."""

ANNOUNCED_EVERY_MS = 1000
"""How often they are told from then on, in ms."""

NEEDED = (NET_ADMIN, NET_RAW)
"""What the guard needs, and keeps."""


def address_guard(config: AddressConfig) -> GuardProgram:
    """The program that holds the addresses."""
    options = ["--pair", config.pair, "--interface", config.interface, "--probe-ms", str(config.probe_ms)]
    for address in config.addresses:
        options += ["--address", str(address)]
    look_ms = config.probe_ms + LOOK_MARGIN_MS if config.probe_ms else 0
    name, module = _named(config.addresses), "takeover.address.address_guard"
    return GuardProgram(name, module, tuple(options), look_ms, owns_rules=True)


class Addresses:
    """Public addresses on an interface, held from the first `hold` to the end of this process."""

    def __init__(self, config: AddressConfig, line: int | None = None) -> None:
        """Change nothing yet. `line` is the descriptor of a line of netlink that the node has open as well."""
        self._config = config
        self._line = None if line is None else Netlink.inherited(line)
        self._plain = tuple(address.ip for address in config.addresses)
        self._held = False
        self._interface: Interface
        self._gate: Gate
        self._neighbours: Neighbours
        self._watch: AddressWatch
        self._announcing: asyncio.Task[None]
        self._looking: asyncio.Task[dict[Address, bytes] | None] | None = None
        self._looked_ns = 0

    async def prepare(self) -> None:
        """Close the gate, and take away what an earlier run left. Raises as `Holding` says."""
        if lacking := missing(NEEDED):
            raise CallerError(f"it needs {' and '.join(lacking)}, which this process does not have")
        keep_only(NEEDED)
        try:
            self._gate = Gate(self._config.pair, self._config.interface, self._plain, self._line)
            self._find_interface()
            self._gate.close()
            self._hide()
        except PermissionError as error:
            raise CallerError(
                f"it needs {' and '.join(NEEDED)} over its network namespace, and no other process may own the rules of"
                f" this pair ({error.strerror})"
            ) from error
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT):
                raise EnvironmentFault(
                    f"the kernel lacks a part of nftables (netdev family with egress, Linux 5.16): {error.strerror}"
                ) from error
            raise
        if not self._gate.is_kept:
            print(
                "the kernel cannot keep others from taking the rules of the public address away (Linux 6.9): on this"
                " server they must not be flushed",
                file=sys.stderr,
            )

    async def hold(self, until_ns: int) -> str:
        """See Holding."""
        if self._held:
            try:
                return self._open(until_ns)
            except OSError as error:
                # The gate is not there any more: better no address than one without it.
                self._hide()
                return f"{self._interface.name}: the gate failed: {error.strerror}"
        looked = await self._looked()
        if not self._interface.is_as_it_was():
            self._interface.close()
            self._neighbours.close()  # not without need: it takes the kernel 30 ms
            self._find_interface()
            self._gate.close()  # at this interface
            looked = None
        if looked != {}:  # whoever answered then may have let go since
            looked = await self._neighbours.probe(self._plain, self._config.probe_ms)
        for address, mac in looked.items():
            return f"{address} is answered for by {mac.hex(':')} already"
        return self._take(until_ns)

    def look(self) -> None:
        """See Holding."""
        if not self._held and (self._looking is None or self._looking.done()):
            self._looked_ns = boottime_ns()
            self._looking = asyncio.create_task(self._look_around())

    async def _look_around(self) -> dict[Address, bytes] | None:
        try:
            return await self._neighbours.probe(self._plain, self._config.probe_ms)
        except OSError:
            return None  # `hold` will see

    async def _looked(self) -> dict[Address, bytes] | None:
        """What was found by a look that began a moment ago; None when there was none."""
        looking, self._looking = self._looking, None
        found = None if looking is None else await looking
        return found if boottime_ns() - self._looked_ns < LOOK_NS_MAX else None

    def leave(self) -> None:
        """Take the gate away, if the addresses are gone."""
        if not self._held:
            self._gate.remove()

    def _find_interface(self) -> None:
        self._interface = Interface(self._config.interface)
        self._neighbours = Neighbours(self._interface.name, self._interface.mac)

    def _take(self, until_ns: int) -> str:
        self._held = True
        self._gate.own()
        self._watch = AddressWatch()
        if flaw := self._open(until_ns):
            return flaw
        for address in self._config.addresses:  # there is a gate in front of it
            self._interface.add(address)
        self._neighbours.announce(self._plain)
        self._announcing = asyncio.create_task(self._announce_again())
        asyncio.get_running_loop().add_reader(self._watch, self._see_removals)
        return ""

    def _open(self, until_ns: int) -> str:
        """Have the gate open until then, and no longer; see the module's docstring. What speaks against it."""
        budget_ns = BUDGET_NS
        while True:
            asked_ns = boottime_ns()
            left_ms = (until_ns - asked_ns - budget_ns) // MS
            if left_ms < 1:
                return f"{self._interface.name}: {until_ns - asked_ns} ns are too little to open the gate for"
            slot = self._gate.prepare(left_ms)
            if boottime_ns() - asked_ns <= budget_ns:
                self._gate.arm(slot)
                return ""
            budget_ns *= 2

    def _hide(self) -> None:
        """Take the addresses off the interface and end their connections. Raises OSError."""
        for found in self._interface.addresses():
            if found.address.ip not in self._plain:
                continue
            if found.index != self._interface.index:
                raise CallerError(
                    f"{found.address.ip} is on interface {found.index} of this machine,"
                    f" and not on {self._interface.name}"
                )
            self._interface.remove(found.address)
        try:
            end_connections(self._plain)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            print(
                "the kernel cannot end connections (CONFIG_INET_DIAG_DESTROY): those of the public address are silent,"
                " and stay until their programs give them up",
                file=sys.stderr,
            )

    def _see_removals(self) -> None:
        """End this process, which is a lapse, when the address is not on the interface any more."""
        removed = self._watch.removed()
        if removed is None:
            held = {found.address.ip for found in self._interface.addresses()}
            lost = [address for address in self._plain if address not in held]
        else:
            lost = [found.address.ip for found in removed if found.address.ip in self._plain]
        if lost:
            print(f"{lost[0]} was taken off {self._interface.name}", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGKILL)

    async def _announce_again(self) -> None:
        said_ms = 0
        later = itertools.count(ANNOUNCED_AGAIN_MS[-1] + ANNOUNCED_EVERY_MS, ANNOUNCED_EVERY_MS)
        for at_ms in itertools.chain(ANNOUNCED_AGAIN_MS, later):
            await asyncio.sleep((at_ms - said_ms) / 1000)
            said_ms = at_ms
            with contextlib.suppress(OSError):  # as when the cable is out, which the announcement cannot mend
                self._neighbours.announce(self._plain)


def _named(addresses: Sequence[InterfaceAddress]) -> str:
    return ", ".join(str(address) for address in addresses)


def _interface_address(text: str) -> InterfaceAddress:
    return ipaddress.ip_interface(text)


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="takeover.address.address_guard")
    parser.add_argument("--parent", type=int, required=True, help="pid of the node; the guard ends with it")
    parser.add_argument("--pair", required=True)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--probe-ms", type=int, required=True)
    parser.add_argument("--line", type=int, help="an open line of netlink that is to own the rules")
    parser.add_argument("--address", type=_interface_address, action="append", required=True)
    options = parser.parse_args()
    config = AddressConfig(options.pair, options.interface, tuple(options.address), options.probe_ms)
    run_guard(Addresses(config, options.line), options.parent, _named(options.address))


if __name__ == "__main__":
    main()
