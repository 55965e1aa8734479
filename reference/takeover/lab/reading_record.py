"""The history of a witness's record in etcd, as a trace of that witness.

    python -m takeover.lab.reading_record --config NODE.toml DIRECTORY

It is read after the fact, so the trace says in which order the witness did what, and nothing of when: its leases are
those of a witness whose leases last no time. Whether a grant came too soon is for the observer of the address.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from takeover.config import EtcdConfig, load_node
from takeover.errors import EnvironmentFault, TakeoverError
from takeover.witness.etcd_client import EtcdClient, EtcdFailure
from takeover.witness.etcd_observer import EtcdObserver
from takeover.witness.etcd_witness import key_of

ANSWER_S = 1.0
READ_TIMEOUT_S = 30.0
"""How long etcd may take until it answers, and then until everything was read, in seconds."""

_LOOK_S = 0.05


async def read(config: Path, directory: Path) -> None:
    """Write the trace into `directory`; none if there never was a record. Raises TakeoverError."""
    node = load_node(config)
    assert isinstance(node.witness, EtcdConfig)
    async with EtcdClient(node.witness, key_of(node.witness.prefix, node.pair), ANSWER_S) as client:
        observer = EtcdObserver(client, node.pair, node.constants, directory, node.constants.lease_ns)
        async with asyncio.timeout(READ_TIMEOUT_S):
            last = await _last_revision(client)
            watching = asyncio.create_task(observer.watch())
            while observer.revision < last and not observer.problem:
                await asyncio.sleep(_LOOK_S)
        watching.cancel()
        await asyncio.wait([watching])
        if observer.problem:
            raise EnvironmentFault(observer.problem)


async def _last_revision(client: EtcdClient) -> int:
    while True:
        try:
            return (await client.read()).revision
        except EtcdFailure:
            await asyncio.sleep(_LOOK_S)  # it has just been started


def main(words: Sequence[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="takeover.lab.reading_record")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args(words)
    try:
        asyncio.run(read(options.config, options.directory))
    except (TakeoverError, TimeoutError) as error:
        print(f"{options.directory}: {error or 'etcd did not answer'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
