"""The wire: the two networks of a lab, in the lab's own network namespace, where no machine can see or change them.

The intuition: a network is a bridge, and a machine's interface is one end of a cable whose other end is a port of
the bridge. A cut is a rule that the bridge forwards nothing that comes in at a port, or nothing that would go out
at it. Each cut is a table of its own, so mending one touches no other.

What complicates it:
- A port is gone with its machine, and a cut is not: the rule names the port, and holds for the next one of that name.
- The observer looks at each port from the bridge's side, before these rules. So a cut never hides a holder from it.
- pyroute2 sends rules and does not listen for what the kernel thinks of them. So what was asked for is read back.

Refused: taking interfaces down, which the machine notices, as it would not notice a switch that drops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyroute2 import AsyncIPRoute, NetlinkError
from pyroute2.nftables.expressions import genex, verdict
from pyroute2.nftables.main import AsyncNFTables

from takeover.errors import EnvironmentFault
from takeover.lab.networks import Direction, Network

_BRIDGE_FAMILY = 7
_META_KEY = {"out": 6, "in": 7}  # the interface that a frame came in by, and the one it goes out by
_INTERFACE_NAME_BYTES = 16
_DROP, _ACCEPT = 0, 1


@dataclass(frozen=True, slots=True)
class Plug:
    """One machine's interface on one network."""

    machine: str
    network: Network
    mac: str
    addresses: tuple[str, ...]
    """With prefix length."""

    @property
    def port(self) -> str:
        """The bridge's end of the cable."""
        return port_name(self.machine, self.network)

    @property
    def interface(self) -> str:
        """The machine's end."""
        return f"{self.network.value}0"


def port_name(machine: str, network: Network) -> str:
    """The name of the port of a machine on a network; Linux allows 15 characters."""
    return f"{machine[:9]}.{network.value[:3]}"


class Wire:
    """Both networks. `open` it, and `close` it."""

    def __init__(self) -> None:
        self._links: Any = AsyncIPRoute()
        self._rules: Any = AsyncNFTables(nfgen_family=_BRIDGE_FAMILY)
        self._cuts: set[str] = set()

    async def open(self) -> None:
        """Build both networks in the present network namespace. Raises EnvironmentFault."""
        await self._links.setup_endpoint()
        await self._rules.setup_endpoint()
        for network in Network:
            try:
                await self._links.link(
                    "add",
                    ifname=network.value,
                    kind="bridge",
                    br_stp_state=0,
                    br_forward_delay=0,
                    br_mcast_snooping=0,
                    state="up",
                )
            except NetlinkError as error:
                raise EnvironmentFault(f"bridge {network.value}: {error}") from error

    async def close(self) -> None:
        """Take both networks and every cut away."""
        for table in self._cuts:
            await self._rules.table("del", name=table)
        for network in Network:
            for bridge in await self._links.link_lookup(ifname=network.value):
                await self._links.link("del", index=bridge)
        self._links.close()
        self._rules.close()

    async def plug_in(self, plug: Plug, process: int) -> None:
        """Connect the machine whose network namespace `process` lives in; its end is down and has no address."""
        (bridge,) = await self._links.link_lookup(ifname=plug.network.value)
        peer = {"ifname": plug.interface, "net_ns_pid": process, "address": plug.mac}
        try:
            await self._links.link("add", ifname=plug.port, kind="veth", peer=peer)
            (port,) = await self._links.link_lookup(ifname=plug.port)
            await self._links.link("set", index=port, master=bridge, state="up")
        except NetlinkError as error:
            raise EnvironmentFault(f"port {plug.port}: {error}") from error

    async def unplug(self, plug: Plug) -> None:
        """Disconnect at once: what the machine sends from now on reaches nobody."""
        found = await self._links.link_lookup(ifname=plug.port)
        for port in found:
            try:
                await self._links.link("del", index=port)
            except NetlinkError as error:
                if error.code != 19:  # ENODEV: it went with its machine
                    raise EnvironmentFault(f"port {plug.port}: {error}") from error

    async def cut(self, machine: str, network: Network, direction: Direction) -> None:
        """Forward nothing any more in one direction of a link; a second time changes nothing."""
        table = _table(machine, network, direction)
        if table in self._cuts:
            return
        name = port_name(machine, network).encode().ljust(_INTERFACE_NAME_BYTES, b"\0")
        load = genex("meta", {"key": _META_KEY[direction.value], "dreg": 1})
        is_port = genex("cmp", {"sreg": 1, "op": 0, "data": {"attrs": [("NFTA_DATA_VALUE", name)]}})
        rules = self._rules
        await rules.table("add", name=table)
        await rules.chain("add", table=table, name="cut", hook="forward", type="filter", policy=_ACCEPT)
        await rules.rule("add", table=table, chain="cut", expressions=[[load, is_port], verdict(_DROP)])
        if table not in [rule.get("NFTA_RULE_TABLE") async for rule in await rules.get_rules()]:
            raise EnvironmentFault(f"the kernel did not take the rule for {table!r} (nftables, bridge)")
        self._cuts.add(table)

    async def mend(self, machine: str, network: Network, direction: Direction) -> None:
        """Forward again; a link that was not cut stays as it is."""
        table = _table(machine, network, direction)
        if table not in self._cuts:
            return
        await self._rules.table("del", name=table)
        if table in [found.get("NFTA_TABLE_NAME") async for found in await self._rules.get_tables()]:
            raise EnvironmentFault(f"the kernel kept {table!r}")
        self._cuts.discard(table)

    @property
    def cuts(self) -> frozenset[str]:
        """What is cut now, in words."""
        return frozenset(self._cuts)


def _table(machine: str, network: Network, direction: Direction) -> str:
    return f"{machine} {network.value} {direction.value}"
