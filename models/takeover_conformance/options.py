"""The arguments of `takeover conform`."""

from __future__ import annotations

import argparse
from pathlib import Path

from takeover.cli import report_file
from takeover_conformance import suite
from takeover_conformance.adapter.new_adapter import SKELETONS
from takeover_conformance.cases import LEVELS, ROLES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "adapter", nargs="*", metavar="COMMAND", help="after --: the adapter and its arguments"
    )
    begin = parser.add_argument_group("to begin with")
    begin.add_argument("--new-adapter", metavar="LANGUAGE", help=f"write an adapter: {', '.join(SKELETONS)}")
    begin.add_argument("--smoke", action="store_true", help="only say what is wrong with its manners")
    begin.add_argument("--next", action="store_true", help="only say what is the easiest thing not yet right")
    begin.add_argument(
        "--list", action="store_true", help="say what cases there are, and what judges each clause"
    )
    played = parser.add_argument_group("what is played")
    played.add_argument("--level", type=int, choices=LEVELS, help="up to which level")
    played.add_argument("--service", metavar="COMMAND", help="play level 4, with this service")
    played.add_argument(
        "--with", dest="other", metavar="COMMAND", help="play level 5, with this adapter as the other"
    )
    played.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case")
    seeds = range(suite.SEEDS)
    played.add_argument(
        "--seeds", type=_seeds, default=seeds, metavar="A-B", help="the random runs of level 3"
    )
    played.add_argument(
        "--keep", type=Path, metavar="DIR", help="write a random run that found something there, as a case"
    )
    played.add_argument("--known", type=Path, metavar="FILE", help="known failures, each with its reason")
    played.add_argument("--replay", metavar="RUN", help="play one run again, as a failure printed it")
    played.add_argument(
        "--tested", choices=ROLES, default="both", help="with --replay: which server is yours"
    )
    reports = parser.add_argument_group("what is written, each into its FILE")
    for name, what in {
        "json": "the verdict",
        "lines": "each outcome as it comes, and a footer",
        "junit": "JUnit's XML",
        "statement": "what can be published of it",
        "badge": "a badge, in SVG",
        "html": "a page of several results side by side; instead of COMMAND, name what --lines wrote",
    }.items():
        reports.add_argument(f"--{name}", type=report_file, metavar="FILE", help=what)


def _seeds(word: str) -> range:
    first, _, last = word.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(last or first) < int(first):
        raise argparse.ArgumentTypeError(f"{word!r} is not two numbers such as 0-99")
    return range(int(first), int(last or first) + 1)
