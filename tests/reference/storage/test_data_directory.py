"""The data directory: held by one process, complete, and durable before use."""

import subprocess
import sys
from pathlib import Path

import pytest

from takeover.errors import CallerError, DirectoryHeld
from takeover.journal.journal import Journal
from takeover.storage.data_directory import DataDirectory
from takeover_models.disk import CutDisk, PowerCut

HOLDER = """
import os, sys
from pathlib import Path
from takeover.storage.data_directory import DataDirectory
directory = DataDirectory.open(Path(sys.argv[1]))
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_it_has_its_parts_and_keeps_them(tmp_path: Path) -> None:
    """The first opening makes them; the second finds them."""
    for _ in range(2):
        with DataDirectory.open(tmp_path / "node") as directory:
            assert ["aside", "data", "lock", "safe", "unsafe"] == sorted(
                path.name for path in directory.path.iterdir()
            )
            assert directory.trace == tmp_path / "node" / "trace.ndjson"
            assert directory.state.load() is None


def test_a_second_process_is_refused_and_told_the_first(tmp_path: Path) -> None:
    """Until the first has ended, even by a kill."""
    path = tmp_path / "node"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert str(holder.pid) == holder.stdout.readline().strip()
        with pytest.raises(DirectoryHeld, match=f"{path}: held by process {holder.pid};") as refusal:
            DataDirectory.open(path)
        assert f"process {holder.pid}" == refusal.value.holder
        holder.kill()
        holder.wait(10)
    DataDirectory.open(path).close()


def test_a_second_opening_in_one_process_is_refused_too(tmp_path: Path) -> None:
    """And closing lets go."""
    first = DataDirectory.open(tmp_path / "node")
    with pytest.raises(DirectoryHeld):
        DataDirectory.open(tmp_path / "node")
    first.close()
    first.close()
    DataDirectory.open(tmp_path / "node").close()


def test_a_program_that_the_server_starts_does_not_hold_it(tmp_path: Path) -> None:
    """An application that outlives its server must not keep the next server out."""
    directory = DataDirectory.open(tmp_path / "node")
    command = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as program:
        assert program.stdout is not None
        assert b"up\n" == program.stdout.readline()
        directory.close()
        DataDirectory.open(tmp_path / "node").close()


def test_a_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """No place for it, or something else in its place."""
    with pytest.raises(CallerError, match="there is no directory"):
        DataDirectory.open(tmp_path / "missing" / "node")
    (tmp_path / "file").touch()
    with pytest.raises(CallerError, match="is not a directory"):
        DataDirectory.open(tmp_path / "file")


def test_what_is_saved_in_it_survives_a_power_cut(tmp_path: Path) -> None:
    """The names above a file are durable before the file is used, at whatever call an earlier opening was cut."""
    for call in range(1, 10):
        for seed in range(10):
            above = tmp_path / f"{call}-{seed}"
            above.mkdir()
            disk = CutDisk(above)
            disk.crash_at(call)
            try:
                DataDirectory.open(above / "node", disk=disk).close()
            except PowerCut:
                disk.kill() if seed % 2 else disk.cut(seed)
            disk.forget_faults()
            with DataDirectory.open(above / "node", disk=disk) as directory:
                directory.state.save({"epoch": 1})
                disk.cut(seed)
            with DataDirectory.open(above / "node", disk=disk) as directory:
                assert {"epoch": 1} == directory.state.load()


def test_a_queue_in_it_survives_a_power_cut(tmp_path: Path) -> None:
    """The names of the parts are durable as soon as the directory is open."""
    for seed in range(10):
        above = tmp_path / str(seed)
        above.mkdir()
        disk = CutDisk(above)
        with DataDirectory.open(above / "node", disk=disk) as directory:
            journal = Journal.open(directory.unsafe, disk=disk)
            journal.append(b"update")
            journal.sync()
            disk.cut(seed)
        journal = Journal.open(above / "node" / "unsafe", disk=disk)
        assert (0, b"update") == journal.cursor(0).next()
        disk.kill()
