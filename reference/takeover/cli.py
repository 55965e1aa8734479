"""The command line: one word per job.

Exit status, everywhere: 0 all holds; 1 something was violated; 2 wrong usage or configuration, or nothing selected;
3 undecided or incomplete. An unknown, a time-out, a skip or zero cases is never 0.

Each command lives in a module of its own that offers `configure(parser)` and `run(arguments) -> status`, and is
imported only when it is asked for: nothing that runs on a server needs a solver installed, and a command whose extra
is missing says which one to install.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from takeover.extras import missing


class Exit(IntEnum):
    """What a command's exit status says."""

    HOLDS = 0
    VIOLATED = 1
    USAGE = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class Command:
    """A command: where it is, what it needs, and its line in the help."""

    name: str
    module: str
    help: str
    extra: str | None = None
    """The extra of this package that has to be installed for it."""


COMMANDS: tuple[Command, ...] = (
    Command(
        "verify",
        "takeover_proofs.command",
        "prove the properties, or show what goes wrong without a clause",
        "verify",
    ),
    Command(
        "demo",
        "takeover.demo.command",
        "a real pair, application and client on this machine; kill the active",
    ),
    Command("init", "takeover.commands.init", "configuration and keys for a pair, or new keys"),
    Command(
        "lab",
        "takeover.lab.command",
        "four machines in namespaces on this one; break a real pair in them",
        "lab",
    ),
    Command("node", "takeover.commands.node", "run a server of a pair"),
    Command("witness", "takeover.commands.witness", "run the witness of a pair"),
    Command("switchover", "takeover.commands.switchover", "hand the role over to the other server"),
    Command("promote", "takeover.commands.promote", "make this server active, and accept a loss"),
    Command("resync", "takeover.commands.resync", "let this server's data be made anew"),
    Command("status", "takeover.commands.status", "what the node on this machine says of itself"),
    Command("check-trace", "takeover.commands.check_trace", "do these traces obey the rules?"),
    Command("conform", "takeover_conformance.command", "judge an implementation, in any language"),
    Command("simulate", "takeover_models.command", "seeded random campaigns of a virtual pair"),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` name (by default the process's arguments); its exit status."""
    words = list(sys.argv[1:] if words is None else words)
    parser = argparse.ArgumentParser(
        prog="takeover", description="Two-server failover: proved, running, tested."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        if command.name == asked:
            module = _load(command)
            if isinstance(module, str):
                print(f"takeover {command.name}: {module}", file=sys.stderr)
                return Exit.USAGE
            module.configure(subparser)
            subparser.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.UNDECIDED
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is flushed at the end
        return Exit.UNDECIDED
    return status


def fresh_directory(word: str) -> Path:
    """The directory that an option names, which must be empty or absent; for `add_argument(type=…)`."""
    directory = Path(word).absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise argparse.ArgumentTypeError(f"{directory} is not an empty directory")
    return directory


def report_file(word: str) -> Path:
    """The file that an option names for a report; for `add_argument(type=…)`. Its directory must be there."""
    file = Path(word).absolute()
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{file} cannot be written: there is no directory {file.parent}")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        why = "it is a directory" if file.is_dir() else "permission denied"
        raise argparse.ArgumentTypeError(f"{file} cannot be written: {why}")
    return file


def _load(command: Command) -> Any:
    """The command's module, or what to do about its absence."""
    try:
        return import_module(command.module)
    except ModuleNotFoundError as error:
        if command.extra is None or (error.name or "").split(".")[0] == "takeover":
            raise
        return missing(str(error.name), command.extra)
