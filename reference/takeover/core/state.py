"""The state of a server's core, and how it begins.

What the protocol speaks of is in `know`, and changes by actions only: `Turn.do` is the one way to act, and it keeps
the account with the specification's own `after`. Beside it there are a few numbers that only decide *when* something
is said again. So the state stays small whatever is in the queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from takeover.core.effects import Effect, Say, SayWitness
from takeover.core.span import Span
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge, after
from takeover_spec.logic import greatest
from takeover_spec.records import replace
from takeover_spec.wire import Message
from takeover_spec.words import PPM, Constants, Identity, Status


def counted_ns(length_ns: int, drift_ppm: int) -> int:
    """How much of a grant of this length its holder may count on, from the sending of its request (LEASE-4)."""
    return length_ns * (PPM - drift_ppm) // (PPM + drift_ppm)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is told beside the pair's constants."""

    me: Identity
    run: int
    """Names this run of the process; never used twice."""
    constants: Constants
    beat_ns: int
    """How often grants are asked for, in nanoseconds; well below both lengths."""
    patience_ns: int
    """How long the passive server may be silent before it is declared not eligible; synchronous mode waits for it."""
    lease_counted_ns: int
    """`counted_ns` of the lease."""
    promise_counted_ns: int
    """`counted_ns` of the promise."""
    resumes: bool = True
    """A takeover of its own that was cut goes on by itself (REJOIN-4): only a witness knows that nobody succeeded
    it."""


@dataclass(frozen=True, slots=True)
class Core:
    """The state of the core."""

    settings: Settings
    know: Knowledge
    beat_at: int
    """When grants are asked for next."""
    heard_at: int
    """When the peer last said something that a passive server says that lives, and gets on."""
    shipped_at: int = 0
    """When the unsafe queue was last sent once more because the peer did not get on."""
    asked: bool = False
    """The active server was given a promise, and was not told since what is safe here."""
    offered: bool = False
    """The last declaration was *eligible*."""
    recorded: bool = True
    """The witness has confirmed the last declaration."""
    refrained: str = ""
    """The reason last given for not taking over."""
    copying: bool = False
    """A copy is being taken: nothing is logged meanwhile."""
    copied: bool = False
    """A copy is on its way over this connection."""
    stating: bool = False
    """What a takeover would discard is being written down."""
    stopping: bool = False
    promised: bool = False
    """It has promised something in this run."""
    winding_down: bool = False
    """The applications are being stopped for a switchover, which begins when they are."""
    switching: bool = False
    """A switchover is under way: the applications are stopped, and the queues are emptied."""
    switching_order: int = 0
    switching_within: int = 0
    """For how long the queues may be emptied, in nanoseconds."""
    switching_until: int = 0
    """When it is called off."""
    resynchronising: bool = False
    """An operator wants a new copy of the data, and it has not come yet."""

    def wake_at(self, told: int) -> int:
        """When the core wants `Woke`: at the next beat, or when a grant or its own promise ends.

        `told` is the time it was told last, in any event; what ended by then it has dealt with.
        """
        ends = (
            self.know.lease_until,
            self.know.promise_until,
            self.know.given_until,
            self.switching_until if self.switching else 0,
        )
        return min([self.beat_at, *(end for end in ends if end > told)])


def status_upto(know: Knowledge) -> int:
    """Up to where every update is in the safe queue with its status, or applied."""
    return greatest(know.applied, cast(Span[int], know.status).last)


def carried_upto(know: Knowledge) -> int:
    """Up to where every update has been carried out."""
    return greatest(know.applied, cast(Span[int], know.carried).last)


class Turn:
    """One call of the core: the state as it changes, and the effects so far."""

    def __init__(self, core: Core, now: int) -> None:
        self.core = core
        self.now = now
        self.effects: list[Effect] = []

    @property
    def know(self) -> Knowledge:
        """What is known now, in the middle of the turn."""
        return self.core.know

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.core.settings

    def do(self, action: act.ServerAction) -> None:
        """Act: the action is an effect, and is known from here on."""
        self.core = replace(self.core, know=after(self.core.know, action, self.now))
        self.effects.append(action)

    def note(self, **changes: Any) -> None:
        """Change what the core remembers beside what it knows."""
        self.core = replace(self.core, **changes)

    def say(self, message: Message) -> None:
        """Send to the peer."""
        self.effects.append(Say(message))

    def say_witness(self, message: Message) -> None:
        """Send to the witness."""
        self.effects.append(SayWitness(message))

    def ask(self, effect: Effect) -> None:
        """Ask something of the shell that is not an action of the protocol."""
        self.effects.append(effect)


def remembered(found: Knowledge, stored_last: int, status_last: int, carried_last: int) -> Knowledge:
    """What a server finds on its disk, with its tables as runs: the last number of each unbroken run.

    A run in the safe queue begins after what is applied; the one of the carried updates after what the epoch began
    with. Neither may have a hole: the reference server never leaves one.
    """
    return replace(
        found,
        stored=Span(True, False, found.applied + 1, stored_last),
        status=Span(int(Status.DONE), int(Status.NONE), found.applied + 1, status_last),
        carried=Span(int(Status.DONE), int(Status.NONE), found.applied + 1, carried_last),
        newest=max(found.applied, stored_last),
    )


def begin(
    settings: Settings, found: Knowledge, now: int, promised_ns: int = 0
) -> tuple[Core, tuple[Effect, ...]]:
    """A server starts with what it finds on its disk (`remembered`): passive, hidden, bound by old promises.

    `promised_ns` is the length of a promise in an earlier run, if it was told another then.
    """
    turn = Turn(Core(settings, found, beat_at=now, heard_at=now), now)
    wait_until = now + max(settings.constants.promise_ns, promised_ns)  # LEASE-2
    turn.do(act.Start(active=False, enabled=False, until=0, wait_until=wait_until))
    return turn.core, tuple(turn.effects)
