"""`takeover lab`: four machines in namespaces on this one, without root.

    takeover lab run        a pair under load in them, and a failover, shown as it happens
    takeover lab campaign   seeded random faults against a pair under load, and the verdict

A campaign prints its seed, and with `--seed` the same faults come again. A seed fixes what is drawn: the kinds of
faults and orders, their times in their rounds, and whether each is aimed at the active server, its peer, the witness or
the client. It does not fix whom that hits, for which machine is active follows from the rounds before, nor what a few
milliseconds decide. So the same seed is the same campaign, and not the same run; `rounds_played` in the report says of
each fault whom it hit. Where keepalived is installed, the same faults are then played against it, and the report puts
the two side by side. A campaign ends with 0 only if all holds, enough was exercised and the observer looked often
enough; keepalived has no part in that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from takeover.cli import Exit, fresh_directory
from takeover.commands.service import status_of
from takeover.demo import command as demo_command
from takeover.demo.configurations import WITNESSES, Timing
from takeover.errors import EnvironmentFault, TakeoverError
from takeover.lab.entrance import go_inside, inside, refusal
from takeover.lab.faults import Round, draw_rounds
from takeover.lab.priority import keep_in_a_thread

_STATUS = {"holds": Exit.HOLDS, "violated": Exit.VIOLATED, "incomplete": Exit.UNDECIDED}

FAULTS = 20
SEEDS = 1 << 32

TIMES = ("lease-ms", "promise-ms", "beat-ms", "patience-ms")
"""The pair's times that can be given."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    kinds = parser.add_subparsers(dest="kind", metavar="run|campaign")
    run = kinds.add_parser("run", help="a failover, shown as it happens; `takeover demo --where lab`")
    demo_command.configure(run)
    run.set_defaults(where="lab", mode="synchronous")
    campaign = kinds.add_parser("campaign", help="random faults, and the verdict")
    campaign.add_argument(
        "--faults", type=_count, default=FAULTS, metavar="N", help=f"how many (default {FAULTS})"
    )
    campaign.add_argument("--seed", type=int, metavar="S", help="which ones (default: drawn, and printed)")
    campaign.add_argument(
        "--json", type=Path, metavar="FILE", help="write the verdict as JSON (campaign.schema.json)"
    )
    campaign.add_argument(
        "--keep",
        type=fresh_directory,
        metavar="DIR",
        help="keep data, traces and logs in DIR, empty or absent",
    )
    campaign.add_argument(
        "--witness",
        choices=WITNESSES,
        default=WITNESSES[0],
        help="what the witness is (default: %(default)s)",
    )
    for name in TIMES:
        campaign.add_argument(
            f"--{name}", type=_count, metavar="MS", help="of the pair, as in default_node.toml"
        )
    parser.set_defaults(print_help=parser.print_help)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return count


def run(arguments: argparse.Namespace) -> Exit:
    """Run the command."""
    if arguments.kind is None:
        arguments.print_help()
        return Exit.USAGE
    if arguments.kind == "run":
        return demo_command.run(arguments)
    if not inside():
        if refused := refusal():
            print(f"takeover lab: there can be no lab on this machine: {refused}", file=sys.stderr)
            return Exit.USAGE
        go_inside(ahead=True)
    keep_in_a_thread()
    return _campaign(arguments)


def _campaign(arguments: argparse.Namespace) -> Exit:
    """Play a campaign, inside."""
    seed = random.SystemRandom().randrange(SEEDS) if arguments.seed is None else arguments.seed
    if arguments.keep is None:
        directory = Path(tempfile.mkdtemp(prefix="takeover-campaign-"))
    else:
        directory = arguments.keep
        directory.mkdir(parents=True, exist_ok=True)
    times = {name.replace("-", "_"): getattr(arguments, name.replace("-", "_")) for name in TIMES}
    given = {name: value for name, value in times.items() if value is not None}
    try:
        report = asyncio.run(conduct(directory, seed, arguments.faults, arguments.witness, given))
    except TakeoverError as error:
        print(f"takeover lab: {error}", file=sys.stderr)
        return status_of(error)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.keep is None and report["verdict"] == "holds":
        shutil.rmtree(directory)
    else:
        demo_command.tell(f"data, traces and logs are in {directory}")
    return _STATUS[report["verdict"]]


async def _rival(directory: Path, timing: Timing, rounds: Iterable[Round]) -> dict[str, Any] | None:
    """The same rounds against keepalived; None where it is not installed. Raises TakeoverError."""
    from takeover.lab.keepalived import Rival, program

    keepalived = program()
    if keepalived is None:
        return None
    below = directory / "keepalived"
    below.mkdir()
    try:
        return await Rival(below, timing, keepalived, demo_command.tell).run(rounds)
    except asyncio.CancelledError:
        raise EnvironmentFault("interrupted") from None


async def conduct(
    directory: Path, seed: int, faults: int, witness: str, times: dict[str, int]
) -> dict[str, Any]:
    """Play a campaign inside a lab's namespaces, telling it as it goes; the report.

    `times` are those of `TIMES` that are not the lab's own. Raises ConfigurationError when they do not go together.
    """
    from takeover.config import load_node  # what only a lab needs is loaded where there is one
    from takeover.lab.campaign import ANSWER_MS, WRITERS, WRITES_PER_SECOND, Campaign
    from takeover.lab.report import report_of, summary, without_rival
    from takeover.lab.scene import LAB_TIMING, LabScene

    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    timing = LAB_TIMING.of(**times)
    scene = LabScene(
        directory,
        True,
        timing,
        writers=WRITERS,
        writes_per_second=WRITES_PER_SECOND,
        answer_ms=ANSWER_MS,
        witness=witness,
    )
    load_node(scene.parties["primary"].config)
    demo_command.tell(f"{scene.description}; leases and promises last {timing.grant_ms} ms")
    demo_command.tell(f"{faults} faults of seed {seed}; the witness is {witness}")
    rounds = draw_rounds(seed, faults, timing.lease_ms)
    evidence = await Campaign(scene, rounds, demo_command.tell).run()
    report = report_of(evidence, seed, faults, witness)
    if not evidence.problem:
        try:
            rounds = draw_rounds(seed, faults, timing.lease_ms)
            report["keepalived"] = await _rival(directory, timing, rounds)
        except TakeoverError as error:
            without_rival(report, error)
    for line in summary(report):
        demo_command.tell(line)
    return report
