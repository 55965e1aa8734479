"""The gallery's entries for the clauses about handing over, coming back and stating losses: SWITCH, REJOIN, LOSS."""

from __future__ import annotations

from takeover_proofs.entries import ACKNOWLEDGED, LOSS, LOSSLESS, SETTLES, Entry, breaks, without
from takeover_proofs.invariant import Place
from takeover_proofs.scenes import (
    FAILOVER,
    ORDERED,
    RECORDED,
    RELEASED,
    SERVES,
    TIME,
    WRITES,
    granted,
    one,
    serves,
    takes,
    witness,
    zero,
)
from takeover_proofs.world import World
from takeover_spec import actions as act
from takeover_spec.logic import not_
from takeover_spec.words import Constants

_OVERTAKEN = SERVES + WRITES + TIME + takes(1) + serves(1)
"""Server 0 logs an update that server 1 does not get, and server 1 takes over."""

_LISTS = zero(act.StepDown, act.SetAside, act.Resynchronise)

_ALONE = takes(0) + serves(0)
"""Server 0 serves, and nobody follows it."""

_RESTARTED = _ALONE + WRITES + zero(act.Acknowledge, act.Start) + TIME + zero(act.Promote) + granted(0)


def only_the_new(world: World, c: Constants, at: Place) -> bool:
    """It is server 1 that says what is not so."""
    return not_(world.sides[0].misstated)


ENTRIES: tuple[Entry, ...] = (
    without(
        "SWITCH-1",
        "A server releases its role while an update is not safe, and the one that takes it has never heard of that.",
        breaks(
            LOSSLESS,
            7,
            SERVES + RECORDED + WRITES,
            FAILOVER + zero(act.StopApplications, act.Disable, act.Release),
        ),
        "nothing_left_to_lose",
    ),
    without(
        "SWITCH-1",
        "A server that released its role logs another update.",
        breaks(
            LOSSLESS,
            7,
            RELEASED,
            FAILOVER + zero(act.StartInterception, act.Log),
        ),
        "released_means_over",
        "log",
    ),
    without(
        "SWITCH-2",
        "A server releases its role when its peer is recorded as not eligible: nobody may take it.",
        breaks(
            SETTLES,
            1,
            SERVES + zero(act.Declare) + witness(act.Record) + zero(act.StopApplications, act.Disable),
            zero(act.Release),
        ),
        "there_is_a_successor",
    ),
    without(
        "SWITCH-2",
        "A server that released its role declares that its peer is not eligible, and the witness records it.",
        breaks(SETTLES, 2, RELEASED, zero(act.Declare) + witness(act.Record)),
        "successor_stays",
        "declared",
    ),
    without(
        "REJOIN-1",
        "A server's data is replaced, and with it an update that nobody else has and nobody listed.",
        breaks(LOSS, 2, _OVERTAKEN + one(act.Copy), _LISTS),
        "set_aside_first",
    ),
    without(
        "REJOIN-3",
        "A server that was ordered to go on with its data restarts, and goes on without the order: with no data.",
        breaks(
            ACKNOWLEDGED,
            4,
            _RESTARTED + zero(act.Start),
            TIME + granted(0) + zero(act.CountLease, act.TakeRole),
        ),
        "nobody_returns_by_itself",
    ),
    without(
        "REJOIN-4",
        "An active server is ordered to go on with the data it has now, without what it acknowledges after that.",
        breaks(
            ACKNOWLEDGED,
            5,
            _ALONE + zero(act.Promote) + WRITES + zero(act.Acknowledge),
            TIME + zero(act.StepDown) + ORDERED,
        ),
        "only_with_the_latest_data",
    ),
    without(
        "REJOIN-4",
        "A server that released its role changes its mind, and nobody ordered it to; its peer is shut out.",
        breaks(SETTLES, 3, RELEASED + zero(act.StepDown), TIME + zero(act.Promote) + granted(0)),
        "unordered_only_if_it_logged_nothing",
        "unordered",
    ),
    without(
        "LOSS-1",
        "The statement of a takeover lists less than was discarded.",
        breaks(LOSS, 4, SERVES + WRITES + one(act.Store), FAILOVER, only_the_new),
        "states_what_is_discarded",
    ),
    without(
        "LOSS-1",
        "The statement of a rejoin does not list the last update that was logged.",
        breaks(LOSS, 1, _OVERTAKEN + one(act.Copy) + zero(act.StepDown), _LISTS),
        "states_what_is_set_aside",
        "rejoin",
    ),
    without(
        "LOSS-1",
        "A copy says that the epoch began with an update that the new active server never had.",
        breaks(LOSS, 3, _OVERTAKEN, one(act.Copy) + _LISTS),
        "states_where_it_began",
        "copy",
    ),
    without(
        "LOSS-1",
        "A server that is ordered to go on with its data gives up an update that it has and had acknowledged.",
        breaks(
            ACKNOWLEDGED,
            5,
            _ALONE + WRITES + zero(act.Acknowledge, act.Start),
            TIME + ORDERED,
        ),
        "states_what_an_order_loses",
        "order",
    ),
)
