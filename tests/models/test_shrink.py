"""A run that ends with a finding is made short, and still ends with it."""

from takeover_models.broken import cores_named
from takeover_models.decisions import parse_run
from takeover_models.reports import replay_line, report
from takeover_models.shrink import rerun, shrunk
from takeover_models.simulate import run


def test_a_shrunk_run_has_the_same_finding() -> None:
    """It is a small part of the run, and what is printed of it replays it."""
    cores = cores_named("acknowledged-at-once")
    outcome = next(o for o in (run(seed, 100, cores, judged=False) for seed in range(100)) if o.finding)
    assert outcome.finding is not None
    decisions = shrunk(outcome.setup, outcome.decisions, outcome.finding.name, cores, judged=False)
    assert len(decisions) <= min(12, len(outcome.decisions))
    world, finding = rerun(outcome.setup, decisions, cores, judged=False)
    assert finding is not None
    assert outcome.finding.name == finding.name
    told = report(world, "acknowledged-at-once", judged=False)
    line = told.splitlines()[-1]
    assert replay_line(world.setup, world.decisions, "acknowledged-at-once", judged=False) == line
    setup, again = parse_run(line.split("'")[1])
    assert str(finding) == str(rerun(setup, again, cores, judged=False)[1])
    for name in ("# primary-1.ndjson", "# secondary-1.ndjson", "# witness-1.ndjson"):
        assert name in told


def test_a_run_without_a_finding_has_none_again() -> None:
    """Replaying says so."""
    outcome = run(1, 20)
    assert rerun(outcome.setup, outcome.decisions, cores_named(""), judged=True)[1] is None
