"""`takeover init DIR`: a new pair, as files to be copied to its machines; and, later, new keys for it.

What it makes is for three machines, and one part of it for none: the authority's own key stays with the operator, who
needs it to renew the others. With hosts that are all this machine, as they are unless something else is asked for, the
pair can be tried here as it is.
"""

from __future__ import annotations

import argparse
import ipaddress
import re
import sys
from pathlib import Path

from takeover.cli import Exit, fresh_directory
from takeover.commands.key_making import CERTIFICATE_DAYS, exchange_authority, renew
from takeover.commands.pair_files import PairPlan, PublicAddress, write_pair
from takeover.endpoint import Endpoint
from takeover.errors import CallerError
from takeover_spec.words import Arbiter

HERE = {"primary": "127.0.0.1", "secondary": "127.0.0.2", "witness": "127.0.0.3"}
"""Hosts of a pair that is all on this machine."""

PUBLIC_HERE = "127.0.0.10:7480"

_HOME = {
    "primary": "/var/lib/takeover",
    "secondary": "/var/lib/takeover",
    "witness": "/var/lib/takeover-witness",
}
_PARTIES = ("witness", "primary", "secondary")
"""In the order in which they are started."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="where everything goes; empty or absent")
    parser.add_argument(
        "--pair", type=_pair, default="example", metavar="NAME", help="the pair's name (example)"
    )
    for party, host in HERE.items():
        said = f"IP address of the {party} ({host}, on this machine)"
        parser.add_argument(f"--{party}", type=_host, default=host, metavar="HOST", help=said)
    parser.add_argument(
        "--public",
        default=PUBLIC_HERE,
        metavar="ADDRESS",
        help=f"what clients use: ADDRESS/PREFIX, with --interface, or HOST:PORT of a listener ({PUBLIC_HERE})",
    )
    parser.add_argument(
        "--arbiter",
        choices=list(Arbiter),
        default=Arbiter.WITNESS,
        help="who settles which server is active: a third machine (witness), or none: see the configuration",
    )
    parser.add_argument("--interface", metavar="NAME", help="where the active server puts the public address")
    parser.add_argument(
        "--days",
        type=_days,
        default=CERTIFICATE_DAYS,
        metavar="N",
        help=f"how long the certificates are valid ({CERTIFICATE_DAYS})",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--renew", action="store_true", help="DIR is there: give every party a new key and certificate"
    )
    again.add_argument(
        "--renew-authority",
        action="store_true",
        help="DIR is there: make a new authority, which every party then believes beside the old one",
    )


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    directory = arguments.directory.absolute()
    try:
        if arguments.renew:
            renew(directory, arguments.days)
            lines = _after_renewal(directory)
        elif arguments.renew_authority:
            exchange_authority(directory)
            lines = [*_after_renewal(directory), "Then: takeover init DIR --renew, and the same again."]
        else:
            lines = _make(directory, arguments)
    except (CallerError, OSError) as error:
        print(f"takeover init: {error}", file=sys.stderr)
        return Exit.USAGE
    print("\n".join(lines))
    return Exit.HOLDS


def _make(directory: Path, arguments: argparse.Namespace) -> list[str]:
    try:
        fresh_directory(str(directory))
    except argparse.ArgumentTypeError as error:
        raise CallerError(str(error)) from None
    plan = PairPlan(
        arguments.pair,
        arguments.primary,
        arguments.secondary,
        arguments.witness,
        _public(arguments.public, arguments.interface),
        arguments.days,
        Arbiter(arguments.arbiter),
    )
    if not plan.is_local and arguments.public == PUBLIC_HERE:
        raise CallerError("--public is needed: a pair on several machines has an address that clients use")
    written = write_pair(directory, plan)
    return [
        f"pair {plan.name!r}, in {directory}:",
        *(f"  {path.relative_to(directory)}" for path in written),
        "Keep authority/ and operator/ to yourself: whoever has these keys can join the pair, or give it orders. Put",
        "your application in the place of the example, in primary/node.toml and secondary/node.toml. Then:",
        *_commands(directory, plan),
    ]


def _commands(directory: Path, plan: PairPlan) -> list[str]:
    """The next three: a party each. The witness is told first that the pair is new."""
    if plan.is_local:
        witness = f"takeover witness --config {directory}/witness/witness.toml"
        nodes = [
            f"takeover node --config {directory}/{party}/node.toml" for party in ("primary", "secondary")
        ]
        if not plan.has_witness:
            return [f"  {command}" for command in (*nodes, _begin(f"{directory}/primary/node.toml"))]
        return [f"  {command}" for command in (f"{witness} --new && {witness}", *nodes)]
    parties = [party for party in _PARTIES if party != "witness" or plan.has_witness]
    deployed = [_deploy(directory, party, str(getattr(plan, party))) for party in parties]
    begin = (
        [] if plan.has_witness else [f"ssh root@{plan.primary} '{_begin(_HOME['primary'] + '/node.toml')}'"]
    )
    return [f"  {command}" for command in (*deployed, *begin)]


def _begin(config: str) -> str:
    """Without a witness, a person says which server begins."""
    return f"takeover promote --config {config} --accept-loss"


def _deploy(directory: Path, party: str, host: str) -> str:
    """Copy a party's directory to its machine, and start it there."""
    home, unit = _HOME[party], "takeover-witness" if party == "witness" else "takeover-node"
    there = [f"mv {home}/{unit}.service /etc/systemd/system/", f"systemctl enable --now {unit}"]
    if party == "witness":
        there.insert(0, f"{sys.executable} -P -m takeover witness --config {home}/witness.toml --new")
    target = f"root@[{host}]" if ":" in host else f"root@{host}"
    return f"scp -rp {directory}/{party} {target}:{home} && ssh root@{host} '{' && '.join(there)}'"


def _after_renewal(directory: Path) -> list[str]:
    return [
        f"new keys, in {directory}. Copy each party's keys/ over the old ones, on its machine; then have each service",
        "read them: systemctl reload takeover-node, or takeover-witness where there is one. No service has to stop.",
    ]


def _pair(word: str) -> str:
    if not re.fullmatch("[A-Za-z0-9._-]{1,64}", word):
        raise argparse.ArgumentTypeError(
            f"{word!r} is not up to 64 letters, digits, dots, dashes and underscores"
        )
    return word


def _host(word: str) -> str:
    try:
        return Endpoint(word.removeprefix("[").removesuffix("]"), 1).host
    except CallerError as error:
        raise argparse.ArgumentTypeError(f"{word!r} is not an IP address in digits") from error


def _public(word: str, interface: str | None) -> Endpoint | PublicAddress:
    if ("/" in word) != (interface is not None):
        raise CallerError("--public ADDRESS/PREFIX and --interface NAME go together")
    if interface is None:
        return Endpoint.parse(word)
    try:
        return PublicAddress(ipaddress.ip_interface(word), interface)
    except ValueError as error:
        raise CallerError(f"--public: {error}") from error


def _days(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= 3650):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of days from 1 to 3650")
    return int(word)
