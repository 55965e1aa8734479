"""What the runner of the conformance suite costs for each line it exchanges with an adapter, beside a bare pipe.

The same program answers both. The runner makes a line of a request and reads each line of the answer into its type; the
bare pipe carries lines of the same bytes, made before, and looks for the last newline of the answer. A pair, and then
many, lines an answer: what a request costs, and what a line does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.bench.report import Figure, Report

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.process import Adapter
from takeover_spec import actions as act

EXCHANGES = 2000
"""How many requests are timed together."""

ROUNDS = 5
"""How often; the two take turns."""

ACTION = act.Store(3, 7)
_ANSWERER = """
import sys
for line in sys.stdin.buffer:
    number = line[6:line.index(b",")].decode()
    if b'"op":"hello"' in line:
        told = ['"is":"metadata","protocol":1,"name":"bench","version":"1","language":"python"', '"is":"end"']
    else:
        told = TOLD
    sys.stdout.write("".join(f'{{"id":{number},{more}}}\\n' for more in told))
    sys.stdout.flush()
"""


def exchanges(report: Report) -> None:
    """A figure for answers of one line, and of many."""
    for count in (0, 20):
        action = lines.reply_line(0, ACTION).decode().strip().removeprefix('{"id":0,').removesuffix("}")
        program = _ANSWERER.replace("TOLD", repr([action] * count + ['"is":"end"']))
        command = [sys.executable, "-c", program]
        runner, bare = [], []
        for _ in range(ROUNDS):
            runner.append(_runner(command, count))
            bare.append(_bare(command, count))
        told = f"a request and its answer of {count + 1} line{'s' if count else ''}, through the runner"
        report.add(
            Figure(
                "exchanges",
                told,
                sorted(runner)[ROUNDS // 2] * 1e6,
                "us",
                sorted(bare)[ROUNDS // 2] * 1e6,
                "the same through a bare pipe",
                max(runner) * 1e6,
                ROUNDS,
            )
        )


def _runner(command: list[str], count: int) -> float:
    """Seconds for one exchange."""
    adapter = Adapter(command)
    begun = time.perf_counter()
    for now in range(EXCHANGES):
        assert count == len(adapter.ask(lines.Wake(now)))
    seconds = (time.perf_counter() - begun) / EXCHANGES
    adapter.close()
    return seconds


def _bare(command: list[str], count: int) -> float:
    """Likewise."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, come = process.stdin.fileno(), process.stdout.fileno()
        asked = [lines.request_line(number, lines.Wake(number)) for number in range(1, EXCHANGES + 1)]
        _exchange(to, come, asked[0], count)  # it has started
        begun = time.perf_counter()
        for line in asked:
            _exchange(to, come, line, count)
        seconds = (time.perf_counter() - begun) / EXCHANGES
        process.kill()
    return seconds


def _exchange(to: int, come: int, line: bytes, count: int) -> None:
    os.write(to, line)
    ends = 0
    while ends <= count:
        ends += os.read(come, 1 << 16).count(b"\n")
