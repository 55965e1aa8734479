"""The files of a new pair: for each of its three machines a directory with configuration, keys and a systemd unit.

For the operator there is one more, by which the servers are reached from another machine.

A configuration is the commented default file with a few values filled in, so an operator finds every option explained
where it is set. Paths in it are relative: a directory works wherever it is copied to.

What complicates it: a value must land in the right table of a file that changes for other reasons. So a value names its
table, and one that finds no place is a defect, not a file that lacks it.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from takeover.capabilities import NET_ADMIN, NET_RAW
from takeover.channel.keys import OPERATOR
from takeover.commands.key_making import CERTIFICATE_DAYS, SERVERS, make_keys
from takeover.endpoint import Endpoint
from takeover.errors import OwnFault
from takeover_spec.trace import PARTIES
from takeover_spec.words import Arbiter

CHANNEL_PORT = 7400
WITNESS_PORT = 7401
OPERATOR_PORT = 7402
APPLICATION_PORT = 7480
"""Where the application on each machine listens."""

PRIVILEGED_PORTS_END = 1024
"""The first port that everybody may listen on."""

Values = dict[str, str | list[str] | None]
"""What is filled into a configuration: a value for `table.key`, or None to comment it out."""

_LOOPBACK = "127.0.0.1"
_UNIT_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """A public identity that is an address on an interface; the application listens there itself."""

    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface
    interface: str


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What a new pair is called, and where its parties are. Each host is an IP address in digits."""

    name: str
    primary: str
    secondary: str
    witness: str
    public: Endpoint | PublicAddress
    """What clients use; an endpoint is one on which the server itself listens, and passes clients on."""
    days: int = CERTIFICATE_DAYS
    """How long the parties' certificates are valid, in days."""
    arbiter: Arbiter = Arbiter.WITNESS
    """Who plays the witness's part."""

    @property
    def has_witness(self) -> bool:
        """Whether there is a third machine."""
        return self.arbiter is Arbiter.WITNESS

    @property
    def is_local(self) -> bool:
        """Whether all of it is on this one machine."""
        if not isinstance(self.public, Endpoint):
            return False
        witness = (self.witness,) if self.has_witness else ()
        return all(map(_is_loopback, (self.primary, self.secondary, *witness, self.public.host)))


def write_pair(directory: Path, plan: PairPlan) -> list[Path]:
    """Write everything into `directory`, which is empty or absent; the files, in the order of their names."""
    make_keys(directory, plan.name, plan.days, PARTIES if plan.has_witness else SERVERS)
    for party, host, peer in (
        ("primary", plan.primary, plan.secondary),
        ("secondary", plan.secondary, plan.primary),
    ):
        application = _application(plan.public, host)
        values: Values = {
            "pair": plan.name,
            "identity": party,
            "channel.listen": str(Endpoint(host, CHANNEL_PORT)),
            "channel.peer": str(Endpoint(peer, CHANNEL_PORT)),
            "operator.listen": str(Endpoint(host, OPERATOR_PORT)),
            "arbiter": str(plan.arbiter),
            "witness.address": str(Endpoint(plan.witness, WITNESS_PORT)) if plan.has_witness else None,
            **_public_identity(plan.public, application),
            "application.command": demonstration(application),
            "application.health": str(application),
        }
        (directory / party / "node.toml").write_text(fill(_default("default_node.toml"), values))
        unit = _unit("takeover-node.service", plan.public)
        (directory / party / "takeover-node.service").write_text(unit)
        said: Values = {"pair": plan.name, "server": str(Endpoint(host, OPERATOR_PORT))}
        (directory / OPERATOR / f"{party}.toml").write_text(fill(_default("default_operator.toml"), said))
    if plan.has_witness:
        _write_witness(directory / "witness", plan)
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _write_witness(directory: Path, plan: PairPlan) -> None:
    listen = str(Endpoint(plan.witness, WITNESS_PORT))
    values: Values = {"pair": plan.name, "listen": listen, "data_directory": "data"}
    (directory / "witness.toml").write_text(fill(_default("default_witness.toml"), values))
    (directory / "takeover-witness.service").write_text(_unit("takeover-witness.service", None))


def demonstration(listen: Endpoint) -> list[str]:
    """The command of the demonstration's application, which stands for the operator's own."""
    return [sys.executable, "-P", "-m", "takeover.demo.application", "--listen", str(listen)]


def fill(template: str, values: Values) -> str:
    """A commented TOML file with these values in the place of its own, by `table.key`, or `key` at its top.

    None comments a key out; a key that is commented out gets its value all the same.
    """
    missing, table, lines = dict(values), "", []
    for line in template.splitlines():
        if heading := re.fullmatch(r"\[+([a-z_]+)\]+", line):
            table = f"{heading[1]}."
        elif (key := re.match("(?:# )?([a-z_]+) = ", line)) and table + key[1] in missing:
            value = missing.pop(table + key[1])
            line = f"# {line}" if value is None else f"{key[1]} = {json.dumps(value, ensure_ascii=False)}"
        lines.append(line)
    if missing:
        raise OwnFault(f"the default configuration has no place for {', '.join(missing)}")
    return "\n".join(lines) + "\n"


def _application(public: Endpoint | PublicAddress, host: str) -> Endpoint:
    """Where the application of the server at `host` listens."""
    if isinstance(public, PublicAddress):
        return Endpoint(str(public.address.ip), APPLICATION_PORT)
    return Endpoint(host if _is_loopback(host) else _LOOPBACK, APPLICATION_PORT)


def _public_identity(public: Endpoint | PublicAddress, application: Endpoint) -> Values:
    """One of the two kinds; the other is commented out."""
    if isinstance(public, Endpoint):
        said: Values = {"listen": str(public), "forward": str(application)}
    else:
        addresses = [str(public.address)]
        said = {"listen": None, "forward": None, "interface": public.interface, "addresses": addresses}
    return {f"public_identity.{name}": value for name, value in said.items()}


def _unit(name: str, public: Endpoint | PublicAddress | None) -> str:
    """A unit that runs this very Python, with the capabilities that the public identity needs."""
    unit = _default(name).replace(_UNIT_PYTHON, sys.executable)
    if isinstance(public, PublicAddress):
        needed = f"{NET_ADMIN} {NET_RAW}"
    else:
        needed = "CAP_NET_BIND_SERVICE" if public and public.port < PRIVILEGED_PORTS_END else ""
    for setting in ("AmbientCapabilities=", "CapabilityBoundingSet="):
        unit = unit.replace(f"\n{setting}\n", f"\n{setting}{needed}\n")
    return unit


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _default(name: str) -> str:
    return files("takeover").joinpath(name).read_text()
