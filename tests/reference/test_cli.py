"""What all commands have in common: reports that cannot be written, readers that go away, extras that are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from takeover.cli import Exit, main
from takeover.extras import missing


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--config", "node.toml"],
        ["check-trace", "trace.ndjson"],
        ["verify"],
        ["demo"],
        ["simulate"],
    ],
)
@pytest.mark.parametrize(
    ("file", "why"), [("missing/report", "there is no directory"), (".", "it is a directory")]
)
def test_a_report_that_cannot_be_written_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], file: str, why: str
) -> None:
    """Noticed before the work, with the file and the cause; exit 2."""
    report = tmp_path / file
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json", str(report)])
    assert Exit.USAGE == ended.value.code
    said = capsys.readouterr().err
    assert f"{report} cannot be written: {why}" in said
    assert [] == list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_defect(tmp_path: Path) -> None:
    """`takeover … | head -1`: nothing on standard error, and the answer is incomplete, exit 3."""
    trace = tmp_path / "trace.ndjson"
    trace.write_text("")
    reads, writes = os.pipe()
    os.close(reads)
    try:
        command = [sys.executable, "-m", "takeover", "check-trace", str(trace)]
        ended = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writes)
    assert (Exit.UNDECIDED, b"") == (ended.returncode, ended.stderr)


def test_a_missing_extra_is_told_by_what_it_consists_of() -> None:
    """And not by a package of our name, which an index may have of somebody else."""
    said = missing("z3", "verify")
    assert said.startswith(
        "needs z3, which is not installed; it is of the extra `verify`: pip install 'z3-solver"
    )
    assert "takeover" not in said
    assert missing("x", "no-such").endswith("it is of the extra `no-such`")


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (["status"], 'pair = "p"\nlisten = "127.0.0.1:1"\n', "this is a witness's configuration"),
        (["node"], 'pair = "p"\nlisten = "127.0.0.1:1"\n', "this is a witness's configuration"),
        (["witness"], 'pair = "p"\nidentity = "primary"\n', "this is a node's configuration"),
    ],
)
def test_the_file_of_another_party_is_called_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str, said: str
) -> None:
    """One line, exit 2."""
    file = tmp_path / "file.toml"
    file.write_text(text)
    assert Exit.USAGE == main([*words, "--config", str(file)])
    assert [f"{file}: {said}"] == [
        line.partition(", and")[0] for line in capsys.readouterr().err.splitlines()
    ]
