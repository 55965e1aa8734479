"""`takeover status --config FILE [--json [FILE]]`: what a node that runs says of itself."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from takeover.cli import Exit, report_file
from takeover.config import load_operated
from takeover.control.client import ask
from takeover.errors import ConfigurationError, TakeoverError

REFUSALS_SHOWN = 3
"""How many of the last refusals a person is shown."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    said = "the node's configuration, or an operator's file for it"
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help=said)
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        type=lambda word: word if word == "-" else report_file(word),
        metavar="FILE",
        help="write the status as JSON, to FILE or else to standard output",
    )


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    try:
        status = ask(load_operated(arguments.config), "status")
        text = None if arguments.json else "\n".join(_lines(status))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return Exit.USAGE
    except TakeoverError as error:
        status, text = {"error": str(error)}, None
        print(error, file=sys.stderr)
    except (KeyError, TypeError) as error:
        print(f"the node's status lacks {error}: it is of another version", file=sys.stderr)
        return Exit.UNDECIDED
    if arguments.json == "-":
        print(json.dumps(status))
    elif arguments.json:
        Path(arguments.json).write_text(json.dumps(status) + "\n")
    elif text:
        print(text)
    return Exit.UNDECIDED if "error" in status else Exit.HOLDS


def _lines(status: dict[str, Any]) -> list[str]:
    """The status for a person."""
    serving = status["role"] == "active"
    lines = [
        f"{status['identity']} of pair {status['pair']}: {status['role']}, epoch {status['epoch']}",
        *_row("links", _links(status)),
        *_row("public identity", _public_identity(status["public_identity"])),
        *_row("grants", _grants(status["grants"])),
        *_row("queue", _unsafe_queue(status) if serving else _safe_queue(status)),
        *_row("peer" if serving else "takeover", _peer(status) if serving else _takeover(status)),
    ]
    if serving:
        lines += _applications(status["applications"])
        lines += _row(
            "updates", f"logged up to {status['logged']}, acknowledged up to {status['acknowledged']}"
        )
    lines += _row("trace", status["trace"])
    for refusal in status["refusals"][-REFUSALS_SHOWN:]:
        values = ", ".join(f"{name}={value}" for name, value in refusal.get("evidence", {}).items())
        text = f"{refusal['at']}  {refusal['clause']}: {refusal['reason']}"
        lines += _row("refused", text + (f" ({values})" if values else ""))
    return lines


def _applications(applications: list[dict[str, Any]]) -> list[str]:
    if not applications:
        return _row("applications", "none")
    return [line for application in applications for line in _row("application", _application(application))]


def _application(application: dict[str, Any]) -> str:
    name, state, since = (application[key] for key in ("name", "state", "since"))
    if state == "failing":
        return f"{name}: FAILING since {since}: {application['reason']}"
    return f"{name}: {state} since {since}"


def _row(name: str, text: str) -> list[str]:
    return [f"  {name:<16} {text}"]


def _links(status: dict[str, Any]) -> str:
    parties = ("peer", "witness") if status["arbiter"] == "witness" else ("peer",)
    links = [
        f"{party} {'connected' if status[f'{party}_connected'] else 'NOT connected'}" for party in parties
    ]
    return ", ".join(links if len(links) > 1 else [*links, f"no witness ({status['arbiter']})"])


def _public_identity(identity: dict[str, Any]) -> str:
    if identity["flaw"]:
        return f"NOT enabled: {identity['flaw']}"
    return f"enabled for another {identity['until_ms']} ms" if identity["enabled"] else "not enabled"


def _grants(grants: dict[str, Any]) -> str:
    held = [
        f"{name} for another {grants[f'{name}_ms']} ms"
        for name in ("lease", "promise")
        if grants[f"{name}_ms"]
    ]
    given = [f"promised the peer another {grants['given_ms']} ms"] if grants["given_ms"] else []
    return "; ".join([*held, *given]) or "none"


def _unsafe_queue(status: dict[str, Any]) -> str:
    queue = status["unsafe_queue"]
    return (
        f"{queue['updates']} updates not known to be safe on the peer, {_size(queue['bytes'])} of"
        f" {_size(queue['bytes_max'])}"
    )


def _safe_queue(status: dict[str, Any]) -> str:
    return (
        f"applied up to {status['applied']}; {status['statuses'] - status['applied']} more can be applied,"
        f" {status['stored'] - status['statuses']} lack their completion status; {_size(status['safe_queue']['bytes'])}"
    )


def _size(count: float) -> str:
    """A number of bytes, in the unit that suits it."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"


def _peer(status: dict[str, Any]) -> str:
    if status["alone"]:
        return "recorded as NOT eligible: there can be no failover"
    return "eligible" if status["eligible_declared"] else "not known to be eligible yet"


def _takeover(status: dict[str, Any]) -> str:
    if status["waits_for_person"]:
        return "WAITS FOR A PERSON who has seen that the other server is down: takeover promote"
    if status["resynchronise"]:
        return "not possible before this server has been resynchronised"
    refrain = status["last_refrain"]
    return (
        f"refrained last: {refrain['clause']}: {refrain['reason']}"
        if refrain
        else "nothing speaks against it"
    )
