"""A smoke test tells bad manners at the first line that is wrong, and has nothing against good ones."""

import sys
from pathlib import Path

import pytest

from takeover.cli import main
from takeover_conformance.adapter.new_adapter import SKELETONS
from takeover_conformance.adapter.smoke import STEPS

REFERENCE = [sys.executable, "-P", "-m", "takeover_conformance.servers.reference_adapter"]
SKELETON = SKELETONS["python"].text()
START = 'yield {"do": "start"'


def smoked(directory: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The status for the skeleton with something changed, and what is told."""
    assert SKELETON.count(old) == 1
    program = directory / "adapter.py"
    program.write_text(SKELETON.replace(old, new))
    return main(["conform", "--smoke", "--", sys.executable, str(program)]), capsys.readouterr().out


@pytest.mark.parametrize("like", [[], ["--like", "chatty"]])
def test_good_manners_are_enough(like: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else the server does."""
    status = main(["conform", "--smoke", "--", *REFERENCE, *like])
    told = capsys.readouterr().out
    assert 0 == status, told
    assert len(STEPS) + 5 == len(told.splitlines())


@pytest.mark.parametrize(
    ("old", "new", "fault", "line"),
    [
        ('"protocol": 1', '"protocol": 2', "version: it speaks version 2, and not 1", '"op":"hello"'),
        ('"name": "my server",', "", "garbage: reply.name: is missing", '{"id": 1, "is": "metadata"'),
        ('{"is": "end"}]:', '{"is": "fin"}]:', "'fin' is no kind of", '"op":"hello"'),
        ('"id": asked["id"]', '"id": 1', "chatter: the request was 2", '"op":"decode"'),
        ('"until": 0', '"until": __import__("time").time_ns()', "nondeterministic: first", '"op":"start"'),
        (START, 'nothing = {"do": "start"', "for it is the first action", '"op":"start"'),
        (START, 'yield {"do": "begin"', "'begin' is no kind of", '"op":"start"'),
        ('"until": 0', '"until": "0"', "garbage: reply.until: '0' is not a whole number", '"op":"start"'),
        (START, 'raise SystemExit(4)\n            yield {"do": "start"', "exited: exited 4", '"op":"start"'),
        ('case "found":', 'case "found":\n            yield {"is": "sync"}', "it may be end", '"op":"found"'),
        ('case "stop":', 'case "stop":\n            1 / 0', "ZeroDivisionError", '"op":"stop"'),
        ('case "queued":', 'case "wake":\n            sys.stdin.read()', "hang: no complete", '"op":"wake"'),
        (
            "    sys.stdout.flush()",
            "    sys.stdout.flush()\nsys.stdin = open(0)\nprint('bye')",
            "chatter",
            "bye",
        ),
        (
            "    sys.stdout.flush()",
            "    sys.stdout.flush()\nimport time\ntime.sleep(99)",
            "stays: it has not",
            "",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path,
    old: str,
    new: str,
    fault: str,
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fault, and what was asked."""
    monkeypatch.setattr("takeover_conformance.adapter.smoke.PATIENCE_S", 1.0)
    monkeypatch.setattr("takeover_conformance.adapter.smoke.ANSWERS_WITHIN_S", 1.0)
    monkeypatch.setattr("takeover_conformance.adapter.process.LEAVES_WITHIN_S", 0.5)
    status, told = smoked(tmp_path, old, new, capsys)
    assert 3 == status
    assert fault in told
    assert line in told


def test_a_slow_start_is_told_and_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some languages take their time, and whoever waits wants to know for what."""
    monkeypatch.setattr("takeover_conformance.adapter.smoke.PATIENCE_S", 0.5)
    seen = f"pathlib.Path({str(tmp_path / 'seen')!r})"
    slow = f"import pathlib\nif not {seen}.exists():\n    {seen}.touch()\n    sys.stdin.read()"
    status, told = smoked(tmp_path, "Line = dict[str, Any]", f"Line = dict[str, Any]\n{slow}", capsys)
    assert 0 == status
    assert told.startswith("slow: hang:")
    assert "a start may take 30 s, and an answer 5 s" in told.splitlines()[0]


def test_an_answer_that_a_run_would_wait_for_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to be slow, and its manners are good."""
    monkeypatch.setattr("takeover_conformance.adapter.smoke.PATIENCE_S", 0.5)
    slow = 'case "stop":\n            __import__("time").sleep(0.8)'
    status, told = smoked(tmp_path, 'case "stop":', slow, capsys)
    assert 0 == status
    assert 1 == told.count("slow: hang:")
    assert "good: is stopped" in told
