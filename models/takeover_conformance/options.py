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
        "--list",
        nargs="?",
        const="",
        metavar="WHAT",
        help="say how many cases there are, and what judges each clause; the cases of WHAT: a level such as L1, a "
        "clause, or a name, with *; or, of `runs`, what --replay reads",
    )
    played = parser.add_argument_group("what is played")
    played.add_argument("--level", type=int, choices=LEVELS, help="up to which level")
    played.add_argument("--service", metavar="COMMAND", help="play level 4, with this service")
    played.add_argument(
        "--with", dest="other", metavar="COMMAND", help="play level 5, with this adapter as the other"
    )
    played.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="NAME",
        help="only this case: its name, that of a random run (seed-7), or a file that --keep wrote",
    )
    played.add_argument(
        "--seeds",
        type=_seeds,
        metavar="A-B",
        help=f"the random runs of level 3; otherwise 0-{suite.SEEDS - 1}",
    )
    played.add_argument(
        "--keep", type=Path, metavar="DIR", help="write a random run that found something there, as a case"
    )
    played.add_argument("--known", type=Path, metavar="FILE", help="known failures, each with its reason")
    played.add_argument(
        "--replay", metavar="RUN", help="play one run again, as a failure printed it; see --list runs"
    )
    played.add_argument(
        "--tested", choices=ROLES, help="with --replay: which server is yours; otherwise both"
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
    if not first.isdigit() or not last.isdigit() or int(last) < int(first):
        raise argparse.ArgumentTypeError(f"{word!r} is not two numbers such as 0-99")
    return range(int(first), int(last) + 1)


_READ = {
    "new_adapter": (),
    "html": (),
    "list": (),
    "smoke": (),
    "next": ("level", "case"),
    "replay": ("tested", "other"),
}
"""By what is done instead of a run, the options that it reads."""

_OF_A_RUN = ("level", "service", "other", "case", "seeds", "keep", "known")
_WRITTEN = ("json", "lines", "junit", "statement", "badge")


def unread(arguments: argparse.Namespace) -> str:
    """What is wrong with options that are there and would not be read; empty if nothing is."""
    options = dict.fromkeys((*_READ, *_OF_A_RUN, "tested", *_WRITTEN))
    given = [name for name in options if _is_given(getattr(arguments, name))]
    doing = next((name for name in _READ if name in given), "")
    read = (doing, *_READ[doing]) if doing else (*_OF_A_RUN, *_WRITTEN)
    for name in given:
        if name not in read:
            return (
                f"{_option(name)} is not read beside {_option(doing)}"
                if doing
                else "--tested is for --replay"
            )
    if "seeds" in given and "case" in given:
        return "--seeds is not read beside --case; a random run is a case too: --case seed-7"
    return ""


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != []


def _option(name: str) -> str:
    return "--" + {"other": "with"}.get(name, name.replace("_", "-"))
