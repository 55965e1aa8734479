"""An adapter in this process: what is asked is what the cases see, not what becomes of a pipe."""

from __future__ import annotations

from takeover_conformance.adapter.lines import PROTOCOL, Hello, Metadata, Reply, Request
from takeover_conformance.servers.named import named
from takeover_conformance.servers.reference_adapter import ReferenceAdapter
from takeover_conformance.servers.wrappings import Answer


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
