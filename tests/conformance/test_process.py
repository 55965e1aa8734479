"""An adapter's bad manners are told from each other, and from a wrong server."""

import os
import signal
import sys
import textwrap
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover.linux import processes
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.process import Adapter
from takeover_spec import wire

POLITE = """
import json, sys
def answer(request):
    if request["op"] == "hello":
        yield {"is": "metadata", "protocol": 1, "name": "fake", "version": "1", "language": "python"}
    yield {"is": "end"}
def say(line):
    sys.stdout.write(line)
    sys.stdout.flush()
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] != "hello":
        MISBEHAVE
    for reply in answer(request):
        say(json.dumps({"id": request["id"], **reply}) + "\\n")
"""


def adapter(directory: Path, misbehaviour: str, script: str = POLITE) -> Adapter:
    """An adapter that says hello, and then does this before it answers."""
    program = directory / "fake.py"
    program.write_text(textwrap.dedent(script).replace("MISBEHAVE", misbehaviour))
    return Adapter([sys.executable, str(program)])


def fault(fake: Adapter, within_s: float = 5.0) -> AdapterFault:
    """What a fake does wrong when it is asked something."""
    with pytest.raises(AdapterFault) as caught:
        fake.ask(lines.Wake(1), within_s)
    with pytest.raises(ChildProcessError):  # it is gone, and was waited for
        os.waitpid(fake.process_id, os.WNOHANG)
    return caught.value


def test_a_polite_one_is_answered(tmp_path: Path) -> None:
    """The control: nothing is wrong with one that only answers."""
    fake = adapter(tmp_path, "pass")
    assert lines.Metadata(1, "fake", "1", "python") == fake.metadata
    assert [] == fake.ask(lines.Wake(1))
    fake.close()


@pytest.mark.parametrize(
    ("misbehaviour", "name", "told"),
    [
        ("say('what?\\n')", "garbage", "what?"),
        ("say('[1]\\n')", "garbage", "not a JSON object"),
        ("say('{}\\n')", "garbage", "id"),
        (
            "say(json.dumps({'id': request['id'], 'do': 'take-roll', 'epoch': 1}) + '\\n')",
            "garbage",
            "take-roll",
        ),
        (
            "say(json.dumps({'id': request['id'], 'do': 'store', 'epoch': 1.5, 'seq': 1}) + '\\n')",
            "garbage",
            "1.5",
        ),
        ("say(json.dumps({'id': 99, 'is': 'end'}) + '\\n')", "wrong-id", "99"),
        ("sys.exit(7)", "exited", "exited 7"),
        ("import os; os.kill(os.getpid(), 11)", "exited", "SIGSEGV"),
        ("say('{\"id\":'); sys.exit(0)", "half-line", "exited 0"),
        ("say('x' * (2 << 20))", "flood", "a line of more than"),
    ],
)
def test_each_fault_has_its_name(tmp_path: Path, misbehaviour: str, name: str, told: str) -> None:
    """And quotes what was at fault."""
    found = fault(adapter(tmp_path, misbehaviour))
    assert name == found.fault
    assert told in str(found)


@pytest.mark.parametrize(
    ("request_", "answer", "told"),
    [
        (lines.Decode(b"\0\0\0\2[]"), [], "nothing but end; it may be one decoded or refused"),
        (lines.Decode(b"\0\0\0\2[]"), [{"is": "refused"}] * 2, "refused, refused; it may be one decoded"),
        (lines.Encode(wire.Released(1)), [{"do": "disable"}], "disable; it may be one encoded"),
        (lines.Part(b""), [{"is": "sync"}], "sync; it may be end"),
        (lines.Wake(1), [{"is": "sync"}, {"is": "refused"}], "sync, refused; it may be actions"),
        (lines.Wake(1), [{"is": "close", "to": "nobody"}], "there is nobody called nobody"),
        (lines.Wake(1), [{"is": "say", "to": "", "frame": ""}], "there is nobody called"),
    ],
)
def test_a_wrong_kind_of_answer_is_the_adapters_fault(
    tmp_path: Path, request_: lines.Request, answer: list[dict[str, str]], told: str
) -> None:
    """It is well-formed and out of place, in a run as in the smoke test; no server is judged by it."""
    answers = f"[say(json.dumps({{'id': request['id'], **line}}) + '\\n') for line in {answer}]"
    with pytest.raises(AdapterFault, match="out-of-place") as caught:
        adapter(tmp_path, answers).ask(request_)
    assert told in str(caught.value)


