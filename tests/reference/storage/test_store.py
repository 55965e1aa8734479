"""A server's disk: what is found after an end of any kind, and what each action makes durable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from takeover.errors import StateDamaged
from takeover.operations import Create, Outcome, Write, encode
from takeover.storage.data_directory import DataDirectory
from takeover.storage.loss_statements import Head, read_statement
from takeover.storage.store import Store
from takeover_models.disk import CutDisk, PowerCut
from takeover_spec.trace import Header, check, header_line
from takeover_spec.words import Constants, Status

CONSTANTS = Constants(10**9, 10**9, 1000, 0, True)


def opened(tmp_path: Path) -> Store:
    """The store of a server."""
    return Store(DataDirectory.open(tmp_path / "server"))


def killed(store: Store) -> None:
    """End as a kill does: nothing is synced, and the kernel gives the lock back."""
    store.directory.close()


def following(tmp_path: Path) -> Store:
    """A server that follows epoch 1, with an empty copy as of update 0."""
    store = opened(tmp_path)
    store.start()
    store.resynchronise(1, 0, store.incoming())
    return store


def filled(store: Store) -> None:
    """Three updates, of which the second failed and the third has no status yet."""
    store.store(1, encode(Create("a")))
    store.store_status(1, Outcome(True))
    store.store(2, encode(Create("a")))
    store.store_status(2, Outcome(False, 0, "EEXIST"))
    store.store(3, encode(Write("a", 0, b"three")))


def apply_next(store: Store) -> None:
    """Apply the next update."""
    entry = store.next_to_apply()
    assert entry is not None
    assert not store.wants_checkpoint(entry)
    store.apply(entry)


def test_a_server_that_never_ran_finds_nothing(tmp_path: Path) -> None:
    """The defaults of what a server knows."""
    found = opened(tmp_path).found()
    assert (False, 0, 0, False, 0) == (found.active, found.epoch, found.applied, found.returned, found.logged)


def test_a_killed_follower_finds_its_queue_and_how_far_it_applied(tmp_path: Path) -> None:
    """What was stored and applied before a kill is known after it."""
    store = following(tmp_path)
    filled(store)
    apply_next(store)
    killed(store)
    found = opened(tmp_path).found()
    assert (1, 1, 3) == (found.epoch, found.applied, found.newest)
    assert [False, True, True, False] == [found.stored[n] for n in (1, 2, 3, 4)]
    assert [True, False] == [found.status[n] != Status.NONE for n in (2, 3)]


def test_the_trace_says_how_each_update_ended(tmp_path: Path) -> None:
    """The header of a restarted server's trace has the true statuses: the failed one as failed."""
    store = following(tmp_path)
    filled(store)
    apply_next(store)
    killed(store)
    line = header_line(Header("secondary", "p", CONSTANTS, opened(tmp_path).found_in_full()))
    assert [[2, 2, "failed"], [3, 3, "none"]] == json.loads(line)["found"]["settled"]
    assert "incomplete" == check([line.encode()]).verdict


def test_after_a_power_cut_updates_since_the_checkpoint_are_applied_again(tmp_path: Path) -> None:
    """In another boot of the machine only the checkpoint counts, and the queue still has what came after it."""
    store = following(tmp_path)
    filled(store)
    apply_next(store)
    store.checkpoint()
    apply_next(store)
    store._save(boot_id="another boot")
    killed(store)
    again = opened(tmp_path)
    assert 1 == again.applied
    apply_next(again)
    assert 2 == again.applied
    assert b"" == (again.data / "a").read_bytes()


def test_a_killed_active_server_returns_with_its_unsafe_queue(tmp_path: Path) -> None:
    """It finds that it was active, starts passive, and states what it lost when it is resynchronised."""
    store = opened(tmp_path)
    store.start()
    store.discard(0, 0)
    store.take_role(1)
    store.log(1, encode(Create("a")))
    store.carried(1, store.carry_out(Create("a")))
    store.log(2, encode(Write("a", 0, b"lost")))
    killed(store)
    again = opened(tmp_path)
    assert (True, 1, 2, True) == tuple(
        getattr(again.found(), f) for f in ("active", "epoch", "logged", "unsafe")
    )
    again.start()
    assert (False, True) == (again.found().active, again.found().returned)
    again.set_aside(1, 2)
    head, lost = read_statement(tmp_path / "server" / "aside" / "1" / "loss.ndjson")
    assert Head(1, 1, 2) == head
    assert [(2, None, "Write")] == [(u["seq"], u["done"], u["operation"]["kind"]) for u in lost]
    again.resynchronise(2, 1, again.incoming())
    assert (2, 1, False) == tuple(getattr(again.found(), f) for f in ("epoch", "applied", "unsafe"))
    assert [] == list(again.data.iterdir())


