"""Which cases are played: from the arguments of the command."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from takeover_conformance import suite
from takeover_conformance.cases import ADAPTER_LEVEL, PAIRED_LEVEL, SERVICE_LEVEL, Case, read, shipped
from takeover_conformance.known import Known, read_known
from takeover_conformance.playing.service import service_cases
from takeover_spec.codec import Malformed


def selected(arguments: argparse.Namespace) -> suite.Selection:
    """What is to be played. Raises `ValueError`, `Malformed` and `OSError`."""
    of_service = service_cases()
    known = _known(arguments.known) if arguments.known else ()
    cases, names, files = _named(shipped(), {case.name for case in of_service}, arguments.case)
    there_are = {case.name for case in (*cases, *of_service)}
    wanted = {*names, *(entry.case for entry in known)} - {""} - there_are
    if unknown := sorted(name for name in wanted if suite.seed_of(name) is None):
        raise ValueError(f"there is no case called {', '.join(unknown)}, and no file of cases; see --list L1")
    return suite.Selection(
        tuple(cases),
        _level(arguments),
        arguments.seeds or range(suite.SEEDS),
        tuple(names),
        known,
        tuple(shlex.split(arguments.service or "")),
        tuple(of_service),
        adapter=tuple(arguments.adapter),
        other=tuple(shlex.split(arguments.other or "")),
        files=files,
        keeps=bool(arguments.keep),
    )


def _named(
    cases: list[Case], others: set[str], words: list[str]
) -> tuple[list[Case], list[str], dict[str, Path]]:
    """All cases, with those of the files that are named; the names of those that are; and which file they are of."""
    names: list[str] = []
    files: dict[str, Path] = {}
    there_are = {case.name for case in cases} | others
    for word in words:
        file = next((file for file in (Path(word), Path(f"{word}.ndjson")) if file.is_file()), None)
        if file is None or word in there_are:
            names.append(word)
            continue
        kept = read(file.name, file.read_bytes())
        cases = [*cases, *kept]
        names += [case.name for case in kept]
        files |= {case.name: file for case in kept}
    return cases, names, files


def _known(file: Path) -> tuple[Known, ...]:
    try:
        return read_known(file)
    except OSError as problem:
        raise ValueError(f"--known: {file}: {problem.strerror}") from None
    except Malformed as problem:
        raise ValueError(f"--known: {problem}") from None


def _level(arguments: argparse.Namespace) -> int:
    """Up to which level: as high as there is something to be tried. Raises `ValueError`."""
    there_are = {SERVICE_LEVEL: arguments.service, PAIRED_LEVEL: arguments.other}
    highest = max((level for level, command in there_are.items() if command), default=ADAPTER_LEVEL)
    if arguments.level is None:
        return highest
    options = {SERVICE_LEVEL: "--service", PAIRED_LEVEL: "--with"}
    if arguments.level > ADAPTER_LEVEL and not there_are[arguments.level]:
        raise ValueError(f"level {arguments.level} needs {options[arguments.level]}")
    if arguments.level < highest and highest in options:
        raise ValueError(
            f"{options[highest]} is for level {highest}, and --level {arguments.level} is below it"
        )
    return int(arguments.level)
