"""A virtual disk keeps what was synced, and of the rest what the crash leaves it."""

from dataclasses import replace

import pytest

from takeover_models.data import Operation
from takeover_models.images import Disk, Image, Queued, performed
from takeover_spec import actions as act
from takeover_spec.knowledge import Knowledge
from takeover_spec.words import Cause, Queue, Status

QUEUED = Queued(Operation(7, "append", "a"))


def disk_with(*logged: int) -> Disk:
    """A disk on which images were written, told apart by `logged`, none synced."""
    disk = Disk()
    for number in logged:
        disk.write(Image(logged=number))
    return disk


@pytest.mark.parametrize(("keep", "left"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 0), (6, 2)])
def test_a_crash_keeps_the_first_writes(keep: int, left: int) -> None:
    """Any number of unsynced writes survives, and never a later one without an earlier one."""
    disk = disk_with(1, 2, 3)
    assert 3 - left == disk.crash(keep)
    assert left == disk.newest.logged


def test_what_is_synced_survives() -> None:
    """Whatever the crash takes, it is not that."""
    disk = disk_with(1, 2)
    disk.sync()
    disk.write(Image(logged=3))
    assert 3 == disk.newest.logged
    disk.crash(0)
    assert 2 == disk.newest.logged


def test_the_state_may_survive_what_was_queued_before_it() -> None:
    """A state that was saved at once is there after a crash, and the queues are as they were synced."""
    disk = Disk()
    disk.write(Image(know=Knowledge(applied=5), logged=5))
    disk.write(Image(know=Knowledge(applied=5, seen=3), logged=5))
    disk.save_state()
    disk.write(Image(know=Knowledge(applied=6, seen=3), logged=6))
    disk.crash(0)
    assert (3, 0, 0) == (disk.newest.know.seen, disk.newest.know.applied, disk.newest.logged)


def test_an_update_goes_through_the_safe_queue() -> None:
    """It is stored, gets its status, is applied, and has left the queue."""
    image = performed(Image(), act.Store(1, 1), QUEUED, None)
    assert (1, 0) == image.unbroken()
    image = performed(image, act.StoreStatus(1, 1, Status.DONE), None, None)
    assert (1, 1) == image.unbroken()
    image = performed(image, act.Apply(1, 1, True, Queue.SAFE), None, None)
    assert ({}, {"a": (7,)}) == (image.safe, image.data.keys)


def test_a_hole_ends_the_unbroken_run() -> None:
    """What is stored above a hole does not count."""
    image = Image(safe={1: replace(QUEUED, status=Status.DONE), 2: QUEUED, 4: QUEUED})
    assert (2, 1) == image.unbroken()


def test_an_update_goes_through_the_unsafe_queue() -> None:
    """It is logged, carried out, and trimmed."""
    image = performed(Image(Knowledge(active=True)), act.Log(1, 1), QUEUED, None)
    assert (1, 0) == (image.to_carry_out(), image.last_carried_out())
    image, status = image.carried_out(1)
    assert (Status.DONE, None, 1) == (status, image.to_carry_out(), image.last_carried_out())
    assert {} == performed(image, act.Trim(1, 1), None, None).unsafe
    assert {} == performed(image, act.SetAside(1, 0, 1), None, None).unsafe


def test_a_drain_and_a_takeover_empty_the_queues() -> None:
    """What is left of the safe queue is gone (APPLY-5), and the new epoch's unsafe queue is empty."""
    image = Image(safe={1: QUEUED}, unsafe={1: QUEUED})
    assert {} == performed(image, act.Discard(1, 0, 1), None, None).safe
    taken = performed(image, act.TakeRole(2, Cause.SILENCE), None, None)
    assert ({}, 2) == (taken.unsafe, taken.lineage)
