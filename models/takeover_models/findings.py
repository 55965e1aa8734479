"""What a virtual world stops at: something that must never be was seen.

A finding has a name that does not depend on the run: the property, the clause, or what else went wrong. That is what
shrinking holds on to, and what a test asks for.
"""

from __future__ import annotations

from takeover.errors import TakeoverError
from takeover_spec.trace import Violation


class Finding(TakeoverError):
    """Something that must never be was seen in a virtual world."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        """The property, the clause, `core`, `stuck` or `progress`."""
        self.text = text


class PropertyBroken(Finding):
    """A property of the pair does not hold, judged by what really happened."""


class RuleBroken(Finding):
    """A party did what a rule does not allow."""

    def __init__(self, party: str, violation: Violation) -> None:
        super().__init__(violation.rule.clause, f"the {party}'s trace, {violation}")
        self.violation = violation


class CoreFailed(Finding):
    """A core raised instead of answering."""

    def __init__(self, party: str, event: object, error: Exception) -> None:
        super().__init__("core", f"the {party}'s core, at {event}: {type(error).__name__}: {error}")


class Stuck(Finding):
    """The world does not come to rest: the parties keep each other busy without time passing."""

    def __init__(self, rounds: int) -> None:
        super().__init__("stuck", f"no rest after {rounds} rounds at one instant")


class NoProgress(Finding):
    """Without faults, something that should have come about did not in its time."""

    def __init__(self, what: str) -> None:
        super().__init__("progress", what)
