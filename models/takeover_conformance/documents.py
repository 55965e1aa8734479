"""The documents: where they are, what the protocol's says of a clause, and the digest by which a result names it.

They come with an installed package, and are beside it in a checkout. A quotation is of the text itself: the bullets of
a clause, or the one that names the predicate that was broken; a row of the properties; what §12.1 says of a frame.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import takeover_conformance
import takeover_spec


def protocol_file() -> Path:
    """Where PROTOCOL.md is."""
    return _beside(Path(takeover_spec.__file__).parent, "PROTOCOL.md")


def adapter_file() -> Path:
    """Where ADAPTER.md is."""
    return _beside(Path(takeover_conformance.__file__).parent, "ADAPTER.md")


def _beside(package: Path, name: str) -> Path:
    installed = package / name
    return installed if installed.exists() else package.parent / name


@cache
def protocol() -> str:
    """The text of PROTOCOL.md."""
    return protocol_file().read_text(encoding="utf-8")


def digest() -> str:
    """SHA-256 of PROTOCOL.md."""
    return hashlib.sha256(protocol_file().read_bytes()).hexdigest()


@cache
def title(name: str) -> str:
    """The heading of a clause or of a section, without its name; empty if there is none."""
    found = re.search(rf"^#+ {re.escape(name.removeprefix('§'))}:? (.+)$", protocol(), re.MULTILINE)
    return found[1] if found else ""


@cache
def sentences(name: str, predicate: str = "") -> tuple[str, ...]:
    """What the protocol says of a clause (of one predicate of it), a section or a property; nothing if it does not."""
    row = re.search(rf"^\| `{re.escape(name)}` \| (.+) \|$", protocol(), re.MULTILINE)
    if row:
        return (row[1],)
    bullets: list[str] = []
    for line in _section(name):
        if line.startswith("- "):
            bullets.append(line[2:])
        elif line.startswith("  ") and bullets:
            bullets[-1] += " " + line.strip()
    named = [bullet for bullet in bullets if predicate and f"(`{predicate}`)" in bullet]
    return tuple(named or bullets)


def _section(name: str) -> Iterator[str]:
    """The lines between the heading of this name and the next."""
    inside = False
    for line in protocol().splitlines():
        if line.startswith("#"):
            inside = line.lstrip("#").strip().partition(" ")[0].rstrip(":") == name.removeprefix("§")
        elif inside and line.startswith("**") and name.startswith("§"):
            return  # what follows is about something else
        elif inside:
            yield line