def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """Also with a child that went into a session of its own, and whose parent is gone."""
    pids = tmp_path / "pids"
    note = f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}} ')"
    leave = f"import os, time; os.fork() and os._exit(0); os.setsid(); {note}"
    children = f"""import subprocess, sys, time
        subprocess.Popen([sys.executable, '-c', "{leave}; time.sleep(1000)"]).wait()
        subprocess.Popen(['sleep', '1000'])
        time.sleep(1000)"""
    fake = adapter(tmp_path, children)
    session = fake.process_id
    found: list[AdapterFault] = []
    waiting = threading.Thread(target=lambda: found.append(fault(fake, within_s=1.5)))
    waiting.start()
    until(lambda: pids.exists() and pids.read_text().endswith(" "))
    away = int(pids.read_text())
    assert session != next(process.session for process in processes() if process.pid == away)
    waiting.join()
    assert "hang" == found[0].fault
    until(lambda: not any(process.pid == away or process.session == session for process in processes()))


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_hangs_in_a_line_is_told_so(tmp_path: Path) -> None:
    """And so is one that does not say who it is."""
    half = adapter(tmp_path, "say('{\"id\":'); import time; time.sleep(1000)")
    assert "half-line" == fault(half, within_s=0.5).fault
    line = "json.dumps({'id': request['id'], 'is': 'sync'}) + '\\n'"
    endless = fault(adapter(tmp_path, f"say({line}); import time; time.sleep(1000)"), within_s=0.5)
    assert ("hang", True) == (endless.fault, "1 line of an answer and no end of it" in endless.detail)
    assert b'"sync"' in endless.line
    with pytest.raises(AdapterFault) as caught:
        Adapter(["sleep", "1000"], 0.2)
    assert ("hang", b'{"id":1,"op":"hello","protocol":1}\n') == (caught.value.fault, caught.value.asked)


def test_one_that_does_not_read_is_told_so(tmp_path: Path) -> None:
    """When what it is asked does not fit into the pipe."""
    deaf = adapter(
        tmp_path, "pass", POLITE.replace("for line in sys.stdin:", "for line in [sys.stdin.readline()]:")
    )
    deaf_too = Adapter(
        [sys.executable, "-c", (tmp_path / "fake.py").read_text() + "\nimport time; time.sleep(1000)"]
    )
    for fake, name in ((deaf, "exited"), (deaf_too, "hang")):
        with pytest.raises(AdapterFault) as caught:
            fake.ask(lines.Decode(b"x" * 500_000), 0.5)
        assert name == caught.value.fault
    assert "it does not read what it is asked" == caught.value.detail


LINE = "json.dumps({'id': request['id'], 'do': 'refrain', 'clause': 'x', 'reason': 'y' * %d}) + '\\n'"


@pytest.mark.parametrize(
    "flood", [f"[say({LINE % 500000}) for _ in range(2000)]", f"[say({LINE % 1}) for _ in range(10 ** 6)]"]
)
def test_one_that_writes_without_end_does_not_take_the_runner_down(tmp_path: Path, flood: str) -> None:
    """A gigabyte of lines that are each allowed is too much for one answer; it is not kept."""
    fake = adapter(tmp_path, flood)
    tracemalloc.start()
    found = fault(fake, within_s=30)
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    assert "flood" == found.fault


def test_a_long_complaint_is_heard_to_its_end(tmp_path: Path) -> None:
    """It does not stop the adapter, is not kept, and its last lines are told with a fault."""
    fake = adapter(
        tmp_path,
        "[sys.stderr.write('z' * 10 ** 6 + '\\n') for _ in range(100)]; sys.stderr.write('the end\\n')",
    )
    tracemalloc.start()
    assert [] == fake.ask(lines.Wake(1))
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()
    os.kill(fake.process_id, signal.SIGKILL)
    found = fault(fake)
    assert ("exited", "the end") == (found.fault, found.errors[-1])


def test_one_that_talks_unasked_is_told_so(tmp_path: Path) -> None:
    """Before the first request, and after an answer."""
    early = "print('ready', flush=True)\n" + POLITE
    with pytest.raises(AdapterFault, match=r"garbage|chatter"):
        adapter(tmp_path, "pass", early)
    fake = adapter(tmp_path, "say(json.dumps({'id': request['id'], 'is': 'end'}) + '\\n')")
    assert [] == fake.ask(lines.Wake(1))
    assert "chatter" == fault(fake).fault


def test_another_version_is_refused(tmp_path: Path) -> None:
    """It says which one it speaks."""
    with pytest.raises(AdapterFault, match="version 7") as refused:
        adapter(tmp_path, "pass", POLITE.replace('"protocol": 1', '"protocol": 7'))
    assert "version" == refused.value.fault


def test_one_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(AdapterFault, match="No such file") as refused:
        Adapter([str(tmp_path / "absent")])
    assert "cannot-start" == refused.value.fault
