"""Reading a configuration file strictly: every key asked for by name, every problem of the file reported at once.

The intuition: whoever reads asks a `Table` for each key it knows, with what it expects; a wrong value is noted and a
stand-in returned, so that the reading goes on. At the end `Problems.raise_if_any` names everything that was wrong, with
the keys that nobody asked for among it. So an operator mends a file in one round.

What complicates it: a stand-in must not be judged a second time. Whoever compares two values asks `Table.is_good`
first.

Refused: a schema library. It would be the only dependency that a server has, for three small files.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from takeover.address.interface import InterfaceAddress
from takeover.endpoint import Endpoint
from takeover.errors import CallerError, ConfigurationError

_ABSENT: Any = object()
_NOWHERE = Endpoint("0.0.0.0", 1)


class Problems:
    """Everything that is wrong with one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: list[str] = []

    def add(self, key: str, found: str, expected: str) -> None:
        """Note that `key` holds `found` where `expected` was wanted."""
        self._found.append(f"{key}: found {found}; expected {expected}")

    def raise_if_any(self) -> None:
        """Raise ConfigurationError with all that was noted."""
        if self._found:
            raise ConfigurationError("\n".join(f"{self.file}: {problem}" for problem in self._found))


def read_toml(file: Path) -> dict[str, Any]:
    """The values in a TOML file. Raises ConfigurationError when there are none to be had."""
    try:
        with file.open("rb") as content:
            return tomllib.load(content)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}") from error


