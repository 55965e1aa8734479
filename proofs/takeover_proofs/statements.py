"""Whether a loss statement is true, as only a proof can know.

A statement says of updates which are kept and which are lost. It is looked at for the one update that the proof
follows, so what is proved of it is proved of each. What happens to be lost is not the statement's business; that it is
said is.
"""

from __future__ import annotations

from takeover_proofs.world import Side, World
from takeover_spec import actions as act
from takeover_spec.knowledge import settled
from takeover_spec.logic import choose, not_
from takeover_spec.words import Status


def misstated(world: World, me: int, action: act.ServerAction) -> bool:
    """Whether this action, in the world before it, states something untrue, or lacks a statement that is due."""
    side, peer = world.sides[me], world.sides[1 - me]
    match action:
        case act.Discard():
            return _of_a_drain(world, side, action)
        case act.SetAside():
            return _of_a_rejoin(world, side, peer, action)
        case act.Promote():
            return _of_an_order(world, side, action)
        case act.Resynchronise():
            return side.know.unsafe  # its data goes, and nobody was told what was in it alone
        case _:
            return False


def _of_a_drain(world: World, side: Side, action: act.Discard) -> bool:
    """What is kept is what was applied, and what is lost is in the list."""
    know = side.know
    left_out = know.stored[world.mark_seq] & (world.mark_seq > action.last)
    return (action.epoch != know.epoch) | (action.kept != know.applied) | left_out


def _of_a_rejoin(world: World, side: Side, peer: Side, action: act.SetAside) -> bool:
    """An update of its own is kept if the next epoch began with it, and then its effect is there."""
    know, mark = side.know, world.mark_seq
    own = (know.applied < mark) & (mark <= know.logged)
    kept = mark <= action.kept
    changed = side.data[mark] == know.epoch
    there = (mark <= peer.know.logged) & (peer.data[mark] == know.epoch)
    untrue = (kept != (mark <= side.parted)) | (changed & (kept != there))
    return (action.epoch != know.epoch) | (action.last != know.logged) | (own & untrue)


def _of_an_order(world: World, side: Side, action: act.Promote) -> bool:
    """What is kept is complete, and the rest of the queue is not."""
    know, mark = side.know, world.mark_seq
    last = choose(know.returned, know.logged, know.newest)
    inside = (know.applied < mark) & (mark <= last)
    complete = choose(know.returned, know.carried[mark] != Status.NONE, settled(know, mark))
    untrue = choose(know.returned, (mark <= action.kept) != complete, (mark <= action.kept) & not_(complete))
    return (action.epoch != know.epoch) | (action.last != last) | (inside & untrue)
