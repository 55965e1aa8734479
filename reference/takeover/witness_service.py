"""The witness as a service: the shell around `core/witness.py`.

It reads a message, lets the core decide, makes durable what has to be, writes the trace, and answers. One message is
dealt with at a time, whichever server it comes from, so there is one order of everything it ever granted.

Without a record it runs and refuses, so that the reason is seen where the lease is missed: in the servers' logs.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import assert_never

from takeover.channel import Connection, greet
from takeover.config import WitnessConfig
from takeover.core.witness import (
    Answer,
    Witness,
    WitnessEffect,
    answer_untold,
    begin_witness,
    witness_step,
)
from takeover.data_directory import DataDirectory
from takeover.errors import PeerError
from takeover.linux import boottime_ns
from takeover.tracing import TraceWriter
from takeover.witness_record import read_record, record_of
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.trace import Header
from takeover_spec.words import Identity

log = logging.getLogger("takeover.witness")


class WitnessService:
    """A running witness."""

    def __init__(self, config: WitnessConfig) -> None:
        self._config = config
        self._directory = DataDirectory.open(config.data_directory)
        self._trace: TraceWriter | None = None
        self._core: Witness | None = None
        try:
            found = read_record(self._directory)
        except BaseException:
            self._directory.close()
            raise
        if found is not None:
            self._trace = TraceWriter(
                self._directory.path / "trace", Header("witness", config.pair, config.constants, found)
            )
            now = boottime_ns()
            self._core, effects = begin_witness(config.constants, found, now)
            self._carry_out(effects, now, None)
        self._connections: set[Connection] = set()
        self._stopped = asyncio.Event()
        self._failure: Exception | None = None

    def stop(self) -> None:
        """Let `serve` end."""
        self._stopped.set()

    async def serve(self) -> None:
        """Serve until `stop`. Raises what made it impossible to go on, such as `StorageRefused`."""
        listen = self._config.listen
        server = await asyncio.start_server(self._connected, listen.host, listen.port)
        if self._trace:
            fields = {"listen": str(listen), "trace": str(self._trace.path)}
            log.info("the witness listens", extra={"fields": fields})
        else:
            log.error(
                "the witness has no record in %s, and refuses every lease: stop it, tell it what it is with "
                "--new or --adopt, and start it again",
                self._directory.path,
            )
        async with server:
            await self._stopped.wait()
            for connection in self._connections:
                connection.close()
        self._directory.close()
        if self._failure:
            raise self._failure
        if self._trace:
            self._trace.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        run = self._trace.run if self._trace else 0
        mine = wire.hello(self._config.pair, "witness", run, self._config.constants)
        connection: Connection | None = None
        party = "stranger"
        try:
            connection = await greet(reader, writer, mine, ("primary", "secondary"))
            self._connections.add(connection)
            party = connection.theirs.party
            async for message in connection.messages():
                self._said(connection, Identity[party.upper()], message)
        except PeerError as error:
            log.warning("connection refused: %s", error, extra={"fields": {"party": party}})
        finally:
            if connection:
                self._connections.discard(connection)
            writer.transport.abort()

    def _said(self, connection: Connection, sender: Identity, message: wire.Message) -> None:
        if self._failure:
            return
        now = boottime_ns()
        effects: tuple[WitnessEffect, ...]
        if self._core is None:
            effects = answer_untold(message)
        else:
            self._core, effects = witness_step(self._core, sender, message, now)
        try:
            self._carry_out(effects, now, connection)
        except Exception as failure:
            self._failure = failure  # what the core believes is not on the disk: it must not speak again
            self._stopped.set()

    def _carry_out(self, effects: tuple[WitnessEffect, ...], now: int, connection: Connection | None) -> None:
        for effect in effects:
            match effect:
                case Answer(message):
                    assert connection is not None
                    self._flush()
                    connection.say(message)
                    continue
                case act.Grant() | act.Record() | act.EndLease():
                    self._save()
                case act.WitnessStart():
                    pass
                case _:
                    assert_never(effect)
            assert self._trace is not None, "whoever acts has a record"
            self._trace.note(effect, now)
        self._flush()

    def _flush(self) -> None:
        if self._trace:
            self._trace.flush()

    def _save(self) -> None:
        assert self._core is not None
        durable = record_of(self._core.know)
        if durable != self._directory.state.load():  # a renewal changes nothing that is durable
            self._directory.state.save(durable)


async def run_witness(config: WitnessConfig) -> None:
    """Run a witness until SIGTERM or SIGINT. Raises `TakeoverError`."""
    service = WitnessService(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    await service.serve()
