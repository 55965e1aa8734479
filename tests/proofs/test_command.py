"""`takeover verify`: what it prints, what it writes, and the exit status, which is never 0 for what is not proved."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from takeover.cli import Exit, main
from takeover_proofs import assumptions, command, gallery
from takeover_proofs.entries import Entry
from takeover_proofs.examples import EXAMPLES
from takeover_proofs.gallery import GALLERY
from takeover_proofs.induction import obligations
from takeover_proofs.invariant import CLAUSES
from takeover_proofs.proving import tasks_for
from takeover_proofs.rulebook import EVERY_RULE
from takeover_proofs.selection import UnknownId, select
from takeover_proofs.two_records import obligations_of, records_tasks

SCHEMA = json.loads(files("takeover_proofs").joinpath("verify.schema.json").read_text(encoding="utf-8"))


def _run(file: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what was written, which obeys the schema."""
    status = main(["verify", *words, "--json", str(file)])
    written = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(written, SCHEMA, cls=jsonschema.Draft202012Validator)
    return status, written


def _only(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let `everything` be the obligations of one step, so that a test is quick."""
    few = tuple(o for o in obligations() if o.step == step)
    monkeypatch.setattr(command, "select", lambda ids: replace(select(ids), obligations=few, own=()))


def test_a_property_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A property is proved with its layer's whole invariant: a line each, the examples, the table, the total."""
    status, written = _run(tmp_path / "v.json", "one-holder")
    assert (Exit.HOLDS, "proved") == (status, written["verdict"])
    lease = [clause for clause in CLAUSES if clause.layer == "lease"]
    expected = [o.id for o in obligations() if o.clause in lease]
    assert expected == [o["id"] for o in written["obligations"] if o["arbiter"] == "witness"]
    own = [o for _, of_own in select(["one-holder"]).own for o in of_own]
    expected += [o.id for o in own] + [o.id for task in records_tasks() for o in obligations_of(task.nature)]
    assert len(expected) == len(written["obligations"])
    assert {"crash-stop": ["one-holder"], "operator": ["one-holder"]} == {
        arbiter: list(rows) for arbiter, rows in written["own_arbiters"].items()
    }
    assert {"proved"} == {o["verdict"] for o in written["obligations"]}
    assert list(EXAMPLES) == [e["id"] for e in written["examples"]]
    assert {"found"} == {e["verdict"] for e in written["examples"]}
    assert ["one-holder"] == list(written["assumptions"])
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(expected) == sum(" proved   " in line for line in lines)
    assert f"{len(expected)} proved in " in out
    assert "verdict: proved" == lines[-1]
    assert "" == err  # no bar where nobody looks


def test_a_single_obligation_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An obligation can be named by itself; it proves no property, and no table says so."""
    status, written = _run(tmp_path / "v.json", "Tick/one-holder")
    assert (Exit.HOLDS, ["Tick/one-holder"]) == (status, [o["id"] for o in written["obligations"]])
    assert {} == written["assumptions"]
    assert "1 proved in " in capsys.readouterr().out


def test_a_clause_that_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it a property is broken: the story, the trace, exit 1."""
    kept = tmp_path / "kept"
    status, written = _run(tmp_path / "v.json", "--without", "SYNC-1:weaker", "--keep", str(kept))
    assert (Exit.VIOLATED, "refuted") == (status, written["verdict"])
    assert written["without"]["needed"]
    assert "nothing-acknowledged-is-lost" == written["without"]["property"]
    assert "acknowledged_when_itself_safe" == written["without"]["rule"]
    assert "Acknowledge" in [step["action"] for step in written["trace"]]
    assert written["traces"] == {path.name: path.read_text() for path in kept.iterdir()}
    out = capsys.readouterr().out
    assert "breaks SYNC-1 (acknowledged_when_safe)" in out
    assert "the secondary takes over: epoch 2" in out
    assert "Broken: nothing-acknowledged-is-lost" in out


def test_a_clause_that_is_not_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is proved without it: the reason why it is there, exit 0."""
    _only(monkeypatch, "Trim")
    status, written = _run(tmp_path / "v.json", "--without", "QUEUE-3")
    assert (Exit.HOLDS, "proved") == (status, written["verdict"])
    assert written["without"]["needed"] is False
    assert len(CLAUSES) == len(written["obligations"])
    out = capsys.readouterr().out
    assert GALLERY["QUEUE-3"].text in out
    assert "Not needed for any property proved here" in out


def test_a_clause_wrongly_called_unneeded_is_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the proof fails without the clause, but there is no run to show, nothing is claimed: exit 3."""
    _only(monkeypatch, "CountLease")
    lying = Entry("LEASE-4", "It is said not to be needed.", EVERY_RULE.without("LEASE-4"))
    monkeypatch.setitem(GALLERY, "LEASE-4", lying)
    status, written = _run(tmp_path / "v.json", "--without", "LEASE-4")
    assert (Exit.UNDECIDED, "undecided") == (status, written["verdict"])
    assert written["without"]["needed"] is None
    assert "refuted" in {o["verdict"] for o in written["obligations"]}


@pytest.mark.parametrize("answer", [None, "undecided"])
def test_a_run_that_is_not_found_is_undecided(
    answer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that finds nothing, or gives up, claims nothing: exit 3."""
    monkeypatch.setattr(gallery, "search", lambda entry, timeout_ms: answer)
    status, written = _run(tmp_path / "v.json", "--without", "LEASE-4")
    assert (Exit.UNDECIDED, "undecided", []) == (status, written["verdict"], written["trace"])


def test_a_refuted_obligation_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an obligation fails by every rule, the theorem is not proved: exit 1, and the obligation is named."""
    _only(monkeypatch, "CountLease")
    monkeypatch.setattr(command, "EXAMPLES", {})
    monkeypatch.setattr(assumptions, "tasks", lambda layers, timeout_ms: [])
    monkeypatch.setattr(
        command,
        "tasks_for",
        lambda wanted, **given: tasks_for(wanted, EVERY_RULE.without("LEASE-4"), **given),
    )
    status, written = _run(tmp_path / "v.json", "one-holder")
    assert (Exit.VIOLATED, "refuted") == (status, written["verdict"])
    assert {"proved", "refuted"} == {o["verdict"] for o in written["obligations"]}
    assert ["one-holder"] == list(written["assumptions"])


def test_a_time_out_is_undecided(tmp_path: Path) -> None:
    """A solver that is given no time proves nothing, and that is exit 3."""
    status, written = _run(tmp_path / "v.json", "Grant/witness-outlasts-its-leases", "--timeout", "0.001")
    assert (Exit.UNDECIDED, "undecided") == (status, written["verdict"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["one-holer"], "one-holder"),
        (["Tick/one-holer"], "one-holder"),
        (["--without", "SYNC-2"], "SYNC-1:weaker"),
        (["one-holder", "--without", "SYNC-1"], "one-holder"),
    ],
)
def test_an_unknown_id_is_wrong_usage(
    words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, with the ids there are, and nothing is written: exit 2."""
    file = tmp_path / "v.json"
    assert Exit.USAGE == main(["verify", *words, "--json", str(file)])
    assert named in capsys.readouterr().err
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asked for a file and will not get it is told before the proof: exit 2."""
    file = tmp_path / "missing" / "v.json"
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--without", "ROLE-1", "--json", str(file)])
    said = capsys.readouterr()
    assert (Exit.USAGE, "") == (ended.value.code, said.out)
    assert str(file) in said.err


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal a bar says how far the proof is, and is taken away in the end."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Exit.HOLDS == main(["verify", "Tick/one-holder"])
    err = capsys.readouterr().err
    assert f"[{'#' * 40}] 1 of 1" in err
    assert err.endswith("\r\033[K")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_time_that_is_none_is_wrong_usage(seconds: str) -> None:
    """Zero would mean "no limit" to the solver; it is refused."""
    with pytest.raises(SystemExit) as stopped:
        main(["verify", "--timeout", seconds])
    assert Exit.USAGE == stopped.value.code


def test_a_selection_has_the_layer_of_a_property() -> None:
    """A property stands on its layer's whole invariant, and on nothing of the other layer."""
    selection = select(["one-holder"])
    assert {"lease"} == {o.clause.layer for o in selection.obligations}
    assert obligations() == list(select([]).obligations)
    with pytest.raises(UnknownId, match="one-holder"):
        select(["one-holder", ""])
