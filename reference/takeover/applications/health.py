"""Is an application well? One check, which answers within a given time.

A check is a command, well when it exits with 0, or an endpoint, well when it accepts a connection. An
expected "no" is a value, the reason, and not an exception: what to make of it is decided by the one who
counts.

Refused: speaking the application's own protocol. That is what a command is for.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from takeover.applications.kept_process import KeptProcess
from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault

Health = tuple[str, ...] | Endpoint
"""A command, or an endpoint to connect to."""


async def ailment(
    health: Health,
    environment: Mapping[str, str],
    output: Path,
    timeout_ms: int,
    directory: Path = Path("/"),
) -> str:
    """Carry out one check; why the application is not well, empty when it is.

    A command gets `environment` on top of the node's own and works in `directory`, and what it prints is appended to
    the file `output`. When the check has not answered after `timeout_ms`, that is the reason, and nothing of the
    command lives on.
    """
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            if isinstance(health, Endpoint):
                return await _connect(health)
            return await _execute(health, environment, output, directory)
    except TimeoutError:
        return f"{_name(health)}: no answer within {timeout_ms} ms"


def _name(health: Health) -> str:
    return str(health) if isinstance(health, Endpoint) else health[0]


async def _connect(endpoint: Endpoint) -> str:
    try:
        _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except OSError as cause:
        return f"{endpoint}: {cause}"
    writer.close()
    with contextlib.suppress(OSError):  # it did accept, which is all that was asked
        await writer.wait_closed()
    return ""


async def _execute(
    argv: tuple[str, ...], environment: Mapping[str, str], output: Path, directory: Path
) -> str:
    try:
        process = await KeptProcess.start(argv, environment, output, directory)
    except EnvironmentFault as cause:
        return str(cause)
    try:
        end = await process.ended()
    finally:
        await process.kill()
    return "" if end == "exited 0" else f"{argv[0]}: {end}"