def test_what_was_prepared_and_did_not_happen_is_removed(tmp_path: Path) -> None:
    """A copy that was received, and a crash before the state was saved: the old data stands, the copy is gone."""
    store = following(tmp_path)
    copy = store.incoming()
    (copy / "new").write_bytes(b"")
    data = store.data
    killed(store)
    again = opened(tmp_path)
    assert data == again.data
    assert [data] == list(again.directory.data.iterdir())


def with_old_data(root: Path, *, active: bool) -> None:
    """A server that was killed as the active one of epoch 1, or while it followed that epoch."""
    root.mkdir()
    store = opened(root)
    store.start()
    if active:
        store.discard(0, 0)
        store.take_role(1)
        store.log(1, encode(Create("a")))
        store.carried(1, store.carry_out(Create("a")))
    else:
        store.resynchronise(1, 0, store.incoming())
        filled(store)
        apply_next(store)
    killed(store)


def switch(root: Path, disk: CutDisk, epoch: int, call: int) -> None:
    """It gets a copy, which is durable, and switches to it; the power fails at this call of the switch, if at any."""
    store = Store(DataDirectory.open(root / "server", disk=disk))
    store.start()
    (copy := store.incoming()).joinpath("below").mkdir()
    (copy / "below" / "new").write_bytes(b"content")
    disk.sync_all()
    disk.labels.clear()
    disk.crash_at(call)
    try:
        if store.unsafe:
            store.set_aside(0, 1)
        store.resynchronise(epoch, 7, copy)
    finally:
        killed(store)


@pytest.mark.parametrize(("active", "epoch"), [(False, 2), (True, 2), (False, 1)])
def test_a_switch_cut_at_every_call_leaves_the_old_data_or_the_new(
    tmp_path: Path, active: bool, epoch: int
) -> None:
    """A kill or a power cut, whatever survives it: one of the two, whole, with the state that belongs to it."""
    with_old_data(tmp_path / "before", active=active)
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    switch(tmp_path / "whole", whole := CutDisk(tmp_path / "whole"), epoch, 1_000)
    assert "store.switch" in whole.labels
    found = set()
    for call, label in enumerate(whole.labels, start=1):
        if label.endswith((".list", ".open", ".read", ".size", ".close")):
            continue  # it changes nothing: the cut at the next call is the same one
        for seed in (None, 0):
            root = tmp_path / f"{call} {seed}"
            shutil.copytree(tmp_path / "before", root)
            disk = CutDisk(root)
            with pytest.raises(PowerCut):
                switch(root, disk, epoch, call)
            disk.kill() if seed is None else disk.cut(seed)
            store = opened(root)
            (data,) = store.directory.data.iterdir()
            names = [str(path.relative_to(data)) for path in sorted(data.rglob("*"))]
            found.add((*names, store.state.epoch, store.applied <= 1, store.state.returned))
            if "below" in names:
                assert b"content" == (data / "below" / "new").read_bytes(), (label, seed)
            killed(store)
    assert {("a", 1, True, active), ("below", "below/new", epoch, False, False)} == found


def test_discarded_updates_are_gone_and_stated(tmp_path: Path) -> None:
    """After the drain the safe queue holds nothing, also after a kill, and the statement lists the rest."""
    store = following(tmp_path)
    filled(store)
    apply_next(store)
    apply_next(store)
    store.discard(2, 3)
    assert store.next_to_apply() is None
    killed(store)
    found = opened(tmp_path).found()
    assert (True, 2, 2) == (found.drained, found.applied, found.newest)
    _, lost = read_statement(tmp_path / "server" / "loss" / "1-takeover.ndjson")
    assert [3] == [update["seq"] for update in lost]


def test_a_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    """A state file that is whole, but not a server's, stops the server."""
    with DataDirectory.open(tmp_path / "server") as directory:
        directory.state.save({"epoch": 1, "colour": "red"})
    with pytest.raises(StateDamaged, match="colour"):
        opened(tmp_path)


