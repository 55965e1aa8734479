"""The protected applications: start them in order, watch them, stop them in the opposite order.

The intuition: an application is a process tree that is there as a whole or not at all (`kept_process`), with
a check that says whether it is well. The node starts them last in a takeover (ROLE-2) and stops them first
when it gives the role up (SWITCH-1, ROLE-6), so "stopped" has to mean that nothing of them lives.

What complicates it: a start may have to be broken off, because the grant lapsed in the meantime; `stop_all`
does that. A start that fails leaves nothing running.

Refused: restarting an application that failed. Whether to restart or to give the role up is a decision, and
decisions are the core's; here the failure is only reported, with what is known of it.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from takeover.applications.conditions import Conditions
from takeover.applications.health import Health, ailment
from takeover.applications.kept_process import Keeper, KeptProcess
from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import boottime_ns

_READY_POLL_MS = 50
_LOG_TAIL_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class ApplicationConfig:
    """One protected application."""

    name: str
    """Names it in errors and reports."""
    argv: tuple[str, ...]
    """Program and arguments. It has to stay in the foreground: when it exits, its descendants are killed."""
    log_path: Path
    """Its output and error are appended to this file."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the node's own environment."""
    directory: Path = Path("/")
    """Its working directory, and that of its health command."""
    health: Health | None = None
    """A command or an endpoint that tells whether it is well; without one, running is being well."""
    health_interval_ms: int = 1_000
    """Time between two checks, and the time that one may take, in ms; at least 1."""
    health_failures_max: int = 3
    """So many failed checks in a row are a failure of the application; at least 1."""
    stop_timeout_ms: int = 10_000
    """Time from SIGTERM to SIGKILL, in ms."""
    ready_timeout_ms: int = 30_000
    """Time from the start to the first successful check, in ms."""


@dataclass(frozen=True, slots=True)
class ApplicationFailure:
    """An application that ended, or is not well."""

    name: str
    reason: str
    """How it ended, or what the last check said."""
    log_tail: str
    """The end of what it printed since it was started, at most 1,000 bytes."""
    noticed_ns: int
    """CLOCK_BOOTTIME."""

    def __str__(self) -> str:
        output = f"; the end of its output: {self.log_tail!r}" if self.log_tail else ""
        return f"application {self.name}: {self.reason}{output}"


