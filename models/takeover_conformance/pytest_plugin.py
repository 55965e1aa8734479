"""The suite as tests of pytest, for the CI of whoever writes a server.

    pytest --takeover-adapter "./my-adapter --verbose"

adds a test for each case and each random run, beside whatever other tests there are. In a configuration file it is
`takeover_adapter`; `takeover_level` is up to which level, `takeover_known` a file of known failures, which are expected
to fail, strictly. Without an adapter this plugin does nothing, and loads nothing.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option, and what can be set in a configuration file."""
    group = parser.getgroup("takeover", "conformance to the takeover protocol")
    group.addoption("--takeover-adapter", metavar="COMMAND", help="test the server behind this adapter")
    parser.addini("takeover_adapter", "test the server behind this adapter: its command")
    parser.addini("takeover_level", "up to which level of the conformance suite")
    parser.addini(
        "takeover_known", "a file of known failures, as of `takeover conform --known`", type="paths"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the suite to the tests, before any are chosen by name."""
    command = config.getoption("--takeover-adapter") or config.getini("takeover_adapter")
    if not command:
        return
    from takeover_conformance.pytest_items import Conformance

    conformance = Conformance.from_parent(
        session,
        name="takeover",
        nodeid="takeover",
        command=shlex.split(command),
        selection=_selection(config),
    )
    config.add_cleanup(conformance.close)
    items.extend(conformance.collect())


def _selection(config: pytest.Config) -> Any:
    from takeover_conformance import suite
    from takeover_conformance.cases import ADAPTER_LEVEL, shipped
    from takeover_conformance.known import Known, read_known

    word = config.getini("takeover_level") or str(ADAPTER_LEVEL)
    if not word.isdigit() or int(word) > ADAPTER_LEVEL:
        raise pytest.UsageError(f"takeover_level is {word!r}, and not one from 0 to {ADAPTER_LEVEL}")
    known: list[Known] = []
    for file in config.getini("takeover_known"):
        try:
            known += read_known(Path(file))
        except (ValueError, OSError) as problem:
            raise pytest.UsageError(f"takeover_known: {problem}") from None
    if nameless := [entry for entry in known if not entry.case]:
        raise pytest.UsageError(
            f"takeover_known: here each entry has to name its case, and not so: {nameless[0]}"
        )
    return suite.Selection(tuple(shipped()), int(word), range(suite.SEEDS), (), tuple(known))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is tested."""
    command = config.getoption("--takeover-adapter") or config.getini("takeover_adapter")
    return [f"takeover: {command}"] if command else []
