"""Every error that takeover raises, sorted by who has to act on it.

One root, and below it one class per party: whoever called us, the other server, the machine we run on, ourselves. A
handler that knows only the party already knows what to do: tell the caller, distrust the peer, stop until the machine
is mended, stop and report a defect. The classes further down exist because somebody handles exactly that case.

The refused alternative is a class per module. It tells where an error was noticed, which the traceback does anyway, and
not who can end it.
"""

import errno
import os
from pathlib import Path


class TakeoverError(Exception):
    """The root. Its message names the place, the cause and the values that decided."""


class CallerError(TakeoverError):
    """Whoever called asked for what cannot be: a programmer through the API, or an operator at the command line."""


class ConfigurationError(CallerError):
    """The configuration is missing, cannot be read, or contradicts itself."""


class DirectoryHeld(CallerError):
    """Another process works on this data directory."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            f"{path}: held by {holder}; two servers on one data directory would destroy each other's queues"
        )
        self.path = path
        self.holder = holder


class DirectoryOfAnother(CallerError):
    """This data directory belongs to another party."""


class PeerError(TakeoverError):
    """The other party sent what the protocol does not allow."""


class EnvironmentFault(TakeoverError):
    """The machine failed us: its disk, its kernel, its network."""


class DiskFault(EnvironmentFault):
    """A call to the disk failed. Carries the call's label, the path and the errno."""

    def __init__(self, label: str, path: Path, number: int) -> None:
        name = errno.errorcode.get(number, str(number))
        super().__init__(f"{path}: {label} failed: {os.strerror(number)} ({name})")
        self.label = label
        self.path = path
        self.number = number


class DiskFull(DiskFault):
    """There is no room (ENOSPC or EDQUOT). What was asked for did not happen; it may be tried again."""


class StorageDamaged(EnvironmentFault):
    """Something that was durable is not as it was written. Nothing was changed since that was noticed."""

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path}: damaged at byte {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason


class JournalDamaged(StorageDamaged):
    """A journal has lost or changed an entry that was durable."""


class StateDamaged(StorageDamaged):
    """The state file is not what was saved."""


class StorageRefused(EnvironmentFault):
    """What is on disk is unknown after a failure, so this object refuses all use; opening it anew reads the truth."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: refuses further use until it is opened again: {reason}")
        self.path = path
        self.reason = reason


class OwnFault(TakeoverError):
    """We broke one of our own invariants: a defect of takeover. The server stops."""


class CopyDiverged(OwnFault):
    """The passive's copy is not what it was on the active before the same update."""


class CopyRefused(PeerError):
    """The copy that was put together is not what the active server has: a defect, here or there."""