class ApplicationNotStarted(EnvironmentFault):
    """An application did not become ready; none of them is running."""

    def __init__(self, failure: ApplicationFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Applications:
    """All protected applications of a node, running or not."""

    def __init__(
        self,
        configs: Sequence[ApplicationConfig],
        on_failure: Callable[[ApplicationFailure], None],
        conditions: Conditions | None = None,
        keepers: Mapping[str, Keeper] | None = None,
    ) -> None:
        """`on_failure` is called at most once for each application and start; it should lead to `stop_all`.

        How they are is kept in `conditions`. `keepers` are ready for the first start, by the application's name.
        """
        self._keepers = dict(keepers or {})
        self._configs = tuple(configs)
        self._conditions = conditions or Conditions(config.name for config in configs)
        self._on_failure = on_failure
        self._running: list[tuple[ApplicationConfig, KeptProcess]] = []
        self._monitors: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None
        self._stopping = asyncio.Lock()

    async def start_all(self) -> None:
        """Start each when the one before it is ready; on return all are. Call `stop_all` at the end.

        Raises ApplicationNotStarted, and CallerError when they are started already or `stop_all` came in
        between. After an error none of them is running.
        """
        if self._starting is not None or self._running:
            raise CallerError(f"applications {[config.name for config in self._configs]} are started already")
        starting = self._starting = asyncio.create_task(self._start_each())
        try:
            await asyncio.wait({starting})
            if starting.cancelled():
                raise CallerError("applications stopped while they were being started")
            starting.result()
        except BaseException:
            await self.stop_all()
            raise
        finally:
            self._starting = None

    async def stop_all(self) -> None:
        """Stop what is running, the last started first, and break a start off; on return no process of them is alive.

        It may be called at any time. Raises EnvironmentFault when a process cannot be killed; the others are
        stopped.
        """
        async with self._stopping:
            monitors, self._monitors = self._monitors, []
            while self._keepers:
                await self._keepers.popitem()[1].leave()
            await _cancel([*monitors, *([] if self._starting is None else [self._starting])])
            faults = []
            while self._running:
                config, process = self._running[-1]
                try:
                    await process.stop(config.stop_timeout_ms)
                except EnvironmentFault as fault:
                    faults.append(f"application {config.name}: {fault}")
                self._running.pop()
                self._conditions.is_stopped(config.name)
            for monitor in monitors:
                if not monitor.cancelled():
                    monitor.result()  # what `on_failure` raised
            if faults:
                raise EnvironmentFault("; ".join(faults))

    async def _start_each(self) -> None:
        for config in self._configs:
            self._conditions.starts(config.name)
            log_offset = _size(config.log_path)
            try:
                process = await KeptProcess.start(
                    config.argv,
                    config.environment,
                    config.log_path,
                    config.directory,
                    self._keepers.pop(config.name, None),
                )
            except EnvironmentFault as fault:
                raise ApplicationNotStarted(self._failure(config, str(fault), log_offset)) from fault
            self._running.append((config, process))
            if reason := await _not_ready(config, process):
                raise ApplicationNotStarted(self._failure(config, reason, log_offset))
            if config.health:
                self._conditions.is_well(config.name)  # without a check: when it has run for a while
            self._monitors.append(asyncio.create_task(self._monitor(config, process, log_offset)))

    async def _monitor(self, config: ApplicationConfig, process: KeptProcess, log_offset: int) -> None:
        """Report the end of `process`, or too many failed checks in a row, whatever comes first."""
        failures = 0
        reason = ""
        while failures < config.health_failures_max:
            if await process.ends_within(config.health_interval_ms):
                reason = await _end(process)
                break
            reason = await _ailment(config, config.health_interval_ms)
            failures = failures + 1 if reason else 0
            if reason:
                self._conditions.fails(config.name, reason)
            else:
                self._conditions.is_well(config.name)
        self._on_failure(self._failure(config, reason, log_offset))

    def _failure(self, config: ApplicationConfig, reason: str, log_offset: int) -> ApplicationFailure:
        self._conditions.fails(config.name, reason)
        return _described(config, reason, log_offset)


async def _not_ready(config: ApplicationConfig, process: KeptProcess) -> str:
    """Wait until the application is well for the first time; why that did not happen, empty when it did."""
    deadline_ns = boottime_ns() + config.ready_timeout_ms * 1_000_000
    while True:
        left_ms = max(1, (deadline_ns - boottime_ns()) // 1_000_000)
        reason = await _ailment(config, left_ms)
        if not reason:
            return ""
        if await process.ends_within(_READY_POLL_MS):
            return f"it ended before it was ready: {await _end(process)}"
        if boottime_ns() >= deadline_ns:
            return f"not ready after {config.ready_timeout_ms} ms: {reason}"


async def _ailment(config: ApplicationConfig, timeout_ms: int) -> str:
    if config.health is None:
        return ""
    return await ailment(config.health, config.environment, config.log_path, timeout_ms, config.directory)


async def _end(process: KeptProcess) -> str:
    try:
        return await process.ended()
    except EnvironmentFault as fault:
        return str(fault)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _described(config: ApplicationConfig, reason: str, log_offset: int) -> ApplicationFailure:
    try:
        with config.log_path.open("rb") as log:
            log.seek(max(log_offset, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            log_tail = log.read(_LOG_TAIL_BYTES).decode(errors="replace")
    except OSError as cause:
        log_tail = f"({cause})"
    return ApplicationFailure(config.name, reason, log_tail, boottime_ns())


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
