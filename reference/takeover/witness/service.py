"""The witness as a service: the shell around `core/witness.py`.

It reads a message, lets the core decide, makes durable what has to be, writes the trace, and answers. One message is
dealt with at a time, whichever server it comes from, so there is one order of everything it ever granted.

Without a record it runs and refuses, so that the reason is seen where the lease is missed: in the servers' logs.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from functools import partial
from typing import Any, assert_never

from takeover.channel.accepting import Acceptor
from takeover.channel.channel import Connection, greet
from takeover.channel.keys import Keys
from takeover.config import WitnessConfig
from takeover.core.witness import (
    Answer,
    Witness,
    WitnessEffect,
    answer_untold,
    begin_witness,
    witness_step,
)
from takeover.linux import boottime_ns
from takeover.logs import named
from takeover.service_manager import ServiceManager
from takeover.start_checks import check_witness, open_data_directory
from takeover.storage.granted_length import GrantedLength
from takeover.storage.tracing import TraceWriter
from takeover.telling import in_words
from takeover.witness.record import read_record, record_of
from takeover_spec import actions as act
from takeover_spec import wire
from takeover_spec.trace import Header
from takeover_spec.words import Identity

log = logging.getLogger("takeover.witness")


class WitnessService:
    """A running witness."""

    def __init__(self, config: WitnessConfig) -> None:
        self._config = config
        self._keys = Keys(config.keys, config.pair, "witness")
        self._directory = open_data_directory(config)
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
            self._leased = GrantedLength(self._directory, config.constants.lease_ns)
            self._core, effects = begin_witness(config.constants, found, now, self._leased.longest_ns)
            self._carry_out(effects, now, None)
        self._connections: set[Connection] = set()
        self._refused: dict[str, tuple[int, str, str]] = {}
        self._stopped = asyncio.Event()
        self._failure: Exception | None = None

    def stop(self) -> None:
        """Let `serve` end."""
        self._stopped.set()

    def renew_keys(self) -> None:
        """Read the keys anew, and have every connection made anew with them."""
        if self._keys.reload():
            for connection in self._connections:
                connection.close()

    async def serve(self) -> None:
        """Serve until `stop`. Raises what made it impossible to go on, such as `StorageRefused`."""
        listen, manager = self._config.listen, ServiceManager()
        run = self._trace.run if self._trace else 0
        mine = wire.hello(self._config.pair, "witness", run, self._config.constants)
        servers = ("primary", "secondary")
        say = partial(greet, mine=mine)
        acceptor = Acceptor(listen, self._keys, servers, say, self._let_in, self._start_task)
        acceptor.start()
        reminding = self._start_task(self._keys.keep_reminding())
        if self._trace:
            fields = {"listen": str(listen), "trace": str(self._trace.path)}
            log.info("the witness listens", extra={"fields": fields})
        else:
            log.error(
                "the witness has no record in %s, and refuses every lease: stop it, tell it what it is with "
                "--new or --adopt, and start it again",
                self._directory.path,
            )
        manager.ready()
        while not self._stopped.is_set():
            await manager.wait(self._stopped)
            manager.alive()
        if not self._failure:
            log.info("the witness stops, as it was told")
        manager.stopping()
        reminding.cancel()
        await acceptor.close()
        self._directory.close()
        if self._failure:
            raise self._failure
        if self._trace:
            self._trace.close()

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(failure := task.exception(), Exception):
            self._failure = self._failure or failure
            self._stopped.set()

    async def _let_in(self, connection: Connection) -> None:
        self._connections.add(connection)
        sender = Identity[connection.theirs.party.upper()]
        log.info("a server is connected", extra={"fields": {"party": connection.theirs.party}})
        try:
            async for message in connection.messages():
                self._said(connection, sender, message)
        finally:
            self._connections.discard(connection)
            log.info(
                "a server is not connected any more", extra={"fields": {"party": connection.theirs.party}}
            )

    def _said(self, connection: Connection, sender: Identity, message: wire.Message) -> None:
        if self._failure:
            return
        now = boottime_ns()
        effects: tuple[WitnessEffect, ...]
        if self._core is None:
            effects = answer_untold(message)
        else:
            self._core, effects = witness_step(self._core, sender, message, now)
        for effect in effects:
            if isinstance(effect, Answer):
                self._log_refusal(sender.name.lower(), effect.message)
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
                    if self._save():
                        log.info(in_words(effect), extra={"fields": _fields(effect)})
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

    def _save(self) -> bool:
        """Make durable what changed; whether anything did. A renewal changes nothing that is durable."""
        assert self._core is not None
        durable, saved = record_of(self._core.know), self._directory.state.load()
        if durable != saved:
            self._directory.state.save(durable)
        if saved and durable["epoch"] != saved["epoch"]:
            self._leased.waited_out()
        return durable != saved

    def _evidence(self) -> dict[str, Any]:
        """What decides about a lease, beside the epochs; times in milliseconds from now, negative when over."""
        if self._core is None:
            return {}
        know, now = self._core.know, boottime_ns()
        return {
            "holder": Identity(know.holder).name.lower(),
            "eligible": bool(know.eligible),
            "released": bool(know.ended),
            "lease_until_ms": (know.lease_until - now) // 1_000_000,
            "wait_until_ms": (know.wait_until - now) // 1_000_000,
        }

    def _log_refusal(self, party: str, message: wire.Message) -> None:
        """Log what is refused whom, once as long as it is the same."""
        match message:
            case wire.NotLeased(epoch, _, _, current, clause, reason):
                if self._refused.get(party) != (epoch, clause, reason):
                    fields = {"clause": clause, "epoch": epoch, "witness_epoch": current, **self._evidence()}
                    log.warning("refuses the %s a lease: %s", party, reason, extra={"fields": fields})
                self._refused[party] = (epoch, clause, reason)
            case wire.Leased():
                self._refused.pop(party, None)


def _fields(action: act.WitnessAction) -> dict[str, Any]:
    return named({name: getattr(action, name) for name in action.__dataclass_fields__})


async def run_witness(config: WitnessConfig) -> None:
    """Run a witness until SIGTERM or SIGINT; a SIGHUP has it read its keys anew. Raises `TakeoverError`."""
    check_witness(config)
    service = WitnessService(config)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, service.renew_keys)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    await service.serve()
