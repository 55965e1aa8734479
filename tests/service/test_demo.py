"""`takeover demo`, as a user runs it: what it says of a good pair, of a bad one, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from takeover.cli import Exit
from takeover.linux import processes

DEADLINE_S = 90
SCHEMA = json.loads(files("takeover").joinpath("demo", "demo.schema.json").read_text())


def demo(directory: Path, *options: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """A demo whose files are in `directory`/kept and whose verdict will be in `directory`/demo.json."""
    argv = [sys.executable, "-P", "-m", "takeover", "demo", "--seconds", "2"]
    argv += ["--json", str(directory / "demo.json"), "--keep", str(directory / "kept"), *options]
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def ended(running: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and what it printed, once it has ended."""
    output, _ = running.communicate(timeout=DEADLINE_S)
    return running.returncode, output


def verdict(directory: Path) -> dict[str, Any]:
    """What it wrote, which is as its schema says."""
    report = json.loads((directory / "demo.json").read_text())
    Draft202012Validator(SCHEMA).validate(report)
    assert isinstance(report, dict)
    return report


def started_by(directory: Path) -> list[int]:
    """The living processes that name `directory` on their command line or in their environment, but for this one."""
    found = []
    for process in processes():
        try:
            said = b"".join(
                Path(f"/proc/{process.pid}/{part}").read_bytes() for part in ("cmdline", "environ")
            )
        except OSError:
            continue  # it has ended
        if str(directory / "kept").encode() in said and process.pid != os.getpid():
            found.append(process.pid)
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("mode", ["synchronous", "asynchronous"])
def test_a_failover_loses_what_it_states_and_nothing_else(tmp_path: Path, mode: str) -> None:
    """Exit 0; in synchronous mode nothing that was acknowledged is lost; the traces that were kept obey."""
    status, output = ended(demo(tmp_path, "--mode", mode))
    report = verdict(tmp_path)
    assert (Exit.HOLDS, "holds", []) == (status, report["verdict"], report["findings"]), output
    assert mode == report["mode"]
    assert {"synchronous": "lab", "asynchronous": "loopback"}[mode] == report["where"]
    assert report["acknowledged"] > 50
    assert report["kept"] + report["lost"] == report["acknowledged"]
    assert mode == "asynchronous" or report["lost"] == 0
    assert 1 == report["holders_max"]
    assert 0 < report["enabled_ms"] < report["failover_ms"] < 15_000
    assert ("obeys", 4) == (report["trace"]["verdict"], len(report["trace"]["files"]))
    assert "primary, process" in output
    assert "takes the role of epoch 2: the active server is silent" in output
    assert [] == started_by(tmp_path)
    for party, runs in (("primary", 2), ("secondary", 1), ("witness", 1)):
        traces = sorted((tmp_path / "kept" / party / "trace").glob("*.ndjson"))
        assert runs == len(traces)


FORGETFUL = """
import sys
if "node" in sys.orig_argv and sys.orig_argv[-1].endswith("secondary.toml"):
    import takeover.storage.store
    from takeover.operations import Write, decode
    faithful = takeover.storage.store.apply
    def forgetful(root, operation, outcome):
        if not (isinstance(operation, Write) and operation.offset > 100):
            faithful(root, operation, outcome)
    takeover.storage.store.apply = forgetful
"""
"""A passive server that says it applies every update, and leaves the later ones out."""


def test_a_server_that_loses_data_and_says_nothing_is_found_out(tmp_path: Path) -> None:
    """Its trace obeys, for a trace is what a server says of itself; the client's account does not agree with it."""
    (tmp_path / "sitecustomize.py").write_text(FORGETFUL)
    status, output = ended(demo(tmp_path, environment={"PYTHONPATH": str(tmp_path)}))
    report = verdict(tmp_path)
    assert (Exit.VIOLATED, "violated") == (status, report["verdict"]), output
    assert "nothing-acknowledged-is-lost" in {finding["about"] for finding in report["findings"]}
    assert 0 < report["lost"] == report["acknowledged"] - report["kept"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_is_incomplete_and_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Exit 3, with a verdict that says so."""
    running = demo(tmp_path)
    until(lambda: any((tmp_path / "kept").glob("secondary/trace/*")))
    assert len(started_by(tmp_path)) > 3
    running.send_signal(number)
    status, output = ended(running)
    assert (Exit.UNDECIDED, "incomplete") == (status, verdict(tmp_path)["verdict"]), output
    assert [] == started_by(tmp_path)


def test_a_killed_demo_takes_its_processes_along(tmp_path: Path) -> None:
    """Nobody is left to clean up; the kernel does it."""
    running = demo(tmp_path)
    until(lambda: any((tmp_path / "kept").glob("secondary/trace/*")))
    running.kill()
    ended(running)
    until(lambda: not started_by(tmp_path))


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """Exit 2, before anything is started."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").touch()
    status, output = ended(demo(tmp_path))
    assert (Exit.USAGE, True) == (status, "is not an empty directory" in output)
    assert ["mine"] == os.listdir(tmp_path / "kept")
