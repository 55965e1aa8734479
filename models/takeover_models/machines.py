"""What the Hypothesis machines over the virtual world have in common, and the states they may begin in.

A rule of such a machine is a decision. The world looks after every one of them whether something is there that must
never be, so the machines need no invariants of their own. What Hypothesis has shrunk is printed as the traces of all
parties and one line that replays it without Hypothesis.
"""

from __future__ import annotations

from typing import ClassVar

from hypothesis import event
from hypothesis.stateful import RuleBasedStateMachine

from takeover_models.broken import cores_named
from takeover_models.decisions import Decision, parse_run
from takeover_models.findings import Finding
from takeover_models.reports import report
from takeover_models.setup import Setup
from takeover_models.tallies import SELDOM, WANTED
from takeover_models.world import World

STARTS = {
    "off and on": "default:heal",
    "paired": "default:heal,calm//2500",
    "loaded": "default:heal,calm//2500/1",
    "alone": "default:heal,calm//2500/1,crash/1,calm//800/1",
    "missed much": "default:heal,calm//2500/1,crash/1,calm//800/1,crash/0,start/1",
    "catching up": "default:heal,calm//2500/1,cut/01,calm//900/1,disconnect///1,heal",
    "behind": "default:heal,calm//2500/1,busy/1/3000,calm//600/1",
    "half shipped": "default:heal,calm//2500/1,offer/0,work/0/1,work/0/3,deliver/01,offer/0/1,work/0/1,work/0/2",
    "about to discard": "default:heal,calm//2500/1,offer/0,work/0/1,work/0/3,deliver/01,crash/0,disconnect///1",
    "about to drain": "default:heal,calm//2500/1,busy/1/3000,calm//400/1,crash/0,calm//1000",
    "has discarded": "default:heal,calm//2500/1,offer/0,work/0/1,work/0/3,deliver/01,crash/0,disconnect///1,calm//3500",
    "has drained": "default:heal,calm//2500/1,busy/1/3000,calm//400/1,crash/0,calm//4000",
    "an update is late": "default:heal,calm//2500/1,offer/0,work/0/1,work/0/3,delay/01/3500,crash/0,calm//2900",
    "taken over": "default:heal,calm//2500/1,crash/0,calm//3500/1",
    "back again": "default:heal,calm//2500/1,crash/0,calm//3500/1,heal,calm//1500/1",
    "half handed over": "default:heal,calm//2500/1,offer/0/1,interrupt/1/9,switch/0/1000,calm//50",
    "both down to one": "default:heal,calm//2500/1,crash/1,calm//1500/1,crash/0,start/0,calm//2500",
    "by promise": "default:heal,calm//2500,cut/0w,cut/w0,calm//1500",
    "slowly by promise": "default:heal,calm//2500,slow/10/400,cut/0w,cut/w0,calm//1500",
    "by lease": "default:heal,calm//2500,cut/01,calm//900",
    "hesitant": "default:heal,calm//2500,stop/0,calm//900",
}
"""States of a pair that chance alone would seldom find, by what they are; each is a run."""


class WorldMachine(RuleBasedStateMachine):
    """A machine whose rules are decisions."""

    broken: ClassVar[str] = ""
    """The cores that run, by name; the real ones by default."""
    judged: ClassVar[bool] = True
    """Whether the rules are asked about every action."""
    starts: ClassVar[tuple[str, ...]] = tuple(STARTS)
    """The states that it may begin in."""

    world: World | None = None

    def begin(self, setup: Setup, pick: int) -> None:
        """A world, brought to one of the states."""
        start = self.starts[pick % len(self.starts)]
        self.world = World(setup, cores_named(self.broken), judged=self.judged)
        event(f"start: {start}")
        for decision in parse_run(STARTS[start])[1]:
            self.decide(decision)

    def decide(self, decision: Decision) -> None:
        """Let the world carry a decision out."""
        assert self.world is not None
        try:
            self.world.decide(decision)
        except Finding as finding:
            finding.add_note(report(self.world, self.broken, judged=self.judged))
            raise

    def teardown(self) -> None:
        """Tell Hypothesis what this run has seen."""
        if self.world is not None:
            for name in (*WANTED, *SELDOM, "witness crash", "stepped down"):
                if self.world.tally[name]:
                    event(f"seen: {name}")
