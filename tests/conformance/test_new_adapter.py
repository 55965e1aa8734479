"""A skeleton has good manners, reaches no level, and is not written over what somebody made of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from takeover.cli import main
from takeover_conformance.adapter import lines
from takeover_conformance.adapter.new_adapter import SKELETONS
from takeover_conformance.adapter.process import Adapter
from takeover_spec import wire

MISLEADING = 'ü "quoted" \\ 漢 \U0001f600 ,"id":3,"op":"hello"} \t'
"""A text that is hard to read for whoever reads flat JSON by hand."""


@pytest.mark.parametrize("language", SKELETONS)
def test_a_skeleton_is_one_to_begin_with(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is told when it is written: it is built, passes the smoke test, and fails in frames."""
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["conform", "--new-adapter", language])
    told = capsys.readouterr().out
    skeleton = SKELETONS[language]
    if skeleton.build:
        assert f"  {skeleton.build}\n" in told
        subprocess.run(skeleton.build.split(), check=True)
    command = skeleton.command.split()
    assert shutil.which(command[0]), f"{command[0]} is missing: make tools"
    assert f"--smoke -- {skeleton.command} " in told
    assert 0 == main(["conform", "--smoke", "--", *command])
    assert 1 == main(["conform", "--case", "frame-released-small", "--", *command])
    assert 1 == main(["conform", "--case", "comes-up", "--", *command])
    reads_escapes(Adapter(command))


def reads_escapes(adapter: Adapter) -> None:
    """Its reader of flat JSON takes a text for a text, whatever is in it."""
    message = wire.NotLeased(1, 2, 3, 4, "LEASE-3", MISLEADING)
    assert [lines.Refused()] == adapter.ask(lines.Encode(message))
    assert [lines.Refused()] == adapter.ask(lines.Decode(b"\0"))
    adapter.leave()


def test_nothing_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody's work may be in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter.py").write_text("mine")
    assert 2 == main(["conform", "--new-adapter", "python"])
    assert "adapter.py is there already" in capsys.readouterr().err
    assert "mine" == (tmp_path / "adapter.py").read_text()


def test_an_unknown_language_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them."""
    assert 2 == main(["conform", "--new-adapter", "cobol"])
    told = capsys.readouterr().err
    assert all(language in told for language in SKELETONS)
