"""What `takeover node` and `takeover witness` have in common: read the file, run, and say by the status how it ended.

A service that was asked to stop did all that was asked: 0. What an operator has to mend before it can start is 2, as
everywhere. A machine that failed it, or a peer, leaves undecided whether all is well: 3. An invariant of our own that
does not hold is a violation: 1, and should be reported.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol, TypeVar

from takeover import logs
from takeover.cli import Exit
from takeover.errors import CallerError, ConfigurationError, OwnFault, TakeoverError

log = logging.getLogger("takeover.service")


class Logged(Protocol):
    """A configuration that says where its log goes."""

    @property
    def log_level(self) -> str: ...
    @property
    def log_file(self) -> Path | None: ...


C = TypeVar("C", bound=Logged)


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of a service."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="its configuration")


def run_service(
    path: Path, load: Callable[[Path], C], service: Callable[[C], Coroutine[object, object, None]]
) -> Exit:
    """Run a service with the configuration in `path`, until it ends."""
    try:
        config = load(path)
        _set_up_log(path, config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return Exit.USAGE
    try:
        asyncio.run(service(config))
    except TakeoverError as error:
        log.critical("stopped: %s", error, exc_info=isinstance(error, OwnFault))
        return status_of(error)
    return Exit.HOLDS


def status_of(error: TakeoverError) -> Exit:
    """The exit status that says who has to act on an error."""
    match error:
        case CallerError():
            return Exit.USAGE
        case OwnFault():
            return Exit.VIOLATED
    return Exit.UNDECIDED


def _set_up_log(path: Path, config: Logged) -> None:
    try:
        logs.set_up(config.log_level, config.log_file)
    except OSError as error:
        raise ConfigurationError(f"{path}: logging.file: {config.log_file}: {error.strerror}") from error
