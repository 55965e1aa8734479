"""A random run that finds something is kept as a case that finds it again."""

from pathlib import Path

from takeover_conformance.cases import read
from takeover_conformance.keeping import keep
from takeover_conformance.playing.bench import Bench, Outcome, play
from takeover_conformance.servers.inprocess import InProcess
from takeover_conformance.suite import Selection, run


def ignore(outcome: Outcome) -> None:
    """Nobody listens."""


def test_what_was_found_is_kept_and_finds_it_again(tmp_path: Path) -> None:
    """The same, at the same server; the reference passes it."""
    result = run(Bench(lambda: InProcess("skips-a-number")), Selection((), 3, range(3)), ignore)
    file = keep(tmp_path / "kept", result)
    assert file is not None
    (case,) = read(file.name, file.read_bytes())
    failed = result.failed[0]
    assert failed.finding is not None
    found = play(Bench(lambda: InProcess("skips-a-number")), case, failed.tested).finding
    assert found is not None
    assert failed.finding.name == found.name == case.clauses[0]
    assert play(Bench(InProcess), case, failed.tested).finding is None
    assert case.counts


def test_nothing_is_kept_where_nothing_was_found(tmp_path: Path) -> None:
    """No file, and no directory."""
    result = run(Bench(InProcess), Selection((), 3, range(1)), ignore)
    assert keep(tmp_path / "kept", result) is None
    assert not (tmp_path / "kept").exists()
