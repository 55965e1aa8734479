"""Cases and random runs as items of pytest (`pytest_plugin`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from takeover_conformance.adapter.faults import AdapterFault
from takeover_conformance.adapter.process import Adapter
from takeover_conformance.adapter.talk import Exchange, Talk
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.reports import telling
from takeover_conformance.suite import Job, Selection, jobs


class Broken(Exception):
    """A case failed."""

    def __init__(self, outcome: Outcome, talk: tuple[Exchange, ...]) -> None:
        super().__init__(str(outcome.finding))
        self.outcome = outcome
        self.talk = talk


class BrokenAsKnown(Broken):
    """A case failed, as it is known to."""


class Conformance(pytest.Collector):
    """The suite, for one adapter."""

    def __init__(self, *, command: list[str], selection: Selection, **more: Any) -> None:
        super().__init__(**more)
        self.selection = replace(selection, adapter=tuple(command))
        self._talk = Talk()
        self._bench = Bench(lambda: self._talk.overheard(Adapter(command)), begins=self._talk.forget)
        self._fault: AdapterFault | None = None

    def collect(self) -> Iterable[pytest.Item]:
        """All cases, and all random runs."""
        for job in jobs(self.selection):
            tested = f"[{job.tested}]" if job.tested else ""
            item: pytest.Item = CaseItem.from_parent(self, name=f"L{job.level}::{job.name}{tested}", job=job)
            for known in self.selection.known:
                if known.case == job.name:
                    item.add_marker(pytest.mark.xfail(reason=str(known), raises=BrokenAsKnown, strict=True))
            yield item

    def play(self, job: Job) -> None:
        """Play a case. Raises `Broken` and `AdapterFault`; after a fault nothing more is played, and if it cannot even
        be started the session ends."""
        if self._fault is not None:
            raise self._fault
        try:
            outcome = job.play(self._bench)
        except AdapterFault as fault:
            self._fault = fault
            if fault.fault == "cannot-start":
                self.session.shouldfail = "the adapter cannot be started"
            raise
        if outcome.finding is not None:
            raise (BrokenAsKnown if self.selection.is_known(outcome) else Broken)(outcome, self._talk.last())

    def close(self) -> None:
        """End the adapters."""
        self._bench.close()


class CaseItem(pytest.Item):
    """A case, or a random run."""

    parent: Conformance

    def __init__(self, *, job: Job, **more: Any) -> None:
        super().__init__(**more)
        self.job = job

    def runtest(self) -> None:
        """Play it."""
        self.parent.play(self.job)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What the command would tell."""
        return "\n".join(self._told(excinfo.value)) or super().repr_failure(excinfo, style)

    def _told(self, error: BaseException) -> Iterator[str]:
        if isinstance(error, AdapterFault):
            yield from telling.blame(error, self.parent.selection)
        elif isinstance(error, Broken):
            yield from telling.told(error.outcome, self.parent.selection, error.talk)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where it is."""
        return "takeover", None, self.name
