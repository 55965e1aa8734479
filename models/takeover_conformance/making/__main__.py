"""Make what is made: the cases but those written by hand, the kill matrix, the schema of an adapter's lines.

    python -m takeover_conformance.making [FILE…]
    python -m takeover_conformance.making --compare [FILE…]

The first writes the files where they belong; the second writes nothing, and says of each that is there whether it is
what is made, to the byte: status 1 if one is not.
"""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path
from time import monotonic

from takeover.errors import TakeoverError
from takeover_conformance.making.made_files import MADE, difference


def main(words: list[str] | None = None, package: Path | None = None) -> int:
    """Make all files, or some; or compare. The status is 1 if something differs, or cannot be made."""
    parser = argparse.ArgumentParser(
        prog="takeover_conformance.making", description="make the files that are made"
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help=f"one of {', '.join(MADE)}; all if none is named"
    )
    parser.add_argument("--compare", action="store_true", help="write nothing: say what is not as it is made")
    options = parser.parse_args(words)
    if unknown := set(options.files) - MADE.keys():
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(MADE)}")
    package = package or Path(str(files("takeover_conformance")))
    bad = 0
    for name in [name for name in MADE if name in options.files or not options.files]:
        began = monotonic()
        try:
            made = MADE[name]().encode()
        except TakeoverError as error:
            print(f"{name} cannot be made: {error}", flush=True)
            bad += 1
            continue
        told = f"{name}: {len(made)} bytes in {monotonic() - began:.1f} s"
        if not options.compare:
            (package / name).write_bytes(made)
            print(told, flush=True)
            continue
        shipped = (package / name).read_bytes() if (package / name).exists() else None
        differs = difference(name, shipped, made)
        bad += differs is not None
        print(f"{told}, as it is shipped" if differs is None else differs, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
