"""The core: every decision a server makes. Nothing here does I/O, reads a clock or draws a random number.

`begin` and `step` take what happened and the time, and return the next state and the effects, in the order in which
they have to be carried out. `events` is what can happen, `effects` what can come of it.
"""

from takeover.core.state import Core, Settings, begin, counted_ns
from takeover.core.step import step

__all__ = ["Core", "Settings", "begin", "counted_ns", "step"]
