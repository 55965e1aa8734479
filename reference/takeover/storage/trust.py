"""Whether what is on the disk is still known, and the end of all use once it is not.

After a failed sync the kernel has given up on pages that it still shows: they read well, they are not on the disk, and
the next sync succeeds without trying them again. So a store that meets such a failure must not go on, nor try again. It
says so to every later caller; only opening it anew, which reads and rewrites what is there, restores trust.

A full disk is another matter where the call that met it has done nothing: then it may be tried again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from takeover.errors import DiskFault, DiskFull, StorageDamaged, StorageRefused


class StorageTrust:
    """The trust in one store, which is lost once."""

    def __init__(self, path: Path) -> None:
        """`path` names the store in the errors."""
        self._path = path
        self._reason: str | None = None

    @property
    def lost(self) -> bool:
        """Whether the store refuses use."""
        return self._reason is not None

    def check(self) -> None:
        """Raise `StorageRefused` if the trust is lost."""
        if self._reason is not None:
            raise StorageRefused(self._path, self._reason)

    @contextmanager
    def at_stake(self, reason: str, *, full_is_harmless: bool = False) -> Iterator[None]:
        """Lose the trust when the disk fails in this block, with `StorageRefused`.

        With `full_is_harmless`, `DiskFull` passes through and costs nothing. Damage found in the block passes through,
        and costs the trust, for the work was cut short.
        """
        try:
            yield
        except StorageDamaged as damage:
            self._reason = f"{reason}: {damage}"
            raise
        except DiskFault as fault:
            if full_is_harmless and isinstance(fault, DiskFull):
                raise
            self._reason = f"{reason}: {fault}"
            raise StorageRefused(self._path, self._reason) from fault
