"""Cores that are wrong about an operator's orders: about the switchover, and about what goes on without whom.

As in `broken_data.py`, each is the real core with one decision spoilt.
"""

from __future__ import annotations

from dataclasses import replace

from takeover.core import events as ev
from takeover.core import ordering
from takeover.core import step as real_step
from takeover.core.state import Core, Turn
from takeover_models.broken_data import Stepped, after_turn
from takeover_spec import actions as act


def released_too_early(core: Core, event: ev.Event, now: int) -> Stepped:
    """An active server hands its role over as soon as it is asked to, whatever is not safe yet."""
    turn = Turn(core, now)
    if isinstance(event, ev.SwitchoverAsked) and core.know.active and core.know.successor:
        turn.do(act.StopApplications())
        turn.note(switching=True, switching_order=event.order)
        ordering._release(turn)
        return turn.core, tuple(turn.effects)
    return after_turn(turn, event)


def released_to_nobody(core: Core, event: ev.Event, now: int) -> Stepped:
    """An active server hands its role over to a passive one that has everything and is not recorded as eligible."""
    turn, know = Turn(core, now), core.know
    safe = know.peer_follows and know.safe_upto == know.logged
    if isinstance(event, ev.SwitchoverAsked) and know.active and safe and not know.successor:
        turn.do(act.StopApplications())
        turn.note(switching=True, switching_order=event.order)
        ordering._release(turn)
        return turn.core, tuple(turn.effects)
    return after_turn(turn, event)


def order_keeps_less(core: Core, event: ev.Event, now: int) -> Stepped:
    """A server that is promoted says that it keeps less than it has."""
    core, effects = real_step(core, event, now)
    less = [replace(e, kept=0) if isinstance(e, act.Promote) else e for e in effects]
    return core, tuple(less)


def copy_says_otherwise(core: Core, event: ev.Event, now: int) -> Stepped:
    """A copy says that the epoch began where the copy ends: nothing would be lost."""
    core, effects = real_step(core, event, now)
    return core, tuple(replace(e, begun=e.upto) if isinstance(e, act.Copy) else e for e in effects)
