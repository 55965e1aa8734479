"""The updates that the applications offer, each from its offer to the answer.

An offer waits until it is logged, then until it is carried out, then until it is acknowledged, and then until the
trace says so; only then the application is told. Between two of these it may be lost with the role. A switchover loses
none: the applications have stopped before it begins, and what they still write until then is answered as ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from takeover.interception import NotAccepted, OutcomeUnknown
from takeover.operations import Operation, Outcome, decode

NOT_ACTIVE = "this server is not active"


class Offer:
    """An update that an application wants, until it is acknowledged."""

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self.operation: Operation = decode(encoded)
        self.outcome: Outcome | None = None
        self.answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """Tell the application what became of it."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Offers:
    """All of them, by how far they have come."""

    def __init__(self, woken: Callable[[], None]) -> None:
        """`woken` is called when there is a new one."""
        self._woken = woken
        self._new: deque[Offer] = deque()
        self._logged: deque[tuple[int, Offer]] = deque()
        self._carried: dict[int, Offer] = {}
        self._acknowledged: list[Offer] = []
        self._accepting = False

    @property
    def are_new(self) -> bool:
        """Whether there is one to be logged."""
        return bool(self._new)

    @property
    def logged_count(self) -> int:
        """How many are logged, and to be carried out."""
        return len(self._logged)

    async def submit(self, encoded: bytes) -> Outcome:
        """An application wants an update. Returns when it is acknowledged.

        Raises `NotAccepted` if nothing was done, `OutcomeUnknown` if the role was lost meanwhile.
        """
        if not self._accepting:
            raise NotAccepted(NOT_ACTIVE)
        offer = Offer(encoded)
        self._new.append(offer)
        self._woken()
        return await offer.answer

    def take_new(self) -> Offer:
        """The one that has waited longest to be logged; it is for the caller from here on."""
        return self._new.popleft()

    def put_back(self, offer: Offer) -> None:
        """It is not logged yet after all, and is the next one."""
        self._new.appendleft(offer)

    def logged(self, seq: int, offer: Offer) -> None:
        """It is logged under this number: it waits to be carried out."""
        self._logged.append((seq, offer))

    def take_logged(self) -> tuple[int, Offer] | None:
        """The first that is logged, and its number; it is for the caller from here on. None if the role was lost."""
        return self._logged.popleft() if self._logged else None

    def carried(self, seq: int, offer: Offer) -> None:
        """It was carried out: it waits for its acknowledgement."""
        self._carried[seq] = offer

    def acknowledged(self, seq: int) -> None:
        """It waits for the trace only."""
        if offer := self._carried.pop(seq, None):
            self._acknowledged.append(offer)

    def answer(self) -> None:
        """The trace is written: tell the applications what is acknowledged."""
        answers, self._acknowledged = self._acknowledged, []
        for offer in answers:
            if offer.outcome and not offer.answer.done():
                offer.answer.set_result(offer.outcome)

    def refuse(self) -> None:
        """This server intercepts nothing: what is not logged will not be."""
        while self._new:
            self._new.popleft().fail(NotAccepted(NOT_ACTIVE))

    def accept(self) -> None:
        """This server intercepts from now on."""
        self._accepting = True

    def fail(self) -> None:
        """The applications are being stopped: nobody waits for what is not acknowledged. It is still carried out.

        What is offered from now on is refused at once: an application that waited would not end.
        """
        self._accepting = False
        self.refuse()
        for offer in [*(offer for _, offer in self._logged), *self._carried.values()]:
            offer.fail(OutcomeUnknown("the applications were stopped before the update was safe"))

    def forget(self) -> None:
        """The role is lost: what becomes of what was not acknowledged is not known."""
        self.fail()
        self._logged.clear()
        self._carried.clear()
