"""Each property, judged on what happened, holds where it holds and fails where it does not."""

from dataclasses import dataclass, field

import pytest

from takeover_models.data import Data, Entry, Operation
from takeover_models.findings import PropertyBroken
from takeover_models.images import Image, Queued
from takeover_models.truth import Truth
from takeover_spec import actions as act
from takeover_spec.words import Cause, Status


@dataclass
class Server:
    """What can be seen of a server."""

    index: int
    image: Image = field(default_factory=Image)
    holds_identity: bool = False
    serving: bool = False
    party: str = "server"


def operation(uid: int) -> Operation:
    """An operation."""
    return Operation(uid, "append", "a")


def data_of(*uids: int) -> Data:
    """The data after these operations."""
    data = Data()
    for uid in uids:
        data, _ = data.carried_out(operation(uid))
    return data


def waiting(*uids: int, first: int, status: Status = Status.NONE) -> dict[int, Queued]:
    """A queue of these operations from a number on."""
    return {seq: Queued(operation(uid), status) for seq, uid in enumerate(uids, first)}


def truth_about(old: Image, new: Image) -> tuple[Truth, Server, Server]:
    """Epoch 1 was led by server 0; server 1 may succeed it."""
    truth = Truth(synchronous=True)
    zero, one = Server(0, old), Server(1, new)
    truth.servers = (zero, one)
    truth.operations = {uid: operation(uid) for uid in range(1, 10)}
    truth.leaders, truth.begun = {1: 0}, {1: 0}
    return truth, zero, one


TAKE = act.TakeRole(2, Cause.SILENCE)


def test_one_holder() -> None:
    """One server may hold the public identity, both may not."""
    truth, zero, one = truth_about(Image(), Image())
    zero.holds_identity = True
    truth.look()
    one.holds_identity = True
    with pytest.raises(PropertyBroken, match="one-holder"):
        truth.look()


@pytest.mark.parametrize(("holds_identity", "serving"), [(True, False), (False, True)])
def test_drained_before_serving(holds_identity: bool, serving: bool) -> None:
    """A server that can still apply something must not be seen, by clients or by applications."""
    queue = waiting(2, first=2, status=Status.DONE)
    truth, _, one = truth_about(Image(), Image(data=data_of(1), safe=queue))
    truth.look()
    one.holds_identity, one.serving = holds_identity, serving
    with pytest.raises(PropertyBroken, match="drained-before-serving"):
        truth.look()


def test_exact_prefix() -> None:
    """The new active's data is a prefix of the old one's: no hole, no other order, nothing else."""
    old = Image(data=data_of(1, 2, 3), lineage=1)
    prefixes: list[tuple[int, ...]] = [(), (1,), (1, 2), (1, 2, 3)]
    for uids in prefixes:
        truth, _, one = truth_about(old, Image(data=data_of(*uids), lineage=1))
        truth.acting(one, TAKE)
    others: list[tuple[int, ...]] = [(2,), (1, 3), (2, 1), (1, 2, 3, 4)]
    for uids in others:
        truth, _, one = truth_about(old, Image(data=data_of(*uids), lineage=1))
        with pytest.raises(PropertyBroken, match="exact-prefix"):
            truth.acting(one, TAKE)


def test_exact_prefix_of_what_failed() -> None:
    """An update that failed and was applied all the same is no prefix; nor is one that was left out of the keys."""
    old = Image(data=Data().unchanged(operation(1)), lineage=1)
    truth, _, one = truth_about(old, Image(data=data_of(1), lineage=1))
    with pytest.raises(PropertyBroken, match="exact-prefix"):
        truth.acting(one, TAKE)
    truth, _, one = truth_about(Image(data=data_of(1)), Image(data=Data({}, (Entry(1, True),))))
    with pytest.raises(PropertyBroken, match="exact-prefix"):
        truth.acting(one, TAKE)


def test_the_longest_prefix() -> None:
    """A drain does not end while the next update can be applied."""
    queue = waiting(2, first=2, status=Status.DONE)
    truth, _, one = truth_about(Image(), Image(data=data_of(1), safe=queue, lineage=1))
    with pytest.raises(PropertyBroken, match="exact-prefix"):
        truth.acting(one, act.Discard(1, 1, 2))


def test_exact_loss_of_a_takeover() -> None:
    """The statement says what is kept and what was there, to the update."""
    image = Image(data=data_of(1), safe=waiting(2, 3, first=2), lineage=1)
    truth, _, one = truth_about(Image(), image)
    assert ((2, 1), (3, 1)) == truth.acting(one, act.Discard(1, 1, 3))
    for kept, last in ((1, 2), (0, 3), (1, 1), (2, 3)):
        with pytest.raises(PropertyBroken, match="exact-loss"):
            truth.acting(one, act.Discard(1, kept, last))


def test_exact_loss_of_a_rejoin() -> None:
    """The statement says which of its updates the new active has; what was logged and not carried out counts."""
    old = Image(data=data_of(1, 2, 3), unsafe=waiting(4, first=4), lineage=1)
    truth, zero, one = truth_about(old, Image(data=data_of(1, 2), lineage=1))
    truth.acting(one, TAKE)
    truth.acting(zero, act.SetAside(1, 2, 4))
    for kept, last in ((1, 4), (3, 4), (2, 3), (2, 5)):
        with pytest.raises(PropertyBroken, match="exact-loss"):
            truth.acting(zero, act.SetAside(1, kept, last))


def test_no_ghost() -> None:
    """What a takeover gave up must not be in the data of a later epoch; in that of its own it may stay."""
    old = Image(data=data_of(1, 2), unsafe=waiting(3, first=3), lineage=1)
    truth, zero, one = truth_about(old, Image(data=data_of(1), lineage=1))
    gone = truth.acting(one, TAKE)
    assert ((2, 1), (3, 1)) == gone
    truth.settle(Image(gone=gone))
    truth.changed(zero, wholly=True)
    for uids, wholly in (((1, 2), True), ((1, 3), False)):
        one.image = Image(data=data_of(*uids), lineage=2)
        with pytest.raises(PropertyBroken, match="no-ghost"):
            truth.changed(one, wholly=wholly)


def test_nothing_acknowledged_is_lost() -> None:
    """What was acknowledged in an earlier epoch is in the new active's data, as it had ended."""
    old = Image(data=data_of(1, 2), lineage=1)
    truth, zero, one = truth_about(old, Image(data=data_of(1), lineage=1))
    truth.acknowledging(zero, 1, 1)
    truth.acting(one, TAKE)
    truth.acknowledging(zero, 1, 2)
    with pytest.raises(PropertyBroken, match="nothing-acknowledged-is-lost"):
        truth.acting(one, TAKE)


def test_nothing_is_acknowledged_too_late() -> None:
    """An old active that acknowledges what its successor lacks breaks it just as well."""
    truth, zero, one = truth_about(Image(data=data_of(1, 2), lineage=1), Image(data=data_of(1), lineage=2))
    truth.acknowledging(zero, 1, 1)
    with pytest.raises(PropertyBroken, match="nothing-acknowledged-is-lost"):
        truth.acknowledging(zero, 1, 2)
    assert one.image.lineage == 2


def test_in_the_other_mode_nothing_was_promised() -> None:
    """Without the synchronous mode what was acknowledged may be lost."""
    truth, zero, one = truth_about(Image(data=data_of(1, 2), lineage=1), Image(data=data_of(1), lineage=1))
    truth.synchronous = False
    truth.acknowledging(zero, 1, 2)
    assert ((2, 1),) == truth.acting(one, TAKE)
