"""A TCP endpoint: an IP address in digits, and a port.

Names are refused on purpose: a failover must not wait for, or believe, a name server.
"""

import ipaddress
from dataclasses import dataclass

from takeover.errors import CallerError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where something listens. Raises CallerError unless `host` is an IP address in digits and `port` is a port."""

    host: str
    """IPv4 or IPv6, in digits, without brackets."""
    port: int
    """1 to 65535."""

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.host)
        except ValueError as cause:
            raise CallerError(f"endpoint {self.host!r} port {self.port}: {cause}") from cause
        if not 1 <= self.port <= 65535:
            raise CallerError(f"endpoint {self.host!r} port {self.port}: the port is not within 1..65535")

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read `192.0.2.1:80` or `[2001:db8::1]:80`. Raises CallerError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit():
            raise CallerError(f"endpoint {text!r}: expected HOST:PORT")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def overlaps(self, other: "Endpoint") -> bool:
        """Whether a listener on the one keeps another off the other: the same, or one is on every address."""
        everywhere = any(ipaddress.ip_address(end.host).is_unspecified for end in (self, other))
        return self.port == other.port and (self.host == other.host or everywhere)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"