class Table:
    """One table of a file. Ask for every key, then call `finish`."""

    def __init__(self, values: dict[str, Any], problems: Problems, place: str = "") -> None:
        """`place` is the table's own name, with a dot at its end; empty for the file's top."""
        self._values = values
        self._problems = problems
        self._place = place
        self._known: list[str] = []
        self._bad: set[str] = set()
        self._above = problems.file.parent.absolute()

    @property
    def directory(self) -> Path:
        """The directory of the file."""
        return self._above

    def key(self, name: str) -> str:
        """The full name of a key, for a message."""
        return self._place + name

    def is_good(self, *names: str) -> bool:
        """Whether none of these keys was found wrong."""
        return not self._bad.intersection(names)

    def problem(self, name: str, found: str, expected: str) -> None:
        """Note that a key is wrong."""
        self._bad.add(name)
        self._problems.add(self.key(name), found, expected)

    def has(self, name: str) -> bool:
        """Whether an optional key is there."""
        self._known.append(name)
        return name in self._values

    def holds_list(self, name: str) -> bool:
        """Whether a list is there, for a key that may be one or something else."""
        return isinstance(self._values.get(name), list)

    def text(self, name: str, pattern: str, expected: str) -> str:
        """A text that matches a pattern as a whole."""
        value = self._take(name, _ABSENT, expected)
        if not self._is_a(str, name, value, expected):
            return ""
        if not re.fullmatch(pattern, value):
            self.problem(name, _shown(value), expected)
        return str(value)

    def choice(self, name: str, choices: tuple[str, ...], default: str = _ABSENT) -> str:
        """One of a few words."""
        expected = " or ".join(f'"{word}"' for word in choices)
        value = self._take(name, default, expected)
        if value is not _ABSENT and value not in choices:
            self.problem(name, _shown(value), expected)
        return value if value in choices else choices[0]

    def number(self, name: str, least: int, most: int, unit: str, default: int = _ABSENT) -> int:
        """A whole number from `least` to `most`."""
        expected = f"a whole number of {unit} from {least} to {most}"
        value = self._take(name, default, expected)
        if not self._is_a(int, name, value, expected):
            return least
        if not least <= value <= most:
            self.problem(name, str(value), expected)
            return least
        return int(value)

    def endpoint(self, name: str) -> Endpoint:
        """An IP address and a port."""
        expected = 'an IP address in digits and a port, such as "192.0.2.1:7400"'
        value = self._take(name, _ABSENT, expected)
        if not self._is_a(str, name, value, expected):
            return _NOWHERE
        try:
            return Endpoint.parse(value)
        except CallerError as error:
            self.problem(name, f"{_shown(value)} ({error})", expected)
            return _NOWHERE

    def interface_addresses(self, name: str) -> tuple[InterfaceAddress, ...]:
        """A list of IP addresses of one host each, with the lengths of their prefixes."""
        expected = 'a list of IP addresses with prefix length, such as ["192.0.2.10/24", "2001:db8::10/64"]'
        value = self._take(name, _ABSENT, expected)
        if value is _ABSENT:
            return ()
        if not (isinstance(value, list) and value):
            self.problem(name, _shown(value), expected)
            return ()
        found: list[InterfaceAddress] = []
        for text in value:
            flaw = "" if isinstance(text, str) and "/" in text else "no prefix length"
            try:
                address = ipaddress.ip_interface(text if not flaw else "")
                flaw = _address_flaw(address, found)
                found.append(address)
            except ValueError as error:
                flaw = flaw or str(error)
            if flaw:
                self.problem(name, f"{_shown(text)} ({flaw})", expected)
        return tuple(found)

    def path(self, name: str) -> Path:
        """A path, relative to the file's directory unless it is absolute."""
        expected = "a path"
        value = self._take(name, _ABSENT, expected)
        if not self._is_a(str, name, value, expected):
            return self._above
        if not value or "\0" in value:
            self.problem(name, _shown(value), expected)
            return self._above
        return self._above / str(value)

    def words(self, name: str) -> tuple[str, ...]:
        """A command: a list of texts, the first of which is the program. One with a slash is a path, as in `path`."""
        expected = 'a list of a program and its arguments, such as ["/usr/bin/server", "--port", "80"]'
        value = self._take(name, _ABSENT, expected)
        if value is _ABSENT:
            return ()
        if not (
            isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]
        ):
            self.problem(name, _shown(value), expected)
            return ()
        program = str(self._above / value[0]) if "/" in value[0] else value[0]
        return (program, *value[1:])

    def urls(self, name: str) -> tuple[str, ...]:
        """A list of servers, each a URL of scheme, host and port and no more."""
        expected = 'a list of URLs of a host and a port, such as ["https://192.0.2.11:2379"]'
        value = self._take(name, _ABSENT, expected)
        if value is _ABSENT:
            return ()
        if not (isinstance(value, list) and value and all(_is_url(word) for word in value)):
            self.problem(name, _shown(value), expected)
            return ()
        return tuple(word.removesuffix("/") for word in value)

    def texts(self, name: str) -> dict[str, str]:
        """A table of texts; empty if there is none."""
        expected = 'a table of texts, such as { LANG = "C" }'
        value = self._take(name, {}, expected)
        if not isinstance(value, dict):
            self.problem(name, _shown(value), expected)
            return {}
        for key, text in value.items():
            if not isinstance(text, str):  # the value itself may be a secret, and is not shown
                self.problem(f"{name}.{key}", f"a {type(text).__name__}", "a text")
        return {key: text for key, text in value.items() if isinstance(text, str)}

    def table(self, name: str) -> Table:
        """A table below this one; an empty one if there is none, which then lacks what it requires."""
        value = self._take(name, {}, f"a table [{self.key(name)}]")
        if not isinstance(value, dict):
            self.problem(name, _shown(value), f"a table [{self.key(name)}]")
            value = {}
        return Table(value, self._problems, f"{self.key(name)}.")

    def tables(self, name: str) -> list[Table]:
        """The tables written [[name]], numbered from 1 in messages."""
        value = self._take(name, [], f"tables [[{self.key(name)}]]")
        if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
            self.problem(name, _shown(value), f"tables [[{self.key(name)}]]")
            return []
        return [
            Table(item, self._problems, f"{self.key(name)}[{number}].")
            for number, item in enumerate(value, 1)
        ]

    def finish(self) -> None:
        """Note every key that nobody asked for, with the nearest one that there is."""
        for name in [name for name in self._values if name not in self._known]:
            near = difflib.get_close_matches(name, self._known, 1, 0.5)
            hint = f'"{near[0]}"' if near else f"one of {', '.join(self._known)}"
            self._problems.add(self.key(name), "a key that means nothing here", hint)

    def _take(self, name: str, default: Any, expected: str) -> Any:
        self._known.append(name)
        value = self._values.get(name, default)
        if value is _ABSENT:
            self.problem(name, "nothing", expected)
        return value

    def _is_a(self, kind: type, name: str, value: Any, expected: str) -> bool:
        """Whether a value is of its kind; a wrong one is noted, and so was an absent one."""
        good = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if not good and value is not _ABSENT:
            self.problem(name, _shown(value), expected)
        return good


def _is_url(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        plain = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
        return parts.scheme in ("http", "https") and bool(parts.hostname and parts.port) and plain
    except ValueError:
        return False


def _address_flaw(address: InterfaceAddress, others: Sequence[InterfaceAddress]) -> str:
    """Why it cannot be an address of one host beside the others; empty when it can."""
    ip, network = address.ip, address.network
    if ip.is_unspecified or ip.is_multicast or ip.is_loopback or ip.is_link_local:
        return "not an address that other machines could reach"
    if (
        address.version == 4
        and network.prefixlen < 31
        and ip in (network.network_address, network.broadcast_address)
    ):
        return f"not a host's address in {network}"
    return "once more" if ip in [other.ip for other in others] else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
