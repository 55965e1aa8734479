"""The last lines that were exchanged with an adapter, kept to be shown when something is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from takeover_conformance.adapter.lines import End, Metadata, Reply, Request, reply_line, request_line
from takeover_conformance.adapter.process import Asked

KEPT_MAX = 64
"""How many requests are remembered."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer."""

    number: int
    request: Request
    replies: tuple[Reply, ...]

    def asked(self) -> bytes:
        """The request as a line."""
        return request_line(self.number, self.request)

    def answered(self) -> Iterator[bytes]:
        """The answer as lines."""
        yield from (reply_line(self.number, reply) for reply in (*self.replies, End()))


class Talk:
    """What was last said with whoever is `overheard`."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=KEPT_MAX)

    def overheard(self, adapter: Asked) -> Asked:
        """The same adapter, of whom is remembered what it is asked and answers."""
        return _Overheard(adapter, self._exchanges)

    def forget(self) -> None:
        """What comes is about something else."""
        self._exchanges.clear()

    def last(self) -> tuple[Exchange, ...]:
        """The last exchanges; the latest comes last."""
        return tuple(self._exchanges)


class _Overheard:
    def __init__(self, adapter: Asked, exchanges: deque[Exchange]) -> None:
        self._adapter = adapter
        self._exchanges = exchanges
        self._number = 1
        """Hello was the first."""

    @property
    def metadata(self) -> Metadata:
        return self._adapter.metadata

    def ask(self, request: Request) -> list[Reply]:
        replies = self._adapter.ask(request)
        self._number += 1
        self._exchanges.append(Exchange(self._number, request, tuple(replies)))
        return replies

    def close(self) -> None:
        self._adapter.close()
