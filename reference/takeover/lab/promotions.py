"""Whether a promotion was needed: by what the witness knew when it granted it, and what the server knew of itself.

The intuition: a person has to choose in one state only (PROTOCOL §11, *both down to one*). The last active server has
returned and had begun something, so it does not come back by itself (REJOIN-3, REJOIN-4); and the witness knows nobody
else who may succeed it (LEASE-3). Both are in the traces: of the server, at its `Promote`; of the witness, at the
`Grant` that answered it. What the servers said meanwhile, or believed, counts for nothing.

What complicates it: there is more than one reason why the witness knows nobody, and an operator does something else
about each. Its record was lost, and nothing was declared since it was adopted (PROTOCOL §8.6); nothing was declared yet
in a new epoch; or the active server declared its peer not eligible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from takeover_spec import actions as act
from takeover_spec.codec import Malformed
from takeover_spec.knowledge import Knowledge, WitnessKnowledge, party_after
from takeover_spec.trace import parse_header, parse_line
from takeover_spec.words import Identity


class Need(Enum):
    """Why a promotion was needed."""

    RECORD_LOST = "record lost"
    """The witness lost its record, and the server that was active returned before it had declared anything to it."""
    NOT_DECLARED = "not declared yet"
    """The active server returned before it had declared anything in its epoch."""
    DECLARED_OUT = "declared not eligible"
    """The active server had declared the other one not eligible, and returned."""
    NONE = "not needed"


@dataclass(frozen=True, slots=True)
class Ordered:
    """A promotion that the operator of a campaign ordered, and that was accepted."""

    round: int
    """The number of the round, from 1."""
    server: str
    epoch: int
    """The epoch that it was to end."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """An ordered one, and what the traces say of it."""

    ordered: Ordered
    need: Need
    evidence: str

    @property
    def values(self) -> dict[str, Any]:
        """For the report, as plain JSON values."""
        asked = self.ordered
        return {
            "round": asked.round,
            "server": asked.server,
            "epoch": asked.epoch,
            "need": self.need.value,
            "evidence": self.evidence,
        }


def judge_promotions(
    ordered: Iterable[Ordered], lives: Sequence[Path], servers: dict[str, Path]
) -> list[Promotion]:
    """Each promotion with its need. `lives` are the directories of the traces of each life of the witness, in order;
    `servers` those of each server."""
    return [_judged(each, lives, servers[each.server]) for each in ordered]


def _judged(ordered: Ordered, lives: Sequence[Path], server: Path) -> Promotion:
    mine = [
        know
        for know, do in _steps(server)
        if isinstance(do, act.Promote) and do.ordered and do.epoch == ordered.epoch
    ]
    granted = [
        (life > 0 and _began_with(directory) == ordered.epoch, know)
        for life, directory in enumerate(lives)
        for know, do in _steps(directory)
        if isinstance(do, act.Grant) and do.promoted and do.epoch == ordered.epoch + 1 == know.epoch + 1
    ]
    if not mine or not granted:
        missing = "the server does not tell of it" if not mine else "no lease was granted for it"
        return Promotion(ordered, Need.NONE, missing)
    (was_lost, record), self_known = granted[-1], mine[-1]
    return Promotion(
        ordered, need_of(ordered.server, self_known, record, was_lost=was_lost), _evidence(self_known, record)
    )


def need_of(server: str, known: Knowledge, record: WitnessKnowledge, *, was_lost: bool) -> Need:
    """Why a server had to be promoted, by what it knew and by the witness's record.

    `was_lost` says that the record began with this epoch because a person had it adopted.
    """
    led = Identity(record.holder).name.lower() == server and known.returned
    begun_nothing = (
        known.logged == known.applied and known.released < known.epoch
    )  # REJOIN-4: it goes on by itself
    if record.eligible or not led or begun_nothing:
        return Need.NONE
    if record.version > 0:
        return Need.DECLARED_OUT
    return Need.RECORD_LOST if was_lost else Need.NOT_DECLARED


def _evidence(known: Knowledge, record: WitnessKnowledge) -> str:
    return (
        f"the witness's record: epoch {record.epoch}, holder {Identity(record.holder).name.lower()}, declaration"
        f" {record.version}, {'somebody' if record.eligible else 'nobody'} eligible"
        f"{', released' if record.ended else ''}; the server: {'returned' if known.returned else 'not returned'},"
        f" logged {known.logged}, applied {known.applied}"
    )


def _began_with(directory: Path) -> int:
    """The epoch that a witness's record began with in this life; 0 for a new pair."""
    return next((know.epoch for know, _ in _steps(directory)), 0)


def _steps(directory: Path) -> Iterator[tuple[Any, act.Action]]:
    """Each action of a party's runs, in order, with what it knew before. A line that was cut off ends its run."""
    for file in sorted(directory.glob("*.ndjson")):
        know: Any = None
        with file.open("rb") as lines:
            for number, text in enumerate(lines, 1):
                if not text.endswith(b"\n"):
                    break
                try:
                    if know is None:
                        know = parse_header(text).found
                        continue
                    line = parse_line(text, f"line {number}")
                except Malformed:
                    break  # the check of the traces tells of it
                yield know, line.action
                know = party_after(know, line.action, line.t)
