"""Structured logs: a line of JSON for each event, with the fields that decided.

Code logs with the standard library and puts fields in `extra={"fields": {…}}`; the message says what happened in words.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Hashable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix("takeover."),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_plain)


class Repeats:
    """Lets what comes again and again into the log only now and then, with how often it came."""

    def __init__(self, most: int = 1_000) -> None:
        """So many different things are remembered at most."""
        self._most = most
        self._passed: dict[Hashable, tuple[float, int]] = {}

    def count(self, thing: Hashable, pause_s: float) -> int:
        """It came: how often since it passed last, this time with it; 0 if that is less than `pause_s` ago."""
        now = time.monotonic()
        at, held_back = self._passed.get(thing, (now - pause_s, 0))
        if now - at < pause_s:
            self._passed[thing] = (at, held_back + 1)
            return 0
        if thing not in self._passed and len(self._passed) >= self._most:
            self._passed.clear()
        self._passed[thing] = (now, 0)
        return held_back + 1


def _plain(value: object) -> object:
    """What JSON has no form for, as a person reads it."""
    return value.name.lower() if isinstance(value, Enum) else str(value)


def named(values: dict[str, object]) -> dict[str, object]:
    """Fields for a record; enumerations by their names, for JSON would take those that are numbers for numbers."""
    return {name: _plain(value) if isinstance(value, Enum) else value for name, value in values.items()}


def set_up(level: str, file: Path | None) -> None:
    """Log at `level` and above to `file`, or to standard error."""
    handler = logging.FileHandler(file) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("takeover")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
