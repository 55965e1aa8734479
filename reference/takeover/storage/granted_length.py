"""How long the longest grant is that a party may have given: what it waits out when it starts.

LEASE-2 and LEASE-3 make a party that starts wait one full grant. If its configuration was changed meanwhile, the length
that binds it is the one it was told before: whoever holds such a grant does not know of the change. So the length is
kept on the disk, and the longer one is waited out. Once that is over, nothing but the new length is left.
"""

from __future__ import annotations

from takeover.errors import StateDamaged
from takeover.storage.data_directory import DataDirectory
from takeover.storage.durable_state import DurableState

FILE_NAME = "granted.json"

_NAME = "length_ns"


class GrantedLength:
    """The length of the grants of one party, in nanoseconds: as configured now, and before."""

    def __init__(self, directory: DataDirectory, length_ns: int) -> None:
        """Keep the longer one from here on: no grant has been given yet. Raises `StorageDamaged`."""
        self._path = directory.path / FILE_NAME
        self._state = DurableState(self._path, directory.disk)
        self._length_ns = length_ns
        self.longest_ns = max(length_ns, self._kept())
        """What has to be waited out at the start."""
        self._keep(self.longest_ns)

    def waited_out(self) -> None:
        """Everything that was granted before this start is over."""
        self._keep(self._length_ns)

    def _kept(self) -> int:
        saved = self._state.load() or {_NAME: 0}
        value = saved.get(_NAME)
        if type(value) is not int or len(saved) != 1:
            raise StateDamaged(self._path, 0, f"holds {saved}, not {_NAME}")
        return value

    def _keep(self, length_ns: int) -> None:
        if length_ns != self._kept():
            self._state.save({_NAME: length_ns})
