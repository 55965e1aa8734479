"""What is printed of a run that must not be: its trace, and the one line that replays it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from takeover_models.decisions import Decision, run_text
from takeover_models.setup import Setup
from takeover_models.world import World


def replay_line(setup: Setup, decisions: Iterable[Decision], broken: str = "", *, judged: bool = True) -> str:
    """The command that replays a run."""
    words = ["takeover simulate"]
    if broken:
        words.append(f"--broken {broken}")
    if not judged:
        words.append("--unjudged")
    return " ".join([*words, f"--replay '{run_text(setup, decisions)}'"])


def traces(world: World) -> dict[str, str]:
    """The trace of each run of each party, by the name of a file for it; the last line of one may be the offence."""
    found = {}
    for host in world.hosts.values():
        host.account.write()
        for number, run in enumerate(host.account.runs, 1):
            found[f"{run.header.party}-{number}.ndjson"] = run.text()
    return found


def report(world: World, broken: str = "", *, judged: bool = True) -> str:
    """The traces, one after the other, and the line that replays the run."""
    told = [f"# {name}\n{text}" for name, text in traces(world).items()]
    return "".join(told) + replay_line(world.setup, world.decisions, broken, judged=judged)


def keep(world: World, directory: Path) -> list[Path]:
    """Write the traces into a directory, a file for each run; which they are."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in traces(world).items():
        path = directory / name
        path.write_text(text)
        paths.append(path)
    return paths
