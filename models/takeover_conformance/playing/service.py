"""Level 4: somebody's service, as it is shipped, on real machines in the lab: killed, stopped, cut off.

The intuition: an adapter shows what a server decides; a service also has to do it, in time, whatever becomes of its
process. So nothing is virtual here. The services run in the lab (`takeover.lab`) beside a real witness and a real
client, a case is a round of its campaign, and its judge is the campaign's: who answers for the public address, seen
from outside; what was acknowledged, read back; the traces; the service back afterwards.

A service takes the place of `takeover node`: what that asks of it is in ADAPTER.md. It is tried as both servers of a
pair, and as either one beside the reference.

What complicates it: a service that does not come up, or a machine on which the observer could not look often enough,
shows nothing. Neither is a failure of a rule; both are a fault (`AdapterFault`), and the run is not complete.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from takeover.lab.faults import Cut, Fault, Kill, PowerCut, Restart, Role, Round, Stop, Target
from takeover.lab.networks import Direction, Network
from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.cases import ROLES, SERVICE_LEVEL
from takeover_conformance.playing.bench import Bench, Outcome, Unmet
from takeover_spec.codec import Malformed, parse_json

WRITERS = 4
WRITES_PER_SECOND = 80


@dataclass(frozen=True, slots=True)
class ServiceCase:
    """A round: what is broken, and for how long."""

    name: str
    clauses: tuple[str, ...]
    why: str
    """Which mistake it hunts."""
    tested: tuple[str, ...]
    """As which of `ROLES` it is played."""
    faults: tuple[Fault, ...]
    level: int = SERVICE_LEVEL
    origin: str = "spec"
    counts: bool = True
    """After every round the pair has to serve again."""


def service_cases() -> list[ServiceCase]:
    """The cases that come with the suite. Raises `Malformed`."""
    file = files("takeover_conformance.playing").joinpath("service.ndjson")
    return read_service_cases(file.name, file.read_bytes())


def read_service_cases(name: str, text: bytes) -> list[ServiceCase]:
    """The cases in a file, one a line. Raises `Malformed`, with the file and the line."""
    places = [(f"{name}:{number}", line) for number, line in enumerate(text.splitlines(), 1)]
    return [_case(parse_json(line, where), where) for where, line in places]


def play_service(bench: Bench, command: Sequence[str], case: ServiceCase, tested: str) -> Outcome:
    """Play a case, inside a lab's namespaces (`takeover.lab.entrance`). Raises `AdapterFault`.

    The bench is not needed: no adapter is asked. What a run that failed leaves behind is kept; its finding names it.
    """
    directory = Path(tempfile.mkdtemp(prefix="takeover-service-"))
    findings = asyncio.run(_play(directory, command, case, tested))
    violated = [finding for finding in findings if finding.verdict == "violated"]
    if violated:
        about = violated[0].about
        text = "; ".join(finding.what for finding in violated if finding.about == about)
        finding = Unmet(about, f"{text}; all that was written is in {directory}")
        return Outcome(case.name, SERVICE_LEVEL, tested, finding)
    if findings:
        raise AdapterFault("service", "; ".join(f"{finding.about}: {finding.what}" for finding in findings))
    shutil.rmtree(directory)
    return Outcome(case.name, SERVICE_LEVEL, tested, None)


async def _play(directory: Path, command: Sequence[str], case: ServiceCase, tested: str) -> list[Any]:
    from takeover.lab.campaign import Campaign  # what only a lab needs is loaded where there is one
    from takeover.lab.scene import LAB_TIMING, LabScene, Programs
    from takeover.lab.verdict import judge

    servers = ("primary", "secondary") if tested == "both" else (tested,)
    programs = Programs(nodes=dict.fromkeys(servers, tuple(command)))
    scene = LabScene(
        directory, True, LAB_TIMING, programs, writers=WRITERS, writes_per_second=WRITES_PER_SECOND
    )
    said: list[str] = []
    evidence = await Campaign(scene, [Round(case.faults)], said.append).run()
    (directory / "told.txt").write_text("\n".join(said) + "\n")
    return judge(evidence)


# --- reading a case ------------------------------------------------------------------------------


def _case(values: dict[str, Any], where: str) -> ServiceCase:
    try:
        faults = tuple(_fault(dict(fault)) for fault in values["faults"])
        texts = (values["name"], tuple(values["clauses"]), values["why"], tuple(values["tested"]))
        if not set(texts[3]) <= set(ROLES):
            raise ValueError(f"{values['tested']} are not {', '.join(ROLES)}")
        return ServiceCase(*texts, faults)
    except KeyError as missing:
        raise Malformed(where, f"{missing} is missing, or unknown") from None
    except (TypeError, ValueError) as problem:
        raise Malformed(where, str(problem)) from None


def _fault(values: dict[str, Any]) -> Fault:
    common = (Target(values["target"]), values["at_ms"], values["lasts_ms"])
    match values["fault"]:
        case "kill":
            return Kill(*common, Role(values["role"]))
        case "stop":
            return Stop(*common, Role(values["role"]))
        case "restart":
            return Restart(*common)
        case "power-cut":
            return PowerCut(*common, values["also_peer"])
        case "cut":
            return Cut(
                *common, Network(values["network"]), tuple(Direction(way) for way in values["directions"])
            )
        case other:
            raise ValueError(f"{other!r} is no fault of a service")