def test_after_a_power_cut_a_drain_that_ended_is_ended_again(tmp_path: Path) -> None:
    """The updates that the drain applied since the checkpoint are applied again, and the discarded ones stay away."""
    store = following(tmp_path)
    filled(store)
    apply_next(store)
    apply_next(store)
    store.discard(2, 3)
    store._save(boot_id="another boot")
    killed(store)
    again = opened(tmp_path)
    assert (2, True) == (again.applied, again.found().drained)
    assert ["a"] == [path.name for path in again.data.iterdir()]


def test_an_old_counter_is_not_believed_after_a_power_cut(tmp_path: Path) -> None:
    """A second start after a power cut finds what the first one found."""
    store = following(tmp_path)
    filled(store)
    apply_next(store)
    apply_next(store)
    store._save(boot_id="another boot")
    killed(store)
    first = opened(tmp_path)
    first.start()
    killed(first)
    assert 0 == opened(tmp_path).applied


def test_a_status_without_its_update_counts_as_never_written(tmp_path: Path) -> None:
    """A power cut may keep a status and lose the update before it; neither was reported as safe."""
    store = following(tmp_path)
    filled(store)
    assert store.safe is not None
    store.safe.updates.truncate_from(2)
    killed(store)
    found = opened(tmp_path).found()
    assert (1, 1) == (found.newest, found.reported)


def test_a_crash_while_setting_aside_is_finished(tmp_path: Path) -> None:
    """The queue was moved and the state not saved: the next start knows that it was set aside."""
    store = opened(tmp_path)
    store.start()
    store.discard(0, 0)
    store.take_role(1)
    store.log(1, encode(Create("a")))
    before = store.state
    store.set_aside(0, 1)
    store.state = before
    store._save()
    killed(store)
    again = opened(tmp_path)
    assert not again.found().unsafe
    assert (tmp_path / "server" / "aside" / "1" / "loss.ndjson").exists()


def test_missing_data_stops_the_server(tmp_path: Path) -> None:
    """A data directory that is gone is not taken for an empty one."""
    store = following(tmp_path)
    store.data.rmdir()
    killed(store)
    with pytest.raises(StateDamaged, match="missing"):
        opened(tmp_path)


def test_a_promoted_server_goes_on_with_what_it_carried_out(tmp_path: Path) -> None:
    """REJOIN-4: what it had only logged is stated as lost; the new epoch begins after the rest, killed or not."""
    store = opened(tmp_path)
    store.start()
    store.discard(0, 0)
    store.take_role(1)
    store.log(1, encode(Create("a")))
    store.carried(1, store.carry_out(Create("a")))
    store.log(2, encode(Write("a", 0, b"lost")))
    killed(store)
    again = opened(tmp_path)
    again.start()
    again.promote(1, 2)
    assert (1, True) == (again.found().epoch, again.found().unsafe)
    head, lost = read_statement(tmp_path / "server" / "loss" / "1-promote.ndjson")
    assert Head(1, 1, 2) == head
    assert [(2, None)] == [(update["seq"], update["done"]) for update in lost]
    again.take_role(2)
    again.log(2, encode(Create("b")))
    before = again.found()
    killed(again)
    for found in (before, opened(tmp_path).found()):
        assert (True, 2, 1, 2, 0) == (found.active, found.epoch, found.applied, found.logged, found.begun)
        assert not found.returned


def test_a_release_told_or_heard_is_durable(tmp_path: Path) -> None:
    """LEASE-5, SWITCH-2: it is known after a kill, by the server that released and by the one that heard of it."""
    store = opened(tmp_path)
    store.start()
    store.discard(0, 0)
    store.take_role(1)
    store.release(1)
    store.hear_release(3)
    store.hear_release(2)
    killed(store)
    found = opened(tmp_path).found()
    assert (1, 3) == (found.released, found.peer_released)


def test_a_follower_gets_a_new_copy_in_its_own_epoch(tmp_path: Path) -> None:
    """REJOIN-2: the data and the safe queue begin anew after it, and a kill finds them so."""
    store = following(tmp_path)
    filled(store)
    copy = store.incoming()
    (copy / "b").write_bytes(b"")
    store.resynchronise(1, 7, copy)
    store.store(8, encode(Create("c")))
    killed(store)
    again = opened(tmp_path)
    assert (1, 7, 8) == (again.found().epoch, again.found().applied, again.found().newest)
    assert ["b"] == [path.name for path in again.data.iterdir()]
