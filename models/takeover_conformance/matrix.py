"""The kill matrix: which check catches which mistake.

Mistakes are played in this process, with everything but the bytes of the adapter protocol: what is asked here is what
the cases see, not what becomes of a pipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from takeover_conformance.cases import ROLES, Case, FrameCase
from takeover_conformance.lines import PROTOCOL, Hello, Metadata, Reply, Request
from takeover_conformance.playing import Bench, Outcome, play, play_seed
from takeover_conformance.reference_adapter import ReferenceAdapter
from takeover_conformance.suite import RUN_LENGTH
from takeover_conformance.wrappings import Answer, Wrong
from takeover_conformance.wrong import named


class InProcess:
    """An adapter in this process."""

    def __init__(self, like: str = "") -> None:
        """`like` this mistake or variant."""
        self._answer: Answer
        if like:
            wrapping, cores = named(like)
            self._answer = wrapping(ReferenceAdapter(cores, like).answer)
        else:
            self._answer = ReferenceAdapter().answer

        (self.metadata,) = (line for line in self._answer(Hello(PROTOCOL)) if isinstance(line, Metadata))

    def ask(self, request: Request) -> list[Reply]:
        """The answer, without its end."""
        return self._answer(request)

    def close(self) -> None:
        """Nothing is there to be closed."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A check that caught a mistake."""

    mistake: str
    case: str
    tested: str
    clause: str
    """To which the check belongs: a clause, a property, or `progress`."""


def kills(wrong: Wrong, cases: Sequence[Case], seeds: Iterable[int] = ()) -> Iterator[Kill]:
    """Everything that catches a mistake."""
    bench = Bench(lambda: InProcess(wrong.name))
    for outcome in _outcomes(bench, cases, seeds):
        if outcome.finding is not None:
            yield Kill(wrong.name, outcome.case, outcome.tested, outcome.finding.name)


def _outcomes(bench: Bench, cases: Sequence[Case], seeds: Iterable[int]) -> Iterator[Outcome]:
    for case in cases:
        for tested in ("",) if isinstance(case, FrameCase) else case.tested:
            yield play(bench, case, tested)
    for seed in seeds:
        yield play_seed(bench, seed, RUN_LENGTH, ROLES[seed % len(ROLES)])
