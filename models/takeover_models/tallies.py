"""What a campaign counts: that the things it is about did happen."""

from __future__ import annotations

from collections import Counter

from takeover_models.images import Image
from takeover_spec import actions as act
from takeover_spec.words import Cause, Status

WANTED = (
    "takeover",
    "second takeover",
    "discard of something",
    "drain of something",
    "rejoin",
    "set aside of something",
    "acknowledged alone",
    "acknowledged safe",
    "crash within a step",
    "crash that loses writes",
    "failed update applied",
    "identity lapsed",
    "handed over",
)
"""Without any one of these a campaign says little: the least that it has to have seen."""

SELDOM = (
    "switchover called off",
    "promoted with its own data",
    "promoted as a follower",
    "copy in the same epoch",
)
"""What a short campaign may not see; each of these has a test of its own."""


def noticed(tally: Counter[str], action: act.ServerAction, image: Image) -> None:
    """Count what is remarkable about an action of a server with this image."""
    know = image.know
    match action:
        case act.TakeRole(epoch=epoch, cause=cause):
            tally["takeover" if epoch > 1 else "first role"] += 1
            tally["handed over"] += cause is Cause.RELEASE
            if cause is Cause.OPERATOR:
                tally["promoted with its own data" if know.returned else "promoted as a follower"] += 1
            tally["second takeover"] += epoch > 2
        case act.Discard(kept=kept, last=last):
            tally["discard of something"] += last > kept
        case act.Apply(changed=changed):
            tally["applied"] += 1
            tally["failed update applied"] += not changed
            tally["drain of something"] += know.lease_epoch == know.epoch + 1
        case act.Resynchronise(epoch=epoch) if epoch == know.epoch:
            tally["copy in the same epoch"] += 1
        case act.Resynchronise():
            tally["rejoin" if know.returned else "first copy"] += 1
        case act.StartInterception():
            tally["switchover called off"] += know.logged > know.applied or know.acknowledged > 0
        case act.SetAside(kept=kept, last=last):
            tally["set aside of something"] += last > kept
        case act.Acknowledge(seq=seq):
            tally["acknowledged safe" if seq <= know.safe_upto else "acknowledged alone"] += 1
        case act.StepDown():
            tally["stepped down"] += 1
            tally["identity lapsed"] += know.seen <= know.epoch
        case act.CarryOut(status=Status.FAILED):
            tally["failed update"] += 1
        case act.Declare(eligible=eligible):
            tally["declared eligible" if eligible else "declared not eligible"] += 1
        case act.Refrain(clause=clause):
            tally[f"refrained by {clause}"] += 1
        case _:
            pass
