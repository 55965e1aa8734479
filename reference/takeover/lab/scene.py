"""The lab as a scene: two servers, a witness and a client, each a machine of its own, on two networks.

                    client       witness
                      |             |
    public   ---------+------+------+------+---------   10.77.0.0/24, the public address 10.77.0.10 among it
                             |             |
                          primary       secondary
                             |             |
    channel  ----------------+-------------+---------   10.78.0.0/24

The servers reach the witness over the public network, and each other over the channel: so an active server that
loses one of them still has a grant, and one that loses both has none. Everything in the machines is what an
operator would start. A real address moves, which the kernel ends; a real client follows it. What is not real is the
length of a cable (frames take no time) and the loss of what a power cut finds unsynced (see `machines`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from takeover.demo.client_process import Client
from takeover.demo.configurations import PARTIES, SERVERS, Places, Timing, write_configurations
from takeover.demo.parties import Party, service
from takeover.demo.stage import Stage
from takeover.endpoint import Endpoint
from takeover.lab.looking import Looked
from takeover.lab.machines import Machine
from takeover.lab.networks import Direction, Network
from takeover.lab.probes import Asked
from takeover.lab.watch import Watch
from takeover.lab.wire import Plug, Wire
from takeover.lab.witnesses import BUILT_IN, ETCD, BuiltIn, InEtcd, LabWitness

MACHINES = (*SERVERS, "witness", "client")

PUBLIC_ADDRESS = IPv4Address("10.77.0.10")
PUBLIC_ADDRESS_IPV6 = IPv6Address("fd77::10")
PORT = 8000
"""The port that the application serves."""

CHANNEL_PORT = 7400
WITNESS_PORT = 7401

LAB_TIMING = Timing(lease_ms=1_000, promise_ms=1_000, beat_ms=100, patience_ms=2_000, expiry_slack_ms=100)

_ASKED = Asked(PUBLIC_ADDRESS, PORT, IPv4Address("10.77.0.192"), PUBLIC_ADDRESS_IPV6, IPv6Address("fd77::c0"))


@dataclass(frozen=True, slots=True)
class Programs:
    """The commands that the machines run, each but for `--config FILE`."""

    node: Sequence[str] = field(default_factory=lambda: service("primary"))
    nodes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the name of a server, where it runs another than `node`."""
    witness: Sequence[str] = field(default_factory=lambda: service("witness"))
    """Of the built-in witness."""


class LabScene(Stage):
    """Four machines. It has to be opened where the namespaces are the lab's own (`namespaces`)."""

    def __init__(
        self,
        directory: Path,
        synchronous: bool,
        timing: Timing | None = None,
        programs: Programs | None = None,
        *,
        writers: int = 8,
        writes_per_second: int = 400,
        answer_ms: int = 3_000,
        witness: str = BUILT_IN,
    ) -> None:
        """Write configurations and keys into `directory`, which exists and is empty. Nothing is started.

        `witness` is one of `WITNESSES`. Raises ConfigurationError where there is none of that kind.
        """
        self.directory = directory
        self.timing = LAB_TIMING if timing is None else timing
        self.wire = Wire()
        self.machines = {name: Machine(name, plugs(name), self.wire) for name in MACHINES}
        programs = Programs() if programs is None else programs
        at = Endpoint(_address("witness", Network.PUBLIC), WITNESS_PORT)
        machine, etcd = self.machines["witness"], ""
        self.witness: LabWitness
        """One of the parties too."""
        if witness == ETCD:
            self.witness = in_etcd = InEtcd(directory, machine, at, self.machines["client"])
            etcd = in_etcd.url
        else:
            self.witness = BuiltIn(directory, machine, programs.witness)
        self.parties = {
            name: self.witness
            if name == "witness"
            else Party(name, directory, self.machines[name], programs.nodes.get(name, programs.node))
            for name in PARTIES
        }
        self.public = Endpoint(str(PUBLIC_ADDRESS), PORT)
        self.description = (
            f"four machines in namespaces on this one, on a public network and a channel; the public address is"
            f" {PUBLIC_ADDRESS}, a real one, and so is every packet"
        )
        self.client = Client(
            self.machines["client"],
            directory,
            self.public,
            writers=writers,
            writes_per_second=writes_per_second,
            answer_ms=answer_ms,
        )
        self.watch = Watch(_ASKED, [plug for name in MACHINES for plug in plugs(name) if _is_public(plug)])
        channel = Endpoint(_address("primary", Network.CHANNEL), CHANNEL_PORT)
        places = Places(
            witness=at,
            channel=channel,
            dialled=channel,
            applications={name: Endpoint("0.0.0.0", PORT) for name in SERVERS},
            public_identity={name: _public_identity() for name in SERVERS},
            etcd=etcd,
        )
        write_configurations(directory, self.parties, self.timing, places, synchronous=synchronous)

    async def open(self) -> None:
        """See Stage. All machines are on, with nothing but a client's and a witness's silence in them."""
        await self.wire.open()
        for machine in self.machines.values():
            await machine.power_on()
        await self.watch.start()

    async def close(self) -> None:
        """See Stage."""
        await self.watch.stop()
        for machine in self.machines.values():
            await machine.power_cut()
        await self.wire.close()

    async def cut_off(self) -> None:
        """See Stage."""
        for direction in Direction:
            await self.wire.cut("primary", Network.CHANNEL, direction)

    async def reconnect(self) -> None:
        """See Stage."""
        for direction in Direction:
            await self.wire.mend("primary", Network.CHANNEL, direction)

    @property
    def observation(self) -> Looked | None:
        """See Stage."""
        return self.watch.observation


def plugs(machine: str) -> tuple[Plug, ...]:
    """What connects a machine; the client and the witness are on the public network only."""
    number = MACHINES.index(machine) + 1
    networks = tuple(Network) if machine in SERVERS else (Network.PUBLIC,)
    return tuple(
        Plug(
            machine,
            network,
            f"02:00:00:00:{list(Network).index(network):02x}:{number:02x}",
            (f"{_address(machine, network)}/24", *((f"fd77::{number}/64",) if _is(network) else ())),
        )
        for network in networks
    )


def _is(network: Network) -> bool:
    return network is Network.PUBLIC


def _is_public(plug: Plug) -> bool:
    return _is(plug.network)


def _address(machine: str, network: Network) -> str:
    subnet = {Network.PUBLIC: "10.77.0", Network.CHANNEL: "10.78.0"}[network]
    return f"{subnet}.{MACHINES.index(machine) + 1}"


def _public_identity() -> str:
    return f'interface = "public0"\naddresses = ["{PUBLIC_ADDRESS}/24", "{PUBLIC_ADDRESS_IPV6}/64"]\n'
