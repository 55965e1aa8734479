"""The state file: saved as a whole, cut at every call, damaged, full."""

import json
from pathlib import Path

import pytest

from takeover.errors import CallerError, DiskFull, StateDamaged, StorageRefused
from takeover.storage.disk import OsDisk
from takeover.storage.durable_state import DurableState, Value
from takeover_models.disk import CutDisk, PowerCut

OLD: dict[str, Value] = {"epoch": 7, "eligible": True, "identity": "primary"}
NEW: dict[str, Value] = {"epoch": 8, "eligible": False, "identity": "primary", "größe": 2**80}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Types included; nothing was ever saved in an empty directory."""
    state = DurableState(tmp_path / "state.json", OsDisk())
    assert state.load() is None
    for saved in (OLD, NEW, {}):
        state.save(saved)
        loaded = DurableState(tmp_path / "state.json", OsDisk()).load()
        assert saved == loaded
        assert loaded is not None
        assert [type(value) for value in saved.values()] == [type(loaded[name]) for name in saved]
    assert ["state.json"] == [path.name for path in tmp_path.iterdir()]


def test_cut_at_every_call_it_is_the_old_state_or_the_new(tmp_path: Path) -> None:
    """And the new one for certain once saving has returned."""
    counts = {"old": 0, "new": 0}
    for call in range(1, 10):
        for seed in range(40):
            directory = tmp_path / f"{call}-{seed}"
            directory.mkdir()
            disk = CutDisk(directory)
            state = DurableState(directory / "state.json", disk)
            state.save(OLD)
            disk.crash_at(call)
            returned = False
            try:
                state.save(NEW)
                returned = True
            except PowerCut:
                pass
            disk.cut(seed)
            again = DurableState(directory / "state.json", disk)
            loaded = again.load()
            assert loaded == NEW or (loaded == OLD and not returned)
            counts["new" if loaded == NEW else "old"] += 1
            again.save(OLD)
            assert OLD == again.load()
    assert min(counts.values()) > 30  # both happened, or this was about nothing


@pytest.mark.parametrize("skipped", ["sync", "sync_directory"])
def test_without_a_sync_the_cuts_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skipped: str
) -> None:
    """A state that is saved without one of the two syncs is torn or gone in some cut."""
    monkeypatch.setattr(CutDisk, skipped, lambda self, at, *, label: None)
    lost = 0
    for seed in range(40):
        directory = tmp_path / str(seed)
        directory.mkdir()
        disk = CutDisk(directory)
        state = DurableState(directory / "state.json", disk)
        state.save(NEW)
        disk.cut(seed)
        try:
            lost += state.load() != NEW
        except StateDamaged:
            lost += 1
    assert lost > 0


def test_every_changed_byte_stops_the_server(tmp_path: Path) -> None:
    """Whatever byte of the values or the names is changed, the state is refused."""
    path = tmp_path / "state.json"
    DurableState(path, OsDisk()).save(OLD)
    content = path.read_bytes()
    for offset in range(len(content)):
        changed = bytearray(content)
        changed[offset] ^= 0x01
        path.write_bytes(changed)
        try:
            loaded = DurableState(path, OsDisk()).load()
        except StateDamaged:
            continue
        assert OLD == loaded, (offset, bytes(changed))  # white space may change


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a JSON document"),
        (b"\xff\xfe", "not a JSON document"),
        (b"[1]", "not a document of"),
        (b'{"format": 1, "state": {}}', "not a document of"),
        (b'{"format": 2, "crc32": "00000000", "state": {}}', "format 2; this program reads 1"),
        (b'{"format": 1, "crc32": "00000000", "state": []}', "is not a set of names"),
        (b'{"format": 1, "crc32": "00000000", "state": {"a": null}}', "is not a set of names"),
        (b'{"format": 1, "crc32": "00000000", "state": {}}', "the checksum of this state is"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    """With the reason; a file that does not end within the limit included."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(StateDamaged, match=f"state.json: damaged at byte 0: .*{says}"):
        DurableState(path, OsDisk()).load()
    assert content == path.read_bytes()


def test_a_full_disk_leaves_the_old_state(tmp_path: Path) -> None:
    """And saving again works when there is room."""
    for partial in (0, 10, 10_000):
        disk = CutDisk(tmp_path)
        state = DurableState(tmp_path / "state.json", disk)
        state.save(OLD)
        disk.full_at(1, partial=partial)
        with pytest.raises(DiskFull, match=r"state.json.new: state.write failed: No space left on device"):
            state.save(NEW)
        assert OLD == state.load()
        state.save(NEW)
        assert NEW == state.load()


def test_a_failed_sync_ends_saving(tmp_path: Path) -> None:
    """Either state may be on the disk, so nobody may build on one of them."""
    for sync in (1, 2):
        disk = CutDisk(tmp_path)
        state = DurableState(tmp_path / "state.json", disk)
        state.save(OLD)
        disk.fail_at(sync, "sync")
        for _ in range(2):
            with pytest.raises(StorageRefused, match="refuses further use"):
                state.save(NEW)
        assert DurableState(tmp_path / "state.json", disk).load() in (OLD, NEW)


@pytest.mark.parametrize("value", [None, 1.5, b"bytes", [1]])
def test_other_types_are_refused_before_anything_is_written(tmp_path: Path, value: Value) -> None:
    """What cannot be loaded as it was is not saved."""
    state = DurableState(tmp_path / "state.json", OsDisk())
    with pytest.raises(CallerError, match="only int, bool and str are kept"):
        state.save({"wrong": value})
    with pytest.raises(CallerError, match="at most"):
        state.save({"large": "x" * (1 << 20)})
    assert [] == list(tmp_path.iterdir())


def test_an_operator_can_read_it(tmp_path: Path) -> None:
    """The file is a JSON document with the state in it."""
    DurableState(tmp_path / "state.json", OsDisk()).save(OLD)
    assert OLD == json.loads((tmp_path / "state.json").read_text())["state"]
