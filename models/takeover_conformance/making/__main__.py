"""Make the cases that are made: the frames, the moments, and the runs that tell mistakes.

    python -m takeover_conformance.making DIRECTORY

All of it comes of the code and of seeds, so whoever makes the files again gets the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from takeover_conformance.making.golden import compact_text, file_text, frame_cases
from takeover_conformance.making.moments import moment_lines
from takeover_conformance.making.runs import run_cases


def main() -> None:
    """Write the files into a directory."""
    parser = argparse.ArgumentParser(prog="takeover_conformance.making", description="make the cases anew")
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    (directory / "frames.ndjson").write_text(file_text(frame_cases()))
    (directory / "moments.ndjson").write_text(compact_text(moment_lines()))
    (directory / "mistakes.ndjson").write_text(file_text(run_cases()))


if __name__ == "__main__":
    main()
