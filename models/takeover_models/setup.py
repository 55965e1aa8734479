"""How a virtual world is set up, and its text in a line that replays a run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from takeover.core.state import Settings, counted_ns
from takeover_spec.words import Arbiter, Constants, Identity

MS = 1_000_000
"""A millisecond, in nanoseconds."""


DEFAULT = "default"
"""The text of a setup that differs in nothing."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What all runs of a world have in common. Times are in milliseconds, where the name does not say otherwise."""

    lease: int = 1000
    promise: int = 700
    beat: int = 150
    patience: int = 400
    slack: int = 20
    """σ."""
    drift: int = 20_000
    """ρ, in parts in a million; a multiple of 1,000."""
    latency: int = 500
    """How long a message takes while the world is calm, in microseconds."""
    synchronous: int = 1
    """1 for the synchronous mode, 0 for the other."""
    shell: int = 0
    """Which shell the servers have (`shells.py`)."""
    arbiter: int = 0
    """Who arbitrates: 0 a witness, 1 crash-stop, 2 operator."""

    @property
    def kind(self) -> Arbiter:
        """Who arbitrates."""
        return tuple(Arbiter)[self.arbiter]

    def constants(self) -> Constants:
        """The pair's constants."""
        return Constants(
            self.lease * MS,
            self.promise * MS,
            self.drift,
            self.slack * MS,
            synchronous=bool(self.synchronous),
        )

    def settings(self, me: Identity, run: int) -> Settings:
        """What a server is told at the start of a run."""
        c = self.constants()
        return Settings(
            me,
            run,
            c,
            self.beat * MS,
            self.patience * MS,
            counted_ns(c.lease_ns, c.drift_ppm),
            counted_ns(c.promise_ns, c.drift_ppm),
            resumes=self.kind is Arbiter.WITNESS,
        )

    def text(self) -> str:
        """What differs from the defaults, as in `drift=200000.shell=1`; `default` if nothing does."""
        standard = Setup()
        words = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if getattr(self, f.name) != getattr(standard, f.name)
        ]
        return ".".join(words) or DEFAULT


def parse_setup(text: str) -> Setup:
    """The setup of which `text` says what differs; raises `ValueError`."""
    setup = Setup()
    names = {f.name for f in fields(Setup)}
    for word in text.split(".") if text != DEFAULT else []:
        name, _, value = word.partition("=")
        if name not in names:
            raise ValueError(f"{name!r} is nothing that a world is set up with")
        setup = replace(setup, **{name: int(value)})
    return setup
