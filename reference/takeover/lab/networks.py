"""The networks of the lab, by name. What only names them needs nothing that builds them."""

from __future__ import annotations

from enum import Enum


class Network(Enum):
    """The networks, and the subnet of each."""

    PUBLIC = "public"
    CHANNEL = "channel"


class Direction(Enum):
    """Of a machine's link to a network, as the machine sees it."""

    OUT = "out"
    IN = "in"
