"""`takeover witness --config FILE`: run the witness of a pair until it is told to stop (SIGTERM or SIGINT).

With `--new`, or with `--adopt EPOCH --holder SERVER`, it runs nothing: it tells a witness without a record what it is,
once. Nobody but a person can know that, and a witness that guessed would grant a lease that is out already. Where etcd
is the witness there is nothing to run, and either node's file names it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from takeover.cli import Exit
from takeover.commands import service as service_command
from takeover.config import load_node, load_witness
from takeover.core.witness import NEW_PAIR, adopted
from takeover.endpoint import Endpoint
from takeover.errors import CallerError, TakeoverError
from takeover.start_checks import open_data_directory
from takeover.toml_table import read_toml
from takeover.witness.record import shown, write_first_record
from takeover.witness.service import run_witness
from takeover_spec.codec import GREATEST
from takeover_spec.knowledge import WitnessKnowledge
from takeover_spec.words import Identity


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    service_command.configure(parser)
    told = parser.add_mutually_exclusive_group()
    told.add_argument(
        "--new",
        action="store_true",
        help="do not run, but tell a witness without a record that its pair is new, and never ran",
    )
    told.add_argument(
        "--adopt",
        type=_epoch,
        metavar="EPOCH",
        help="do not run, but tell a witness without a record which epoch its pair is in: the highest that `takeover"
        " status` shows on either server",
    )
    parser.add_argument(
        "--holder",
        choices=[identity.name.lower() for identity in Identity],
        help="with --adopt: the server that is active in that epoch, or was",
    )


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    if (arguments.adopt is None) != (arguments.holder is None):
        print("takeover witness: --adopt and --holder go together", file=sys.stderr)
        return Exit.USAGE
    if arguments.new:
        return _tell(arguments, NEW_PAIR)
    if arguments.adopt is not None:
        return _tell(arguments, adopted(arguments.adopt, Identity[arguments.holder.upper()]))
    return service_command.run_service(arguments.config, load_witness, run_witness)


def _tell(arguments: argparse.Namespace, know: WitnessKnowledge) -> Exit:
    file: Path = arguments.config
    try:
        if "identity" in read_toml(file):
            _tell_etcd(file, know)
        else:
            with open_data_directory(load_witness(file)) as directory:
                write_first_record(directory, know)
    except TakeoverError as error:
        print(error, file=sys.stderr)
        return service_command.status_of(error)
    print(f"the witness was told: {shown(know)}")
    return Exit.HOLDS


def _tell_etcd(file: Path, know: WitnessKnowledge) -> None:
    node = load_node(file)
    if node.witness is None:
        raise CallerError(f'{file}: arbiter = "{node.arbiter}": this pair has no witness to tell anything')
    if isinstance(node.witness, Endpoint):
        raise CallerError(
            f"{file}: this node's witness runs at {node.witness}: name its own file, and do it there"
        )
    from takeover.witness.etcd_link import tell_witness  # here alone, for nobody else needs its library

    asyncio.run(tell_witness(node, node.witness, know))


def _epoch(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= GREATEST):
        raise argparse.ArgumentTypeError(f"{word!r} is not an epoch: a whole number from 1")
    return int(word)
