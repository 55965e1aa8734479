"""The stage of a demo: a pair, a witness, a client and an observer, and what is between them, wherever they are.

What a play needs of it is here. `scene` has everything on this machine's loopback interface, and works wherever
Python does. `takeover.lab.scene` has four machines and a real address, where the machine allows it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from takeover.demo.client_process import Client
from takeover.demo.configurations import Timing
from takeover.demo.parties import Party
from takeover.observer import Observation


class Stage(ABC):
    """Where it plays. `open` it, and `close` it whatever happened."""

    description: str
    """What is real here and what is not, in a line."""
    timing: Timing
    parties: dict[str, Party]
    client: Client

    @abstractmethod
    async def open(self) -> None:
        """Build it, and begin to observe; no party is started. Raises EnvironmentFault."""

    @abstractmethod
    async def close(self) -> None:
        """End whatever still runs."""

    @abstractmethod
    async def cut_off(self) -> None:
        """Cut the channel between the servers."""

    @abstractmethod
    async def reconnect(self) -> None:
        """Mend the channel."""

    @property
    @abstractmethod
    def observation(self) -> Observation | None:
        """What was observed from `open` to `close`; None before."""
