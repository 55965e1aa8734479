"""The public identity, as the node sees it: enable until a time, disable, and hear when it lapsed.

The intuition: the node never holds the address itself. A guard process does (`identity_guard`), and the
kernel ends the guard at the grant's end. What is left to do here is to start guards, to pass times on, and to
tell a lapse from a disable.

What complicates it:
- A node that was stopped wakes up in the middle of whatever it was doing, often with a renewal at hand. A
  renewal must never undo a lapse (ROLE-6). So it only ever goes to the guard that held the identity, whose
  death answers it; and after a lapse `enable` is refused until the node has said `disable`, that is, until it
  has gone through its own reaction.
- Starting a process takes around a hundred milliseconds, which a takeover should not wait for. So an idle
  guard, which has bound the address but does not listen, always stands ready.
- Disabling must work on a guard that is stopped. So it is a SIGKILL, and returns when the process is gone.

Refused: restarting the guard here when it dies early. Whether the role is still to be held is the core's
decision.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import NoReturn, Protocol

from takeover.address.address_guard import address_guard
from takeover.address.guard_commands import grant_flaw
from takeover.address.guard_process import GuardProcess, GuardProgram
from takeover.address.identity_guard import listener_guard
from takeover.address.interface import AddressConfig
from takeover.address.netlink import NETFILTER, Netlink
from takeover.config import ListenerConfig
from takeover.errors import CallerError, EnvironmentFault
from takeover.linux import boottime_ns

MS = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """The public identity ended although nobody disabled it."""

    until_ns: int
    """End of the last grant that was confirmed as enabled (CLOCK_BOOTTIME); 0 when none was."""
    noticed_ns: int
    """When the node saw it (CLOCK_BOOTTIME). Earlier than `until_ns`: something else killed the holder."""


class IdentityLapsed(EnvironmentFault):
    """`enable` came after a lapse that the node has not answered with `disable` yet."""

    def __init__(self, until_ns: int, lapse: Lapse) -> None:
        super().__init__(
            f"public identity not enabled until {until_ns}: it lapsed at {lapse.until_ns} (noticed at"
            f" {lapse.noticed_ns}) and has not been disabled since"
        )
        self.lapse = lapse


class IdentityPort(Protocol):
    """A public identity that the kernel ends at a given time: a listener, a network address."""

    async def start(self) -> None:
        """Get ready to enable it. Raises EnvironmentFault when it cannot be had; CallerError: the operator must act."""

    async def close(self) -> None:
        """Disable it and leave nothing behind."""

    @property
    def look_ns(self) -> int:
        """How long before an `enable` it is best to `look`, in nanoseconds; 0 when there is nothing to look for."""

    def look(self) -> None:
        """`enable` may come soon: find out what speaks against it, beside the caller. It changes nothing."""

    async def enable(self, until_ns: int) -> None:
        """Hold the identity until `until_ns` (CLOCK_BOOTTIME); on return it is held.

        Called again before that time, with a later one, it extends. Raises IdentityLapsed after an unanswered
        lapse, CallerError for a time that makes no sense, EnvironmentFault when the address cannot be had.
        """

    async def disable(self) -> None:
        """On return the identity is not held, and its connections are dead; a lapse is answered. It may be repeated."""

    async def lapsed(self) -> Lapse:
        """Wait for the next lapse. Each is returned once. The node must then stop serving and call `disable`."""


def public_identity(config: ListenerConfig | AddressConfig) -> IdentityPort:
    """The kind of public identity that the configuration asks for. Nothing is started yet."""
    if isinstance(config, AddressConfig):
        return PublicIdentity(address_guard(config))
    return PublicIdentity(listener_guard(config.listen, config.forward))


class PublicIdentity:
    """The public identity as a guard process holds it; what that is, is the guard's own program.

    Call `start` before anything else and `close` at the end. It belongs to the event loop that `start` ran
    in, and that loop's thread has to last as long as the node: the guards die with the thread that started
    them.
    """

    def __init__(self, program: GuardProgram) -> None:
        """Nothing is started yet."""
        self._program = program
        self._line: Netlink | None = None  # open as long as this node lives, also where it is stopped
        self._spare: asyncio.Task[GuardProcess] | None = None
        self._holder: GuardProcess | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._unanswered: Lapse | None = None
        self._lapses: asyncio.Queue[Lapse] = asyncio.Queue()
        self._enabling = asyncio.Lock()
        self._disables = 0

    async def start(self) -> None:
        """Get a guard ready. Raises EnvironmentFault when the address cannot be had on this machine."""
        if self._program.owns_rules:
            with contextlib.suppress(OSError):  # the guard has no line either, and says why
                self._line = Netlink(NETFILTER)
        await self._prepare()

    async def close(self) -> None:
        """Disable the identity and end every process started here."""
        await self.disable()
        if self._spare is not None:
            await asyncio.wait({self._spare})
            if self._spare.exception() is None:
                await self._spare.result().leave()
        if self._line is not None:
            self._line.close()

    @property
    def look_ns(self) -> int:
        """See IdentityPort."""
        return self._program.look_ms * MS

    def look(self) -> None:
        """See IdentityPort."""
        if self._holder is None and self._spare is not None and self._spare.done() and _is_ready(self._spare):
            self._spare.result().look()

    async def enable(self, until_ns: int) -> None:
        """See IdentityPort."""
        disables = self._disables
        async with self._enabling:
            if self._unanswered is not None:
                raise IdentityLapsed(until_ns, self._unanswered)
            if self._holder is None:
                await self._prepare()
            if self._disables != disables:
                raise self._disabled(until_ns)
            held_until_ns = 0 if self._holder is None else self._holder.until_ns
            if flaw := grant_flaw(until_ns, held_until_ns, boottime_ns()):
                raise CallerError(f"public identity {self._program.name}: {flaw}")
            # A renewal goes to the holder and to no other guard: if that one is dead, so is the grant it held under.
            holder = self._holder or self._appoint_holder()
            answer = await holder.enable(until_ns)
            if answer != f"enabled {until_ns}":
                await self._explain(answer, until_ns)

    async def _explain(self, answer: str, until_ns: int) -> NoReturn:
        """Raise what became of an `enable` that did not succeed."""
        if answer:
            await self.disable()
            raise EnvironmentFault(f"public identity {self._program.name}: the guard {answer}")
        assert self._watcher is not None
        await asyncio.wait({self._watcher})
        if self._unanswered is not None:
            raise IdentityLapsed(until_ns, self._unanswered)
        raise self._disabled(until_ns)

    def _disabled(self, until_ns: int) -> CallerError:
        return CallerError(
            f"public identity {self._program.name}: disabled on the way to being enabled until {until_ns}"
        )

    async def disable(self) -> None:
        """See IdentityPort."""
        self._disables += 1
        holder, self._holder = self._holder, None
        self._unanswered = None
        while not self._lapses.empty():
            self._lapses.get_nowait()
        if holder is not None:
            holder.kill()
        await self._released()

    async def lapsed(self) -> Lapse:
        """See IdentityPort."""
        return await self._lapses.get()

    async def _prepare(self) -> None:
        """Have a guard ready that is not the holder. Raises EnvironmentFault when the address cannot be had."""
        await self._released()
        if self._spare is None or (self._spare.done() and not _is_ready(self._spare)):
            self._spare = self._start_guard()
        await asyncio.wait({self._spare})
        self._spare.result()

    def _appoint_holder(self) -> GuardProcess:
        """The guard that is ready becomes the one that may hold the identity."""
        assert self._spare is not None
        self._holder = self._spare.result()
        self._spare = None
        self._watcher = asyncio.create_task(self._watch(self._holder))
        return self._holder

    def _start_guard(self) -> asyncio.Task[GuardProcess]:
        return asyncio.create_task(GuardProcess.start(self._program, self._line))

    async def _watch(self, guard: GuardProcess) -> None:
        """Tell a lapse from a disable when the holder ends, and have the next guard ready."""
        await guard.ended()
        if self._holder is guard:
            self._holder = None
            self._unanswered = Lapse(guard.until_ns, boottime_ns())
            self._lapses.put_nowait(self._unanswered)
        self._spare = self._start_guard()

    async def _released(self) -> None:
        """Wait until the guard that ended, or is ending, is gone; at once when there is none or it still holds."""
        if self._watcher is not None and self._holder is None:
            await asyncio.wait({self._watcher})
            self._watcher.result()


def _is_ready(spare: asyncio.Task[GuardProcess]) -> bool:
    return spare.exception() is None and spare.result().alive
