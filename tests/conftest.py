"""What holds for every test: a skipped test is a failed run, and so is a run of no tests."""

from __future__ import annotations

import signal

import pytest

_skipped: list[str] = []
_passed: list[str] = []


def pytest_configure() -> None:
    """Ignore no interrupt, though a shell without job control started this in the background: children would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what was skipped, and that something was run."""
    if report.skipped:
        _skipped.append(report.nodeid)
    elif report.when == "call":
        _passed.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn a run red that only looks green."""
    if hasattr(session.config, "workerinput"):
        return  # a worker of a parallel run; the controller judges
    if session.config.option.collectonly:
        return
    if _skipped or (exitstatus == pytest.ExitCode.OK and not _passed):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why."""
    for name in _skipped:
        terminalreporter.write_line(f"skipped, and that is a failure: {name}", red=True)
