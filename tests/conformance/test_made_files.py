"""The files that are made are compared with what is made, and what differs is named. (All of it: `make remade`.)"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from takeover_conformance.cases import files_of_cases
from takeover_conformance.making.__main__ import main
from takeover_conformance.making.made_files import MADE, difference
from takeover_conformance.making.runs import OF_FRAMES, RARE, WITHOUT_A_RUN, Untold, telling, told_by_a_run
from takeover_conformance.servers.named import WRONG

FRAMES = "cases/frames.ndjson"
LINES = dict(files_of_cases())["frames.ndjson"].count(b"\n")
CHEAP = [FRAMES, "cases/turned.ndjson", "adapter/lines.schema.json"]


def test_what_is_shipped_is_what_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    """Of those that take no time."""
    assert 0 == main(["--compare", *CHEAP])
    assert len(CHEAP) == capsys.readouterr().out.count("as it is shipped")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: [lines[0], lines[1][1:], *lines[2:]], "2: here is something, and frame-hello-small is made"),
        (
            lambda lines: [lines[0], lines[1].replace(b"lost", b"last"), *lines[2:]],
            "2: frame-hello-small is made otherwise",
        ),
        (lambda lines: [*lines[:2], *lines[3:]], "3: here is frame-ask-promise-small, and frame-hello-large is made"),
        (lambda lines: lines[:-1], f"{LINES}: malformed-half-a-length is missing"),
        (lambda lines: [*lines, lines[-1]], f"{LINES + 1}: malformed-half-a-length is not made"),
        (lambda lines: [*lines[:-1], lines[-1].rstrip()], f"{LINES}: malformed-half-a-length is made otherwise"),
        (lambda lines: [b"{\n", *lines[1:]], "1: here is something, and the head is made"),
    ],
)  # fmt: skip
def test_a_file_that_differs_is_named_with_the_place_and_what_to_do(
    spoil: Callable[[list[bytes]], list[bytes]], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a byte, or by a case that is left out; and the comparison fails."""
    (tmp_path / "cases").mkdir()
    lines = dict(files_of_cases())["frames.ndjson"].splitlines(keepends=True)
    (tmp_path / FRAMES).write_bytes(b"".join(spoil(lines)))
    assert 1 == main(["--compare", FRAMES], tmp_path)
    said = capsys.readouterr().out
    assert f"{FRAMES}:{told}; to make it again: python -m takeover_conformance.making {FRAMES}\n" == said
    assert 0 == main([FRAMES], tmp_path)
    assert 0 == main(["--compare", FRAMES], tmp_path)


def test_a_file_that_is_not_there_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written by a comparison."""
    assert 1 == main(["--compare", FRAMES], tmp_path)
    assert f"{FRAMES}: it is not there; " in capsys.readouterr().out
    assert [] == list(tmp_path.iterdir())


def test_a_moment_an_adapter_and_an_action_are_named_too() -> None:
    """By what their lines begin with."""
    moment = {"in": "a", "meets": "b", "steps": []}
    for there, made, told in (
        (moment, moment | {"steps": [1]}, "a-meets-b is made otherwise"),
        ({"adapter": "a"}, {"adapter": "b"}, "here is a, and b is made"),
        (
            {"action": "a", "role": "b"},
            {"action": "a", "role": "b", "case": "c"},
            "a of the b is made otherwise",
        ),
    ):
        differs = difference("f", json.dumps(there).encode(), json.dumps(made).encode())
        assert differs is not None
        assert differs.startswith(f"f:1: {told};")


def test_a_file_of_another_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    with pytest.raises(SystemExit, match="2"):
        main(["--compare", "cases/runs.ndjson"])
    assert "not one of adapter/lines.schema.json" in capsys.readouterr().err


def test_every_mistake_has_its_run_or_needs_none() -> None:
    """In their order, so that none is left out; and no name is of a mistake that is no more."""
    lines = dict(files_of_cases())["mistakes.ndjson"].splitlines()[1:]
    assert [f"tells-{name}" for name in told_by_a_run()] == [json.loads(line)["name"] for line in lines]
    names = {wrong.name for wrong in WRONG if OF_FRAMES not in wrong.clauses}
    assert WITHOUT_A_RUN | RARE.keys() <= names
    assert not WITHOUT_A_RUN & RARE.keys()


def test_a_mistake_that_no_run_tells_ends_the_making(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not left out in silence."""
    with pytest.raises(Untold, match="no run of the seeds 0 to 0 tells asks-for-nothing by LEASE-1"):
        telling("asks-for-nothing", [0])
    monkeypatch.setitem(MADE, "cases/mistakes.ndjson", lambda: str(telling("asks-for-nothing", [0])))
    assert 1 == main(["--compare", "cases/mistakes.ndjson"])
    assert "cases/mistakes.ndjson cannot be made: no run of the seeds" in capsys.readouterr().out


def test_a_run_that_tells_a_mistake_is_made_again_from_its_seed() -> None:
    """To the byte: found by the same seed, and made as short."""
    lines = dict(files_of_cases())["mistakes.ndjson"].decode().splitlines()
    (shipped,) = (line for line in lines if "starts-active" in line)
    assert json.dumps(telling("starts-active")) == shipped
