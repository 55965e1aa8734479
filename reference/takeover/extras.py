"""The extras of this package: what a command or an option needs beyond Python, and how it is had.

A person is told the requirements themselves and not `pip install takeover[…]`: an index may have another package of our
name, and would hand out that.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires


def missing(module: str, extra: str) -> str:
    """What to tell a person about a module that is not installed, and the extra that it belongs to."""
    wanted = " ".join(f"'{requirement}'" for requirement in _requirements(extra))
    how = f": pip install {wanted}" if wanted else ""
    return f"needs {module}, which is not installed; it is of the extra `{extra}`{how}"


def _requirements(extra: str) -> list[str]:
    """What an extra consists of; nothing if this package itself was not installed."""
    try:
        all_of_them = requires("takeover") or []
    except PackageNotFoundError:
        return []
    parts = [requirement.partition(";") for requirement in all_of_them]
    return [
        name.strip() for name, _, marker in parts if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", marker)
    ]
