"""The client as a process of its own, on the host that it belongs to, and the account that it keeps in a file.

    python -m takeover.demo.client_process --address A --writers N --rate N --answer-ms N --account FILE
    python -m takeover.demo.client_process --address A --read FILE

The first writes until SIGTERM, and appends a line to the account for every write that ended. The second reads every
value and puts them into FILE. `Client` is both, as the one who started them sees them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from takeover.demo.client import ANSWER_TIMEOUT_S, End, Load, WriteRecord, read_all
from takeover.demo.parties import Host, Started
from takeover.endpoint import Endpoint
from takeover.errors import EnvironmentFault

END_TIMEOUT_S = 40.0
"""How long the client may take to end, or to read everything, in seconds."""


class Client:
    """Writers on a host, and what they have written so far."""

    def __init__(
        self,
        host: Host,
        directory: Path,
        address: Endpoint,
        *,
        writers: int,
        writes_per_second: int,
        answer_ms: int = int(ANSWER_TIMEOUT_S * 1000),
    ) -> None:
        """Nothing is started yet. Its files are `directory`/client*."""
        self._host = host
        self._address = address
        self._load = (
            "--writers",
            str(writers),
            "--rate",
            str(writes_per_second),
            "--answer-ms",
            str(answer_ms),
        )
        self._log = directory / "client.log"
        self._account = directory / "client.ndjson"
        self._found = directory / "client-found.json"
        self._process: Started | None = None
        self._offset = 0
        self._writes: list[WriteRecord] = []

    async def start(self) -> None:
        """Begin to write. Raises EnvironmentFault."""
        self._account.touch()
        self._process = await self._run("client", *self._load, "--account", str(self._account))

    @property
    def writes(self) -> list[WriteRecord]:
        """Every write that has ended, in the order of their ends."""
        if self._account.exists():
            with self._account.open("rb") as account:
                account.seek(self._offset)
                for line in account:
                    if not line.endswith(b"\n"):
                        break  # the rest of it is still to come
                    self._offset += len(line)
                    key, value, sent_ns, ended_ns, end = json.loads(line)
                    self._writes.append(WriteRecord(key, value, sent_ns, ended_ns, End[end]))
        return self._writes

    @property
    def failed(self) -> str:
        """How the writers ended by themselves; empty while they write, or when they were stopped."""
        if self._process is None or self._process.returncode is None:
            return ""
        return f"the client ended with {self._process.returncode}; see {self._log}"

    def first_acknowledged(self, sent_after_ns: int) -> WriteRecord | None:
        """The first write to be acknowledged of those that were sent after this time; None if none was yet."""
        first = None
        for write in reversed(self.writes):
            if write.ended_ns <= sent_after_ns:
                break
            if write.sent_ns > sent_after_ns and write.end is End.ACKNOWLEDGED:
                first = write
        return first

    async def stop(self) -> None:
        """Begin no more writes; on return every write has ended. Raises EnvironmentFault."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            await self._end(process, "to stop writing")

    async def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    async def read_all(self) -> dict[str, str]:
        """Every key and its value, as the application answers now. Raises EnvironmentFault when it does not."""
        await self._end(await self._run("reader", "--read", str(self._found)), "to read everything")
        found: dict[str, str] = json.loads(self._found.read_text())
        return found

    async def _run(self, name: str, *options: str) -> Started:
        argv = [sys.executable, "-P", "-m", "takeover.demo.client_process", "--address", str(self._address)]
        return await self._host.start(name, [*argv, *options], self._log)

    async def _end(self, process: Started, what: str) -> None:
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                status = await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            status = await process.wait()
        if status:
            raise EnvironmentFault(f"the client was asked {what} and ended with {status}; see {self._log}")


async def _write_until_told(load: Load, account: Path) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, load.stop)
    with account.open("a", buffering=1) as lines:
        load.on_end = lambda w: print(
            json.dumps([w.key, w.value, w.sent_ns, w.ended_ns, w.end.name]), file=lines
        )
        await load.run()


def main(words: Sequence[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="takeover.demo.client_process")
    parser.add_argument("--address", type=Endpoint.parse, required=True)
    parser.add_argument("--writers", type=int, default=1)
    parser.add_argument("--rate", type=int, default=1)
    parser.add_argument("--answer-ms", type=int, default=int(ANSWER_TIMEOUT_S * 1000))
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--account", type=Path)
    what.add_argument("--read", type=Path)
    options = parser.parse_args(words)
    try:
        if options.read is None:
            load = Load(options.address, options.writers, options.rate, options.answer_ms / 1000)
            asyncio.run(_write_until_told(load, options.account))
        else:
            options.read.write_text(json.dumps(asyncio.run(read_all(options.address))))
    except EnvironmentFault as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
