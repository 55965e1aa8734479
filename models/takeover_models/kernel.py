"""What ends the public identity on time: the machine's kernel, whatever has become of the process that asked it to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Kernel:
    """What ends the public identity."""

    slack_ns: int
    until: int | None = None

    def holds(self, clock: int) -> bool:
        """Whether the public identity is on the interface when the machine's clock shows this."""
        return self.until is not None and clock < self.until + self.slack_ns
